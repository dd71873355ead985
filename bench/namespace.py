"""
A network namespace for one benchmark: no port of another program in the way, no packet that can leave.

In it all of 198.18.0.0/15 is local, which gives each client and peer an address of its own, and 192.0.2.10 is an address for Janus, which
gathers no loopback candidates. Without root the benchmark runs where it is, on 127.0.0.0/8, and without Janus.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from bench.load_program import READY, build

INSIDE = "BORINGSDP_BENCH_NAMESPACE"
SETUP = """
ip link set lo up
ip link add media type veth peer name far
ip address add 192.0.2.10/24 dev media
ip link set media up
ip link set far up
ip route add default dev media
ip route add local 198.18.0.0/15 dev media
exec "$@"
"""


def enter(module: str, arguments: Sequence[str]) -> None:
    """
    Start this module again in a namespace of its own, if that is possible and has not been done; returns otherwise.

    The load program is compiled before: cargo may want the network for it.
    """
    if os.environ.get(INSIDE) or os.geteuid() or not shutil.which("unshare") or not shutil.which("ip"):
        return
    command = ["unshare", "--net", "sh", "-e", "-c", SETUP, "sh", sys.executable, "-m", module, *arguments]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1", READY: str(build())})
