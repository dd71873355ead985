"""A SIP telephone: baresip in a folder of its own, steered over its control socket, that speaks tone bursts and records what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.tones import Burst, bursts, samples_of
from tests.support.processes import end

MODULES = ("g711", "opus", "uuid", "aufile", "sndfile", "srtp", "dtls_srtp", "ice")
APPLICATIONS = ("account", "menu", "ctrl_tcp")
RATES = {"PCMU": 8000, "PCMA": 8000, "opus": 48000}
CODECS = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "opus": "opus/48000/2"}
WAVE_HEADER = 44

BURST_S = 0.4
CYCLE_S = 1.0
"""A phone speaks for the first `BURST_S` of every `CYCLE_S`."""


class PhoneError(Exception):
    """The phone refused a command, or what was waited for did not happen."""


def missing() -> str | None:
    """What to install before a phone can be started, None when all is there."""
    return None if shutil.which("baresip") else "apt-get install baresip-core"


@dataclass(frozen=True)
class Mark:
    """A place in a recording."""

    file: Path | None
    size: int


@dataclass
class Phone:
    """A running baresip. Having no loudspeaker, it ends its recording when a re-INVITE changes the direction of the media."""

    user: str
    codec: str
    frequency: float
    folder: Path
    log: Path
    port: int
    control: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _writer: asyncio.StreamWriter | None = None
    _answers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def do(self, command: str, parameters: str = "") -> str:
        """What baresip says to one of its commands. Raises PhoneError."""
        assert self._writer is not None
        text = json.dumps({"command": command, "params": parameters})
        self._writer.write(f"{len(text)}:{text},".encode())
        answer = await asyncio.wait_for(self._answers.get(), 10)
        if not answer.get("ok"):
            raise PhoneError(f"{command} {parameters}: {answer.get('data')}")
        return str(answer.get("data"))

    async def until(self, kind: str, seconds: float = 15, count: int = 1) -> dict[str, Any]:
        """The event number `count` of one kind, such as CALL_ESTABLISHED. Raises PhoneError."""
        return await self._wait(lambda: self.seen(kind)[count - 1 : count], f"{kind} number {count}", seconds)

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind since `forget`."""
        return [event for event in self.events if event.get("type") == kind]

    def forget(self) -> None:
        """Lets what happened so far be the past."""
        self.events.clear()

    def mark(self) -> Mark:
        """Where the recording stands now, for `heard`."""
        newest = self._newest()
        return Mark(newest, newest.stat().st_size if newest else 0)

    def samples(self, since: Mark | None = None) -> tuple[bytes, int]:
        """What was heard since a mark, 16-bit mono, and its rate. Every change of the media begins a new recording."""
        newest = self._newest()
        if newest is None:
            return b"", RATES[self.codec]
        data = newest.read_bytes()
        channels, rate = int.from_bytes(data[22:24], "little") or 1, int.from_bytes(data[24:28], "little") or RATES[self.codec]
        start = since.size if since is not None and since.file == newest else WAVE_HEADER
        frames = np.frombuffer(data[start : start + (len(data) - start) // (2 * channels) * 2 * channels], "<i2")
        return frames[::channels].tobytes(), rate

    def heard(self, since: Mark | None = None) -> list[Burst]:
        """The tones since a mark."""
        data, rate = self.samples(since)
        return bursts(samples_of(data), rate)

    def _newest(self) -> Path | None:
        return max((self.folder / "heard").glob("*-dec.wav"), key=lambda path: path.stat().st_mtime_ns, default=None)

    def digits(self) -> str:
        """The telephone events that came, as they began."""
        return "".join(str(event.get("param", "")) for event in self.seen("CALL_DTMF_START"))

    async def _wait(self, value: Callable[[], list[dict[str, Any]]], what: str, seconds: float) -> dict[str, Any]:
        end = asyncio.get_running_loop().time() + seconds
        while not (found := value()):
            if asyncio.get_running_loop().time() > end:
                kinds = [event.get("type") for event in self.events]
                raise PhoneError(f"{self.user}: no {what} in {seconds} s, but {kinds}:\n{self.log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.02)
        return found[0]

    async def registered(self) -> None:
        """Waits for the proxy's 200. Raises PhoneError."""
        # The first event may come before anybody listens to the control socket.
        await self._wait(lambda: [{}] if "200 OK" in self.log.read_text(errors="replace") else [], "registration", 15)

    async def attach(self) -> asyncio.Task[None]:
        """Opens the control socket; the task reads it."""
        for _ in range(200):
            with contextlib.suppress(OSError):
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self.control)
                return asyncio.ensure_future(self._read(reader))
            await asyncio.sleep(0.05)
        raise PhoneError(f"baresip does not listen on {self.control}:\n{self.log.read_text(errors='replace')}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1].decode(errors="replace"))
                if message.get("event"):
                    self.events.append(message)
                else:
                    self._answers.put_nowait(message)


def write_bursts(path: Path, frequency: float, rate: int, channels: int, seconds: float = 60) -> None:
    """A wave file of tone bursts."""
    at = np.arange(int(rate * seconds)) / rate
    tone = np.sin(2 * np.pi * frequency * at) * (at % CYCLE_S < BURST_S) * 12000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone.astype("<i2"), channels).tobytes())


def free_ports() -> tuple[int, int]:
    """A SIP port, free for UDP and TCP with the one after it (baresip takes that for TLS), and a control port."""
    for _ in range(200):
        with contextlib.ExitStack() as stack:
            control = stack.enter_context(socket.socket())
            control.bind(("127.0.0.1", 0))
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError):
                for kind, number in ((socket.SOCK_DGRAM, port), (socket.SOCK_STREAM, port + 1), (socket.SOCK_DGRAM, port + 1)):
                    stack.enter_context(socket.socket(type=kind)).bind(("127.0.0.1", number))
                return port, int(control.getsockname()[1])
    raise PhoneError("no free ports")


def configure(phone: Phone, proxy: str, transport: str, account: str) -> None:
    """Writes a configuration that needs no sound card: a wave file is the microphone, the recording is made before any
    loudspeaker."""
    rate, channels = RATES[phone.codec], 2 if phone.codec == "opus" else 1
    modules = "".join(f"module {name}.so\n" for name in MODULES) + "".join(f"module_app {name}.so\n" for name in APPLICATIONS)
    (phone.folder / "heard").mkdir()
    (phone.folder / "config").write_text(
        f"module_path /usr/lib/baresip/modules\n{modules}"
        f"sip_listen {proxy.rpartition(':')[0]}:{phone.port}\nctrl_tcp_listen 127.0.0.1:{phone.control}\n"
        f"audio_source aufile,{phone.folder}/speech.wav\nausrc_srate {rate}\nausrc_channels {channels}\nauplay_channels {channels}\n"
        f"audio_telev_pt 101\nrtp_ports 34000-36000\ncall_local_timeout 60\ncall_max_calls 20\nsnd_path {phone.folder}/heard\n"
    )
    (phone.folder / "accounts").write_text(
        f'<sip:{phone.user}@{proxy}>;outbound="sip:{proxy};transport={transport}";regint=300;audio_codecs={CODECS[phone.codec]}{account}\n'
    )
    write_bursts(phone.folder / "speech.wav", phone.frequency, rate, channels)


@contextlib.asynccontextmanager
async def running_phone(
    user: str, proxy: str, *, codec: str = "PCMU", frequency: float = 1100, account: str = "", transport: str = "udp"
) -> AsyncIterator[Phone]:
    """
    A phone registered as `user` at the proxy (host:port); it is where the proxy is, IPv4 or IPv6.

    `account` is added to baresip's account line: `;answermode=auto` takes calls at once, `;answermode=early` sends 183 with media.
    Raises PhoneError when it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-phone-", ignore_cleanup_errors=True) as name:
        phone = Phone(user, codec, frequency, Path(name), Path(name, "log"), *free_ports())
        configure(phone, proxy, transport, account)
        with phone.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *("baresip", "-s", "-6" if proxy.startswith("[") else "-4", "-f", name),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"HOME": name, "PATH": "/usr/bin:/bin"},
            )
        try:
            reader = await phone.attach()
            await phone.registered()
            yield phone
            reader.cancel()
        finally:
            await end(process, 5)
