"""The load program: built when it is first needed, run beside the gateway, told what to do by lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

from bench.field import Field

FOLDER = Path(__file__).parent / "load"
READY = "BORINGSDP_LOAD"
TOOLCHAIN = FOLDER.parent.parent / "native" / "toolchain.sh"


class LoadProgram:
    """Use as `with LoadProgram(field, cpu) as load`. `run` waits for the end of the run and returns what the program says of it."""

    def __init__(self, field: Field, cpu: int) -> None:
        self._command = [str(build()), *map(str, field.descriptors()), str(cpu)]
        self._descriptors = field.descriptors()

    def __enter__(self) -> LoadProgram:
        self._process = subprocess.Popen(self._command, stdin=PIPE, stdout=PIPE, pass_fds=self._descriptors, text=True)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def add(self, plans: Sequence[dict[str, Any]]) -> None:
        self._tell({"do": "add", "calls": list(plans)})

    def clear(self) -> None:
        self._tell({"do": "clear"})

    def start(self, **settings: Any) -> None:
        """Begin a run; `finish` waits for its end."""
        self._tell({"do": "run", **settings})

    def finish(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load program ended with status {self._process.wait()}")
        result: dict[str, Any] = json.loads(line)
        return result

    def run(self, **settings: Any) -> dict[str, Any]:
        self.start(**settings)
        return self.finish()

    def _tell(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()


def build() -> Path:
    """
    Return the program, compiled by cargo where it is not up to date; BORINGSDP_LOAD may name one that is ready.

    Raises FileNotFoundError without a Rust toolchain.
    """
    if ready := os.environ.get(READY):
        return Path(ready)
    found = subprocess.run([str(TOOLCHAIN)], capture_output=True, text=True, check=False)
    if found.returncode:
        raise FileNotFoundError(f"the load program cannot be built: {found.stderr.strip()}")
    environment = {**os.environ, "PATH": f"{found.stdout.strip()}:{os.environ.get('PATH', '')}"}
    built = subprocess.run(["cargo", "build", "--release"], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(f"the load program does not compile:\n{built.stderr[-4000:]}")
    return Path(os.environ.get("CARGO_TARGET_DIR") or FOLDER / "target") / "release" / "boringsdp-load"
