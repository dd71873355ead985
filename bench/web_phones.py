"""
CPU time and memory of web phones that are registered, each by a WebSocket of its own: at the gateway, and through it at Kamailio.

    python -m bench web_phones
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.message import Response
from tests.b2bua.desk import contact, register, with_credentials
from tests.interop.sip.registrar import missing, running_registrar
from tests.support.gateway import Gateway, free_port, running_gateway
from tests.support.sip_browser import DOMAIN, Browser

USERS, WARM_UP, AT_ONCE, REFRESHES = 500, 20, 25, 4
PASSWORD = "sesame"


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


async def measure(folder: Path) -> None:
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
    with tempfile.TemporaryDirectory() as folder:
        names = [*(f"warm{number}" for number in range(WARM_UP)), *(f"user{number}" for number in range(USERS))]
        Path(folder, "users").write_text("".join(f"{name}:{PASSWORD}\n" for name in names))
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
