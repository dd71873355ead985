"""Subscriptions between endpoints over loopback: our subscriber with our notifier."""

from __future__ import annotations

import pytest

from boringsdp.sip.account import IncomingSubscribe, NotifyReceived, SubscriptionActive, SubscriptionEnded, SubscriptionFailed
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, NotifierHandle
from boringsdp.sip.flow import Protocol
from boringsdp.sip.notifier import NotifierEnded, NotifierRefreshed
from tests.support.sip_endpoints import Ear, at, endpoint, settings_of


class Board:
    """An account that lets others subscribe to it."""

    def __init__(self, here: Endpoint, user: str) -> None:
        self.here = here
        self.ear = Ear(self._hear)
        self.news = Ear()
        self.account: Account = here.account(settings_of(at(here, user)), self.ear)
        self.handle: NotifierHandle | None = None

    def _hear(self, event: object) -> None:
        if not isinstance(event, IncomingSubscribe) or event.event != "presence":
            return
        self.handle = event.accept(600, self.news)
        self.post(b"here")

    def post(self, body: bytes, *, last: bool = False) -> None:
        assert self.handle is not None
        if last:
            self.handle.terminate("noresource", "text/plain", body)
        else:
            self.handle.notify("active", "text/plain", body)


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
async def test_news_until_the_subscriber_has_enough(protocol: Protocol) -> None:
    async with endpoint() as here, endpoint() as there:
        board, ear = Board(there, "bob"), Ear()
        alice = here.account(settings_of(at(here, "alice")), Ear())
        subscription = alice.subscribe(at(there, "bob", protocol), "presence", expires=3600, accept="text/plain", hear=ear)
        assert (await ear.hears(SubscriptionActive)).expires == 600
        notified = ear.heard(NotifyReceived) or [await ear.hears(NotifyReceived)]
        assert (notified[0].request.body, notified[0].state) == (b"here", "active")
        board.post(b"away")
        while (await ear.hears(NotifyReceived)).request.body != b"away":
            pass
        subscription.refresh()
        assert (await ear.hears(SubscriptionActive)).expires == 600
        assert (await board.news.hears(NotifierRefreshed)).expires == 600
        subscription.unsubscribe()
        assert (await ear.hears(SubscriptionEnded)).reason == "timeout"
        assert (await board.news.hears(NotifierEnded)).reason == "timeout"
        assert subscription.over


async def test_the_notifier_ends_it() -> None:
    async with endpoint() as here, endpoint() as there:
        board, ear = Board(there, "bob"), Ear()
        here.account(settings_of(at(here, "alice")), Ear()).subscribe(at(there, "bob"), "presence", expires=3600, hear=ear)
        await ear.hears(SubscriptionActive)
        board.post(b"gone", last=True)
        assert (await ear.hears(SubscriptionEnded)).reason == "noresource"
        assert ear.heard(NotifyReceived)[-1].request.body == b"gone"
        assert (await board.news.hears(NotifierEnded)).reason == "noresource"


async def test_a_package_that_nobody_knows() -> None:
    async with endpoint() as here, endpoint() as there:
        Board(there, "bob")
        ear = Ear()
        here.account(settings_of(at(here, "alice")), Ear()).subscribe(at(there, "bob"), "weather", expires=3600, hear=ear)
        assert (await ear.hears(SubscriptionFailed)).code == 489
