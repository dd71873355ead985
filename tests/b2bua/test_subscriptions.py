"""Subscriptions through a gateway: watcher, gateway and notifier are endpoints on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from boringsdp.b2bua import subscriptions
from boringsdp.b2bua.plan import Attempt, Kind, Plan
from boringsdp.b2bua.subscriptions import Subscriptions
from boringsdp.sdp import PLAIN
from boringsdp.sip.account import IncomingSubscribe, NotifyReceived, SubscriptionActive, SubscriptionEnded, SubscriptionFailed
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import NotifierHandle
from boringsdp.sip.message import Response
from boringsdp.sip.notifier import NotifierEnded, NotifierRefreshed
from boringsdp.sip.uri import parse_sip_uri
from tests.support.sip_endpoints import Ear, at, endpoint, settings_of


class World:
    """A watcher, the gateway, a notifier."""

    def __init__(self, watcher: Endpoint, gateway: Endpoint, others: Endpoint) -> None:
        self.gateway, self.others = gateway, others
        self.subscriptions = Subscriptions(limit=4)
        self.watcher = watcher.account(settings_of(at(watcher, "alice")), Ear())
        self.out = gateway.account(settings_of("sip:gateway@gateway.example.com"), Ear())
        self.front = at(gateway, "front")
        gateway.account(settings_of(self.front), self._hear)
        self.plan: Plan = ()
        self.challenges = False
        self.board: NotifierHandle | None = None
        self.ear = Ear()
        """Of the notifier."""
        self.asked: list[IncomingSubscribe] = []

    def _hear(self, event: Any) -> None:
        if isinstance(event, IncomingSubscribe):
            self.subscriptions.relay(event, self.plan, challenges=self.challenges)

    def notifier(self, name: str, code: int = 200, headers: tuple[tuple[str, str], ...] = (), first: bytes = b"here") -> Attempt:
        def hear(event: Any) -> None:
            if isinstance(event, IncomingSubscribe):
                self.asked.append(event)
                if code == 200:
                    self.board = event.accept(600, self.ear)
                    self.board.notify(content_type="text/plain", body=first)
                else:
                    event.incoming.answer(code, headers=headers)

        self.others.account(settings_of(at(self.others, name)), hear)
        return Attempt(kind=Kind.PBX, account=self.out, uri=at(self.others, name).to_text(), style=PLAIN)

    def watch(self, expires: int = 3600) -> tuple[Ear, Any]:
        ear = Ear()
        return ear, self.watcher.subscribe(self.front, "presence;id=7", accept="text/plain", expires=expires, hear=ear)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with endpoint() as others, endpoint() as gateway, endpoint() as watcher:
        yield World(watcher, gateway, others)


async def bodies(ear: Ear, last: bytes) -> None:
    while (await ear.hears(NotifyReceived)).request.body != last:
        pass


async def test_news_come_through_until_the_watcher_has_enough(world: World):
    world.plan = ((world.notifier("bob"),),)
    ear, subscription = world.watch()
    await bodies(ear, b"here")
    assert world.board is not None
    world.board.notify(content_type="text/plain", body=b"away")
    await bodies(ear, b"away")
    assert ear.heard(SubscriptionActive)[0].expires == 600
    assert world.asked[0].request.headers.get("Event") == "presence;id=7"
    assert world.asked[0].request.headers.get("Accept") == "text/plain"
    assert world.asked[0].request.headers.get("Call-ID") != subscription.call_id
    subscription.refresh()
    await world.ear.hears(NotifierRefreshed)
    subscription.unsubscribe()
    await ear.hears(SubscriptionEnded)
    assert (await world.ear.hears(NotifierEnded)).reason == "timeout"
    assert len(world.subscriptions) == 0


async def test_the_notifier_ends_it(world: World):
    world.plan = ((world.notifier("bob"),),)
    ear, _ = world.watch()
    await bodies(ear, b"here")
    assert world.board is not None
    world.board.terminate("rejected", "text/plain", b"go away")
    assert (await ear.hears(SubscriptionEnded)).reason == "rejected"
    assert ear.heard(NotifyReceived)[-1].request.body == b"go away"
    assert len(world.subscriptions) == 0


async def test_once(world: World):
    world.plan = ((world.notifier("bob"),),)
    ear, _ = world.watch(expires=0)
    await bodies(ear, b"here")
    await ear.hears(SubscriptionEnded)
    assert len(world.subscriptions) == 0


@pytest.mark.parametrize(("challenges", "code"), [(True, 401), (False, 403)])
async def test_refused(world: World, challenges: bool, code: int):
    world.plan, world.challenges = ((world.notifier("bob", 401, (("WWW-Authenticate", 'Digest realm="pbx", nonce="1"'),)),),), challenges
    ear, _ = world.watch()
    failed = await ear.hears(SubscriptionFailed)
    assert (failed.code, bool(failed.response.headers.all("WWW-Authenticate"))) == (code, challenges)
    assert len(world.subscriptions) == 0


async def test_the_next_is_asked(world: World):
    away = Attempt(kind=Kind.BROWSER, account=world.out, uri="sip:tab@tab.invalid", style=PLAIN)
    world.plan = ((world.notifier("bob", 489), away), (world.notifier("carol"),))
    ear, _ = world.watch()
    await bodies(ear, b"here")


async def test_another_address_of_the_same_pbx(world: World):
    first, other = world.notifier("bob", 503), world.notifier("bert")
    world.plan = ((replace(first, otherwise=other),),)
    ear, _ = world.watch()
    await bodies(ear, b"here")


async def test_the_next_hop_takes_the_place_of_the_accounts_proxy(world: World):
    proxy = parse_sip_uri("sip:127.0.0.1:9")
    out = world.gateway.account(settings_of("sip:gateway@gateway.example.com", outbound_proxy=proxy), Ear())
    hop = f"<{at(world.others, 'x').to_text()};lr>".replace("x@", "")
    world.plan = ((replace(world.notifier("bob"), account=out, route=hop),),)
    ear, _ = world.watch()
    await bodies(ear, b"here")
    assert world.asked[0].request.headers.all("Route") == [hop]


async def test_nobody_to_ask_and_too_many(world: World):
    ear, _ = world.watch()
    assert (await ear.hears(SubscriptionFailed)).code == 404
    world.plan = ((world.notifier("bob"),),)
    ears = [world.watch()[0] for _ in range(4)]
    for one in ears:
        await bodies(one, b"here")
    ear, _ = world.watch()
    assert (await ear.hears(SubscriptionFailed)).code == 503


async def test_one_watcher_has_only_so_many(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subscriptions, "MAX_OF_SOURCE", 2)
    world.plan = ((world.notifier("bob"),),)
    for _ in range(2):
        await bodies(world.watch()[0], b"here")
    ear, _ = world.watch()
    assert (await ear.hears(SubscriptionFailed)).code == 503


async def test_at_the_end_the_watcher_is_asked_to_come_again(world: World):
    world.plan = ((world.notifier("bob"),),)
    ear, _ = world.watch()
    await bodies(ear, b"here")
    world.subscriptions.close()
    assert len(world.subscriptions) == 0
    again = [each for each in [await ear.hears(NotifyReceived)] if each.state == "terminated"]
    assert [each.reason for each in again] == ["deactivated"]
    await world.ear.hears(NotifierEnded)


class Hasty:
    """An account that tells of its failure before it has said what has failed."""

    def subscribe(self, *_: Any, hear: Any, **__: Any) -> Any:
        hear(SubscriptionFailed(503, "", Response(503, "", local=True)))
        return SimpleNamespace(over=True)


async def test_what_fails_while_it_is_being_sent_is_not_taken_for_the_next(world: World):
    """When the watcher ends it, the one that was taken hears of that."""
    nowhere = Attempt(kind=Kind.PBX, account=Hasty(), uri="sip:bob@example.com", style=PLAIN)  # type: ignore[arg-type]
    world.plan = ((replace(nowhere, otherwise=world.notifier("bert")),),)
    ear, subscription = world.watch()
    await bodies(ear, b"here")
    subscription.unsubscribe()
    await ear.hears(SubscriptionEnded)
    await world.ear.hears(NotifierEnded)
    assert len(world.subscriptions) == 0
