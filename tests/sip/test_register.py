"""A registration over hours of virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip.actions import Ask, Done, Reply, Tell, UsageAction
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Request, Response
from boringsdp.sip.register import (
    MAX_EXPIRES,
    Registered,
    Registration,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    Unregistered,
)
from boringsdp.values import replace
from tests.support.sip_network import tokens

SETTINGS = RegistrationSettings(
    registrar="sip:example.org",
    identity='"Alice" <sip:alice@example.org>',
    contact="<sip:x7@192.0.2.1:5060>",
    call_id="reg-1",
    expires=3600,
)
FLOW = Flow(Protocol.TCP, ("192.0.2.1", 40000), ("192.0.2.9", 5060), 1)


class Bench:
    """A registration with a clock, its requests and what it tells."""

    def __init__(self, seed: int = 1, **changes: object) -> None:
        self.core = Registration(replace(SETTINGS, **changes), tokens(seed))
        self.now = 0.0
        self.asked: list[Request] = []
        self.told: list[object] = []
        self.done = False

    def do(self, actions: Iterable[UsageAction]) -> Bench:
        for action in actions:
            match action:
                case Ask():
                    assert action.sequence.number == int((action.request.headers.get("CSeq") or "").split()[0])
                    self.asked.append(action.request)
                    self.exchange = action.exchange
                case Tell():
                    self.told.append(action.event)
                case Done():
                    self.done = True
                case _:
                    raise AssertionError(action)
        return self

    def answer(self, code: int, *lines: tuple[str, str], local: bool = False) -> object:
        """Answer the last request; return the last thing told."""
        made = response(code, headers=lines)
        made.local = local
        self.do(self.core.receive_response(self.exchange, made, self.now))
        return self.told[-1] if self.told else None

    def wait(self) -> float:
        """Go to the next deadline; return how long that was."""
        at = self.core.deadline()
        assert at is not None
        assert self.core.tick(at - 0.001) == []
        before, self.now = self.now, at
        self.do(self.core.tick(at))
        return at - before


def start(**changes: object) -> Bench:
    bench = Bench(**changes)  # type: ignore[arg-type]
    return bench.do(bench.core.start(0.0))


def registered(**changes: object) -> Bench:
    bench = start(**changes)
    bench.answer(200, ("Contact", "<sip:x7@192.0.2.1:5060>;expires=3600"))
    return bench


def test_register_is_whole() -> None:
    [request] = start(routes=("<sip:p.example.net;lr>",), headers=(("X-A", "1"),)).asked
    headers = request.headers
    assert (request.method, request.uri, headers.get("CSeq")) == ("REGISTER", "sip:example.org", "1 REGISTER")
    assert headers.get("To") == SETTINGS.identity
    assert (headers.get("From") or "").startswith(SETTINGS.identity + ";tag=")
    assert headers.get("Contact") == "<sip:x7@192.0.2.1:5060>;expires=3600"
    assert [headers.get(name) for name in ("Expires", "Supported", "Route", "X-A")] == ["3600", "path", "<sip:p.example.net;lr>", "1"]


def test_refreshed_before_it_runs_out_under_the_same_call_id_and_rising_cseq() -> None:
    bench = registered()
    for number in range(2, 30):
        waited = bench.wait()
        assert 0.8 * 3600 < waited <= 0.9 * 3600
        assert bench.core.state is RegistrationState.REGISTERED
        assert bench.asked[-1].headers.get("CSeq") == f"{number} REGISTER"
        assert bench.asked[-1].headers.get("Call-ID") == "reg-1"
        assert isinstance(bench.answer(200, ("Expires", "3600")), Registered)
    assert len({request.headers.get("From") for request in bench.asked}) == 1


@pytest.mark.parametrize(("granted", "least", "most"), [(60, 27.0, 30.0), (120, 76.5, 85.0), (10, 4.5, 5.0), (600, 486.0, 540.0)])
def test_a_short_binding_leaves_time_for_a_lost_refresh(granted: int, least: float, most: float) -> None:
    waits = []
    for seed in range(20):
        bench = start(seed=seed)
        bench.answer(200, ("Contact", f"<sip:x7@192.0.2.1:5060>;expires={granted}"))
        waits.append(bench.wait())
    assert least <= min(waits) < max(waits) <= most


def test_thousands_do_not_refresh_at_the_same_time() -> None:
    ends = []
    for seed in range(100):
        bench = start(seed=seed)
        bench.answer(200)
        ends.append(bench.core.deadline())
    assert len(set(ends)) == 100


@pytest.mark.parametrize(
    ("lines", "changes", "granted"),
    [
        ([("Contact", "<sip:other@192.0.2.7>;expires=17, <sip:x7@192.0.2.1>;expires=5, <sip:x7@192.0.2.1:5060>;expires=300")], {}, 300),
        ([("Contact", "<sip:other@192.0.2.7>;expires=17"), ("m", "<sip:x7@203.0.113.5:1024;ob>;q=0.5;expires=120")], {}, 120),
        ([("Contact", "<sip:X7@192.0.2.1:5060>;expires=9"), ("Expires", "200")], {}, 200),
        ([("Contact", "<sip:x7@192.0.2.1:5060>"), ("Expires", "900")], {}, 900),
        ([("Expires", "900")], {}, 900),
        ([], {}, 3600),
        ([("Contact", "<sip:x7@192.0.2.1:5060>;expires=oops"), ("Expires", "no")], {}, 3600),
        ([("Contact", '"open <sip:x7@192.0.2.1:5060>;expires=7')], {}, 3600),
        ([("Contact", "<sip:x7@192.0.2.1:5060>;expires=99999999")], {}, MAX_EXPIRES),
        (
            [
                ("Contact", '<sip:a@1.2.3.4>;+sip.instance="<urn:uuid:1>";reg-id=2;expires=1'),
                ("Contact", '<sip:b@1.2.3.4>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=44'),
            ],
            {"instance": "<urn:uuid:1>", "reg_id": 1},
            44,
        ),
    ],
)  # fmt: skip
def test_our_binding_is_found_again(lines: list[tuple[str, str]], changes: dict[str, object], granted: int) -> None:
    told = start(**changes).answer(200, *lines)
    assert isinstance(told, Registered)
    assert told.expires == granted


def test_a_longer_time_is_asked_for_when_the_registrar_wants_it() -> None:
    bench = start(expires=60)
    bench.answer(423, ("Min-Expires", "1800"))
    assert bench.asked[-1].headers.get("Expires") == "1800"
    assert bench.asked[-1].headers.get("Contact") == "<sip:x7@192.0.2.1:5060>;expires=1800"
    assert bench.told == []
    assert isinstance(bench.answer(200), Registered)
    bench.wait()
    assert bench.asked[-1].headers.get("Expires") == "1800", "remembered"


@pytest.mark.parametrize("least", ["", "60", "x", "99999999999"])
def test_423_without_a_usable_time_is_a_refusal(least: str) -> None:
    bench = start(expires=60)
    told = bench.answer(423, ("Min-Expires", least))
    assert isinstance(told, RegistrationFailed)
    assert (told.retry_in, bench.done) == (None, True)


def test_a_registrar_that_is_never_content_is_left() -> None:
    bench = start(expires=60)
    for least in range(100, 103):
        bench.answer(423, ("Min-Expires", str(least)))
    assert isinstance(bench.answer(423, ("Min-Expires", "200")), RegistrationFailed)
    assert len(bench.asked) == 4


def test_path_and_service_route_are_those_of_the_last_answer() -> None:
    bench = start()
    bench.answer(
        200,
        ("Path", "<sip:p1;lr>,<sip:p2;lr>"),
        ("Service-Route", '"a, b" <sip:s1;lr>'),
        ("Service-Route", "<sip:s2;lr>"),
        ("Flow-Timer", "120"),
    )
    core = bench.core
    assert (core.path, core.service_route, core.flow_timer) == (("<sip:p1;lr>", "<sip:p2;lr>"), ('"a, b" <sip:s1;lr>', "<sip:s2;lr>"), 120)
    bench.wait()
    bench.answer(200)
    assert (core.path, core.service_route, core.flow_timer) == ((), (), None)


def test_outbound() -> None:
    bench = start(instance="<urn:uuid:1>", reg_id=1)
    assert bench.asked[0].headers.get("Contact") == '<sip:x7@192.0.2.1:5060>;expires=3600;+sip.instance="<urn:uuid:1>";reg-id=1'
    assert bench.asked[0].headers.get("Supported") == "path, outbound"
    bench.answer(439)
    assert bench.asked[1].headers.get("Contact") == '<sip:x7@192.0.2.1:5060>;expires=3600;+sip.instance="<urn:uuid:1>"'
    assert bench.asked[1].headers.get("Supported") == "path"
    assert bench.told == []


# --- failures ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [401, 403, 404, 407, 420, 423, 501, 600, 603, 301])
def test_refusals_are_final(code: int) -> None:
    for bench in (start(), registered()):
        if bench.told:
            bench.wait()
        told = bench.answer(code)
        assert isinstance(told, RegistrationFailed)
        assert (told.code, told.retry_in, bench.done, bench.core.state) == (code, None, True, RegistrationState.OVER)
        assert bench.core.deadline() is None


@pytest.mark.parametrize(
    ("code", "local"), [(408, True), (503, True), (500, False), (503, False), (504, False), (480, False), (430, False), (502, True)]
)
def test_other_failures_keep_the_account(code: int, local: bool) -> None:
    bench = registered()
    bench.wait()
    for failure in range(12):
        told = bench.answer(code, local=local)
        assert isinstance(told, RegistrationFailed)
        most = min(600.0, 10.0 * 2**failure)
        assert told.retry_in is not None
        assert most / 2 <= told.retry_in <= most
        assert (bench.core.state, bench.done) == (RegistrationState.RETRYING, False)
        assert bench.wait() == pytest.approx(told.retry_in)
        assert bench.core.state is RegistrationState.REGISTERING
    assert isinstance(bench.answer(200), Registered)
    bench.wait()
    told = bench.answer(code, local=local)
    assert isinstance(told, RegistrationFailed)
    assert (told.retry_in or 0) <= 10.0, "counted from the start after a success"


def test_retry_after_is_kept() -> None:
    told = start().answer(503, ("Retry-After", "120 (maintenance)"))
    assert isinstance(told, RegistrationFailed)
    assert 120 <= (told.retry_in or 0) <= 130


def test_a_200_that_grants_nothing_is_a_failure() -> None:
    bench = start()
    told = bench.answer(200, ("Contact", "<sip:x7@192.0.2.1:5060>;expires=0"))
    assert isinstance(told, RegistrationFailed)
    assert told.retry_in is not None


def test_a_closed_flow_is_registered_anew_at_once() -> None:
    bench = registered()
    bench.do(bench.core.flow_closed(FLOW, 100.0))
    assert len(bench.asked) == 2
    bench.do(bench.core.flow_closed(FLOW, 100.1))
    assert len(bench.asked) == 2
    bench.answer(200)
    assert len(bench.asked) == 3, "what was under way may have been for the old one"
    bench.answer(503, local=True)
    assert bench.core.flow_closed(FLOW, 101.0) == [], "it is being tried already"


# --- commands ----------------------------------------------------------------------------------------------------------------------------


def test_start_again_refreshes_now_or_after_what_is_under_way() -> None:
    bench = start()
    assert bench.core.start(0.1, (("X-B", "2"),)) == []
    bench.answer(200)
    assert [request.headers.get("X-B") for request in bench.asked] == [None, "2"]
    bench.answer(200)
    bench.do(bench.core.start(10.0))
    assert bench.asked[-1].headers.get("X-B") == "2"
    assert len(bench.asked) == 3


def test_start_does_not_wait_for_the_back_off() -> None:
    bench = start()
    bench.answer(408, local=True)
    bench.do(bench.core.start(0.5))
    assert (len(bench.asked), bench.core.deadline()) == (2, None)


def test_unregister() -> None:
    for code in (200, 481, 503):
        bench = registered()
        bench.do(bench.core.stop(5.0, (("X-C", "3"),)))
        last = bench.asked[-1].headers
        assert (last.get("Expires"), last.get("Contact"), last.get("X-C")) == ("0", "<sip:x7@192.0.2.1:5060>;expires=0", "3")
        told = bench.answer(code)
        assert isinstance(told, Unregistered)
        assert told.response is not None
        assert (bench.done, bench.core.deadline(), bench.core.state) == (True, None, RegistrationState.OVER)
        with pytest.raises(WrongState):
            bench.core.start(6.0)
        with pytest.raises(WrongState):
            bench.core.stop(6.0)


def test_unregister_waits_for_the_register_under_way() -> None:
    bench = start()
    assert bench.core.stop(0.1) == []
    bench.answer(200)
    assert bench.asked[-1].headers.get("Expires") == "0"
    assert bench.told == []
    assert isinstance(bench.answer(200), Unregistered)


def test_nothing_to_take_back() -> None:
    never = Bench()
    failed = start()
    failed.answer(503, local=True)
    refused = start()
    refused.core.stop(0.1)
    refused.answer(403)
    for bench in (never, failed):
        bench.do(bench.core.stop(20.0))
    for bench in (never, failed, refused):
        assert (bench.told[-1], bench.done) == (Unregistered(None), True)


def test_a_binding_that_may_still_stand_is_taken_back() -> None:
    bench = registered()
    bench.wait()
    bench.answer(408, local=True)
    bench.do(bench.core.stop(bench.now))
    assert bench.asked[-1].headers.get("Expires") == "0"


def test_what_is_not_ours() -> None:
    bench = registered()
    before = len(bench.told)
    for exchange, code in itertools.product((0, 1, 99), (100, 200, 403)):
        assert bench.core.receive_response(exchange, response(code), 1.0) == []
    assert len(bench.told) == before
    [reply] = bench.core.receive_request(Request("OPTIONS", "sip:x"), 7, 1.0)
    assert isinstance(reply, Reply)
    assert reply.response.code == 481
    assert bench.core.receive_request(Request("ACK", "sip:x"), None, 1.0) == []


def test_provisional_answers_change_nothing() -> None:
    bench = start()
    assert bench.core.receive_response(bench.exchange, Response(100, "Trying"), 0.1) == []
    assert isinstance(bench.answer(200), Registered)


# --- behind a NAT -----------------------------------------------------------------------------------------------------------------------

OWN, SEEN = "<sip:x7@192.0.2.1:5060>", "<sip:x7@198.51.100.7:40000>"


def noted(port: int = 40000) -> tuple[str, str]:
    return "Via", f"SIP/2.0/UDP 192.0.2.1:5060;received=198.51.100.7;rport={port};branch=z9hG4bK1"


def contacts(bench: Bench) -> str:
    return bench.asked[-1].headers.get("Contact") or ""


def test_the_contact_is_where_the_registrar_has_seen_us_and_the_one_before_is_taken_back() -> None:
    bench = start(learn=True)
    bench.answer(200, noted())
    assert contacts(bench) == f"{SEEN};expires=3600, {OWN};expires=0"
    assert isinstance(bench.answer(200, noted(), ("Contact", f"{SEEN};expires=600")), Registered)
    assert bench.told[-1].expires == 600  # type: ignore[attr-defined]
    assert len(bench.asked) == 2
    bench.wait()
    assert contacts(bench) == f"{SEEN};expires=3600"
    assert bench.core.settings.contact == SEEN


def test_without_being_asked_to_nothing_is_learned() -> None:
    bench = start()
    bench.answer(200, noted())
    assert (len(bench.asked), bench.core.settings.contact) == (1, OWN)


def test_a_nat_that_maps_us_elsewhere_each_time_is_not_raced() -> None:
    bench = start(learn=True)
    for port in (40000, 40001):
        bench.answer(200, noted(port))
    assert len(bench.asked) == 2, "the next one waits for the refresh"
    bench.wait()
    assert contacts(bench).startswith("<sip:x7@198.51.100.7:40001>;expires=3600, ")


def test_a_mapping_that_changes_later_is_followed() -> None:
    bench = start(learn=True)
    bench.answer(200, noted())
    bench.answer(200, noted())
    bench.wait()
    bench.answer(200, noted(50000))
    assert contacts(bench) == f"<sip:x7@198.51.100.7:50000>;expires=3600, {SEEN};expires=0"


def test_what_was_learned_is_unregistered() -> None:
    bench = start(learn=True)
    bench.answer(200, noted())
    bench.answer(200, noted())
    bench.do(bench.core.stop(0.0))
    assert contacts(bench) == f"{SEEN};expires=0"
