"""What a scenario is made of: steps that carry every octet, so that any of them can be left out and the rest still means the same."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from boringsdp.rtp.keys import Keys


@dataclass(slots=True, frozen=True)
class Step:
    """
    One thing that happens to an engine at `now`: a datagram (`receive`), time (`tick`), or a command by its name.

    `restart` takes a snapshot and goes on in a new engine; `needed` steps are not left out when a scenario is made shorter.
    """

    now: float
    what: str
    args: tuple[Any, ...] = ()
    needed: bool = False

    def __str__(self) -> str:
        return f"{self.now:.6f} {self.what}({', '.join(map(show, self.args))})"


def show(value: Any) -> str:
    """A value as it is written in Python, octets in hex and only what differs from the default in a specification."""
    if isinstance(value, bytes):
        return f"bytes.fromhex('{value.hex()}')"
    if isinstance(value, Keys):
        return f"Keys({value.profile}, {show(value.key)}, {show(value.salt)}, {show(value.mki)})"
    if is_dataclass(value):
        changed = [field for field in fields(value) if getattr(value, field.name) != field.default]
        return f"{type(value).__name__}({', '.join(f'{field.name}={show(getattr(value, field.name))}' for field in changed)})"
    return repr(value)


@dataclass(slots=True, frozen=True)
class Scenario:
    """`draws` are the random numbers that the engine is given, over and over again."""

    seed: int
    draws: tuple[int, ...]
    steps: tuple[Step, ...]
