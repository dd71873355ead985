"""What transactions say in their peers' place."""

from __future__ import annotations

import pytest

from boringsdp.sip.flow import Destination, Flow, Protocol, Target
from boringsdp.sip.transaction.messages import unanswered


@pytest.mark.parametrize(
    ("to", "text"),
    [
        (Target(Protocol.UDP, "192.0.2.9", 5070, "pbx.example.com"), "no answer from 192.0.2.9:5070"),
        (Target(Protocol.TCP, "2001:db8::9", 5060), "no answer from [2001:db8::9]:5060"),
        (Flow(Protocol.TLS, ("192.0.2.1", 5061), ("192.0.2.9", 40000), 3), "no answer from 192.0.2.9:40000"),
    ],
)
def test_who_did_not_answer(to: Destination, text: str) -> None:
    assert unanswered(to) == text
