"""SIPp as a telephone that follows a script (sipp/*.xml), for what baresip does not do."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.interop.kamailio.phone import BURST_S, CYCLE_S, free_ports
from tests.interop.kamailio.scenarios import Proxy

SCRIPTS = Path(__file__).with_name("sipp")


def missing() -> str | None:
    """What to install, None when it is there."""
    return None if shutil.which("sipp") else "apt-get install sip-tester"


@dataclass
class Sipp:
    """A running script. It speaks tone bursts of `frequency` as the phones do."""

    user: str
    frequency: float
    folder: Path
    process: asyncio.subprocess.Process

    async def done(self, seconds: float = 15) -> None:
        """Waits for the end of the script. Raises AssertionError when it was not followed to its end."""
        status = await asyncio.wait_for(self.process.wait(), seconds)
        errors = "".join(path.read_text(errors="replace") for path in self.folder.glob("*_errors.log"))
        assert status == 0, f"sipp ended with {status}: {errors}"


def mu_law(samples: NDArray[np.float64]) -> bytes:
    """Samples of full scale 1 as G.711 mu-law octets."""
    value = np.minimum(np.abs(samples) * 32768, 32635).astype(int) + 132
    exponent = np.floor(np.log2(value)).astype(int) - 7
    octets = (samples < 0) * 128 | exponent << 4 | (value >> (exponent + 3)) & 15
    return (~octets & 255).astype(np.uint8).tobytes()


def free_media_port() -> int:
    """The first of four UDP ports in a row: SIPp takes those of audio and of video together, and none of the kernel's own choice."""
    while True:
        first = 4 * random.randrange(3000, 4900)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + 4):
                stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            return first


@contextlib.asynccontextmanager
async def running_sipp(
    proxy: Proxy, script: str, user: str, *, frequency: float = 1100, calls: str = "", port: int = 0, more: Sequence[str] = ("-m", "1")
) -> AsyncIterator[Sipp]:
    """
    A script that takes one call, with its contact put into the proxy's location table, or that calls the user `calls`.

    With a `port` it stands there and is in no table. `more` are SIPp's own options: how many calls, how fast, how long.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-sipp-", ignore_cleanup_errors=True) as name:
        at = np.arange(int(8000 * CYCLE_S)) / 8000
        Path(name, "speech.ul").write_bytes(mu_law(0.4 * np.sin(2 * np.pi * frequency * at) * (at < BURST_S)))
        known = bool(port) or bool(calls)
        (found, control), media = free_ports(), free_media_port()
        port = port or found
        process = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", str(SCRIPTS / script), "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-trace_err", *more),
            *("-mi", "127.0.0.1", "-mp", str(media), "-cp", str(control)),
            *(("-s", calls, proxy.sip) if calls else ()),
            cwd=name,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if not known:
                await proxy.control("ul.add", "location", user, f"sip:{user}@127.0.0.1:{port}", "300", "1.0", ".", "0", "0", "0")
            yield Sipp(user, frequency, Path(name), process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
