"""A gateway process of our own for tests, on loopback and free ports."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.engines import engine_arguments

START_S = 30.0


@dataclass(slots=True, frozen=True)
class Gateway:
    """Where a running gateway is; `log` is what it has written so far."""

    pid: int
    websocket: str
    http: str
    webrtc_port: int
    ng_port: int
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def cpu_s(self) -> float:
        """CPU seconds of the process so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """How many files and sockets the process has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Resident memory in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def figure(self, name: str) -> float:
        """A figure without labels, from `/metrics`."""
        with urllib.request.urlopen(f"{self.http}/metrics", timeout=5) as page:
            lines: list[str] = page.read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


@contextlib.contextmanager
def running_gateway(*flags: str, command: str = "serve") -> Iterator[Gateway]:
    """
    Run `boringsdp serve` on the engine under test until the block ends.

    Loopback destinations are allowed, `flags` (`--section.key=value`) are added.

    Raises AssertionError with the gateway's log when it does not come up.
    """
    websocket_port, http_port, webrtc_port, ng_port = free_port(), free_port(), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    settings = [
        "--webrtc.addresses=127.0.0.1",
        f"--webrtc.port={webrtc_port}",
        "--rtp.address=127.0.0.1",
        "--rtp.allow=127.0.0.0/8",
        "--rtp.port_min=20000",
        "--rtp.port_max=31999",
        "--rtp.port_rest=1",
        "--janus.websocket_host=127.0.0.1",
        f"--janus.websocket_port={websocket_port}",
        "--janus.http_host=127.0.0.1",
        f"--janus.http_port={http_port}",
        f"--ng.listen=127.0.0.1:{ng_port}",
        "--limits.drain=0",
        *engine_arguments(),
        *flags,
    ]
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder, "gateway.log")
        with log_file.open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "boringsdp", command, *settings], stdout=log, stderr=subprocess.STDOUT)
        gateway = Gateway(process.pid, f"ws://127.0.0.1:{websocket_port}/", f"http://127.0.0.1:{http_port}", webrtc_port, ng_port, log_file)
        try:
            _wait_until_up(gateway, process)
            yield gateway
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody used a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(gateway: Gateway, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_S
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{gateway.http}/janus/ping", timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"the gateway did not come up (exit status {process.poll()}):\n{gateway.log}")
