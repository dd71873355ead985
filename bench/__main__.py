"""
All benchmarks, one after another: `python -m bench [names]`, or one with its own options: `python -m bench engines --quick`.

Figures are CPU time of the process measured, not wall time.
"""

from __future__ import annotations

import subprocess
import sys

ORDER: dict[str, list[str]] = {
    "sdp_translate": [],
    "sip_messages": [],
    "sip_calls": [],
    "sip_gateway": [],
    "web_phones": [],
    "relay_packet": [],
    "call_setup": [],
    "ng_cycle": [],
    "engines": ["--quick"],
}
"""With the options that keep each of them short."""


def main() -> int:
    first, options = sys.argv[1:2], sys.argv[2:]
    if any(option.startswith("-") for option in options):
        return run(first[0], options)
    failed = 0
    for name in sys.argv[1:] or ORDER:
        print(f"\n== {name}", flush=True)
        failed |= run(name, [] if sys.argv[1:] else ORDER[name])
    return failed


def run(name: str, options: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
