"""A carrier on loopback: Kamailio with carrier.cfg, which knows its customer by its address."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.interop.kamailio.phone import free_ports
from tests.interop.sip.script import listening
from tests.support.processes import end

CONFIGURATION = Path(__file__).with_name("carrier.cfg")


def missing() -> str | None:
    """What to install, None when it is there."""
    return None if shutil.which("kamailio") else "apt-get install kamailio"


@contextlib.asynccontextmanager
async def running_carrier(gateway: str) -> AsyncIterator[str]:
    """Host and port of a carrier whose customer is the gateway at host:port."""
    with tempfile.TemporaryDirectory(prefix="boringsdp-carrier-", ignore_cleanup_errors=True) as name:
        port, _ = free_ports()
        log = Path(name) / "log"
        command = [
            *("kamailio", "-DD", "-E", "-f", str(CONFIGURATION), "-w", name, "-Y", name, "-m", "64", "-M", "8"),
            *("-l", f"udp:127.0.0.1:{port}", "-A", f"GATEWAY_PORT={gateway.rpartition(':')[2]}", "-A", f'GATEWAY="sip:{gateway}"'),
        ]
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            await listening(port)
            yield f"127.0.0.1:{port}"
        except AssertionError as error:
            error.add_note(f"carrier: {log.read_text(errors='replace')[-2000:]}")
            raise
        finally:
            await end(process, 5)
