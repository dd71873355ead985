"""An offer of the peer that waits for our owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.sip.message import Message
from boringsdp.sip.session.core import HeaderPairs

Answer = Callable[[bytes, HeaderPairs, float], None]
Refuse = Callable[[int, str, HeaderPairs, float], None]


@dataclass(slots=True, frozen=True)
class Asked:
    """`transaction` is that of the request the offer came in, None for a response. `answer` and `refuse` send what they say."""

    message: Message
    transaction: int | None
    answer: Answer
    refuse: Refuse
