"""A PBX on loopback: Kamailio with registrar.cfg, over UDP, TCP and TLS, IPv4 and IPv6, with digest."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.kamailio.phone import free_ports
from tests.support.certificate import make_certificate
from tests.support.processes import end

TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
CONFIGURATION = Path(__file__).with_name("registrar.cfg")


def missing() -> str | None:
    """What to install before a registrar can be started, None when all is there."""
    found = shutil.which("kamailio") and list(Path("/usr/lib").glob("**/kamailio/modules/tls.so"))
    return None if found else "apt-get install kamailio kamailio-tls-modules"


def has_presence() -> bool:
    """Whether Kamailio's presence modules are there, and the empty tables that come with it."""
    return (TABLES / "presentity").exists() and bool(list(Path("/usr/lib").glob("**/kamailio/modules/presence_xml.so")))


def copied(folder: Path) -> Path:
    """The folder, with empty tables for presence in it."""
    folder.mkdir()
    for table in ("version", "presentity", "active_watchers", "watchers", "xcap"):
        shutil.copy(TABLES / table, folder)
    return folder


@dataclass(frozen=True)
class Registrar:
    """A running PBX: SIP on `port` over UDP and TCP, TLS on the port after it; every user's password is `secret`."""

    host: str
    port: int
    secret: str
    certificate: Path
    log: Path
    pid: int

    @property
    def domain(self) -> str:
        """Host and port as they stand in a URI."""
        return f"{self.host}:{self.port}"

    @property
    def tls(self) -> str:
        """Host and port for TLS."""
        return f"{self.host}:{self.port + 1}"


@contextlib.asynccontextmanager
async def running_registrar(
    host: str = "127.0.0.1", *, algorithm: str = "MD5", secret: str = "opensesame", certificate: Path | None = None
) -> AsyncIterator[Registrar]:
    """
    Starts a PBX on `host` (IPv6 in brackets); comes back when it listens. Raises AssertionError with its log.

    `certificate` has its key in the same file; without one a self-signed one is made. Presence is served where Kamailio can.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-pbx-", ignore_cleanup_errors=True) as name:
        folder, (port, _) = Path(name), free_ports()
        certificate = certificate or make_certificate(folder, host.strip("[]"))
        log = folder / "log"
        presence = ("-A", f'PRESENCE="text://{copied(folder / "presence")}"') if has_presence() else ()
        command = [
            *("kamailio", "-DD", "-E", "-f", str(CONFIGURATION), "-w", name, "-Y", name, "-m", "64", "-M", "8"),
            *("-l", f"udp:{host}:{port}", "-l", f"tcp:{host}:{port}", "-l", f"tls:{host}:{port + 1}"),
            *("-A", f'ALGORITHM="{algorithm}"', "-A", f'SECRET="{secret}"'),
            *("-A", f'TLS_KEY="{certificate}"', "-A", f'TLS_CERTIFICATE="{certificate}"', *presence),
        ]
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            await _listening(process, host.strip("[]"), port, log)
            yield Registrar(host, port, secret, certificate, log, process.pid)
        finally:
            await end(process, 5)


async def _listening(process: asyncio.subprocess.Process, host: str, port: int, log: Path) -> None:
    for _ in range(200):
        if process.returncode is not None:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"Kamailio does not listen on {port}:\n{log.read_text(errors='replace')}")
