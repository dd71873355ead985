"""Transfers: who asks and who is asked."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip.actions import Sequence
from boringsdp.sip.build import request as build_request
from boringsdp.sip.dialog import Dialog, DialogId
from boringsdp.sip.message import Request
from boringsdp.sip.notifier import NotifierEnded
from boringsdp.sip.refer import (
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    Referral,
    Referred,
    fragment,
    read_fragment,
    refer_to,
)
from boringsdp.sip.uri import SipUri, parse_uri
from tests.support.sip_network import tokens
from tests.support.sip_usages import UsageBench


def alices_dialog() -> Dialog:
    return Dialog(DialogId("c", "a", "b"), "<sip:a@x>;tag=a", "<sip:b@x>;tag=b", "sip:b@192.0.2.2", (), Sequence(7))


def bobs_dialog() -> Dialog:
    return Dialog(DialogId("c", "b", "a"), "<sip:b@x>;tag=b", "<sip:a@x>;tag=a", "sip:a@192.0.2.1", (), Sequence(3))


def referral(**settings: Any) -> UsageBench:
    bench = UsageBench(Referral(alices_dialog(), refer_to("sip:carol@x"), **settings))
    return bench.do(bench.core.start(0.0))


def accepted(**settings: Any) -> UsageBench:
    bench = referral(**settings)
    bench.answer(202)
    return bench


def news(state: str = "active;expires=60", body: bytes = b"", event: str = "refer") -> Request:
    headers = [("Event", event), ("Subscription-State", state)] if state else [("Event", event)]
    return build_request(
        "NOTIFY", "sip:a@192.0.2.1", from_="<sip:b@x>;tag=b", to="<sip:a@x>;tag=a", call_id="c", cseq=9, headers=headers, body=body,
        content_type="message/sipfrag;version=2.0",
    )  # fmt: skip


def referred(*lines: tuple[str, str], **settings: Any) -> UsageBench:
    request = build_request(
        "REFER", "sip:b@192.0.2.2", from_="<sip:a@x>;tag=a", to="<sip:b@x>;tag=b", call_id="c", cseq=8,
        headers=[("Refer-To", "<sip:carol@x>"), ("Contact", "<sip:a@192.0.2.1>"), *lines],
    )  # fmt: skip
    return UsageBench(Referred(request, 5, dialog=bobs_dialog(), token=tokens(), **settings))


def test_refer_to_with_replaces() -> None:
    value = refer_to("sip:carol@x;user=phone", "call@host;to-tag=1;from-tag=2")
    assert value == "<sip:carol@x;user=phone?Replaces=call%40host%3Bto-tag%3D1%3Bfrom-tag%3D2>"
    uri = parse_uri(value[1:-1])
    assert isinstance(uri, SipUri)
    assert uri.header("Replaces") == "call@host;to-tag=1;from-tag=2"
    assert refer_to("sip:c@x?X=1", "a").startswith("<sip:c@x?X=1&Replaces=")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (fragment(100), (100, "Trying")),
        (fragment(486, "Besetzt, später"), (486, "Besetzt, später")),
        (b"SIP/2.0 180 Ringing\r\nTo: <sip:x>\r\n", (180, "Ringing")),
        (b"\r\nSIP/2.0 200\r\n", (200, "")),
        (b"sip/2.0 603 No\n", (603, "No")),
        (b"", (0, "")),
        (b"INVITE sip:x SIP/2.0", (0, "")),
        (b"SIP/2.0 999 x", (0, "")),
        (b"SIP/2.0 2000 x", (0, "")),
        (b"\xff" * 10_000, (0, "")),
    ],
)
def test_fragments(body: bytes, expected: tuple[int, str]) -> None:
    assert read_fragment(body) == expected


# --- who asks ---------------------------------------------------------------------------------------------------------------------------


def test_refer_within_the_dialog() -> None:
    bench = referral(referred_by="<sip:a@x>", headers=[("X-A", "1")], contact="<sip:a@192.0.2.1>")
    [request] = bench.asked
    assert (request.method, request.uri, request.headers.get("CSeq")) == ("REFER", "sip:b@192.0.2.2", "8 REFER")
    names = ("Refer-To", "Referred-By", "X-A", "Contact", "Refer-Sub")
    assert [request.headers.get(name) for name in names] == ["<sip:carol@x>", "<sip:a@x>", "1", "<sip:a@192.0.2.1>", None]


def test_progress_until_the_end() -> None:
    bench = accepted()
    assert isinstance(bench.told[0], ReferAccepted)
    for code, state in ((100, "active;expires=60"), (180, "active"), (200, "terminated;reason=noresource")):
        assert bench.hear(news(state, fragment(code))).code == 200
    progress = [(told.code, told.final) for told in bench.told if isinstance(told, ReferProgress)]
    assert progress == [(100, False), (180, False), (200, True)]
    assert (bench.told[-1], bench.done, bench.told[0].subscribed) == (ReferEnded("noresource"), True, True)


def test_ringing_is_not_the_end_whatever_a_notify_says() -> None:
    """SIP.js calls each the last."""
    bench = accepted()
    for code in (100, 180, 200):
        assert bench.hear(news("terminated", fragment(code))).code == 200
    progress = [(told.code, told.final) for told in bench.told if isinstance(told, ReferProgress)]
    assert progress == [(100, False), (180, False), (200, True)]
    assert (bench.told[-1], bench.done) == (ReferEnded("noresource"), True)


def test_refused() -> None:
    bench = referral()
    told = bench.answer(603)
    assert isinstance(told, ReferFailed)
    assert (told.code, bench.done, bench.core.deadline()) == (603, True, None)


def test_a_notify_before_the_202() -> None:
    bench = referral()
    assert bench.hear(news("active", fragment(100), "refer;id=8")).code == 200
    bench.answer(202)
    assert [type(told) for told in bench.told] == [ReferProgress, ReferAccepted]


def test_the_id_is_that_of_the_refer_which_was_accepted() -> None:
    bench = accepted()
    core: Referral = bench.core
    assert core.is_mine(news(event="refer"))
    assert core.is_mine(news(event="refer;id=8"))
    assert not core.is_mine(news(event="refer;id=7"))
    assert not core.is_mine(news(event="presence"))
    assert not core.is_mine(news(event=";"))
    assert bench.hear(news(event="refer;id=7")).code == 481


def test_silence() -> None:
    bench = accepted()
    assert bench.wait() == 180.0
    assert (bench.told[-1], bench.done) == (ReferEnded("timeout"), True)
    bench = accepted()
    bench.hear(news("active;expires=600", fragment(100)))
    assert bench.wait() == 600.0
    bench = accepted()
    bench.hear(news("active", fragment(200)))
    assert bench.wait() == 32.0, "a final status, and the end of the subscription is forgotten"


def test_without_subscription_state() -> None:
    bench = accepted()
    assert bench.hear(news("", fragment(200))).code == 200
    assert bench.told[-1].final
    assert bench.hear(news(";", fragment(200))).code == 400


def test_no_news_wanted() -> None:
    bench = referral(silent=True)
    assert bench.asked[0].headers.get("Refer-Sub") == "false"
    assert bench.asked[0].headers.get("Supported") == "norefersub"
    told = bench.answer(202, ("Refer-Sub", "false"))
    assert (told.subscribed, bench.done) == (False, True)
    other = referral(silent=True)
    assert other.answer(202).subscribed
    assert not other.done
    other.do(other.core.stop(1.0))
    assert other.done


# --- who is asked -------------------------------------------------------------------------------------------------------------------------


def test_accepted_and_reported() -> None:
    bench = referred()
    bench.do(bench.core.accept(0.0))
    assert (bench.replied[5].code, bench.replied[5].headers.get("Expires")) == (202, None)
    bench.do(bench.core.notify(180, now=1.0))
    bench.do(bench.core.notify(200, now=2.0))
    bench.do(bench.core.notify(200, now=2.0))
    for _ in range(3):
        bench.answer(200)
    facts = [(read_fragment(request.body)[0], request.headers.get("Subscription-State")) for request in bench.asked]
    assert facts == [(100, "active;expires=600"), (180, "active;expires=600"), (200, "terminated;reason=noresource")]
    first = bench.asked[0].headers
    assert [first.get(name) for name in ("CSeq", "Event", "Content-Type", "From", "To")] == [
        "4 NOTIFY", "refer", "message/sipfrag;version=2.0", "<sip:b@x>;tag=b", "<sip:a@x>;tag=a",
    ]  # fmt: skip
    assert (bench.told, bench.done, bench.core.over) == ([NotifierEnded("noresource")], True, True)
    assert bench.core.notify(200, now=3.0) == []


def test_numbered() -> None:
    bench = referred(numbered=True)
    bench.do(bench.core.accept(0.0))
    assert bench.asked[0].headers.get("Event") == "refer;id=8"


def test_rejected() -> None:
    bench = referred()
    bench.do(bench.core.reject(603, "No"))
    assert (bench.replied[5].code, bench.replied[5].reason, bench.done) == (603, "No", True)
    with pytest.raises(WrongState):
        bench.core.accept(1.0)


def test_who_wants_no_news_gets_none() -> None:
    bench = referred(("Refer-Sub", "false"), ("Supported", "norefersub"))
    bench.do(bench.core.accept(0.0))
    assert (bench.replied[5].headers.get("Refer-Sub"), bench.done, bench.asked) == ("false", True, [])
    assert bench.core.notify(200, now=1.0) == []


def test_outside_of_a_dialog() -> None:
    request = build_request(
        "REFER", "sip:b@192.0.2.2", from_="<sip:a@x>;tag=a", to="<sip:b@x>", call_id="c", cseq=8,
        headers=[("Refer-To", "<sip:carol@x>"), ("Contact", "<sip:a@192.0.2.1>")],
    )  # fmt: skip
    bench = UsageBench(Referred(request, 5, contact="<sip:b@192.0.2.2>", token=tokens()))
    bench.do(bench.core.accept(0.0))
    assert bench.replied[5].headers.get("To") == f"<sip:b@x>;tag={bench.core.local_tag}"
    assert bench.asked[0].headers.get("From") == bench.replied[5].headers.get("To")
    assert bench.asked[0].uri == "sip:a@192.0.2.1"


def test_both_together() -> None:
    alice = referral()
    request = alice.asked[0]
    bob = UsageBench(Referred(request, 5, dialog=bobs_dialog(), token=tokens()))
    bob.peer, alice.peer = alice, bob
    actions = bob.core.accept(0.0)
    bob.do(actions[:1])
    alice.answer(202)
    bob.do(actions[1:])
    bob.do(bob.core.notify(183, now=1.0))
    bob.do(bob.core.notify(486, now=2.0))
    assert [told.code for told in alice.told if isinstance(told, ReferProgress)] == [100, 183, 486]
    assert (alice.done, bob.done) == (True, True)
