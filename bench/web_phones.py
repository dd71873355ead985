"""
CPU time and memory of web phones, each with a WebSocket of its own: registered at the gateway, and through it at Kamailio; in calls.

    python -m bench.web_phones [registrations] [calls] [guesses]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.message import Response
from tests.b2bua.desk import contact, register, with_credentials
from tests.interop.sip.registrar import missing, running_registrar
from tests.support.gateway import Gateway, free_port, running_gateway
from tests.support.sip_browser import DOMAIN, Browser
from tests.support.web_crowd import Crowd, Voice, WebPhone, few_at_once, heard_by, running_crowd, talk

USERS, WARM_UP, AT_ONCE, REFRESHES = 500, 20, 25, 4
PASSWORD = "sesame"
CALLS, TALK_S, BESIDE, GUESSES = 100, 4.0, 20, 10_000


class Page:
    """A browser that logs in as JsSIP does: a REGISTER, its challenge, the REGISTER again."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.phone = Browser(url, name)
        self._name = name
        self._auth = Authenticator((Credentials(name, secret=password),), secrets.token_hex)
        self._cseq = 1

    async def log_in(self) -> None:
        self._cseq += 2
        own = contact(self._name, self._name)
        asked = register(own, user=self._name, call_id=self._name, cseq=self._cseq, expires=3600, headers=(("Supported", "outbound"),))
        challenged = await self._ask(asked)
        assert challenged.code == 401, challenged
        answer = await self._ask(with_credentials(asked, self._auth, challenged))
        assert answer.code == 200, (answer.code, answer.reason)

    async def _ask(self, request: object) -> Response:
        request.headers.prepend("Via", f"SIP/2.0/WS {self._name}.invalid;branch=z9hG4bK{secrets.token_hex(6)}")  # type: ignore[attr-defined]
        await self.phone.say(request)  # type: ignore[arg-type]
        answer = await self.phone.next()
        assert isinstance(answer, Response)
        return answer


async def all_of(tasks: Iterable[object]) -> None:
    """Run coroutines, a few at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(task: object) -> None:
        async with gate:
            await task  # type: ignore[misc]

    await asyncio.gather(*map(one, tasks))


@contextlib.asynccontextmanager
async def opened(url: str, names: Iterable[str], password: str) -> AsyncIterator[list[Page]]:
    pages = [Page(url, name, password) for name in names]
    await all_of(page.phone.open() for page in pages)
    try:
        yield pages
    finally:
        await all_of(page.phone.close() for page in pages)


async def registrations(what: str, gateway: Gateway, password: str) -> None:
    """CPU and memory of browsers that connect, register and refresh."""
    url = gateway.http.replace("http", "ws") + "/sip"
    async with opened(url, (f"warm{number}" for number in range(WARM_UP)), password) as first:
        await all_of(page.log_in() for page in first)
        memory, cpu = gateway.memory(), gateway.cpu_s()
        async with opened(url, (f"user{number}" for number in range(USERS)), password) as pages:
            connected, connecting = gateway.memory(), gateway.cpu_s()
            await all_of(page.log_in() for page in pages)
            registered, registering = gateway.memory(), gateway.cpu_s()
            for _ in range(REFRESHES):
                await all_of(page.log_in() for page in pages)
            refreshed, refreshing = gateway.memory(), gateway.cpu_s()
    show(f"{what}: a WebSocket", USERS, (connecting - cpu) * 1000 / USERS, "CPU ms")
    show(f"{what}: a registration, challenged and granted", USERS, (registering - connecting) * 1000 / USERS, "CPU ms")
    show(f"{what}: a refresh, challenged and granted", USERS * REFRESHES, (refreshing - registering) * 1000 / USERS / REFRESHES, "CPU ms")
    show(f"{what}: a WebSocket", USERS, (connected - memory) / USERS / 1024, "KiB")
    show(f"{what}: a registration", USERS, (registered - connected) / USERS / 1024, "KiB")
    show(f"{what}: after {REFRESHES} refreshes", USERS, (refreshed - connected) / USERS / 1024, "KiB")


def show(what: str, count: int, value: float, unit: str) -> None:
    print(f"{what:<58} {count:>6} {value:>8.2f} {unit}", flush=True)


async def calls() -> None:
    """What calls cost beside 500 registered phones: to set up, to carry, to end."""
    async with running_crowd(USERS) as crowd:
        phones = await crowd.grow(USERS)
        warm, talking = phones[:WARM_UP], phones[WARM_UP : WARM_UP + CALLS]
        await crowd.connect(warm)
        await talk(voices_of(warm), 1.0)
        await hang_up(warm)
        memory, cpu = crowd.gateway.memory(), crowd.gateway.cpu_s()
        await crowd.connect(talking)
        held, spent = crowd.gateway.memory(), crowd.gateway.cpu_s()
        voices = voices_of(talking)
        await talk(voices, TALK_S)
        heard, carried = heard_by(voices), crowd.gateway.cpu_s()
        full = crowd.gateway.memory()
        ending = crowd.gateway.cpu_s()
        await hang_up(talking)
        ended = crowd.gateway.cpu_s()
    show("a call set up: SIP on both sides, ICE, DTLS", CALLS, (spent - cpu) * 1000 / CALLS, "CPU ms")
    show("a call ended", CALLS, (ended - ending) * 1000 / CALLS, "CPU ms")
    show("a relayed packet, either way", heard.said + heard.heard, (carried - spent) * 1e6 / (heard.said + heard.heard), "CPU us")
    show("a call", CALLS, (held - memory) / CALLS / 1024, "KiB")
    show("a call that has talked", CALLS, (full - memory) / CALLS / 1024, "KiB")
    show("words that did not come back", heard.said, heard.said - heard.heard, "")


async def guesses() -> None:
    """Calls beside ten thousand wrong passwords."""
    async with running_crowd(BESIDE) as crowd:
        phones = await crowd.grow(BESIDE)
        await crowd.connect(phones)
        voices = voices_of(phones)
        await talk(voices, 1.0)
        heard_by(voices)
        await talk(voices, TALK_S)
        quiet = heard_by(voices)
        memory, cpu = crowd.gateway.memory(), crowd.gateway.cpu_s()
        await talk(voices, TALK_S)
        carried = (crowd.gateway.cpu_s() - cpu) / (TALK_S + 0.5)
        heard_by(voices)
        cpu, answers, seconds = await guessed(crowd, voices)
        heard = heard_by(voices)
        grown = crowd.gateway.memory() - memory
        await hang_up(phones)
    show(f"a wrong password, {GUESSES / seconds:.0f} a second", GUESSES, (cpu - carried * seconds) * 1e6 / GUESSES, "CPU us")
    show("all of them", GUESSES, grown / 1024, "KiB")
    print(f"answers (0: connections closed): {answers}")
    for what, it in (("before", quiet), ("beside", heard)):
        print(
            f"{BESIDE} calls {what}: {it.said - it.heard} of {it.said} words lost, there and back {it.median_ms:.1f} / {it.late_ms:.1f} ms"
        )


async def guessed(crowd: Crowd, voices: list[Voice]) -> tuple[float, dict[str, int], float]:
    """CPU of the gateway while another process guesses and the voices talk; the answers, and how long it took."""
    cpu, began = crowd.gateway.cpu_s(), time.monotonic()
    command = (sys.executable, "-m", "tests.support.guesses", crowd.url, str(GUESSES))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told = asyncio.ensure_future(process.communicate())
    while not told.done():
        await talk(voices, 0.5)
    return crowd.gateway.cpu_s() - cpu, json.loads((await told)[0]), time.monotonic() - began


def voices_of(phones: list[WebPhone]) -> list[Voice]:
    return [phone.voice for phone in phones if phone.voice is not None]


async def hang_up(phones: list[WebPhone]) -> None:
    await few_at_once(phone.hang_up() for phone in phones)
    await asyncio.sleep(1)


async def registered(folder: Path) -> None:
    file, port = folder / "gateway.toml", free_port()
    flags = (f"--config={file}", f"--sip.listen=udp:127.0.0.1:{port},tcp:127.0.0.1:{port}")
    configure(file, f'users = "{folder / "users"}"')
    with running_gateway(*flags) as gateway:
        await registrations("registrar", gateway, PASSWORD)
    if missing():
        return
    async with running_registrar(secret=PASSWORD) as pbx:
        configure(file, f'mode = "pass-through"\npbx = ["sip:{pbx.domain}"]')
        with running_gateway(*flags) as gateway:
            await registrations("pass-through", gateway, PASSWORD)


def configure(file: Path, domain: str) -> None:
    file.write_text(f'[b2bua.domains."{DOMAIN}"]\n{domain}\n')


def main() -> None:
    parts = sys.argv[1:] or ("registrations", "calls", "guesses")
    if "registrations" in parts:
        with tempfile.TemporaryDirectory() as folder:
            names = [*(f"warm{number}" for number in range(WARM_UP)), *(f"user{number}" for number in range(USERS))]
            Path(folder, "users").write_text("".join(f"{name}:{PASSWORD}\n" for name in names))
            asyncio.run(registered(Path(folder)))
    if "calls" in parts:
        asyncio.run(calls())
    if "guesses" in parts:
        asyncio.run(guesses())


if __name__ == "__main__":
    main()
