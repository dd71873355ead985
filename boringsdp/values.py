"""
Frozen values that cost little to make: msgspec fills them in C, a tenth of what a frozen dataclass takes for the same fields.

For what is made several times in every call. They are read, compared, changed (`replace`) and shown like dataclasses, and those who ask
`dataclasses` about them get its answers.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import msgspec
from msgspec import field as field
from msgspec.structs import replace as replace


class _Fields:
    """What `dataclasses.fields` and its kin look for, made for each class when somebody does."""

    def __init__(self) -> None:
        self._made: dict[type, dict[str, dataclasses.Field[Any]]] = {}

    def __get__(self, value: object, kind: type[Value]) -> dict[str, dataclasses.Field[Any]]:
        if kind not in self._made:
            twin = dataclasses.make_dataclass(kind.__name__, map(_field, msgspec.structs.fields(kind)), kw_only=True)
            self._made[kind] = {field.name: field for field in dataclasses.fields(twin)}
        return self._made[kind]


def _field(info: msgspec.structs.FieldInfo) -> tuple[str, Any, Any]:
    if info.default is not msgspec.NODEFAULT:
        return info.name, Any, dataclasses.field(default=info.default)
    if info.default_factory is not msgspec.NODEFAULT:
        return info.name, Any, dataclasses.field(default_factory=info.default_factory)
    return info.name, Any, dataclasses.field()


class Value(msgspec.Struct, frozen=True, gc=False):
    """
    The base of such values: `class Address(Value, frozen=True, kw_only=True)`.

    The garbage collector does not look at them: they hold other values only, never what leads back to them.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]] = _Fields()  # type: ignore[assignment]

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """Fields that `repr` leaves out: secrets, and what is too long."""

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.HIDDEN]
        return f"{type(self).__name__}({', '.join(shown)})"
