"""rtpengine beside us, for comparison in the same run: Debian's daemon in user space on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.gateway import Gateway, free_port

PORTS = (20000, 31999)


@contextlib.contextmanager
def running_rtpengine(*flags: str) -> Iterator[Gateway]:
    """Run rtpengine until the block ends, Raises FileNotFoundError when it is not installed."""
    program = shutil.which("rtpengine")
    if program is None:
        raise FileNotFoundError("rtpengine")
    port = free_port(socket.SOCK_DGRAM)
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder, "rtpengine.log")
        options = [
            "--config-file=none", "--foreground", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}",
            f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}", "--log-stderr", "--log-level=4", "--delete-delay=0",
            f"--pidfile={folder}/pid",
            *flags,
        ]  # fmt: skip
        with log_file.open("wb") as log:
            process = subprocess.Popen([program, *options], stdout=log, stderr=subprocess.STDOUT)
        try:
            time.sleep(2.0)
            if process.poll() is not None:
                raise RuntimeError(f"rtpengine ended:\n{log_file.read_text(errors='replace')[-2000:]}")
            yield Gateway(process.pid, "", "", 0, port, log_file)
        finally:
            process.terminate()
            process.wait(15)
