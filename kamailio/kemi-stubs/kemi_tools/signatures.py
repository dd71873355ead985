"""What the stubs say, read back for use at run time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(slots=True, frozen=True)
class Signature:
    """One function: `parameters` are `str` or `int` each; `variadic` takes any more; `returns` as the stub spells it."""

    parameters: tuple[str, ...]
    variadic: bool
    returns: str


def stubs_directory() -> Path:
    """Return where the KSR stubs are: beside this package, installed or in a source tree."""
    return Path(__file__).resolve().parent.parent / "KSR-stubs"


@cache
def signatures(directory: Path) -> dict[str, Signature]:
    """Return every function by its name after `KSR.`, such as `pv.get` or `is_INVITE`."""
    found: dict[str, Signature] = {}
    for path in sorted(directory.glob("*.pyi")):
        prefix = "" if path.stem == "__init__" else f"{path.stem}."
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found[prefix + node.name] = _signature(node)
    return found


def _signature(node: ast.FunctionDef) -> Signature:
    kinds = tuple(ast.unparse(argument.annotation) for argument in node.args.posonlyargs if argument.annotation is not None)
    return Signature(kinds, node.args.vararg is not None, "" if node.returns is None else ast.unparse(node.returns))
