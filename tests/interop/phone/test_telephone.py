"""The web phone and telephones of a PBX: Kamailio with digest, to whom the gateway passes names and passwords on, and baresip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.interop.browsers import Browser
from tests.interop.conftest import free_port, running_gateway
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.phone.conftest import DOMAIN, serve
from tests.interop.phone.tab import BURST_S, PhoneTab, open_tab
from tests.interop.sip import registrar
from tests.interop.sip.registrar import Registrar, running_registrar

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]

CONFIGURATION = """
[b2bua.domains."{domain}"]
mode = "pass-through"
pbx = ["sip:{pbx}"]
"""


@dataclass
class Office:
    """Where the page is, and the PBX behind it."""

    url: str
    pbx: Registrar

    @contextlib.asynccontextmanager
    async def telephone(self, user: str, more: str = ";answermode=auto") -> AsyncIterator[Phone]:
        """A baresip that is registered at the PBX."""
        async with running_phone(user, self.pbx.domain, account=f";auth_pass={self.pbx.secret}{more}") as phone:
            yield phone


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(library: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    if problem := registrar.missing() or phones.missing():
        pytest.skip(problem)
    folder = tmp_path_factory.mktemp("office")
    async with running_registrar() as pbx:
        folder.joinpath("gateway.toml").write_text(CONFIGURATION.format(domain=DOMAIN, pbx=pbx.domain))
        flags = (f"--config={folder}/gateway.toml", f"--sip.listen=udp:127.0.0.1:{free_port()}")
        async with (
            running_gateway(folder / "log", *flags) as gateway,
            serve(gateway.http.replace("http", "ws", 1).replace("/janus", "/sip")) as place,
        ):
            yield Office(place.url, pbx)


@contextlib.asynccontextmanager
async def tab_of(browser: Browser, office: Office, user: str = "alice", password: str = "") -> AsyncIterator[PhoneTab]:
    """Somebody who wrote name and password."""
    async with open_tab(browser, office.url, user, log_in=False) as tab:
        await tab.click("own-account")
        for field, text in (("login-user", user), ("login-password", password or office.pbx.secret), ("login-name", user.title())):
            await tab.write(field, text)
        await tab.click("log-in")
        await tab.until("['registered', 'refused'].includes(phone.connection.state)")
        yield tab


async def hears(tab: PhoneTab, phone: Phone) -> None:
    """The telephone, which speaks bursts all the time, is heard in the page, and nothing else."""
    await tab.listens()
    await tab.get("ears.forget()")
    await asyncio.sleep(2)
    pitches = [burst.frequency for burst in await tab.heard()]
    assert pitches, "the page heard nothing"
    assert pitches == [pytest.approx(phone.frequency, rel=0.03)] * len(pitches)


async def talk(tab: PhoneTab, phone: Phone) -> None:
    """The page and the telephone hear each other."""
    await hears(tab, phone)
    since = phone.mark()
    await tab.get(f"ears.burst({BURST_S}, {tab.pitch})")
    await asyncio.sleep(BURST_S + 1)
    heard = [burst for burst in phone.heard(since) if burst.seconds > 0.3]
    assert [burst.frequency for burst in heard] == [pytest.approx(tab.pitch, rel=0.03)], heard


async def test_a_call_with_digits_and_hold(browser, office):
    async with tab_of(browser, office) as alice, office.telephone("bob") as bob:
        await alice.dial("bob")
        await alice.reaches(1, "active")
        await talk(alice, bob)
        await alice.until("phone.lines[0].meter.latest?.mos > 3")
        assert (await alice.text("codec", 1)).upper() == "PCMU"
        await alice.click("keypad", 1)
        for key in ("tone-5", "tone-star", "tone-0", "tone-pound"):
            await alice.click(key, 1)
        for _ in range(60):
            if bob.digits() == "5*0#":
                break
            await asyncio.sleep(0.05)
        assert bob.digits() == "5*0#"
        await alice.click("hold", 1)
        await alice.reaches(1, "held")
        await alice.click("hold", 1)
        await alice.reaches(1, "active")
        await hears(alice, bob)  # without a loudspeaker baresip records no more after a hold
        await alice.hang_up()
        await bob.until("CALL_CLOSED")


async def test_digits_by_info_become_events(browser, office):
    async with tab_of(browser, office) as alice, office.telephone("bob") as bob:
        await alice.get("phone.settings.set('digits', 'info')")
        await alice.dial("bob")
        await alice.reaches(1, "active")
        await alice.click("keypad", 1)
        for key in ("tone-1", "tone-9"):
            await alice.click(key, 1)
        for _ in range(60):
            if bob.digits() == "19":
                break
            await asyncio.sleep(0.05)
        assert bob.digits() == "19"
        await alice.hang_up()


async def test_to_be_called(browser, office):
    async with tab_of(browser, office) as alice, office.telephone("bob", "") as bob:
        await bob.do("dial", f"sip:alice@{office.pbx.domain}")
        await alice.shows("party", "bob", 1)
        await alice.click("answer", 1)
        await alice.reaches(1, "active")
        await bob.until("CALL_ESTABLISHED")
        await talk(alice, bob)
        await bob.do("hangup")
        await alice.reaches(1, "")


async def test_a_telephone_is_transferred_to_another(browser, office):
    async with tab_of(browser, office) as alice, office.telephone("bob") as bob, office.telephone("carol") as carol:
        await alice.dial("bob")
        await alice.reaches(1, "active")
        await alice.click("transfer", 1)
        await alice.write("transfer-target", "carol", 1)
        await alice.click("transfer-now", 1)
        await alice.shows("notice-info", "transferred to carol")
        await alice.reaches(1, "")
        await carol.until("CALL_ESTABLISHED")
        since = carol.mark()
        await asyncio.sleep(2)
        assert {round(burst.frequency, -2) for burst in carol.heard(since)} == {bob.frequency}


async def test_a_wrong_password(browser, office):
    async with tab_of(browser, office, password="wrong") as alice:
        assert await alice.get("phone.connection.state") == "refused"
        await alice.shows("notice-error", "Name or password is wrong")
