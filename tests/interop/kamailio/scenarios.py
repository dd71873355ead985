"""The configurations under kamailio/, and the programs behind them: each runs as its users start it, on free loopback ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.kamailio.phone import free_ports
from tests.support.gateway import free_port, running_gateway
from tests.support.processes import end

ROOT = Path(__file__).parents[3]
RTPENGINE = "BORINGSDP_INTEROP_BACKEND"
"""Set to `rtpengine`, this variable puts Debian's rtpengine where the gateway stands, to compare."""


PACKAGES = ("kamailio", "kamailio-websocket-modules", "kamailio-extra-modules", "kamailio-python3-modules", "kamailio-utils-modules")


@dataclass(frozen=True)
class Scenario:
    """A folder under kamailio/ with a `kamailio.cfg` that takes the definitions of `definitions`; the modules that Debian packs apart."""

    folder: str
    modules: tuple[str, ...]
    script: str = ""
    """The Python file that the configuration loads, if it has one."""

    def missing(self) -> str | None:
        """What to install, None when all is there."""
        found = shutil.which("kamailio") and all(list(Path("/usr/lib").glob(f"**/kamailio/modules/{name}")) for name in self.modules)
        return None if found else "apt-get install " + " ".join(PACKAGES)


SCENARIOS = {
    one.folder: one
    for one in (
        Scenario("rtpengine-module", ("rtpengine.so", "websocket.so", "jansson.so")),
        Scenario("kemi-python", ("rtpengine.so", "websocket.so", "app_python3.so"), "proxy.py"),
        Scenario("sdp-only", ("websocket.so", "app_python3.so"), "sdp_proxy.py"),
    )
    if (ROOT / "kamailio" / one.folder / "kamailio.cfg").exists()
}


class Backend:
    """What Kamailio asks: its NG addresses. It can be stopped and started again on the same ports."""

    name = "boringsdp"

    def __init__(self, flags: tuple[str, ...] = ()) -> None:
        self.flags = flags
        self.port, _ = free_ports()
        self.tcp_port, self.http_port = free_port(), free_port()
        self.log = ""
        self.pid = 0
        self._stack = contextlib.ExitStack()

    @property
    def udp(self) -> str:
        """For the module's `rtpengine_sock`."""
        return f"udp:127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        """Base URL of `/ng` and `/ng-plain`."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self, **extra: str) -> None:
        """Comes back when the NG port answers. Raises AssertionError with the log."""
        flags = [f"--ng.{key}={value}" for key, value in extra.items()]
        gateway = self._stack.enter_context(
            running_gateway(
                f"--ng.listen=127.0.0.1:{self.port}",
                f"--ng.tcp=127.0.0.1:{self.tcp_port}",
                f"--ng.http=127.0.0.1:{self.http_port}",
                *flags,
                *self.flags,
            )
        )
        self.pid = gateway.pid
        self._stack.callback(self._keep_log, gateway.log_file)

    async def calls(self) -> list[str]:
        """The call-ids that it has."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(5)
            connection.connect(("127.0.0.1", self.port))
            connection.send(f"{secrets.token_hex(8)} {json.dumps({'command': 'list'})}".encode())
            reply = await asyncio.to_thread(connection.recv, 1 << 20)
        return list(json.loads(reply.split(b" ", 1)[1])["calls"])

    def open_files(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def stop(self) -> None:
        """Comes back when the process is gone; `log` is what it wrote."""
        self._stack.close()
        self._stack = contextlib.ExitStack()

    def _keep_log(self, file: Path) -> None:
        self.log += file.read_text(errors="replace")


class RtpengineBackend(Backend):
    """Debian's rtpengine in userspace."""

    name = "rtpengine"

    def start(self, **extra: str) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        file = Path(folder, "log")
        self._stack.callback(self._keep_log, file)
        command = [
            *(
                "rtpengine",
                "--foreground",
                "--config-file=none",
                "--table=-1",
                "--interface=127.0.0.1",
                f"--listen-ng=127.0.0.1:{self.port}",
            ),
            *(f"--listen-tcp-ng=127.0.0.1:{self.tcp_port}", f"--listen-http=127.0.0.1:{self.http_port}"),
            *("--port-min=20000", "--port-max=31999", "--log-stderr", "--log-level=6", "--num-threads=2"),
            *(f"--{key.replace('_', '-')}={value}" for key, value in extra.items()),
        ]
        with file.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid = process.pid
        self._stack.callback(_end, process)
        time.sleep(0.5)
        assert process.poll() is None, file.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_backend() -> Backend:
    """The gateway, or what the environment puts in its place."""
    return RtpengineBackend() if os.environ.get(RTPENGINE) == "rtpengine" else Backend()


@contextlib.contextmanager
def running(backend: Backend, **extra: str) -> Iterator[Backend]:
    """The backend, started, and stopped at the end."""
    backend.start(**extra)
    try:
        yield backend
    except Exception as error:
        backend.stop()
        error.add_note(f"{backend.name}: {backend.log[-3000:]}")
        raise
    finally:
        backend.stop()


@dataclass
class Proxy:
    """A running Kamailio."""

    scenario: Scenario
    sip: str
    """host:port for telephones, UDP and TCP."""
    websocket: str
    notices: str
    """URL for the gateway's notices."""
    folder: Path
    process: asyncio.subprocess.Process
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    async def control(self, *words: str) -> str:
        """The output of kamcmd. Raises AssertionError."""
        process = await asyncio.create_subprocess_exec(
            *("kamcmd", "-s", f"unix:{self.folder}/control", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        text = output.decode(errors="replace")
        assert process.returncode == 0, f"{words}: {text}"
        assert not text.startswith("error"), f"{words}: {text}"
        return text


def definitions(scenario: Scenario, sip: str, web: int, folder: Path, backend: Backend) -> dict[str, str]:
    """What each scenario's kamailio.cfg lets be set from outside."""
    return {
        "SIP_UDP": f"udp:{sip}",
        "SIP_TCP": f"tcp:{sip}",
        "WEB_TCP": f"tcp:127.0.0.1:{web}",
        "CTL_SOCKET": f'"unix:{folder}/control"',
        "NG_SOCKET": f'"{backend.udp}"',
        "NG_URL": f'"{backend.http}/ng-plain"',
        "NG_DISABLE_S": "1",
        **({"SCRIPT": f'"{ROOT}/kamailio/{scenario.folder}/{scenario.script}"'} if scenario.script else {}),
    }


@contextlib.asynccontextmanager
async def running_proxy(scenario: Scenario, backend: Backend, host: str = "127.0.0.1", **more: str) -> AsyncIterator[Proxy]:
    """
    Kamailio with the scenario's configuration, ready for calls.

    Telephones find it at `host`, which is an address or `[IPv6 address]`; browsers always at 127.0.0.1. `more` are further definitions.
    Raises AssertionError with its log.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-kamailio-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "run").mkdir()
        (port, _), web = free_ports(), free_port()
        sip = f"{host}:{port}"
        words = [f"{key}={value}" for key, value in (definitions(scenario, sip, web, folder, backend) | more).items()]
        command = [
            *("kamailio", "-f", str(ROOT / "kamailio" / scenario.folder / "kamailio.cfg"), "-DD", "-E", "-w", name, "-Y", f"{name}/run"),
            *("-m", "64", "-M", "8"),
            *(part for word in words for part in ("-A", word)),
        ]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        proxy = Proxy(scenario, sip, f"ws://127.0.0.1:{web}", f"http://127.0.0.1:{web}/gateway", folder, process)
        try:
            await _listening(proxy, web)
            yield proxy
        finally:
            await end(process)


async def _listening(proxy: Proxy, port: int) -> None:
    for _ in range(200):
        if proxy.process.returncode is not None:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"Kamailio does not listen on {port}:\n{proxy.log}")
