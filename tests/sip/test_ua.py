"""The user agent's dispatch: whom a request is for, and what those get that are for nobody. A core, fed by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings, TrunkSettings
from boringsdp.sip.actions import Transmit
from boringsdp.sip.entries import CallCame, RequestCame
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.inspect import told
from boringsdp.sip.message import Response
from boringsdp.sip.parse import parse
from boringsdp.sip.session import Session, State
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import Reach
from boringsdp.sip.ua import Suspect, UserAgent
from boringsdp.sip.uri import parse_sip_uri

FAMILIAR, STRANGE = "192.0.2.1", "203.0.113.9"
TRUSTING = SipSettings(policy=PolicySettings(sources=("192.0.2.0/24",)))
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"


class Bench:
    """A user agent, and the messages it sends."""

    def __init__(self, settings: SipSettings = TRUSTING) -> None:
        tokens = itertools.count(1)
        self.ua = UserAgent(
            settings,
            sent_by=lambda to: "192.0.2.10:5060",
            reach=lambda to: Reach("192.0.2.10", 5060, to.protocol),
            token=lambda octets: f"{next(tokens):0{octets * 2}x}",
        )
        self.sent: list[Transmit] = []
        self.came: list[Any] = []
        self.suspects: list[Suspect] = []
        self.branches = itertools.count(1)

    def line(self, identity: str = "sip:bob@pbx.example", **more: Any) -> Any:
        return self.ua.add_line(AccountSettings(identity=parse_sip_uri(identity), **more))

    def take(self, actions: Any) -> None:
        for action in actions:
            kept = self.sent if isinstance(action, Transmit) else self.suspects if isinstance(action, Suspect) else self.came
            kept.append(action)

    def ask(
        self, method: str = "INVITE", uri: str = "sip:bob@pbx.example", *lines: str, source: str = FAMILIAR, body: str = "",
        to_tag: str = "", branch: str = "", call_id: str = "call", cseq: int = 1, from_tag: str = "f",
    ) -> Response | None:  # fmt: skip
        """Let a request come in; return the last response to it, None without."""
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {source};branch=z9hG4bK{branch or next(self.branches)}",
            f"From: <sip:a@b>;tag={from_tag}",
            f"To: <{uri}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:a@{source}>",
            *lines,
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self.sent.clear()
        self.come("\r\n".join(head).encode(), source)
        responses = [sent.message for sent in self.sent if isinstance(sent.message, Response)]
        return responses[-1] if responses else None

    def come(self, octets: bytes, source: str = FAMILIAR) -> None:
        parsed = parse(octets)
        assert parsed.message is not None
        flow = Flow(Protocol.UDP, ("192.0.2.10", 5060), (source, 5060))
        self.take(self.ua.receive(parsed.message, parsed.defects, flow, 0.0))

    def code(self, *args: Any, **more: Any) -> int:
        response = self.ask(*args, **more)
        return 0 if response is None else response.code

    def invited(self, *args: str, **more: Any) -> Session:
        lines = ("Content-Type: application/sdp",)
        self.ask("INVITE", *(args or ("sip:bob@pbx.example",)), *lines, body=SDP, **more)
        came = self.came[-1]
        assert isinstance(came, CallCame)
        assert isinstance(came.entry.usage, Session)
        return came.entry.usage


# --- for whom --------------------------------------------------------------------------------------------------------------------------


def test_strangers_learn_nothing_of_who_is_known() -> None:
    bench = Bench()
    bench.line()
    known = bench.ask(uri="sip:bob@pbx.example", source=STRANGE)
    unknown = bench.ask(uri="sip:eve@pbx.example", source=STRANGE, call_id="2")
    assert known is not None
    assert unknown is not None
    assert [(name, "" if name in ("Via", "To", "Call-ID") else value) for name, value in known.headers] == [
        (name, "" if name in ("Via", "To", "Call-ID") else value) for name, value in unknown.headers
    ]
    assert (known.code, unknown.code, bench.came) == (404, 404, [])


@pytest.mark.parametrize("user", ["bob", "eve"])
def test_a_silent_endpoint_answers_strangers_nothing(user: str) -> None:
    bench = Bench(SipSettings(policy=PolicySettings(silent=True)))
    bench.line()
    assert bench.ask(uri=f"sip:{user}@pbx.example", source=STRANGE) is None
    assert bench.ask("OPTIONS", f"sip:{user}@pbx.example", source=STRANGE) is None


def test_the_contact_is_taken_from_anywhere() -> None:
    bench = Bench()
    line = bench.line()
    assert bench.code("MESSAGE", f"sip:{line.token}@192.0.2.10", source=STRANGE) == 0
    assert isinstance(bench.came[0], RequestCame)
    assert bench.came[0].line is line


def test_an_identity_is_taken_from_its_registrar() -> None:
    bench = Bench(SipSettings())
    line = bench.line()
    assert bench.code("MESSAGE", source="198.51.100.5") == 404
    line.learn(Target(Protocol.UDP, "198.51.100.5", 5060))
    assert bench.code("MESSAGE", source="198.51.100.5", call_id="2") == 0


def test_of_two_accounts_of_one_name_the_domain_decides() -> None:
    bench = Bench()
    bench.line("sip:bob@one.example")
    two = bench.line("sip:bob@two.example")
    bench.ask("MESSAGE", "sip:bob@two.example")
    assert bench.came[0].line is two


def test_a_trunk_takes_its_identities_from_its_networks_and_leads_them_by_the_longest_rule() -> None:
    bench = Bench(SipSettings())
    trunk = bench.line("sip:trunk@carrier.example", trunk=TrunkSettings(sources=("198.51.100.0/24",), identities=("+4930*",)))
    trunk.claims = {"+4930*": 7, "+49301234*": 8, "+4930123456": 9}
    for number, claim in (("+49309", 7), ("+493012345", 8), ("+4930123456", 9)):
        bench.ask("MESSAGE", f"sip:{number}@gw.example", source="198.51.100.7", call_id=number)
        assert bench.came[-1][:2] == (trunk, claim)
    assert bench.code("MESSAGE", "sip:+4940@gw.example", source="198.51.100.7", call_id="x") == 404
    assert bench.code("MESSAGE", "sip:+49309@gw.example", source=STRANGE, call_id="y") == 404


def test_a_registered_trunk_is_called_by_its_contact_for_the_one_in_to() -> None:
    bench = Bench()
    trunk = bench.line("sip:trunk@carrier.example", trunk=TrunkSettings())
    trunk.claims = {"+49*": 4}
    octets = (
        f"MESSAGE sip:{trunk.token}@gw SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:+4930@carrier.example>\r\nCall-ID: q\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    )
    bench.come(octets.encode())
    assert bench.came[0].claim == 4


def test_a_closed_account_is_not_there() -> None:
    bench = Bench()
    line = bench.line()
    bench.ua.close_line(line)
    assert bench.code("MESSAGE") == 404
    assert bench.code("MESSAGE", f"sip:{line.token}@x", call_id="2") == 404


# --- what is refused -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "lines", "code", "header", "value"),
    [
        ("REGISTER", (), 405, "Allow", "INVITE"),
        ("PUBLISH", (), 405, "Allow", "BYE"),
        ("DANCE", (), 501, "Allow", "INVITE"),
        ("INVITE", ("Require: 100rel, dance, sing",), 420, "Unsupported", "dance, sing"),
        ("INVITE", ("Content-Type: text/plain",), 415, "Accept", "application/sdp"),
        ("MESSAGE", ("Content-Type: text/plain", "Content-Encoding: gzip"), 415, "Accept-Encoding", "identity"),
        ("INFO", (), 481, "CSeq", "INFO"),
        ("BYE", (), 481, "CSeq", "BYE"),
        ("UPDATE", (), 481, "CSeq", "UPDATE"),
    ],
)
def test_refusals_say_why(method: str, lines: tuple[str, ...], code: int, header: str, value: str) -> None:
    bench = Bench()
    bench.line()
    response = bench.ask(method, "sip:bob@pbx.example", *lines, body="x" if len(lines) and "Require" not in lines[0] else "")
    assert response is not None
    assert response.code == code
    assert value in (response.headers.get(header) or "")


def test_a_body_that_need_not_be_understood_is_let_be() -> None:
    bench = Bench()
    bench.line()
    lines = ("Content-Type: text/x", "Content-Disposition: render;handling=optional")
    assert bench.code("INVITE", "sip:bob@pbx.example", *lines, body="x") in (0, 100)
    assert isinstance(bench.came[0], CallCame)


def test_a_broken_request_is_answered_with_what_is_broken() -> None:
    bench = Bench()
    bench.come(
        b"MESSAGE sip:bob@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:bob@x>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    response = bench.sent[0].message
    assert isinstance(response, Response)
    assert response.code == 400
    assert "CSeq" in (response.headers.get("Warning") or "")
    assert views.to(response).tag


def test_the_same_request_by_two_ways_is_merged() -> None:
    bench = Bench()
    bench.line()
    assert bench.code("MESSAGE", branch="one") == 0
    assert bench.code("MESSAGE", branch="two") == 482
    assert bench.code("MESSAGE", branch="three", cseq=2) == 0


def test_a_call_that_forks_to_two_contacts_of_ours_is_not_merged() -> None:
    bench = Bench()
    alice, other = bench.line(), bench.line()
    lines = ("Content-Type: application/sdp",)
    assert bench.code("INVITE", "sip:gone@192.0.2.10:5060", *lines, branch="one", body=SDP) == 404
    for line, branch in ((alice, "two"), (other, "three")):
        assert bench.code("INVITE", f"sip:{line.token}@192.0.2.10:5060", *lines, branch=branch, body=SDP) in (0, 100)
    assert [came.entry.line for came in bench.came if isinstance(came, CallCame)] == [alice, other]


def test_a_request_of_no_dialog() -> None:
    bench = Bench()
    assert bench.code("BYE", to_tag="nobody") == 481
    assert bench.ask("ACK", to_tag="nobody") is None


def test_options_says_what_we_can_to_everybody_alike() -> None:
    bench = Bench()
    bench.line()
    known, unknown = bench.ask("OPTIONS"), bench.ask("OPTIONS", "sip:eve@pbx.example", source=STRANGE, call_id="2")
    assert known is not None
    assert unknown is not None
    assert known.code == unknown.code == 200
    assert "UPDATE" in (known.headers.get("Allow") or "")
    assert {"100rel", "timer", "replaces"} <= set(views.tokens(known, "Supported"))


def test_too_many_usages_are_refused() -> None:
    bench = Bench(replace(TRUSTING, usages=1))
    bench.line()
    bench.invited()
    response = bench.ask("INVITE", call_id="2")
    assert response is not None
    assert (response.code, response.headers.get("Retry-After")) == (503, "10")


def test_who_drains_takes_no_more_calls() -> None:
    bench = Bench()
    bench.line()
    session = bench.invited()
    bench.ua.draining = True
    assert bench.code("INVITE", call_id="2") == 503
    assert bench.code("MESSAGE", call_id="3") == 0
    assert session.state is State.INCOMING


# --- calls -------------------------------------------------------------------------------------------------------------------------------


def test_an_invite_makes_a_call_and_its_requests_find_it() -> None:
    bench = Bench()
    line = bench.line()
    session = bench.invited()
    came = bench.came[-1]
    bench.take(bench.ua.run(came.entry, session.accept(SDP.encode(), now=0.0), 0.0))
    ok = bench.sent[-1].message
    assert isinstance(ok, Response)
    assert ok.code == 200
    assert ok.headers.get("Contact") == f"<sip:{line.token}@192.0.2.10:5060>"
    bench.ask("ACK", to_tag=session.local_tag)
    assert session.state is State.CONFIRMED
    assert bench.code("INFO", to_tag=session.local_tag, cseq=2) == 0
    assert isinstance(bench.came[-1], RequestCame)
    assert bench.came[-1].entry is came.entry
    assert bench.code("DANCE", to_tag=session.local_tag, cseq=3) == 501
    assert bench.code("OPTIONS", to_tag=session.local_tag, cseq=4) == 200
    assert bench.code("BYE", to_tag=session.local_tag, cseq=5) == 200
    assert bench.code("INFO", to_tag=session.local_tag, cseq=6) == 481


def test_replaces_names_a_call_of_the_same_account() -> None:
    bench = Bench()
    bench.line()
    session = bench.invited()
    entry = bench.came[-1].entry
    asked = f"Replaces: call;to-tag={session.local_tag};from-tag=f"
    assert bench.code("INVITE", "sip:bob@pbx.example", asked, call_id="2") == 481  # early, and not begun by us
    bench.take(bench.ua.run(entry, session.accept(SDP.encode(), now=0.0), 0.0))
    bench.ask("ACK", to_tag=session.local_tag)
    assert bench.code("INVITE", "sip:bob@pbx.example", asked + "x", call_id="3") == 481
    assert bench.code("INVITE", "sip:bob@pbx.example", asked + ";early-only", call_id="4") == 486
    bench.ask("INVITE", "sip:bob@pbx.example", asked, call_id="5")
    assert bench.came[-1].replaces is entry
    bench.line("sip:carol@pbx.example")
    assert bench.code("INVITE", "sip:carol@pbx.example", asked, call_id="6") == 481
    assert bench.code("INVITE", "sip:bob@pbx.example", "Replaces: call;to-tag=x", call_id="7") == 400


def test_what_is_over_leaves_nothing() -> None:
    bench = Bench()
    bench.line()
    session = bench.invited()
    bench.take(bench.ua.run(bench.came[-1].entry, session.reject(486, now=0.0), 0.0))
    bench.ask("ACK", branch="1", to_tag=session.local_tag)
    for moment in range(1, 100):
        bench.take(bench.ua.tick(float(moment)))
    assert bench.ua.counts()["usages"] == 0
    assert bench.ua.counts()["transactions"] == 0
    assert bench.ua.deadline() is None
    assert bench.ua.of_call("call") == []


def test_what_nobody_answers_is_forgotten() -> None:
    bench = Bench()
    bench.line()
    for number in range(5):
        assert bench.code("MESSAGE", call_id=str(number)) == 0
    assert bench.ua.counts()["transactions"] == 5
    for moment in range(1, 70):
        bench.take(bench.ua.tick(float(moment)))
    assert bench.ua.counts()["transactions"] == 0
    assert bench.code("MESSAGE", call_id="0", branch="other") == 0  # and is not taken for one that is still being answered


def test_a_refusal_names_the_header() -> None:
    response = told(400, "Refer-To", 'no "URI"')
    assert response.headers.get("Warning") == '399 BoringSDP "Refer-To: no \\"URI\\""'


# --- without a transaction -------------------------------------------------------------------------------------------------------------

BROKEN = (
    "MESSAGE sip:bob@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKq{}\r\nFrom: <sip:a@b>;tag=1\r\n"
    "To: <sip:bob@x>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def refusals(*requests: str) -> list[Transmit]:
    bench = Bench()
    for request in requests:
        bench.come(request.encode())
    return bench.sent


@pytest.mark.parametrize(("params", "port"), [("", 5062), (";rport", 5060)])
def test_a_refusal_goes_where_via_says(params: str, port: int) -> None:
    (sent,) = refusals(BROKEN.format(params))
    assert isinstance(sent.to, Flow)
    assert sent.to.remote == (FAMILIAR, port)


def test_a_broken_request_that_comes_again_gets_the_same_answer() -> None:
    first, again, other = refusals(BROKEN.format(""), BROKEN.format(""), BROKEN.format("2"))
    assert first.data == again.data
    assert views.to(first.message).tag != views.to(other.message).tag


def test_what_those_we_know_do_not_send_is_noted() -> None:
    bench = Bench()
    bench.line()
    bench.ask("MESSAGE")
    bench.ask("OPTIONS", source=STRANGE)
    assert bench.suspects == []
    bench.ask(source=STRANGE, call_id="1")
    bench.ask("REGISTER", source=STRANGE, call_id="2")
    bench.ask("DANCE", source=STRANGE, call_id="3")
    bench.come(BROKEN.format("").encode(), STRANGE)
    assert [suspect.cause for suspect in bench.suspects] == ["stranger", "method not served", "method not served", "defect"]
    assert {suspect.flow.remote[0] for suspect in bench.suspects} == {STRANGE}


def test_a_silent_endpoint_notes_strangers_too() -> None:
    bench = Bench(SipSettings(policy=PolicySettings(silent=True)))
    bench.ask("OPTIONS", source=STRANGE)
    assert [suspect.cause for suspect in bench.suspects] == ["stranger"]


@pytest.mark.parametrize(
    ("method", "to_tag", "code"),
    [("INVITE", "", 404), ("MESSAGE", "", 404), ("OPTIONS", "", 200), ("REGISTER", "", 405), ("BYE", "x", 481), ("CANCEL", "", 481)],
)
def test_strangers_leave_nothing_behind(method: str, to_tag: str, code: int) -> None:
    bench = Bench()
    bench.line()
    for number in range(3):
        assert bench.code(method, source=STRANGE, to_tag=to_tag, call_id=str(number)) == code
    assert bench.ua.counts()["transactions"] == 0
    assert bench.ua.deadline() is None


@pytest.mark.parametrize(("method", "to_tag"), [("BYE", "x"), ("CANCEL", ""), ("REGISTER", ""), ("INVITE", "")])
def test_a_silent_endpoint_is_silent_whatever_it_is_asked(method: str, to_tag: str) -> None:
    bench = Bench(SipSettings(policy=PolicySettings(silent=True)))
    assert bench.ask(method, source=STRANGE, to_tag=to_tag) is None


def test_who_is_no_stranger_any_more_is_still_answered() -> None:
    """The account has gone while a call for it came: what belongs to the call is not a stranger's."""
    bench = Bench(SipSettings(policy=PolicySettings(sources=("0.0.0.0/0",), silent=True)))
    line = bench.line()
    session = bench.invited(branch="b")
    bench.ua.close_line(line)
    assert bench.code("CANCEL", branch="b") in (200, 487)
    assert session.state.value == "ended"
    assert {sent.message.code for sent in bench.sent if isinstance(sent.message, Response)} == {200, 487}
