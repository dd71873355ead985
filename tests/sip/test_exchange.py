"""Exchanges: challenges, failover, redirects, size, CANCEL and ACK, against answers made by hand. Virtual time."""

from __future__ import annotations

import itertools

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.actions import Acknowledge, AgainReceived, Ask, RequestReceived, ResponseReceived, Sequence, Transmit
from boringsdp.sip.build import request as build_request
from boringsdp.sip.build import response_to
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.exchange import ExchangeAction, Exchanges, Heard, Locate
from boringsdp.sip.flow import Destination, Flow, Protocol, Target
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.redirect import Redirects
from boringsdp.sip.transaction import Transactions
from boringsdp.sip.uri import SipUri

FLOW = Flow(Protocol.UDP, ("192.0.2.10", 5060), ("192.0.2.1", 5060))
FIRST, SECOND = Target(Protocol.UDP, "192.0.2.1", 5060), Target(Protocol.UDP, "192.0.2.2", 5060)
CHALLENGE = ("WWW-Authenticate", 'Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"')
PROXY_CHALLENGE = ("Proxy-Authenticate", 'Digest realm="proxy", nonce="n2", algorithm=SHA-256, qop="auth"')


def counter() -> object:
    numbers = itertools.count(1)
    return lambda octets: f"{next(numbers):0{octets * 2}x}"


class Out:
    """An outlet as an account would be."""

    def __init__(self, *, protocol: Protocol | None = None, redirects: int = 5, refused: str = "", known: bool = True) -> None:
        self.user_agent = "Test"
        self.protocol = protocol
        self.authenticator = Authenticator((Credentials("bob", "s"),) if known else (), counter())  # type: ignore[arg-type]
        self._redirects = redirects
        self._refused = refused
        self.asked: list[Destination] = []

    def contact(self, to: Destination) -> str:
        return f"<sip:token@{to.protocol.value.lower()}.example>"

    def sent(self, request: Request, to: Destination) -> None:
        self.asked.append(to)

    def redirects(self) -> Redirects:
        return Redirects(self._redirects, lambda uri: uri.host != self._refused)


class Bench:
    """Exchanges whose far side is the test."""

    def __init__(self, outlet: Out | None = None) -> None:
        self.transactions = Transactions(sent_by=lambda to: "192.0.2.10:5060", token=counter())  # type: ignore[arg-type]
        self.exchanges = Exchanges(self.transactions)
        self.outlet = outlet or Out()
        self.sent: list[Transmit] = []
        self.heard: list[Response] = []
        self.locates: list[Locate] = []
        self.now = 0.0

    def ask(self, method: str = "INVITE", uri: str = "sip:alice@192.0.2.1", *, body: bytes = b"", to: str = "", **headers: str) -> None:
        self.sequence = Sequence(1)
        lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
        made = build_request(method, uri, from_="<sip:bob@pbx>;tag=f", to=to or f"<{uri}>", call_id="c", cseq=1, headers=lines, body=body)
        self.run(self.exchanges.ask(1, Ask(7, made, self.sequence), self.outlet, self.now))

    def run(self, actions: list[ExchangeAction]) -> None:
        for action in actions:
            match action:
                case Transmit():
                    self.sent.append(action)
                case Heard(owner, exchange, response):
                    assert (owner, exchange) == (1, 7)
                    self.heard.append(response)
                case Locate():
                    self.locates.append(action)
                case ResponseReceived() | AgainReceived():
                    self.run(self.exchanges.receive(action, self.now))
                case RequestReceived():
                    raise AssertionError(action)

    def located(self, *targets: Target) -> None:
        self.run(self.exchanges.located(self.locates.pop(0).number, [*targets], self.now))

    def last(self, method: str = "") -> Request:
        found = [sent.message for sent in self.sent if isinstance(sent.message, Request) and method in ("", sent.message.method)]
        return found[-1]

    def answer(self, code: int, *headers: tuple[str, str], to: Request | None = None, tag: str = "t") -> None:
        requests = (sent.message for sent in reversed(self.sent) if isinstance(sent.message, Request))
        request = to or next(message for message in requests if message.method not in ("ACK", "CANCEL"))
        response: Message = response_to(request, code, tag=tag, headers=headers)
        self.run([*self.transactions.receive(response, FLOW, self.now)])

    def fail(self) -> None:
        number = next(sent.transaction for sent in reversed(self.sent) if sent.transaction is not None)
        self.run([*self.transactions.failed(number, "refused", self.now)])

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            deadlines = [at for at in (self.transactions.deadline(), self.exchanges.deadline()) if at is not None]
            if not deadlines or min(deadlines) > end:
                break
            self.now = max(self.now, min(deadlines))
            self.run([*self.transactions.tick(self.now)])
            self.run(self.exchanges.tick(self.now))
        self.now = end

    def codes(self) -> list[int]:
        return [response.code for response in self.heard]

    def asked(self, method: str = "INVITE") -> list[Transmit]:
        return [sent for sent in self.sent if isinstance(sent.message, Request) and sent.message.method == method]


def test_a_request_gets_what_the_usage_leaves_out() -> None:
    bench = Bench()
    bench.ask()
    sent = bench.last()
    assert sent.headers.get("Max-Forwards") == "70"
    assert sent.headers.get("Contact") == "<sip:token@udp.example>"
    assert sent.headers.get("User-Agent") == "Test"
    assert bench.sent[0].to == Target(Protocol.UDP, "192.0.2.1", 5060, "192.0.2.1")


def test_responses_are_told() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(100)
    bench.answer(180)
    bench.answer(486)
    assert bench.codes() == [100, 180, 486]
    assert len(bench.exchanges) == 0


def test_a_challenge_is_answered_under_the_next_number() -> None:
    bench = Bench()
    bench.ask()
    first = bench.last()
    bench.answer(401, CHALLENGE)
    second = bench.last("INVITE")
    assert bench.heard == []
    assert views.cseq(second).number == 2 == bench.sequence.number
    assert views.via(first).branch != views.via(second).branch
    assert 'username="bob"' in (second.headers.get("Authorization") or "")
    bench.answer(200)
    assert bench.codes() == [200]


def test_a_proxy_and_a_server_may_both_ask() -> None:
    bench = Bench()
    bench.ask("MESSAGE")
    bench.answer(401, CHALLENGE)
    bench.answer(407, PROXY_CHALLENGE)
    third = bench.last()
    assert 'realm="pbx"' in (third.headers.get("Authorization") or "")
    assert 'realm="proxy"' in (third.headers.get("Proxy-Authorization") or "")
    bench.answer(202)
    assert bench.codes() == [202]


def test_refused_credentials_are_told() -> None:
    bench = Bench()
    bench.ask("MESSAGE")
    bench.answer(401, CHALLENGE)
    bench.answer(401, ("WWW-Authenticate", 'Digest realm="pbx", nonce="n9", algorithm=MD5, qop="auth"'))
    assert bench.codes() == [401]
    assert len(bench.asked("MESSAGE")) == 2


def test_a_challenge_without_credentials_is_told() -> None:
    bench = Bench(Out(known=False))
    bench.ask("MESSAGE")
    bench.answer(407, PROXY_CHALLENGE)
    assert bench.codes() == [407]


def test_silence_leads_to_the_next_target_and_then_to_408() -> None:
    bench = Bench()
    bench.ask("OPTIONS", "sip:pbx.example")
    bench.located(FIRST, SECOND)
    bench.pass_time(32.1)
    assert bench.sent[-1].to == SECOND
    assert bench.heard == []
    bench.pass_time(32.1)
    assert bench.codes() == [408]
    assert bench.heard[0].local


def test_a_lost_connection_and_503_lead_to_the_next_target() -> None:
    bench = Bench()
    bench.ask("OPTIONS", "sip:pbx.example")
    bench.located(FIRST, SECOND, FIRST)
    outlet = bench.outlet
    bench.fail()
    assert bench.sent[-1].to == SECOND
    bench.answer(503)
    assert bench.sent[-1].to == FIRST
    assert outlet.asked == [FIRST, SECOND, FIRST]
    bench.answer(200)
    assert bench.codes() == [200]


def test_no_address_is_a_503_that_says_so() -> None:
    bench = Bench()
    bench.ask("OPTIONS", "sip:nowhere.invalid")
    bench.located()
    assert bench.codes() == [503]
    assert bench.heard[0].local
    assert "no address" in (bench.heard[0].headers.get("Warning") or "")


def test_large_requests_go_by_tcp_and_back_to_udp_when_nobody_listens() -> None:
    bench = Bench()
    bench.ask("MESSAGE", body=b"x" * 1200)
    assert "SIP/2.0/TCP" in (bench.last().headers.get("Via") or "")
    bench.fail()
    assert [sent.to.protocol for sent in bench.sent] == [Protocol.TCP, Protocol.UDP]
    bench.answer(200)
    assert bench.codes() == [200]


def test_forced_udp_stays_udp() -> None:
    bench = Bench(Out(protocol=Protocol.UDP))
    bench.ask("MESSAGE", body=b"x" * 1200)
    assert bench.sent[-1].to.protocol is Protocol.UDP


def test_a_redirect_is_followed_by_weight() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(302, ("Contact", "<sip:low@192.0.2.7>;q=0.1, <sip:high@192.0.2.8>;q=0.9"))
    again = bench.last("INVITE")
    assert again.uri == "sip:high@192.0.2.8"
    assert views.cseq(again).number == 2
    assert again.headers.get("To") == "<sip:alice@192.0.2.1>"
    bench.answer(480)
    assert bench.last("INVITE").uri == "sip:low@192.0.2.7"
    bench.answer(486)
    assert bench.codes() == [486]


def test_a_redirect_in_circles_ends() -> None:
    bench = Bench()
    bench.ask()
    for _ in range(3):
        bench.answer(302, ("Contact", "<sip:round@192.0.2.7>"))
    assert bench.codes() == [302]
    assert len(bench.asked()) == 2


def test_redirects_have_a_limit() -> None:
    bench = Bench(Out(redirects=2))
    bench.ask()
    for number in range(3):
        bench.answer(302, ("Contact", f"<sip:c{number}@192.0.2.7>"))
    assert bench.codes() == [302]
    assert len(bench.asked()) == 3


@pytest.mark.parametrize("outlet", [Out(refused="192.0.2.7"), Out(redirects=0)])
def test_a_redirect_against_policy_is_told(outlet: Out) -> None:
    bench = Bench(outlet)
    bench.ask()
    bench.answer(302, ("Contact", "<sip:x@192.0.2.7>"))
    assert bench.codes() == [302]


def test_a_global_failure_ends_redirects() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(300, ("Contact", "<sip:a@192.0.2.7>, <sip:b@192.0.2.8>"))
    bench.answer(603)
    assert bench.codes() == [603]


def test_a_redirect_within_a_dialog_is_told() -> None:
    bench = Bench()
    bench.ask(to="<sip:alice@192.0.2.1>;tag=t")
    bench.answer(302, ("Contact", "<sip:x@192.0.2.7>"))
    assert bench.codes() == [302]


def test_cancel_waits_for_a_provisional_response() -> None:
    bench = Bench()
    bench.ask()
    bench.run(bench.exchanges.cancel(1, 7, (("Reason", "SIP;cause=200"),), False, 0.0))
    assert bench.asked("CANCEL") == []
    bench.answer(100)
    cancel = bench.last("CANCEL")
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert views.via(cancel).branch == views.via(bench.asked()[0].message).branch
    bench.answer(487)
    assert bench.codes() == [100, 487]


def test_cancel_at_once_as_before_rfc_3261() -> None:
    bench = Bench()
    bench.ask()
    bench.run(bench.exchanges.cancel(1, 7, (), True, 0.0))
    assert len(bench.asked("CANCEL")) == 1


def test_cancel_before_anything_was_sent_sends_nothing() -> None:
    bench = Bench()
    bench.ask(uri="sip:alice@pbx.example")
    bench.run(bench.exchanges.cancel(1, 7, (), False, 0.0))
    bench.located(FIRST)
    assert (bench.codes(), bench.sent) == ([487], [])


@pytest.mark.parametrize("answer", [(401, CHALLENGE), (302, ("Contact", "<sip:x@192.0.2.7>"))])
def test_what_was_cancelled_is_not_asked_again(answer: tuple[int, tuple[str, str]]) -> None:
    bench = Bench()
    bench.ask()
    bench.answer(100)
    bench.run(bench.exchanges.cancel(1, 7, (), False, 0.0))
    bench.answer(*answer)
    assert bench.codes() == [100, 487]
    assert len(bench.asked()) == 1


def test_cancel_is_not_failed_over() -> None:
    bench = Bench()
    bench.ask(uri="sip:pbx.example")
    bench.located(FIRST, SECOND)
    bench.run(bench.exchanges.cancel(1, 7, (), False, 0.0))
    bench.pass_time(33)
    assert bench.codes() == [408]
    assert all(sent.to == FIRST for sent in bench.asked())


def test_ack_has_the_credentials_of_its_invite_and_its_way() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(401, CHALLENGE)
    bench.answer(200)
    ack = build_request("ACK", "sip:alice@192.0.2.1", from_="<sip:bob@pbx>;tag=f", to="<sip:alice@192.0.2.1>;tag=t", call_id="c", cseq=2)
    bench.run(bench.exchanges.acknowledge(1, Acknowledge(7, ack), 0.0))
    sent = bench.sent[-1]
    assert (sent.transaction, sent.to) == (None, bench.asked()[0].to)
    assert "Authorization" in sent.message.headers
    assert views.via(sent.message).branch != views.via(bench.asked()[-1].message).branch


def test_ack_takes_the_route_of_the_dialog() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(200)
    route = [("Route", "<sip:edge.example;lr>")]
    ack = build_request("ACK", "sip:x@192.0.2.9", from_="<sip:bob@pbx>;tag=f", to="<sip:a@b>;tag=t", call_id="c", cseq=1, headers=route)
    bench.run(bench.exchanges.acknowledge(1, Acknowledge(7, ack), 0.0))
    assert bench.locates[0].place.host == "edge.example"
    bench.located(SECOND)
    assert bench.sent[-1].to == SECOND


def test_answers_of_other_forks_are_told_until_64_t1() -> None:
    bench = Bench()
    bench.ask()
    bench.answer(200, tag="one")
    bench.answer(200, to=bench.asked()[0].message, tag="two")  # type: ignore[arg-type]
    assert [views.to(response).tag for response in bench.heard] == ["one", "two"]
    bench.pass_time(32.1)
    assert len(bench.exchanges) == 0


def test_what_is_forgotten_is_not_told() -> None:
    bench = Bench()
    bench.ask()
    bench.exchanges.forget(1)
    bench.answer(200)
    assert bench.heard == []
    assert len(bench.exchanges) == 0


def test_a_flow_is_the_only_way() -> None:
    bench = Bench()
    made = build_request("MESSAGE", "sip:x@pbx.example", from_="<sip:b@p>;tag=f", to="<sip:x@p>", call_id="c", cseq=1)
    bench.run(bench.exchanges.ask(1, Ask(7, made, Sequence(1), FLOW), bench.outlet, 0.0))
    assert bench.sent[0].to == FLOW
    bench.fail()
    assert bench.codes() == [503]


def test_redirects_take_no_headers_and_no_method() -> None:
    redirects = Redirects(5, lambda uri: isinstance(uri, SipUri))
    response = Response(302, "Moved")
    response.headers.add("Contact", "<sip:a@b;method=BYE;transport=tcp?Subject=x>, <mailto:a@b>, <tel:+1>")
    redirects.add(response)
    assert redirects.next() == "sip:a@b;transport=tcp"
    assert redirects.next() is None
