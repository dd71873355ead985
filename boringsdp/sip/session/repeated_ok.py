"""A 2xx to an INVITE: repeated until its ACK comes, on every transport (RFC 3261 §13.3.1.4)."""

from __future__ import annotations

from boringsdp.sip.message import Response
from boringsdp.sip.session.core import Core, Wake, nothing


class RepeatedOk:
    """Sent when made; again at T1, 2*T1 ... T2 for 64*T1, when `unheard` is called."""

    def __init__(self, core: Core, transaction: int, response: Response, unheard: Wake, now: float) -> None:
        self._core = core
        self._transaction = transaction
        self._response = response
        self._names = (f"2xx {transaction}", f"ACK {transaction}")
        self._interval = core.settings.t1
        self._unheard = unheard
        core.reply(transaction, response)
        core.timers.set(self._names[0], now + self._interval, self._again)
        core.timers.set(self._names[1], now + core.t1x64, self._give_up)

    def stop(self) -> None:
        self._core.timers.clear(*self._names)
        self._unheard = nothing

    def _give_up(self, now: float) -> None:
        unheard = self._unheard
        self.stop()
        unheard(now)

    def _again(self, now: float) -> None:
        self._core.reply(self._transaction, self._response)
        self._interval = min(2 * self._interval, self._core.settings.t2)
        self._core.timers.set(self._names[0], now + self._interval, self._again)
