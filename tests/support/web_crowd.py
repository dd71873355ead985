"""
Web phones by the hundred at one gateway, each with a WebSocket of its own and media in its calls; a PBX that says back what it hears.

The phones are our own stack, in this process; the gateway is another. What a phone says names its call, and must come back so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boringsdp.sip.account import IncomingCall
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Session
from boringsdp.sip.register import Registered, Unregistered
from boringsdp.sip.session.events import Answered, Confirmed, Ended
from boringsdp.sip.uri import parse_sip_uri
from tests.call.phone import plain
from tests.support.gateway import Gateway, free_port, running_gateway
from tests.support.ng_peer import KINDS, Peer
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of

DOMAIN, PASSWORD = "example.com", "pa55word"
AT_ONCE = 20
PTIME_S = 0.02
SLICES = 4
WORD = struct.Struct("!IIQ")
"""The call, which of its words it is, when it was said (nanoseconds); ten times a packet."""
TURNED = bytes(255 - octet for octet in range(256))
FLAGS = ("--log.level=warning", "--webrtc.ice_timeout=120", "--limits.calls=1000")


class PatientEar(Ear):
    patience_s = 30.0


class Voice(Peer):
    """A browser's media. `delays_s` is how long each of its words took to the PBX and back; `strange` are those that are not its own."""

    def begin(self, call: int) -> None:
        self.call, self.said = call, 0
        self.delays_s: list[float] = []
        self.strange: list[str] = []

    def say(self) -> None:
        self.said += 1
        if self.said % 100 == 0:
            self._knock()  # browsers check the path as long as the call lasts (RFC 7675)
        self.speak(WORD.pack(self.call, self.said, time.monotonic_ns()) * 10)

    def take(self, number: int, data: bytes, source: tuple[str, int]) -> None:
        super().take(number, data, source)
        for words in self.heard:
            word = words[: WORD.size].translate(TURNED)
            call, which, said_at = WORD.unpack(word)
            if words.translate(TURNED) == word * 10 and call == self.call and 0 < which <= self.said:
                self.delays_s.append((time.monotonic_ns() - said_at) / 1e9)
            else:
                self.strange.append(f"heard {words[: WORD.size].hex()}")
        self.heard.clear()


class Mirror(asyncio.DatagramProtocol):
    """A telephone's media: what it hears it says with every bit turned, in a stream of its own."""

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data[:8] + b"PBX!" + data[12:].translate(TURNED), addr)

    def sdp(self, rtcp: int) -> bytes:
        return plain(self.transport.get_extra_info("sockname")[1], extra=f"a=rtcp:{rtcp}\r\n").encode()


class Pbx:
    """Takes every call to `echo`, and calls who is here."""

    def __init__(self, there: Endpoint) -> None:
        self.account = there.account(settings_of(at(there, "echo")), self._hear)
        self.port = at(there, "").port
        self.calls: dict[Session, Mirror] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        """Where all RTCP goes, unread: the port after that of RTP may be a browser's."""
        self._reports.bind(("127.0.0.1", 0))

    def close(self) -> None:
        self._reports.close()

    async def call(self, uri: str) -> None:
        mirror = await self._mirror()
        session = self.account.invite(uri, mirror.sdp(self._rtcp), hear=_ignore)
        self._keep(session, mirror)

    def _hear(self, event: Any) -> None:
        if isinstance(event, IncomingCall):
            task = asyncio.ensure_future(self._take(event.session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, session: Session) -> None:
        mirror = await self._mirror()
        self._keep(session, mirror)
        session.ring()
        session.accept(mirror.sdp(self._rtcp))

    def _keep(self, session: Session, mirror: Mirror) -> None:
        def hear(event: Any) -> None:
            if session.over and session in self.calls:
                self.calls.pop(session).transport.close()

        self.calls[session] = mirror
        session.hear = hear

    @property
    def _rtcp(self) -> int:
        return int(self._reports.getsockname()[1])

    async def _mirror(self) -> Mirror:
        _, mirror = await asyncio.get_running_loop().create_datagram_endpoint(Mirror, local_addr=("127.0.0.1", 0))
        return mirror


class WebPhone:
    """One user in one browser."""

    def __init__(self, there: Endpoint, number: int, port: int) -> None:
        self.there, self.number = there, number
        self.name = f"user{number}"
        self.ear, self.talk = PatientEar(), PatientEar()
        self.session: Session | None = None
        self.voice: Voice | None = None
        settings = settings_of(
            f"sip:{self.name}@{DOMAIN}",
            credentials=(Credentials(self.name, PASSWORD),),
            outbound_proxy=parse_sip_uri(f"sip:127.0.0.1:{port};transport=ws"),
            instance=f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
        )
        self.account = there.account(settings, self.ear)

    async def log_in(self) -> None:
        self.account.register()
        await self.ear.hears(Registered)

    async def log_out(self) -> None:
        self.account.unregister()
        await self.ear.hears(Unregistered)
        await self.there.close()

    async def calls(self) -> None:
        """Calls the PBX; returns when media flows."""
        voice = await self._open()
        self.session = self.account.invite(f"sip:echo@{DOMAIN}", voice.offer().encode(), hear=self.talk)
        answered = await self.talk.hears(Answered)
        voice.take_answer((answered.sdp or b"").decode())
        await voice.connect()

    async def takes(self) -> None:
        """Takes the next call; returns when media flows."""
        voice = await self._open()
        call = await self.ear.hears(IncomingCall)
        self.session = call.session
        call.session.hear = self.talk
        call.session.accept(voice.answer((call.sdp or b"").decode()).encode())
        await self.talk.hears(Confirmed)
        await voice.connect()

    async def hang_up(self) -> Ended:
        assert self.session is not None
        self.session.hang_up()
        return await self.ended()

    async def ended(self) -> Ended:
        assert self.voice is not None
        end = await self.talk.hears(Ended)
        self.voice.close()
        return end

    async def _open(self) -> Voice:
        self.talk = PatientEar()
        self.voice = await Voice.open(KINDS["WebRTC"])
        assert isinstance(self.voice, Voice)
        self.voice.begin(self.number)
        return self.voice


@dataclass
class Crowd:
    """`url` is where WebSockets are opened, `sip` the gateway's host and port for the PBX."""

    gateway: Gateway
    pbx: Pbx
    port: int
    sip: str
    stack: contextlib.AsyncExitStack
    phones: list[WebPhone] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def grow(self, count: int) -> list[WebPhone]:
        """More phones, registered."""
        start = len(self.phones)
        for number in range(start, start + count):
            there = await self.stack.enter_async_context(endpoint(LOOPBACK, "udp:127.0.0.1:0"))
            self.phones.append(WebPhone(there, number, self.port))
        await few_at_once(phone.log_in() for phone in self.phones[start:])
        return self.phones[start:]

    async def connect(self, phones: Sequence[WebPhone]) -> None:
        """Every second one calls the PBX; the others are called by it."""

        async def called(phone: WebPhone) -> None:
            await self.pbx.call(f"sip:{phone.name}@{self.sip}")
            await phone.takes()

        await few_at_once(called(phone) if phone.number % 2 else phone.calls() for phone in phones)


@contextlib.asynccontextmanager
async def running_crowd(users: int, *flags: str) -> AsyncIterator[Crowd]:
    """A gateway that knows so many users, none of whom is registered yet, and its PBX."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "users").write_text("".join(f"user{number}:{PASSWORD}\n" for number in range(users)))
        async with endpoint() as there, contextlib.AsyncExitStack() as stack:
            pbx, port, sip = Pbx(there), free_port(), f"127.0.0.1:{free_port()}"
            file = folder / "gateway.toml"
            file.write_text(
                f'[b2bua]\nlisten = ["ws:127.0.0.1:{port}"]\n[b2bua.domains."{DOMAIN}"]\nmode = "registrar"\n'
                f'pbx = ["sip:127.0.0.1:{pbx.port}"]\nusers = "{folder / "users"}"\n'
            )
            with running_gateway(f"--config={file}", f"--sip.listen=udp:{sip},tcp:{sip}", *FLAGS, *flags) as gateway:
                async with stack:
                    yield Crowd(gateway, pbx, port, sip, stack)
            pbx.close()


def _ignore(event: Any) -> None:
    """Until `_keep`."""


async def few_at_once(tasks: Iterable[Awaitable[object]]) -> None:
    """Run coroutines, `AT_ONCE` at a time; raises what the first raises that fails."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(task: Awaitable[object]) -> None:
        async with gate:
            await task

    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(one(task))


async def talk(voices: Sequence[Voice], seconds: float) -> None:
    """All say a word every 20 ms, a quarter of them every 5; what is late is said at once."""
    start = time.monotonic()
    for step in range(round(seconds / PTIME_S) * SLICES):
        for voice in voices[step % SLICES :: SLICES]:
            voice.say()
        await asyncio.sleep(max(0.0, start + step * PTIME_S / SLICES - time.monotonic()))
    await asyncio.sleep(0.5)


@dataclass(slots=True, frozen=True)
class Heard:
    """What came back in several calls: `share` of the words in the call that lost most; delays in milliseconds."""

    said: int
    heard: int
    share: float
    strange: tuple[str, ...]
    """What is not its own, and what did not verify."""
    median_ms: float
    late_ms: float
    """The 99th percentile."""


def heard_by(voices: Sequence[Voice]) -> Heard:
    """Sum up, and begin anew."""
    delays = sorted(delay for voice in voices for delay in voice.delays_s)
    made = Heard(
        said=sum(voice.said for voice in voices),
        heard=len(delays),
        share=min(len(voice.delays_s) / max(1, voice.said) for voice in voices),
        strange=tuple(f"{voice.call}: {what}" for voice in voices for what in (*voice.strange, *voice.faults)),
        median_ms=statistics.median(delays) * 1000 if delays else 0.0,
        late_ms=delays[len(delays) * 99 // 100] * 1000 if delays else 0.0,
    )
    for voice in voices:
        voice.begin(voice.call)
    return made
