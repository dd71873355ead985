"""Requests without a call through the front: messages, presence and transfers of others, between browsers and the PBX."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.sip.account import (
    IncomingMessage,
    IncomingNotify,
    IncomingRefer,
    IncomingSubscribe,
    InfoReceived,
    MessageReceived,
    NotifyReceived,
    RequestAnswered,
    SubscriptionEnded,
    SubscriptionFailed,
    Unregistered,
)
from tests.b2bua.house import DOMAIN, House, Phone, talk
from tests.support.sip_endpoints import Ear


async def asks(phone: Phone, method: str, uri: str, **more: Any) -> RequestAnswered:
    """What a phone gets for a request outside of calls."""
    ear = Ear()
    phone.account.request(method, uri, hear=ear, **more)
    return await ear.hears(RequestAnswered)


async def test_messages_go_everywhere(house: House):
    alice, carol, bob = await house.phone("alice"), await house.phone("carol"), house.telephone("bob")
    for sender, receiver, uri in ((alice, bob, bob.uri), (bob, alice, house.number("alice")), (alice, carol, carol.uri)):
        body = f"hello from {sender.uri}".encode()
        assert (await asks(sender, "MESSAGE", uri, content_type="text/plain", body=body)).response.code == 200
        got = (await receiver.ear.hears(IncomingMessage)).request
        assert got.body == body
        assert (sender.uri.partition("@")[0]) in (got.headers.get("From") or "")


async def test_a_message_to_all_browsers_of_a_user(house: House):
    alice, first, second = await house.phone("alice"), await house.phone("carol"), await house.phone("carol")
    assert (await asks(alice, "MESSAGE", first.uri, body=b"x", content_type="text/plain")).response.code == 200
    for phone in (first, second):
        await phone.ear.hears(IncomingMessage)


@pytest.mark.parametrize(("uri", "code"), [(f"sip:dave@{DOMAIN}", 480), (f"sip:nobody@{DOMAIN}", 404)])
async def test_a_message_to_nobody(house: House, uri: str, code: int):
    alice = await house.phone("alice")
    assert (await asks(alice, "MESSAGE", uri, body=b"x", content_type="text/plain")).response.code == code


async def test_who_has_not_registered_is_asked_who_it_is(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.account.unregister()
    await alice.ear.hears(Unregistered)
    assert (await asks(alice, "MESSAGE", bob.uri, body=b"x", content_type="text/plain")).response.code == 200


async def test_waiting_messages_are_told_to_a_browser(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    lines = [("Event", "message-summary"), ("Subscription-State", "active")]
    body = b"Messages-Waiting: yes\r\n"
    answered = await asks(bob, "NOTIFY", house.number("alice"), headers=lines, content_type="application/simple-message-summary", body=body)
    assert answered.response.code == 200
    got = await alice.ear.hears(IncomingNotify)
    assert (got.event, got.request.body) == ("message-summary", body)


async def test_what_can_be_done(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    us, him = await asks(alice, "OPTIONS", f"sip:{DOMAIN}"), await asks(alice, "OPTIONS", bob.uri)
    assert (us.response.code, him.response.code) == (200, 200)
    assert "REFER" in (us.response.headers.get("Allow") or "")


async def test_presence_of_somebody_at_the_pbx(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    handles: list[Any] = []

    def accept(event: Any) -> None:
        if isinstance(event, IncomingSubscribe):
            handles.append(event.accept(300))
            handles[0].notify(content_type="application/pidf+xml", body=b"<presence/>")

    bob.ear.then = accept
    ear = Ear()
    subscription = alice.account.subscribe(bob.uri, "presence", hear=ear)
    assert (await ear.hears(NotifyReceived)).request.body == b"<presence/>"
    assert len(house.front.subscriptions) == 1
    handles[0].notify(content_type="application/pidf+xml", body=b"<away/>")
    while (await ear.hears(NotifyReceived)).request.body != b"<away/>":
        pass
    subscription.unsubscribe()
    await ear.hears(SubscriptionEnded)
    async with asyncio.timeout(5):
        while len(house.front.subscriptions):  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.005)


async def test_a_package_that_the_other_side_does_not_know(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    ear = Ear()
    alice.account.subscribe(bob.uri, "weather", hear=ear)
    assert (await ear.hears(SubscriptionFailed)).code == 489


async def test_the_pbx_watches_a_browser(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")

    def accept(event: Any) -> None:
        if isinstance(event, IncomingSubscribe):
            event.accept(300).notify(content_type="application/dialog-info+xml", body=b"<dialog-info/>")

    alice.ear.then = accept
    ear = Ear()
    bob.account.subscribe(house.number("alice"), "dialog", hear=ear)
    assert (await ear.hears(NotifyReceived)).request.body == b"<dialog-info/>"


async def test_a_browser_asks_a_telephone_to_call(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    asked: list[str] = []

    def accept(event: Any) -> None:
        if isinstance(event, IncomingRefer):
            asked.append(event.refer.target)
            event.refer.accept()

    bob.ear.then = accept
    answered = await asks(alice, "REFER", bob.uri, headers=[("Refer-To", "<sip:erin@example.com>")])
    assert (answered.response.code, asked) == (202, ["sip:erin@example.com"])


async def test_the_pbx_asks_a_browser_to_call(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.ear.then = lambda event: event.refer.accept() if isinstance(event, IncomingRefer) else None
    answered = await asks(bob, "REFER", house.number("alice"), headers=[("Refer-To", "<sip:erin@example.com>")])
    assert answered.response.code == 202
    assert (await alice.ear.hears(IncomingRefer)).refer.target == "sip:erin@example.com"


async def test_news_of_what_nobody_has_subscribed_to(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    lines = [("Event", "presence"), ("Subscription-State", "active")]
    assert (await asks(alice, "NOTIFY", bob.uri, headers=lines)).response.code == 481
    assert not bob.ear.all


async def test_addresses_of_the_pbx_in_a_warning_stay_there(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    lines = [("Warning", '392 10.0.0.5:5060 "Noisy feedback tells"')]
    bob.ear.then = lambda event: event.incoming.answer(486, headers=lines) if isinstance(event, IncomingMessage) else None
    answered = await asks(alice, "MESSAGE", bob.uri, body=b"x", content_type="text/plain")
    assert answered.response.code == 486
    assert answered.response.headers.get("Warning") is None


async def test_within_a_call(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    for here, there in ((alice, bob), (bob, alice)):
        here.call.send("MESSAGE", content_type="text/plain", body=b"psst")
        assert (await there.hears(MessageReceived)).request.body == b"psst"
        assert (await here.hears(RequestAnswered)).response.code == 200
        here.call.send("INFO", [("Info-Package", "weather")], content_type="text/plain", body=b"rain")
        info = (await there.hears(InfoReceived)).request
        assert (info.body, info.headers.get("Info-Package")) == (b"rain", "weather")
        assert (await here.hears(RequestAnswered)).response.code == 200
