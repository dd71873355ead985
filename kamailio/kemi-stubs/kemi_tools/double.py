"""
A double of KSR, so that routing scripts can be tested without Kamailio.

    ksr = Double({"$rm": "INVITE", "$fu": "sip:alice@example.org"}, {"registrar.lookup": -1})
    with ksr.installed():
        import routing                      # its `import KSR` gets the double
        routing.route(...)
    assert ksr.called("sl.send_reply") == [(404, "Not Found")]

It knows what the stubs know: a function that Kamailio does not export, a wrong number of arguments or a wrong type is an error here, where
Kamailio would log a line and go on. Functions answer 1 (true) unless told otherwise; pseudo-variables are a dictionary and flags a set.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kemi_tools.signatures import Signature, signatures, stubs_directory

Value = str | int | None
Answer = Value | bool | Callable[..., Any]

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_KINDS: Mapping[str, type] = {"str": str, "int": int}
_DEFAULTS: Mapping[str, Value | bool] = {"int": 1, "bool": True, "None": None, "Value": None}


class Double:
    """`variables` are the pseudo-variables; `answers` what functions return, or a callable that gets their arguments."""

    def __init__(self, variables: Mapping[str, Value] | None = None, answers: Mapping[str, Answer] | None = None) -> None:
        self.variables: dict[str, Value] = dict(variables or {})
        self.flags: set[int] = set()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._answers = {
            **_pseudo_variables(self.variables),
            **_tests_of_method(self.variables),
            **_destination(self.variables),
            **_flags(self.flags),
            **dict(answers or {}),
        }
        known = signatures(stubs_directory())
        if unknown := self._answers.keys() - known.keys():
            raise AttributeError(f"Kamailio exports no KSR.{', KSR.'.join(sorted(unknown))}")
        self.module = self._module(known)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of `name`, such as `rtpengine.rtpengine_offer`, in order."""
        return [arguments for called, arguments in self.calls if called == name]

    @contextmanager
    def installed(self) -> Iterator[types.ModuleType]:
        """
        Let `import KSR` get the double, and forget at the end the scripts that were imported meanwhile: they keep the KSR that they got.

        So `import my_routing` loads it anew for the next double. Libraries, and what was imported before, stay.
        """
        before = dict(sys.modules)
        sys.modules["KSR"] = self.module
        try:
            yield self.module
        finally:
            del sys.modules["KSR"]
            for name in [name for name in sys.modules if name not in before and not _is_library(name)]:
                del sys.modules[name]
            if "KSR" in before:
                sys.modules["KSR"] = before["KSR"]

    def _module(self, known: Mapping[str, Signature]) -> types.ModuleType:
        whole = types.ModuleType("KSR")
        for name, signature in known.items():
            place = whole
            parent, _, function = name.rpartition(".")
            if parent:
                place = whole.__dict__.setdefault(parent, types.ModuleType(f"KSR.{parent}"))
            setattr(place, function, self._function(name, signature))
        return whole

    def _function(self, name: str, signature: Signature) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            _check(name, signature, arguments)
            self.calls.append((name, arguments))
            answer = self._answers.get(name, _DEFAULTS[signature.returns])
            return answer(*arguments) if callable(answer) else answer

        return call


def _is_library(name: str) -> bool:
    """Whether a module is Python's own or was installed: some cannot be loaded twice."""
    file = getattr(sys.modules[name], "__file__", None)
    return name.partition(".")[0] in sys.stdlib_module_names or (file is not None and not _INSTALLED.isdisjoint(Path(file).parts))


def _check(name: str, signature: Signature, arguments: tuple[Any, ...]) -> None:
    wanted = len(signature.parameters)
    if len(arguments) != wanted and not (signature.variadic and len(arguments) > wanted):
        raise TypeError(f"KSR.{name} takes {wanted} arguments, not {len(arguments)}")
    for kind, argument in zip(signature.parameters, arguments, strict=False):
        if type(argument) is not _KINDS[kind]:
            raise TypeError(f"KSR.{name} takes {kind}, not {argument!r}")


def _pseudo_variables(variables: dict[str, Value]) -> dict[str, Answer]:
    def put(name: str, value: Value) -> bool:
        variables[name] = value
        return True

    return {
        "pv.get": variables.get,
        "pv.gete": lambda name: variables.get(name) or "",
        "pv.getw": lambda name: "<null>" if variables.get(name) is None else variables[name],
        "pv.geti": lambda name: int(variables.get(name) or 0),
        "pv.getvn": lambda name, default: default if variables.get(name) is None else variables[name],
        "pv.getvs": lambda name, default: default if variables.get(name) is None else variables[name],
        "pv.sets": put,
        "pv.seti": put,
        "pv.unset": lambda name: variables.pop(name, None) is not None or True,
        "pv.is_null": lambda name: variables.get(name) is None,
    }


def _destination(variables: dict[str, Value]) -> dict[str, Answer]:
    """The destination and the URI of the request, which are variables too."""

    def put(name: str) -> Callable[[str], bool]:
        def function(value: str) -> bool:
            variables[name] = value
            return True

        return function

    return {
        "setdsturi": put("$du"),
        "seturi": put("$ru"),
        "resetdsturi": lambda: variables.pop("$du", None) is not None or True,
        "isdsturiset": lambda: variables.get("$du") is not None,
    }


def _flags(flags: set[int]) -> dict[str, Answer]:
    """The flags of a message, which its transaction keeps."""

    def put(flag: int) -> bool:
        flags.add(flag)
        return True

    def take(flag: int) -> bool:
        flags.discard(flag)
        return True

    return {"setflag": put, "resetflag": take, "isflagset": flags.__contains__}


def _tests_of_method(variables: dict[str, Value]) -> dict[str, Answer]:
    """`KSR.is_INVITE()` and its kind, answered from `$rm`."""
    names = [name for name in signatures(stubs_directory()) if name.startswith("is_") and name[3:].isupper()]
    methods = {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER",
               "SUBSCRIBE", "UPDATE"}  # fmt: skip
    return {name: (lambda method=name[3:]: variables.get("$rm") == method) for name in names if name[3:] in methods}
