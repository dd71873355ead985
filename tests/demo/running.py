"""`boringsdp demo` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.interop.conftest import free_port
from tests.support.engines import engine_arguments


class RunningDemo:
    """`boringsdp demo` as a person starts it, on free ports."""

    def __init__(self, log: Path, *flags: str) -> None:
        self._log = log
        self._flags = flags
        self.ports = (free_port(), free_port())
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"http://localhost:{self.ports[0]}/demo/"

    @property
    def phone(self) -> str:
        """Where the SIP telephone is, as printed."""
        return f"http://localhost:{self.ports[0]}/phone/"

    async def start(self) -> None:
        command = (
            sys.executable,
            "-m",
            "boringsdp",
            "demo",
            f"--janus.http_port={self.ports[0]}",
            f"--janus.websocket_port={self.ports[1]}",
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BORINGSDP_")}
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command, "--webrtc.port=0", "--limits.drain=0", *engine_arguments(), *self._flags,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
            )  # fmt: skip
        for _ in range(200):
            if f"Open {self.address} in a browser" in self._log.read_text() and self.phone in self._log.read_text():
                return
            assert self._process.returncode is None, self._log.read_text()
            await asyncio.sleep(0.05)
        raise AssertionError(f"no address was printed:\n{self._log.read_text()}")

    async def stop(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            await asyncio.wait_for(self._process.wait(), 20)
        assert "Traceback" not in self._log.read_text(), self._log.read_text()[-5000:]
