"""The session timer by itself (RFC 4028)."""

from __future__ import annotations

import pytest

from boringsdp.sip.message import Headers, Request, Response
from boringsdp.sip.session_timer import Due, SessionTimer, options_of


def request(*lines: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:bob@example.org", Headers(lines))


def response(*lines: tuple[str, str]) -> Response:
    return Response(200, "OK", Headers(lines))


TIMER = ("Supported", "timer")


@pytest.mark.parametrize(
    ("lines", "answer", "ours"),
    [
        # RFC 4028 table 2: the peer's support, what it asks, what our 2xx says
        ([TIMER, ("Session-Expires", "1800;refresher=uac")], [("Session-Expires", "1800;refresher=uac"), ("Require", "timer")], False),
        ([TIMER, ("Session-Expires", "1800;refresher=uas")], [("Session-Expires", "1800;refresher=uas"), ("Require", "timer")], True),
        ([TIMER, ("Session-Expires", "1800")], [("Session-Expires", "1800;refresher=uas"), ("Require", "timer")], True),
        ([TIMER], [("Session-Expires", "1800;refresher=uas"), ("Require", "timer")], True),
        ([("Session-Expires", "1800")], [("Session-Expires", "1800;refresher=uas")], True),
        ([("Session-Expires", "1800;refresher=uac")], [("Session-Expires", "1800;refresher=uas")], True),
        ([TIMER, ("Session-Expires", "7200")], [("Session-Expires", "1800;refresher=uas"), ("Require", "timer")], True),
        ([TIMER, ("Session-Expires", "7200"), ("Min-SE", "3600")], [("Session-Expires", "3600;refresher=uas"), ("Require", "timer")], True),
        ([TIMER, ("x", "300")], [("Session-Expires", "300;refresher=uas"), ("Require", "timer")], True),
    ],
)
def test_what_our_2xx_says(lines, answer, ours):
    timer = SessionTimer()
    assert timer.of_answer(request(*lines), now=0.0) == answer
    assert timer.ours is ours


def test_a_peer_that_asks_nothing_and_knows_no_timer_gets_none():
    timer = SessionTimer()
    assert timer.of_answer(request(), now=0.0) == []
    assert timer.deadline() is None


@pytest.mark.parametrize("bad", ["", "soon", "-5", "1800;refresher=me", "99999999999999999999"])
def test_a_session_expires_that_cannot_be_read_asks_for_nothing(bad):
    timer = SessionTimer()
    timer.answered(response(("Session-Expires", bad)), now=0.0)
    if bad.isdigit():
        assert timer.interval == 2**31 - 1
    else:
        assert timer.interval == 0


@pytest.mark.parametrize(("interval", "refresh", "end"), [(90, 45.0, 60.0), (1800, 900.0, 1768.0)])
def test_when_it_is_due(interval, refresh, end):
    timer = SessionTimer()
    timer.answered(response(("Session-Expires", f"{interval};refresher=uac")), now=100.0)
    assert timer.deadline() == 100 + refresh
    assert timer.tick(100 + refresh - 0.1) is None
    assert timer.tick(100 + refresh) is Due.REFRESH
    assert timer.deadline() == 100 + end
    assert timer.tick(100 + end) is Due.EXPIRED
    assert timer.deadline() is None


def test_who_does_not_refresh_waits_for_the_end_only():
    timer = SessionTimer()
    timer.answered(response(("Session-Expires", "90;refresher=uas")), now=0.0)
    assert timer.deadline() == 60.0


def test_a_failed_refresh_is_due_again_in_half_of_what_is_left():
    timer = SessionTimer()
    timer.answered(response(("Session-Expires", "1800;refresher=uac")), now=0.0)
    assert timer.tick(900) is Due.REFRESH
    timer.try_again(900)
    assert timer.deadline() == 900 + 434
    timer.try_again(1767)
    assert timer.deadline() == 1768


def test_least_refuses_only_peers_that_understand():
    timer = SessionTimer(min_se=120)
    assert timer.least(request(("Session-Expires", "100"), TIMER)) == 120
    assert timer.least(request(("Session-Expires", "100"))) is None
    assert timer.least(request(("Session-Expires", "120"), TIMER)) is None
    assert timer.least(request(TIMER)) is None


def test_options_are_those_of_supported_and_require():
    message = request(("Supported", "timer, Replaces"), ("k", "path"), ("Require", "100rel"))
    assert options_of(message) == {"timer", "replaces", "path", "100rel"}
