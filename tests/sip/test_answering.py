"""Requests that are being answered: what is forgotten when there are too many."""

from __future__ import annotations

import pytest

from boringsdp.sip import answering
from boringsdp.sip.answering import Answering
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol
from tests.support.sip_network import make_request

FLOW = Flow(Protocol.UDP, ("192.0.2.1", 5060), ("192.0.2.2", 5060))


def test_what_rings_is_kept_while_there_is_something_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_ASKED", 4)
    known = Answering(32.0)
    known.add(1, make_request("INVITE"), FLOW, 0.0)
    known.add(2, make_request("INVITE"), FLOW, 0.0)
    for number in range(3, 20):
        known.add(number, make_request("OPTIONS"), FLOW, 0.0)
    assert [number for number in range(20) if known.get(number)] == [1, 2, 18, 19]
    known.dress(1, response(486), 1.0)
    for number in range(20, 24):
        known.add(number, make_request("INVITE"), FLOW, 2.0)
    assert [number for number in range(24) if known.get(number)] == [20, 21, 22, 23]
