"""All benchmarks, one after another: `python -m bench [names]`. Figures are CPU time of the process measured, not wall time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDER = ("sdp_translate", "relay_packet", "call_setup", "ng_cycle")


def main() -> int:
    names = sys.argv[1:] or [name for name in ORDER if (Path(__file__).parent / f"{name}.py").exists()]
    failed = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
