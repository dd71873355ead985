"""Numbers of whatever goes by connections, found by connection: many are lost at once, among many more that are not."""

from __future__ import annotations

from boringsdp.sip.flow import Destination, Flow


class ByFlow:
    """Each number goes by one connection at most; what is led elsewhere (no `Flow`) is not kept."""

    def __init__(self) -> None:
        self._flows: dict[int, Flow] = {}
        self._numbers: dict[Flow, set[int]] = {}

    def set(self, number: int, to: Destination | None) -> None:
        """Let it go by that from now on; None: it is over."""
        old = self._flows.get(number)
        if old is not None and old == to:
            return
        if old is not None:
            del self._flows[number]
            those = self._numbers[old]
            those.remove(number)
            if not those:
                del self._numbers[old]
        if isinstance(to, Flow):
            self._flows[number] = to
            self._numbers.setdefault(to, set()).add(number)

    def of(self, flow: Flow) -> list[int]:
        """Return those that go by a connection, the oldest first."""
        return sorted(self._numbers.get(flow, ()))

    def __len__(self) -> int:
        return len(self._flows)
