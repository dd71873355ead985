"""One request outside of any dialog, and its final response. A usage (`actions.py`)."""

from __future__ import annotations

from boringsdp.sip.actions import Ask, Done, Reply, Sequence, Tell, UsageAction
from boringsdp.sip.build import response
from boringsdp.sip.message import Request, Response
from boringsdp.sip.session.events import RequestAnswered


class SingleRequest:
    """MESSAGE, OPTIONS, PUBLISH and the like; `number` is what `RequestAnswered` names."""

    def __init__(self, request: Request, sequence: Sequence, number: int, contact: str | None = None) -> None:
        self._request = request
        self._contact = contact
        self._sequence = sequence
        self.number = number

    def start(self) -> list[UsageAction]:
        return [Ask(1, self._request, self._sequence, contact=self._contact)]

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        return [] if transaction is None else [Reply(transaction, response(481))]

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        return [] if response.code < 200 else [Tell(RequestAnswered(self.number, response)), Done()]

    def tick(self, now: float) -> list[UsageAction]:
        return []

    def deadline(self) -> float | None:
        return None
