"""The requests that are being answered: what their responses need, and which came twice by different ways."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from boringsdp.sip import headers as views
from boringsdp.sip.exchange import TARGET_METHODS
from boringsdp.sip.flow import Flow
from boringsdp.sip.line import Line
from boringsdp.sip.message import Request, Response

MAX_ASKED = 65_536
"""As many as there are transactions; the oldest that are answered are forgotten, or no INVITEs: those that ring may be cancelled."""
Key = tuple[str, str, str, int, str]
"""
Request-URI, Call-ID, From tag, CSeq. The Request-URI because many user agents live here: a proxy may fork a call to two Contacts of ours.
"""


@dataclass(slots=True, eq=False)
class Asked:
    """A request with a server transaction; `line` and `usage` (0: none) are whom it was led to."""

    transaction: int
    method: str
    flow: Flow
    key: Key
    line: Line | None = None
    usage: int = 0
    leaving: bool = False
    """Whether the time is set at which it is forgotten."""


class Answering:
    """Remembers an INVITE until `linger` seconds after its final response, any other request for so long since it came."""

    def __init__(self, linger: float) -> None:
        self._linger = linger
        self._asked: dict[int, Asked] = {}
        self._first: dict[Key, int] = {}
        self._leaving: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, transaction: int, request: Request, flow: Flow, now: float) -> Asked:
        while len(self._asked) >= MAX_ASKED:
            self._drop(self._leaving.popleft()[1] if self._leaving else next(iter(self._asked)))
        number, method = views.cseq(request).number, request.method
        asked = Asked(transaction, method, flow, (request.uri, views.call_id(request), views.from_(request).tag, number, method))
        self._asked[transaction] = asked
        self._first.setdefault(asked.key, transaction)
        if method != "INVITE":
            self._leave(asked, now)
        return asked

    def get(self, transaction: int) -> Asked | None:
        return self._asked.get(transaction)

    def is_merged(self, asked: Asked) -> bool:
        """Whether the same request has come before by another way: 482 (RFC 3261 §8.2.2.2)."""
        return self._first.get(asked.key, asked.transaction) != asked.transaction

    def dress(self, transaction: int, response: Response, now: float) -> Response:
        """Return a response with the Contact it needs, and note that the request is answered."""
        asked = self._asked.get(transaction)
        if asked is None:
            return response
        if response.code >= 200 and not asked.leaving:
            self._leave(asked, now)
        wanted = asked.line is not None and 100 < response.code < 300 and asked.method in TARGET_METHODS
        if asked.line is not None and wanted and "contact" not in response.headers:
            response = response.copy()
            response.headers.add("Contact", asked.line.contact(asked.flow))
        return response

    def tick(self, now: float) -> None:
        while self._leaving and self._leaving[0][0] <= now:
            self._drop(self._leaving.popleft()[1])

    def _leave(self, asked: Asked, now: float) -> None:
        asked.leaving = True
        self._leaving.append((now + self._linger, asked.transaction))

    def _drop(self, transaction: int) -> None:
        asked = self._asked.pop(transaction, None)
        if asked is not None and self._first.get(asked.key) == transaction:
            del self._first[asked.key]
