"""Ladders: what is remembered of calls, and how it is drawn."""

from __future__ import annotations

from boringsdp.sip.build import request, response_to
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.ladder import Ladders, Step, draw, summary
from boringsdp.sip.message import Request

PEER, OTHER = Target(Protocol.UDP, "192.0.2.1", 5060), Target(Protocol.TCP, "2001:db8::1", 5061)


def made(method: str = "INVITE", call_id: str = "c", body: bytes = b"v=0") -> Request:
    kind = "application/sdp" if body else ""
    return request(method, "sip:a@b", from_="<sip:x@y>;tag=1", to="<sip:a@b>", call_id=call_id, cseq=1, content_type=kind, body=body)


def test_a_call_is_drawn_message_by_message() -> None:
    ladders = Ladders(10, 10)
    invite = made()
    flow = Flow(Protocol.UDP, ("192.0.2.10", 5060), ("192.0.2.1", 5060))
    ladders.note(invite, PEER, 5.0, sent=True)
    ladders.note(response_to(invite, 180), flow, 5.25, sent=False)
    ladders.note(made("REFER", body=b""), OTHER, 6.0, sent=True)
    lines = ladders.draw("c").splitlines()
    assert "UDP 192.0.2.1:5060" in lines[0]
    assert "TCP [2001:db8::1]:5061" in lines[0]
    assert lines[1].startswith("   0.000 |-- INVITE SDP ---")
    assert lines[2].startswith("   0.250 |<- 180 INVITE ---")
    assert lines[1].index(">|") < lines[3].index(">|")
    assert len({len(line) for line in lines[1:]}) == 1


def test_only_the_last_calls_and_messages_are_kept() -> None:
    ladders = Ladders(2, 3)
    for number in range(4):
        for method in ("INVITE", "ACK", "INFO", "BYE"):
            ladders.note(made(method, f"c{number}"), PEER, 0.0, sent=True)
    assert ladders.draw("c1") == ""
    assert [step.text for step in ladders.steps("c3")] == ["ACK SDP", "INFO SDP", "BYE SDP"]


def test_strangers_push_out_no_ladder_of_ours() -> None:
    ladders = Ladders(2, 3)
    ladders.note(made(call_id="ours"), PEER, 0.0, sent=True)
    ladders.note(made(call_id="theirs"), PEER, 0.0, sent=False)
    ladders.keep("theirs")
    for number in range(9):
        ladders.note(made(call_id=f"s{number}"), PEER, 0.0, sent=False)
        ladders.note(response_to(made(call_id=f"s{number}"), 404), PEER, 0.0, sent=True)
    assert [len(ladders.steps(call_id)) for call_id in ("ours", "theirs", "s0", "s7", "s8")] == [1, 1, 0, 2, 2]
    assert not ladders.is_strange("theirs")
    ladders.note(made("BYE", "theirs", b""), PEER, 0.0, sent=False)
    assert [step.text for step in ladders.steps("theirs")] == ["INVITE SDP", "BYE"]


def test_no_calls_are_kept_when_none_shall_be() -> None:
    ladders = Ladders(0, 3)
    ladders.note(made(), PEER, 0.0, sent=True)
    assert ladders.steps("c") == ()


def test_what_peers_write_is_cut() -> None:
    invite = made()
    invite.headers.set("Content-Type", "x" * 500)
    invite.method = "M" * 500
    assert len(summary(invite)) < 40
    steps = tuple(Step(0.0, True, f"UDP 192.0.2.{number}:5060", "INVITE") for number in range(50))
    assert max(map(len, draw(steps).splitlines())) < 300
