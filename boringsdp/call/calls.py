"""All calls of a gateway, bounded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from boringsdp.call.call import Call
from boringsdp.call.events import CallEvent
from boringsdp.call.joints import Joints
from boringsdp.call.options import Timeouts
from boringsdp.call.settings import CallSettings
from boringsdp.errors import Exhausted, WrongState
from boringsdp.relay import Relay


class Calls:
    """Where fronts get calls from."""

    def __init__(self, relay: Relay, settings: CallSettings) -> None:
        self._relay = relay
        self._settings = settings
        self._calls: dict[str, Call] = {}
        self._joints = Joints()
        self.created = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def get(self, call_id: str) -> Call | None:
        return self._calls.get(call_id)

    def create(self, owner: Callable[[CallEvent], None], call_id: str | None = None, timeouts: Timeouts | None = None) -> Call:
        """
        Return a new call whose news goes to `owner`. It must be closed, or end by itself, to be forgotten.

        `timeouts` None: those of the settings.
        Raises `Exhausted("calls")` at the limit and `WrongState` when `call_id` is taken.
        """
        if len(self._calls) >= self._settings.max_calls:
            raise Exhausted("calls")
        name = call_id or secrets.token_hex(8)
        if name in self._calls:
            raise WrongState(f"call {name} exists", "another call id")
        call = self._calls[name] = Call(name, self._relay, self._settings, owner, self._forget, timeouts, self._joints)
        self.created += 1
        return call

    def close(self, reason: str = "shutdown") -> None:
        """End every call."""
        for call in self:
            call.close(reason)

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.id, None)
