"""
Everything that docs/performance.md says of the engines, in one go: `python -m bench.everything` takes 25 minutes, with `--quick` ten.

What is printed is kept in bench/results/everything.txt. The machine should have nothing else to do.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TextIO

from bench.engines_report import RESULTS

WHOLE = (
    ("engines", "--publish"),
    ("engine_trials", "soak"),
    ("engine_trials", "churn", "--gateways", "native-steered-held"),
    ("engine_trials", "hostile", "--gateways", "native-steered-held", "--seconds", "3"),
    ("engine_trials", "latency", "--gateways", "native-steered,native-steered-held", "--seconds", "5"),
    ("engine_trials", "cores", "--gateways", "native-steered-held", "--seconds", "3"),
    ("engine_trials", "sizes", "--gateways", "native-steered-held,rtpengine", "--seconds", "2"),
)
QUICK = (
    ("engines", "--quick"),
    ("engine_trials", "soak"),
    ("engine_trials", "hostile", "--gateways", "native-steered-held", "--seconds", "2"),
)


def main() -> int:
    failed = 0
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "everything.txt").open("w") as kept:
        for name, *options in QUICK if "--quick" in sys.argv[1:] else WHOLE:
            tell(f"\n== {name} {' '.join(options)}\n", kept)
            process = subprocess.Popen(
                [sys.executable, "-m", f"bench.{name}", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert process.stdout is not None
            for line in process.stdout:
                tell(line, kept)
            failed |= process.wait()
    return failed


def tell(text: str, kept: TextIO) -> None:
    print(text, end="", flush=True)
    kept.write(text)
    kept.flush()


if __name__ == "__main__":
    sys.exit(main())
