"""What else the web phone's page does: settings, devices, keyboard, screen readers, colours, widths, notifications, lost connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import ARTIFACTS
from tests.interop.phone.tab import connect, hear_each_other, open_tab

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]

UNNAMED = """[...document.querySelectorAll('button, input, select, a[href], summary')].filter(one => one.checkVisibility() && !(
    one.getAttribute('aria-label') || one.innerText?.trim() || one.labels?.[0]?.innerText.trim() || one.title)).map(one => one.outerHTML)"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_quality_is_measured_and_drawn(alice, bob):
    await connect(alice, bob)
    await alice.until("phone.lines[0].meter.samples.filter(one => one.mos !== null).length > 2", 15)
    assert float(await alice.text("mos", 1)) > 3.5
    assert await alice.text("rating", 1) in ("good", "excellent")
    assert (await alice.text("codec", 1)).lower().startswith("opus")
    for figure, unit in (("loss", "%"), ("jitter", "ms"), ("rtt", "ms"), ("in", "kbit/s"), ("out", "kbit/s")):
        await alice.shows(f"quality-{figure}", unit, 1)
    assert "L" in await alice.get("document.querySelector('[data-testid=quality-history] .course').getAttribute('d')")
    assert "lowest score" in await alice.get("document.querySelector('[data-testid=quality-history]').getAttribute('aria-label')")
    await alice.hang_up()
    await alice.shows("history-row", "MOS")


async def test_keyboard_alone(alice, bob):
    await bob.dial("alice")
    await alice.reaches(1, "incoming")
    assert "Bob calls" in await alice.get("document.querySelector('[data-testid=alarm]').textContent")
    await alice.get("document.querySelector('[data-testid=target]').focus()")
    await alice.page.press("a")  # belongs to the field
    assert await alice.state(1) == "incoming"
    await alice.page.press("Alt+a")
    await alice.reaches(1, "active")
    await alice.get("document.activeElement.blur()")
    for key, wanted in (("m", "phone.lines[0].muted"), ("m", "!phone.lines[0].muted"), ("h", "phone.lines[0].state === 'held'")):
        await alice.page.press(key)
        await alice.until(wanted)
    await alice.until("!phone.lines[0].changing")
    await alice.page.press("h")
    await alice.until("phone.lines[0].state === 'active' && !phone.lines[0].changing")
    await alice.page.press("t")
    await alice.until("document.activeElement.dataset.testid === 'transfer-target'")
    await alice.get("document.activeElement.blur()")
    await alice.page.press("?")
    await alice.until("document.querySelector('[data-testid=help]').open")
    await alice.click("close-help")
    await alice.page.press("e")
    await alice.reaches(1, "")
    await alice.page.press("/")
    assert await alice.get("document.activeElement.dataset.testid") == "target"
    await alice.click("open-settings")
    await alice.click("set-shortcuts")
    await alice.click("close-settings")
    await alice.get("document.activeElement.blur()")
    await alice.page.press("?")
    assert await alice.get("document.querySelector('[data-testid=help]').open") is False


async def test_after_dialing_by_enter_keys_are_for_the_call(alice):
    await alice.get("document.querySelector('[data-testid=target]').focus()")
    await alice.write("target", "echo")
    await alice.page.press("Enter")
    await alice.reaches(1, "active")
    for key, wanted in (("m", "phone.lines[0].muted"), ("m", "!phone.lines[0].muted"), ("5", "phone.lines[0].digits === '5'")):
        await alice.page.press(key)
        await alice.until(wanted)
    assert await alice.get("document.querySelector('[data-testid=target]').value") == ""
    await alice.page.press("e")
    await alice.reaches(1, "")


async def test_errors_go_with_the_next_call(alice):
    for _ in range(2):
        await alice.dial("nobody")
        await alice.shows("notice-error", "Nobody is known there")
        await alice.until("phone.lines.length === 0")
    await alice.dial("echo")
    await alice.reaches(1, "active")
    assert await alice.get("document.querySelectorAll('[data-testid=notice-error]').length") == 0
    await alice.hang_up()


async def test_digits_by_info_from_page_to_page(alice, bob):
    await connect(alice, bob)
    await alice.get("phone.lines[0].call.digit('8', 'info')")
    await bob.until("phone.lines[0].heardDigits === '8'")


async def test_tab_goes_through_everything_once_and_out_again(alice, bob):
    await connect(bob, alice)
    await alice.get("document.querySelector('[data-testid=open-settings]').focus()")
    seen: list[str] = []
    for _ in range(60):
        await alice.page.press("Tab")
        name = await alice.get("document.activeElement.dataset.testid ?? document.activeElement.tagName")
        if name in seen[:1]:
            break
        seen.append(name)
    wanted = ["theme", "open-help", "log-out", "target", "key-1", "key-pound", "call", "mute", "hold", "transfer", "hang-up"]
    assert [name for name in seen if name in wanted] == wanted, seen
    await alice.get("(one => { one.focus(); one.click(); })(document.querySelector('[data-testid=open-settings]'))")
    await alice.page.press("Escape")
    await alice.until("!document.querySelector('dialog[open]')")
    assert await alice.get("document.activeElement.dataset.testid") == "open-settings"


async def test_everything_has_a_name(alice, bob):
    assert await alice.get(UNNAMED) == []
    await connect(bob, alice)
    for panel in ("keypad", "transfer"):
        await alice.click(panel, 1)
        assert await alice.get(UNNAMED) == []
    await alice.click("open-settings")
    assert await alice.get(UNNAMED) == []
    await alice.click("close-settings")
    assert "Connected with Bob" in await alice.get("document.querySelector('[data-testid=live]').textContent")


async def test_notifications_when_they_are_wanted(alice, bob):
    await alice.click("open-settings")
    await alice.click("set-notifications")
    await alice.until("phone.settings.get('notifications')")
    await alice.click("close-settings")
    await bob.dial("alice")
    await alice.until("ears.notified.length === 1")
    assert await alice.get("ears.notified") == ["Bob calls"]
    await bob.click("hang-up", 1)
    await alice.until("ears.notified.includes('closed')")


async def test_a_microphone_that_is_refused(alice, bob):
    await alice.get("ears.refuse = 'NotAllowedError'")
    await alice.dial("bob")
    await alice.shows("notice-error", "Allow it at the address bar")
    await alice.reaches(1, "")
    await bob.dial("alice")
    await alice.click("answer", 1)
    await alice.until("document.querySelectorAll('.notice.error').length")
    await alice.reaches(1, "incoming")
    await alice.get("ears.refuse = ''")
    await alice.click("answer", 1)
    await hear_each_other(alice, bob)


async def test_another_microphone_in_the_midst_of_a_call(alice, bob):
    await connect(alice, bob)
    await alice.get("(phone.settings.set('microphone', 'headset'), phone.useDevices('microphone'))")
    assert await alice.get("ears.asked.at(-1).audio.deviceId.exact") == "headset"
    await hear_each_other(alice, bob)


async def test_devices_are_chosen_in_the_settings(alice, bob, browser_name):
    # The browser names its devices once one of them was allowed.
    await alice.get("MediaDevices.prototype.getUserMedia.call(navigator.mediaDevices, {audio: true, video: true}).then(() => true)")
    await connect(alice, bob)
    await alice.click("video", 1)
    await alice.until("phone.lines[0].film && !phone.lines[0].changing")
    await alice.click("open-settings")
    for kind, asked in (("microphone", "audio"), ("camera", "video")):
        chosen = await alice.until(
            f"[...document.querySelector('[data-testid=device-{kind}]').options].map(one => one.value).filter(Boolean).at(-1)"
        )
        await alice.write(f"device-{kind}", chosen)
        await alice.until(f"ears.asked.at(-1).{asked}?.deviceId?.exact === '{chosen}'")
    if browser_name == "chromium":  # Debian's Firefox has but the one loudspeaker here
        chosen = await alice.get("[...document.querySelector('[data-testid=device-speaker]').options].at(-1).value")
        assert chosen
        await alice.write("device-speaker", chosen)
        await alice.until(f"ears.audio(1).sinkId === '{chosen}'")
    await alice.click("close-settings")
    await hear_each_other(alice, bob)
    await bob.until("(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))")


async def test_a_lost_connection_keeps_the_call(alice, bob):
    await connect(alice, bob)
    await alice.get("ears.sockets.at(-1).close()")
    await alice.shows("notice-error", "No connection to")
    await alice.until("phone.connection.state === 'registered'", 15)
    await hear_each_other(alice, bob)
    await alice.hang_up()
    await bob.reaches(1, "", 15)


async def test_settings_stay_and_passwords_do_not(alice):
    await alice.click("theme")
    assert await alice.get("document.documentElement.dataset.theme") == "light"
    await alice.click("theme")
    assert await alice.get("getComputedStyle(document.documentElement).colorScheme") == "dark"
    kept = await alice.get("JSON.stringify({...localStorage})")
    assert "dark" in kept
    assert "assword" not in kept
    await alice.click("log-out")
    await alice.until("document.body.dataset.view === 'login'")
    await alice.shows("connection-text", "not logged in")


async def test_another_server_from_the_settings(alice, bob):
    await alice.click("open-settings")
    await alice.write("settings-domain", "elsewhere.example")
    await alice.click("reconnect")
    await alice.until("phone.connection.state === 'refused'")
    await alice.until("document.body.dataset.view === 'login'")
    assert await alice.get("document.querySelector('[data-testid=notice-error]').innerText")
    await alice.click("log-in-alice")  # the ready users are where they are
    await alice.until("phone.connection.state === 'registered'")
    await connect(bob, alice)
    await hear_each_other(alice, bob)


async def test_no_server(browser, place, browser_name):
    async with open_tab(browser, place.url, "alice", log_in=False) as tab:
        await tab.click("own-account")
        await tab.write("login-user", "alice")
        await tab.write("login-url", "ws://127.0.0.1:9/")
        await tab.click("log-in")
        await tab.shows("notice-error", "No connection to ws://127.0.0.1:9/")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_main_states_in_both_schemes_and_at_phone_width(alice, bob, carol, theme, browser_name):
    async def look(name: str) -> None:
        for width in (1280, 360):
            await alice.page.resize(width, 800)
            assert await alice.get(WIDER) <= 0, f"{name} is wider than {width} pixels"
            await alice.page.screenshot(Path(ARTIFACTS, f"phone-{browser_name}-{name}-{theme}-{width}.png"))

    ARTIFACTS.mkdir(exist_ok=True)
    await alice.get(f"(phone.settings.set('theme', '{theme}'), document.documentElement.dataset.theme = '{theme}')")
    await look("ready")
    await bob.dial("alice")
    await alice.reaches(1, "incoming")
    await look("incoming")
    await alice.click("answer", 1)
    await alice.reaches(1, "active")
    await alice.until("phone.lines[0].meter.samples.length > 3", 15)
    await look("active")
    await alice.click("keypad", 1)
    await look("keypad")
    await alice.click("transfer", 1)
    await look("transfer")
    await alice.click("open-settings")
    await look("settings")
    await alice.click("close-settings")
    await alice.click("hold", 1)
    await alice.reaches(1, "held")
    await look("held")
    await alice.click("hold", 1)
    await alice.reaches(1, "active")
    await carol.dial("alice")
    await alice.reaches(2, "incoming")
    await look("waiting")
    await alice.click("answer", 2)
    await alice.reaches(2, "active")
    await look("two")
    await alice.click("video", 2)
    await carol.click("video", 1)
    await alice.until("ears.seen(2)")
    await look("video")
    await alice.hang_up(2)
    await alice.hang_up(1)
    await alice.dial("nobody")
    await alice.until("document.querySelectorAll('.notice.error').length")
    await look("history")
    await alice.click("log-out")
    await alice.click("own-account")
    await look("login")
