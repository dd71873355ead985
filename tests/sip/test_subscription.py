"""Subscriptions as the subscriber has them."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip.build import request as build_request
from boringsdp.sip.headers import to
from boringsdp.sip.message import Request
from boringsdp.sip.subscription import (
    MAX_EXPIRES,
    NotifyReceived,
    State,
    Subscription,
    SubscriptionActive,
    SubscriptionEnded,
    SubscriptionFailed,
    SubscriptionSettings,
)
from boringsdp.values import replace
from tests.support.sip_network import tokens
from tests.support.sip_usages import UsageBench

SETTINGS = SubscriptionSettings(
    target="sip:vm@example.org", from_="<sip:alice@example.org>", to="<sip:vm@example.org>", contact="<sip:x@192.0.2.1>",
    call_id="sub-1", event="message-summary", accept="application/simple-message-summary",
)  # fmt: skip


def start(**changes: Any) -> UsageBench:
    bench = UsageBench(Subscription(replace(SETTINGS, **changes), tokens()))
    return bench.do(bench.core.start(0.0))


def active(expires: int = 3600, **changes: Any) -> UsageBench:
    bench = start(**changes)
    bench.answer(200, ("Expires", str(expires)), ("Contact", "<sip:vm@192.0.2.9>"))
    return bench


def notify(bench: UsageBench, state: str = "active", *, number: int = 1, tag: str = "peer", **lines: str) -> Request:
    headers = {"Event": "message-summary", "Subscription-State": state, "Contact": "<sip:vm@192.0.2.9>"}
    headers |= {name.replace("_", "-"): value for name, value in lines.items()}
    return build_request(
        "NOTIFY", "sip:x@192.0.2.1", from_=f"<sip:vm@example.org>;tag={tag}", to=f"<sip:alice@example.org>;tag={bench.core.local_tag}",
        call_id="sub-1", cseq=number, headers=headers.items(), body=b"Messages: yes",
    )  # fmt: skip


def test_subscribe_is_whole() -> None:
    bench = start(headers=(("X-A", "1"),), routes=("<sip:p;lr>",), content_type="text/plain", body=b"filter")
    [request] = bench.asked
    headers = request.headers
    assert (request.method, request.uri, request.body) == ("SUBSCRIBE", "sip:vm@example.org", b"filter")
    names = ("Event", "Expires", "Contact", "Route", "X-A", "CSeq", "Content-Type", "Accept")
    assert [headers.get(name) for name in names] == [
        "message-summary", "3600", "<sip:x@192.0.2.1>", "<sip:p;lr>", "1", "1 SUBSCRIBE", "text/plain", SETTINGS.accept,
    ]  # fmt: skip
    assert headers.get("From") == f"<sip:alice@example.org>;tag={bench.core.local_tag}"


def test_refreshed_in_its_dialog_before_it_runs_out() -> None:
    bench = active(600)
    assert isinstance(bench.told[0], SubscriptionActive)
    for number in range(2, 12):
        assert 486.0 <= bench.wait() <= 540.0
        request = bench.asked[-1]
        assert (request.uri, to(request).tag, request.headers.get("CSeq")) == ("sip:vm@192.0.2.9", "peer", f"{number} SUBSCRIBE")
        bench.answer(200, ("Expires", "600"))
    assert len(bench.told) == 11


def test_news_are_answered_and_told() -> None:
    bench = active()
    assert bench.hear(notify(bench)).code == 200
    told = bench.told[-1]
    assert isinstance(told, NotifyReceived)
    assert (told.state, told.request.body) == ("active", b"Messages: yes")
    assert bench.hear(notify(bench, "pending;expires=600", number=2)).code == 200
    assert bench.told[-1].state == "pending"
    assert bench.core.deadline() <= 540.0, "the notifier grants less"


def test_a_notify_may_come_before_the_2xx() -> None:
    bench = start()
    assert bench.hear(notify(bench, number=7)).code == 200
    bench.answer(200, ("Expires", "100"), tag="peer")
    bench.wait()
    assert bench.asked[-1].uri == "sip:vm@192.0.2.9"
    assert bench.asked[-1].headers.get("CSeq") == "2 SUBSCRIBE"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ({"Event": "presence"}, 489),
        ({"Event": "message-summary;id=4"}, 481),
        ({"tag": "other fork"}, 481),
        ({"number": 1}, 500),
        ({"Subscription_State": "=;"}, 400),
        ({"Event": ";;"}, 400),
    ],
)
def test_what_is_not_ours_is_refused(lines: dict[str, Any], code: int) -> None:
    bench = active()
    bench.hear(notify(bench, number=1))
    lines = {"number": 2} | lines
    before = len(bench.told)
    tag = "fork" if lines.get("tag") else "peer"
    lines.pop("tag", None)
    refused = bench.hear(notify(bench, tag=tag, **lines))
    assert refused.code == code
    assert refused.headers.get("Allow-Events") == ("message-summary" if code == 489 else None)
    assert len(bench.told) == before


def test_other_methods_have_no_place_here() -> None:
    bench = active()
    refused = bench.hear(Request("INFO", "sip:x"))
    assert (refused.code, refused.headers.get("Allow")) == (405, "NOTIFY")
    assert bench.core.receive_request(Request("ACK", "sip:x"), None, 0.0) == []


def test_event_id() -> None:
    bench = active(event="dialog;id=7")
    assert bench.hear(notify(bench, Event="dialog;id=7")).code == 200
    assert bench.hear(notify(bench, Event="dialog;id=8", number=2)).code == 481


@pytest.mark.parametrize("code", [403, 404, 489, 401, 408, 503, 481])
def test_a_refused_subscription_is_over(code: int) -> None:
    bench = start()
    told = bench.answer(code, local=code in (408, 503))
    assert isinstance(told, SubscriptionFailed)
    assert (told.code, bench.done, bench.core.deadline()) == (code, True, None)


def test_423() -> None:
    bench = start(expires=60)
    bench.answer(423, ("Min-Expires", "900"))
    assert bench.asked[-1].headers.get("Expires") == "900"
    bench.answer(200, ("Expires", "900"))
    assert bench.told[-1].expires == 900
    for _ in range(2):
        bench = start(expires=60)
        assert isinstance(bench.answer(423), SubscriptionFailed)


def test_481_to_a_refresh_makes_a_new_subscription() -> None:
    bench = active()
    bench.wait()
    bench.answer(481)
    request = bench.asked[-1]
    assert (request.uri, to(request).tag, request.headers.get("CSeq")) == ("sip:vm@example.org", "", "3 SUBSCRIBE")
    bench.answer(200, ("Expires", "50"), tag="anew")
    assert bench.hear(notify(bench, tag="anew")).code == 200
    assert not bench.done


def test_a_refresh_that_nobody_answers_is_tried_again_and_then_made_anew() -> None:
    bench = active(3600)
    bench.wait()
    tags = []
    for _ in range(12):
        bench.answer(408, local=True)
        assert not bench.done
        bench.wait()
        tags.append(to(bench.asked[-1]).tag)
    assert tags[0] == "peer"
    assert tags[-1] == "", "the old one has run out by now"
    bench.answer(200, ("Expires", "3600"))
    assert bench.core.state is State.ACTIVE


@pytest.mark.parametrize("reason", ["noresource", "rejected", "invariant", "", "unheard-of"])
def test_terminated_for_good(reason: str) -> None:
    bench = active()
    assert bench.hear(notify(bench, f"terminated;reason={reason}" if reason else "terminated")).code == 200
    assert bench.told[-2].reason == reason
    assert bench.told[-1] == SubscriptionEnded(reason or "noresource")
    assert (bench.done, bench.core.deadline()) == (True, None)


def test_terminated_to_be_made_again() -> None:
    bench = active()
    bench.hear(notify(bench, "terminated;reason=deactivated"))
    assert to(bench.asked[-1]).tag == "", "at once"
    bench.answer(200, ("Expires", "3600"), tag="b")
    bench.hear(notify(bench, "terminated;reason=probation;retry-after=300", tag="b"))
    assert (len(bench.asked), bench.core.state) == (2, State.RETRYING)
    assert bench.wait() == 300.0
    assert to(bench.asked[-1]).tag == ""
    bench.answer(200, ("Expires", "3600"), tag="c")
    bench.hear(notify(bench, "terminated;reason=giveup", tag="c"))
    assert 5.0 <= bench.wait() <= 10.0
    assert not bench.done


def test_a_notifier_that_always_ends_it_is_not_asked_without_pause() -> None:
    bench = active()
    bench.hear(notify(bench, "terminated;reason=timeout"))
    assert len(bench.asked) == 2
    bench.hear(notify(bench, "terminated;reason=timeout", tag="b"))
    assert (len(bench.asked), bench.core.deadline() is not None) == (2, True)
    bench.answer(481)
    assert not bench.done
    bench.wait()
    assert len(bench.asked) == 3


def test_unsubscribe() -> None:
    bench = active()
    bench.do(bench.core.stop(10.0))
    assert bench.asked[-1].headers.get("Expires") == "0"
    assert to(bench.asked[-1]).tag == "peer"
    bench.now = 10.0
    bench.answer(200, ("Expires", "0"))
    assert not bench.done
    bench.hear(notify(bench, "terminated;reason=timeout"))
    assert bench.told[-1] == SubscriptionEnded("timeout")
    assert bench.done
    assert bench.core.stop(11.0) == []
    with pytest.raises(WrongState):
        bench.core.refresh(11.0)


def test_unsubscribe_without_a_last_notify() -> None:
    bench = active()
    bench.do(bench.core.stop(10.0))
    bench.now = 10.0
    bench.answer(200)
    assert bench.wait() == 32.0
    assert (bench.told[-1], bench.done) == (SubscriptionEnded("local"), True)
    for code in (481, 503):
        bench = active()
        bench.do(bench.core.stop(10.0))
        bench.answer(code)
        assert (bench.told[-1], bench.done) == (SubscriptionEnded("local"), True)


def test_unsubscribe_while_the_first_is_under_way() -> None:
    bench = start()
    assert bench.core.stop(0.1) == []
    bench.answer(200, ("Expires", "3600"))
    assert bench.asked[-1].headers.get("Expires") == "0"
    assert not bench.told
    refused = start()
    refused.core.stop(0.1)
    refused.answer(403)
    assert (refused.told, refused.done) == ([SubscriptionEnded("local")], True)
    never = UsageBench(Subscription(SETTINGS, tokens()))
    never.do(never.core.stop(0.0))
    assert never.told == [SubscriptionEnded("local")]


def test_refresh_by_command() -> None:
    bench = active()
    bench.do(bench.core.refresh(1.0, 7200))
    assert bench.asked[-1].headers.get("Expires") == "7200"
    assert bench.core.refresh(1.1) == [], "after the one under way"
    bench.answer(200, ("Expires", "7200"))
    assert len(bench.asked) == 3


def test_one_look() -> None:
    """Expires: 0 asks for the present state and nothing more (RFC 6665 §4.4.3)."""
    bench = start(expires=0)
    bench.answer(200, ("Expires", "0"))
    bench.hear(notify(bench, "terminated;reason=timeout"))
    assert (bench.told[-1], bench.done) == (SubscriptionEnded("timeout"), True)
    early = start(expires=0)
    early.hear(notify(early, "terminated;reason=timeout"))
    assert early.done
    assert early.core.receive_response(1, early.replied[101], 0.0) == []


def test_no_time_is_believed_beyond_reason() -> None:
    bench = active(2**31)
    assert bench.told[0].expires == MAX_EXPIRES
