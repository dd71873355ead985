"""The gateways that are compared: how each is started, on which CPUs, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.janus import running_janus
from bench.rtpengine import running_rtpengine
from bench.signalling import Front, JanusFront, NgFront
from boringsdp.errors import ConfigError
from boringsdp.relay.engines import EngineSettings, choose_engine
from tests.support.gateway import Gateway, running_gateway

GATEWAY_CPU = 0
LOAD_CPU = 1
PORTS = (20000, 32767)
"""For plain legs; below what the kernel gives out by itself."""


@dataclass(slots=True, frozen=True)
class Kind:
    """`flags` are for `boringsdp serve`, or rtpengine; `program` is what must be installed; `janus` says which API places the calls."""

    name: str
    title: str
    program: str
    flags: tuple[str, ...] = ()
    janus: bool = False

    @property
    def most(self) -> int:
        """The Janus API is asked for what a call costs to set up and to keep; how packets are moved does not depend on it."""
        return 200 if self.janus else 1_000_000


def _native(sockets: str, hold_us: int) -> tuple[str, ...]:
    return ("--engine.kind=native", f"--engine.sockets={sockets}", f"--engine.hold_us={hold_us}")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("native-steered", "native, steered", "native", _native("steered", 0)),
        Kind("native-steered-held", "native, steered, held", "native", _native("steered", 500)),
        Kind("native-per-call", "native, per-call sockets", "native", _native("per-call", 0)),
        Kind("native-per-call-held", "native, per-call sockets, held", "native", _native("per-call", 500)),
        Kind("asyncio", "asyncio", "boringsdp", ("--engine.kind=asyncio",)),
        Kind("rtpengine", "rtpengine", "rtpengine"),
        Kind("native-steered-held-janus", "native, steered, held (Janus API)", "native", _native("steered", 500), janus=True),
        Kind("asyncio-janus", "asyncio (Janus API)", "boringsdp", ("--engine.kind=asyncio",), janus=True),
        Kind("janus", "Janus NoSIP", "janus", janus=True),
    )
}
PACKAGES = {"janus": "janus", "rtpengine": "rtpengine-daemon"}
SERVE = (
    f"--rtp.port_min={PORTS[0]}", f"--rtp.port_max={PORTS[1]}", "--limits.calls=20000", "--limits.handshakes=5000",
    "--janus.max_handles=10000", "--janus.session_timeout=0",
    "--webrtc.consent_timeout=120", "--media.timeout=0", "--ng.media_timeout=0",
    "--log.level=warning",
)  # fmt: skip


@contextlib.contextmanager
def running(kind: Kind, *flags: str, cpus: frozenset[int] = frozenset({GATEWAY_CPU})) -> Iterator[Gateway]:
    """Run a gateway on these CPUs until the block ends. Raises FileNotFoundError when it is not installed."""
    with contextlib.ExitStack() as stack:
        before = os.sched_getaffinity(0)
        allow_many_files()
        os.sched_setaffinity(0, cpus)  # inherited by the gateway and its threads
        try:
            if kind.program == "janus":
                gateway = stack.enter_context(running_janus())
            elif kind.program == "rtpengine":
                gateway = stack.enter_context(running_rtpengine(f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}", *kind.flags))
            else:
                gateway = stack.enter_context(running_gateway(*SERVE, *kind.flags, *flags))
        finally:
            os.sched_setaffinity(0, before)
        yield gateway


def missing(kind: Kind) -> str:
    """Why this gateway cannot run here; empty when it can."""
    if kind.program == "native":
        try:
            choose_engine(EngineSettings(kind="native"))
        except ConfigError as error:
            return str(error)
    elif kind.program != "boringsdp" and shutil.which(kind.program) is None:
        return f"{kind.program} is not installed (Debian: apt-get install {PACKAGES[kind.program]})"
    if kind.program == "janus" and not _has_other_address():
        return "Janus gathers no loopback candidates, and there is no other address here"
    return ""


def front(kind: Kind, gateway: Gateway) -> Front:
    return JanusFront(gateway.websocket) if kind.janus else NgFront(gateway.ng_port)


def memory(gateway: Gateway) -> int:
    """The process's share of memory in bytes: what it alone uses, and its part of what it shares."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{gateway.pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def cpu_s(gateway: Gateway) -> float:
    """CPU seconds of all its threads, to the nanosecond."""
    return time.clock_gettime((~gateway.pid << 3) | 2)


def threads(gateway: Gateway) -> int:
    return len(os.listdir(f"/proc/{gateway.pid}/task"))


def metrics(gateway: Gateway) -> dict[str, float]:
    """What BoringSDP's /metrics says, by name and labels."""
    with urllib.request.urlopen(f"{gateway.http}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")}


def allow_many_files() -> None:
    """Raise the limit of open files as far as it goes; per-call sockets need two a call."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _has_other_address() -> bool:
    """Whether there is an address besides loopback's: the kernel's own list of local ones."""
    text = Path("/proc/net/fib_trie").read_text()
    return any(not host.startswith("127.") for host in re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", text))
