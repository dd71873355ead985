"""Usages (`boringsdp/sip/actions.py`) without a network: one alone at a bench, or two that ask and answer each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from boringsdp.sip.actions import Ask, Done, Reply, Tell, UsageAction
from boringsdp.sip.build import answering, response
from boringsdp.sip.message import Request, Response


class Usage(Protocol):
    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]: ...
    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]: ...
    def tick(self, now: float) -> list[UsageAction]: ...
    def deadline(self) -> float | None: ...


class UsageBench:
    """A usage with a clock: `asked` are its requests, `replied` its answers by transaction, `told` its news."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.now = 0.0
        self.asked: list[Request] = []
        self.replied: dict[int, Response] = {}
        self.told: list[Any] = []
        self.done = False
        self.peer: UsageBench | None = None
        self.lost: Callable[[Request], bool] = lambda request: False
        """Requests that never arrive: they end as 408."""
        self._exchange = 0
        self._transaction = 100

    def join(self, peer: UsageBench) -> None:
        """Let each answer the other's requests from now on."""
        self.peer, peer.peer = peer, self

    def do(self, actions: Iterable[UsageAction]) -> UsageBench:
        for action in actions:
            match action:
                case Ask():
                    number = (action.request.headers.get("CSeq") or "").split()[0]
                    assert int(number) == action.sequence.number
                    self._ask(action)
                case Reply():
                    self.replied[action.transaction] = action.response
                case Tell():
                    self.told.append(action.event)
                case Done():
                    assert not self.done
                    self.done = True
                case _:
                    raise AssertionError(action)
        return self

    def _ask(self, ask: Ask) -> None:
        self.asked.append(ask.request)
        self._exchange = ask.exchange
        if self.peer is None:
            return
        if self.lost(ask.request):
            final = answering(ask.request, response(408))
            final.local = True
        else:
            final = self.peer.hear(ask.request)
        self.do(self.core.receive_response(ask.exchange, final, self.now))

    def hear(self, request: Request) -> Response:
        """Take a request; return what it was answered with."""
        self._transaction += 1
        number = self._transaction
        assert not self.done, "led to a usage that is over"
        self.do(self.core.receive_request(request, number, self.now))
        return answering(request, self.replied[number], "callee")

    def answer(self, code: int, *lines: tuple[str, str], local: bool = False, tag: str = "peer") -> Any:
        """Answer the last request; return the last thing told."""
        final = answering(self.asked[-1], response(code, headers=lines), tag)
        final.local = local
        self.do(self.core.receive_response(self._exchange, final, self.now))
        return self.told[-1] if self.told else None

    def wait(self) -> float:
        """Go to the next deadline; return how long that was."""
        at = self.core.deadline()
        assert at is not None
        assert self.core.tick(at - 0.001) == []
        before, self.now = self.now, at
        if self.peer is not None:
            self.peer.now = at
        self.do(self.core.tick(at))
        return at - before
