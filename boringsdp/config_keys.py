"""The keys of a section of the configuration: made from the fields of its dataclass, checked, suggested where a name is nearly right."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from boringsdp.config_checks import Check
from boringsdp.config_values import Lists, typed
from boringsdp.errors import ConfigError

ENVIRONMENT_PREFIX = "BORINGSDP_"
Section = TypeVar("Section")


def setting(default: Any, text: str, check: Check | None = None, *, secret: bool = False) -> Any:
    """Return a dataclass field for one key: its default, what it means in one sentence, how it is checked and whether it is shown."""
    return dataclasses.field(default_factory=lambda: default, metadata={"text": text, "check": check, "secret": secret})


@dataclass(slots=True, frozen=True)
class Key:
    """One key of the tree; `type` is bool, int, float, str, tuple (of str), dict (str to str) or Lists."""

    section: str
    name: str
    type: type
    default: Any
    text: str
    check: Check | None
    secret: bool

    @property
    def dotted(self) -> str:
        """The full name, as complaints and flags write it."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{ENVIRONMENT_PREFIX}{self.section}_{self.name}".upper()


def keys_of(section: str, kind: type) -> Iterator[Key]:
    """The keys of a section: `kind` is a dataclass with a default for every field, each made by `setting`."""
    defaults = kind()
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        plain = typing.get_origin(hints[field.name]) or hints[field.name]
        if plain is Mapping:
            plain = dict if typing.get_args(hints[field.name])[1] is str else Lists
        about = field.metadata
        yield Key(section, field.name, plain, getattr(defaults, field.name), about["text"], about["check"], about["secret"])


def checked(key: Key, value: Any) -> Any:
    """Return a value as the key's type. Raises ValueError that says what is wrong with it."""
    found = typed(key.type, value)
    reason = key.check(found) if key.check else None
    if reason:
        raise ValueError(reason)
    return found


def read_table(section: str, kind: type[Section], table: Mapping[str, Any], origin: str = "") -> tuple[Section, list[ConfigError]]:
    """Return a section as its dataclass, and what is wrong with its table; such keys have their defaults. `origin` is told with each."""
    keys = {key.name: key for key in keys_of(section, kind)}
    values: dict[str, Any] = {}
    complaints = []
    after = f" ({origin})" if origin else ""
    for name, value in table.items():
        try:
            if name not in keys:
                raise ValueError(f"no such key{suggest(name, keys)}")
            values[name] = checked(keys[name], value)
        except ValueError as error:
            complaints.append(ConfigError(f"{section}.{name}", f"{error}{after}"))
    return kind(**values), complaints


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the one name that is close to a wrong one, as the end of a complaint; empty when none is."""
    known = list(known)
    near = [found for found in difflib.get_close_matches(name, known, cutoff=0.75) if _is_close(name, found)][:1]
    if not near and "." in name:  # a right key in a wrong section
        last = name.rpartition(".")[2]
        near = [dotted for dotted in known if dotted.endswith(f".{last}")][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _is_close(name: str, found: str) -> bool:
    """Whether the parts after what both begin with, section or prefix, are alike: that part must not speak for two different keys."""
    start = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, found, strict=False)))
    shared = max(name.rfind(sign, 0, start) for sign in "._") + 1
    return difflib.SequenceMatcher(None, name[shared:], found[shared:]).ratio() >= 0.6
