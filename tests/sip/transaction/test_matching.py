"""Which transaction a message belongs to, and where answers go."""

from __future__ import annotations

import pytest

from boringsdp.sip.actions import RequestReceived, Transmit
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.headers import via
from boringsdp.sip.message import Request, Response
from boringsdp.sip.transaction import Transactions
from tests.support.sip_network import ALICE, BOB, make_request, tokens

FLOW = Flow(Protocol.UDP, BOB, ALICE)


def core() -> Transactions:
    return Transactions(sent_by=lambda to: "192.0.2.2:5060", token=tokens())


def came(method: str = "INVITE", top: str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa", **more: str) -> Request:
    request = make_request(method)
    request.headers.prepend("Via", top)
    for name, value in more.items():
        request.headers.set(name, value)
    return request


def is_new(actions: list[object]) -> bool:
    return any(isinstance(action, RequestReceived) for action in actions)


def the_response(actions: list[object]) -> Response:
    [transmit] = actions
    assert isinstance(transmit, Transmit)
    assert isinstance(transmit.message, Response)
    return transmit.message


def test_by_branch_sent_by_and_method() -> None:
    layer = core()
    assert is_new(layer.receive(came(), FLOW, 0.0))
    assert not is_new(layer.receive(came(), FLOW, 0.1))
    assert not is_new(layer.receive(came(top="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=Z9HG4BKA"), FLOW, 0.1)), "tokens know no case"
    assert not is_new(layer.receive(came(To="<sip:bob@example.org>"), FLOW, 0.1)), "nothing else counts"
    assert is_new(layer.receive(came(top="SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa"), FLOW, 0.2))
    assert is_new(layer.receive(came(top="SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb"), FLOW, 0.2))
    assert is_new(layer.receive(came("OPTIONS"), FLOW, 0.2))
    assert len(layer) == 4


OLD = "SIP/2.0/UDP 192.0.2.1:5060"


@pytest.mark.parametrize("top", [OLD, f"{OLD};branch=1", f"{OLD};branch=z9hG4bK"])
def test_rfc_2543_peers_are_told_apart_by_everything_else(top: str) -> None:
    layer = core()
    assert is_new(layer.receive(came(top=top), FLOW, 0.0))
    assert not is_new(layer.receive(came(top=top), FLOW, 0.1))
    for other in ({"Call-ID": "other"}, {"CSeq": "2 INVITE"}, {"From": "<sip:alice@192.0.2.1>;tag=b"}):
        assert is_new(layer.receive(came(top=top, **other), FLOW, 0.2)), other


def test_rfc_2543_ack_goes_by_the_to_tag() -> None:
    layer = core()
    layer.receive(came(top=OLD), FLOW, 0.0)
    refusal = the_response(layer.reply(1, response(486), 0.0))
    stray = came("ACK", OLD, CSeq="1 ACK", To="<sip:bob@192.0.2.2>;tag=other")
    assert layer.receive(stray, FLOW, 0.1) == [RequestReceived(stray, FLOW, None)]
    ours = came("ACK", OLD, CSeq="1 ACK", To=refusal.headers.get("To") or "")
    assert layer.receive(ours, FLOW, 0.1) == []
    assert layer.deadline() == 5.1, "timer I"


def test_rfc_2543_cancel() -> None:
    layer = core()
    layer.receive(came(top=OLD), FLOW, 0.0)
    actions = layer.receive(came("CANCEL", OLD, CSeq="1 CANCEL"), FLOW, 0.1)
    assert the_response(actions[:1]).code == 200
    assert len(actions) == 2


def test_responses_go_by_branch_and_method() -> None:
    layer = core()
    number, [transmit] = layer.request(make_request("INVITE"), Target(Protocol.UDP, *ALICE), 0.0)
    assert isinstance(transmit, Transmit)
    branch = via(transmit.message).branch
    assert branch.startswith("z9hG4bK")
    assert len(branch) == 7 + 16

    def answer(code: int = 180, top: str = branch, method: str = "INVITE", more: str = "", count: int = 1) -> Response:
        made = response(code)
        for name, value in (("Via", f"SIP/2.0/UDP 192.0.2.2:5060;branch={top}{more}"), ("CSeq", f"{count} {method}")):
            made.headers.add(name, value)
        return made

    assert layer.receive(answer(top="z9hG4bKother"), FLOW, 0.1) == []
    assert layer.receive(answer(method="OPTIONS"), FLOW, 0.1) == []
    assert layer.receive(answer(count=2**31 - 1), FLOW, 0.1) == [], "our next would be too large"
    assert layer.receive(answer(more=", SIP/2.0/UDP 192.0.2.9"), FLOW, 0.1) == [], "RFC 3261 §8.1.3.3"
    assert layer.receive(Response(200, "OK"), FLOW, 0.1) == []
    [told] = layer.receive(answer(), FLOW, 0.1)
    assert told[0] == number


def test_what_cannot_be_answered_is_dropped() -> None:
    layer = core()
    for top in ("", "SIP/2.0/UDP", "x", "SIP/2.0/UDP 192.0.2.1;branch=a;branch=b", "SIP/2.0/UDP 192.0.2.1:99999999"):
        assert layer.receive(came(top=top), FLOW, 0.0) == [], top
    assert layer.receive(make_request("INVITE"), FLOW, 0.0) == []
    assert len(layer) == 0


def test_a_request_without_the_rest_can_still_be_answered() -> None:
    layer = core()
    bare = Request("OPTIONS", "sip:bob@192.0.2.2")
    bare.headers.add("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq")
    assert is_new(layer.receive(bare, FLOW, 0.0))
    assert the_response(layer.reply(1, response(400), 0.0)).headers.all("Via") == ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq"]


@pytest.mark.parametrize(
    ("top", "remote", "expected"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;rport", ("198.51.100.1", 40000), ("198.51.100.1", 40000)),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa;rport=40000;received=198.51.100.1", ("198.51.100.1", 40000), ("198.51.100.1", 40000)),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa", ("198.51.100.1", 40000), ("198.51.100.1", 5070)),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa", ("198.51.100.1", 40000), ("198.51.100.1", 5060)),
        ("SIP/2.0/UDP pc33.example.org;branch=z9hG4bKa;maddr=203.0.113.9", ("198.51.100.1", 40000), ("198.51.100.1", 5060)),
        ("SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bKa", ("2001:db8::9", 40000), ("2001:db8::9", 5070)),
    ],
)
def test_answers_over_udp_go_to_the_source_alone(top: str, remote: tuple[str, int], expected: tuple[str, int]) -> None:
    layer = core()
    flow = Flow(Protocol.UDP, BOB, remote)
    layer.receive(came(top=top), flow, 0.0)
    [transmit] = layer.reply(1, response(180), 0.0)
    assert isinstance(transmit, Transmit)
    assert transmit.to == Flow(Protocol.UDP, BOB, expected)


def test_answers_over_a_connection_stay_in_it() -> None:
    layer = core()
    flow = Flow(Protocol.TCP, BOB, ("198.51.100.1", 40000), 7)
    layer.receive(came(top="SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bKa"), flow, 0.0)
    [transmit] = layer.reply(1, response(180), 0.0)
    assert isinstance(transmit, Transmit)
    assert transmit.to is flow


def test_every_via_comes_back_in_order_and_untouched() -> None:
    layer = core()
    request = came(top='SIP/2.0/UDP  192.0.2.1:5060 ;branch=z9hG4bKa;x="a,b"')
    lines = [request.headers.get("Via") or "", "SIP/2.0/TCP p1.example.net;branch=b , SIP / 2.0 / UDP p2.example.net"]
    request.headers.set("Via", *lines)
    layer.receive(request, FLOW, 0.0)
    assert the_response(layer.reply(1, response(200), 0.0)).headers.all("Via") == lines
