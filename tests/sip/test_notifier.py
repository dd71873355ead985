"""Subscriptions as the notifier has them, alone and with our subscriber on the other side."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import SipError, WrongState
from boringsdp.sip.build import request as build_request
from boringsdp.sip.headers import subscription_state
from boringsdp.sip.message import Request
from boringsdp.sip.notifier import MAX_QUEUED, Notifier, NotifierEnded, NotifierRefreshed
from boringsdp.sip.subscription import Subscription, SubscriptionEnded, SubscriptionSettings
from tests.support.sip_network import tokens
from tests.support.sip_usages import UsageBench


def subscribe(expires: str = "600", *, number: int = 1, tag: str = "") -> Request:
    headers = [("Event", "presence"), ("Expires", expires), ("Contact", "<sip:a@192.0.2.1>"), ("Record-Route", "<sip:p;lr>")]
    return build_request(
        "SUBSCRIBE", "sip:b@192.0.2.2", from_="<sip:a@x>;tag=a", to=f"<sip:b@x>{tag and f';tag={tag}'}", call_id="s", cseq=number,
        headers=headers,
    )  # fmt: skip


def notifier(expires: str = "600", **settings: Any) -> UsageBench:
    core = Notifier(subscribe(expires), 7, event="presence", contact="<sip:b@192.0.2.2>", token=tokens(), **settings)
    return UsageBench(core)


def active(expires: str = "600", **settings: Any) -> UsageBench:
    bench = notifier(expires, **settings)
    bench.do(bench.core.accept(0.0))
    bench.do(bench.core.notify(0.0, "text/plain", b"one"))
    bench.answer(200)
    return bench


def test_accepted_in_a_dialog_of_its_own() -> None:
    bench = notifier()
    bench.do(bench.core.accept(0.0))
    headers = bench.replied[7].headers
    assert headers.get("To") == f"<sip:b@x>;tag={bench.core.local_tag}"
    assert [headers.get(name) for name in ("Expires", "Contact", "Record-Route")] == ["600", "<sip:b@192.0.2.2>", "<sip:p;lr>"]
    bench.do(bench.core.notify(0.0, "text/plain", b"one", pending=True))
    [request] = bench.asked
    assert (request.method, request.uri, request.body) == ("NOTIFY", "sip:a@192.0.2.1", b"one")
    names = ("Event", "Subscription-State", "Content-Type", "Contact", "Route", "From", "To")
    assert [request.headers.get(name) for name in names] == [
        "presence", "pending;expires=600", "text/plain", "<sip:b@192.0.2.2>", "<sip:p;lr>", headers.get("To"), "<sip:a@x>;tag=a",
    ]  # fmt: skip


def test_rejected() -> None:
    bench = notifier()
    bench.do(bench.core.reject(489, headers=[("Allow-Events", "refer")]))
    assert (bench.replied[7].code, bench.done) == (489, True)
    short = notifier("30", least=60)
    short.do(short.core.accept(0.0))
    assert (short.replied[7].code, short.replied[7].headers.get("Min-Expires"), short.done) == (423, "60", True)
    with pytest.raises(WrongState):
        short.core.notify(0.0)
    with pytest.raises(SipError):
        Notifier(Request("SUBSCRIBE", "sip:b"), 7, event="presence")


def test_news_go_one_after_the_other_and_the_queue_is_bounded() -> None:
    bench = active()
    for number in range(MAX_QUEUED + 5):
        bench.do(bench.core.notify(1.0, "text/plain", b"%d" % number))
    assert len(bench.asked) == 2
    for _ in range(MAX_QUEUED + 3):
        bench.answer(200)
    bodies = [request.body for request in bench.asked[1:]]
    assert bodies == [b"0", *(b"%d" % number for number in range(5, MAX_QUEUED + 5))]
    numbers = [int((request.headers.get("CSeq") or "").split()[0]) for request in bench.asked]
    assert numbers == sorted(numbers)


def test_the_end() -> None:
    bench = active()
    bench.do(bench.core.notify(1.0, "text/plain", b"two"))
    bench.do(bench.core.terminate(1.0, "noresource", "text/plain", b"last"))
    assert not bench.done
    bench.answer(200)
    state = subscription_state(bench.asked[-1])
    assert state is not None
    assert (state.state, state.reason, bench.asked[-1].body) == ("terminated", "noresource", b"last")
    bench.answer(200)
    assert (bench.told, bench.done) == ([NotifierEnded("noresource")], True)


@pytest.mark.parametrize(("code", "local"), [(481, False), (408, True), (404, False), (503, True)])
def test_nobody_listens(code: int, local: bool) -> None:
    bench = active()
    bench.do(bench.core.notify(1.0))
    bench.do(bench.core.notify(1.0))
    bench.answer(code, local=local)
    assert (bench.told, bench.done, len(bench.asked), bench.core.deadline()) == ([NotifierEnded("refused")], True, 2, None)


def test_it_runs_out() -> None:
    bench = active("60")
    assert bench.wait() == 60.0
    assert bench.asked[-1].headers.get("Subscription-State") == "terminated;reason=timeout"
    bench.answer(200)
    assert bench.told == [NotifierEnded("timeout")]


def test_refreshed_and_unsubscribed() -> None:
    bench = active("60", least=30)
    bench.now = 50.0
    tag = bench.core.local_tag
    assert bench.hear(subscribe("60", number=2, tag=tag)).headers.get("Expires") == "60"
    assert isinstance(bench.told[-1], NotifierRefreshed)
    assert bench.asked[-1].body == b"one", "the present state again (RFC 6665 §4.2.1.4)"
    bench.answer(200)
    assert bench.core.deadline() == 110.0
    assert bench.hear(subscribe("60", number=2, tag=tag)).code == 500
    assert bench.hear(subscribe("10", number=3, tag=tag)).code == 423
    assert bench.hear(subscribe("0", number=4, tag=tag)).code == 200
    assert bench.asked[-1].headers.get("Subscription-State") == "terminated;reason=timeout"
    assert bench.hear(subscribe("60", number=5, tag=tag)).code == 481
    bench.answer(200)
    assert bench.done


def test_one_look() -> None:
    bench = notifier("0")
    bench.do(bench.core.accept(0.0))
    bench.do(bench.core.notify(0.0, "text/plain", b"state"))
    assert bench.asked[-1].headers.get("Subscription-State") == "terminated;reason=timeout"
    bench.answer(200)
    assert bench.done


def test_with_our_own_subscriber() -> None:
    settings = SubscriptionSettings(
        target="sip:b@x", from_="<sip:a@x>", to="<sip:b@x>", contact="<sip:a@192.0.2.1>", call_id="s", event="presence", expires=120
    )
    alice = UsageBench(Subscription(settings, tokens(3)))
    alice.do(alice.core.start(0.0))
    bob = UsageBench(Notifier(alice.asked[0], 7, event="presence", contact="<sip:b@192.0.2.2>", token=tokens(4)))
    bob.do(bob.core.accept(0.0))
    alice.answer(200, *bob.replied[7].headers)
    alice.join(bob)
    bob.do(bob.core.notify(0.0, "text/plain", b"one"))
    for _ in range(5):
        assert alice.wait() < 90
    bob.do(bob.core.notify(alice.now, "text/plain", b"two"))
    bodies = [news.request.body for news in alice.told if hasattr(news, "request")]
    assert bodies == [b"one"] * 6 + [b"two"]
    alice.do(alice.core.stop(alice.now))
    assert (alice.done, bob.done) == (True, True)
    assert alice.told[-1] == SubscriptionEnded("timeout")
