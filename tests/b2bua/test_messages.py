"""Requests sent on by a gateway between a sender and those who may take them; all are endpoints on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from boringsdp.b2bua.messages import Messages, best
from boringsdp.b2bua.plan import Attempt, Kind, Plan
from boringsdp.sdp import PLAIN
from boringsdp.sip.account import IncomingCall, IncomingMessage, IncomingRefer, MessageReceived, RequestAnswered
from boringsdp.sip.build import response
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account
from boringsdp.sip.session.events import Answered, Confirmed
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.support.sip_endpoints import ANSWER, OFFER, Ear, at, endpoint, settings_of


class World:
    """Who asks, the gateway, and others by name."""

    def __init__(self, sender: Endpoint, gateway: Endpoint, others: Endpoint) -> None:
        self.gateway, self.others = gateway, others
        self.replies = Ear()
        self.alice = sender.account(settings_of(at(sender, "alice")), self.replies)
        self.messages = Messages(lambda attempt, why: None)
        self.plan: Plan = ()
        self.challenges = False
        self.out = gateway.account(settings_of("sip:gateway@gateway.example.com", own_headers=("Authorization",)), Ear())
        self.front = at(gateway, "front")
        gateway.account(settings_of(self.front), self._hear)
        self.ears: dict[str, Ear] = {}

    def _hear(self, event: Any) -> None:
        if isinstance(event, IncomingRefer):
            self.messages.relay_refer(event.refer, self.plan, challenges=self.challenges)
        else:
            self.messages.relay(event.incoming, self.plan, challenges=self.challenges)

    def someone(self, name: str, code: int = 200, **answer: Any) -> Attempt:
        """Somebody who answers all with `code`."""

        def then(event: Any) -> None:
            if isinstance(event, IncomingMessage):
                event.incoming.answer(code, **answer)

        self.ears[name] = Ear(then)
        self.others.account(settings_of(at(self.others, name)), self.ears[name])
        return self.attempt(at(self.others, name))

    def attempt(self, uri: SipUri | str, **more: Any) -> Attempt:
        text = uri if isinstance(uri, str) else uri.to_text()
        return Attempt(kind=Kind.PBX, account=self.out, uri=text, style=PLAIN, **more)

    async def answer(self, **message: Any) -> RequestAnswered:
        """What alice gets for a MESSAGE."""
        self.alice.request("MESSAGE", self.front, content_type="text/plain", body=b"hello", **message)
        return await self.replies.hears(RequestAnswered)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with endpoint() as sender, endpoint() as gateway, endpoint() as others:
        yield World(sender, gateway, others)


async def test_a_message_goes_on_under_another_name_and_dialog(world: World):
    bob = world.someone("bob")
    who = parse_sip_uri("sip:49301234@pbx.example.com")
    world.plan = ((Attempt(kind=bob.kind, account=bob.account, uri=bob.uri, style=PLAIN, identity=who, display_name="Alice",
                           to="<sip:4711@pbx.example.com>", headers=(("X-Case", "7"),)),),)  # fmt: skip
    answered = await world.answer(headers=[("Subject", "lunch"), ("X-Not", "listed")], call_id="one-call-id")
    got = (await world.ears["bob"].hears(IncomingMessage)).request
    assert answered.response.code == 200
    assert (got.body, got.headers.get("Content-Type"), got.headers.get("X-Case")) == (b"hello", "text/plain", "7")
    assert (got.headers.get("From") or "").startswith('"Alice" <sip:49301234@pbx.example.com>;tag=')
    assert got.headers.get("To") == "<sip:4711@pbx.example.com>"
    assert got.headers.get("Call-ID") != "one-call-id"
    assert got.headers.get("X-Not") is None


async def test_an_answer_comes_back_with_its_content(world: World):
    world.plan = ((world.someone("bob", 202, reason="Taken", content_type="text/plain", body=b"thanks"),),)
    got = (await world.answer()).response
    assert (got.code, got.reason, got.body) == (202, "Taken", b"thanks")


async def test_nobody_to_ask(world: World):
    assert (await world.answer()).response.code == 404


async def test_of_several_the_first_who_takes_it_counts(world: World):
    world.plan = ((world.someone("bob", 486), world.someone("carol", 202), world.someone("dave", 480)),)
    assert (await world.answer()).response.code == 202
    assert all(len(world.ears[name].heard(IncomingMessage)) == 1 for name in ("bob", "carol", "dave"))


@pytest.mark.parametrize(
    ("first", "code", "asked"),
    [(503, 200, True), (480, 200, True), (404, 404, False), (603, 603, False)],
)
async def test_the_next_group_is_for_want_of_an_answer(world: World, first: int, code: int, asked: bool):
    world.plan = ((world.someone("bob", first),), (world.someone("carol"),))
    assert (await world.answer()).response.code == code
    assert bool(world.ears["carol"].heard(IncomingMessage)) is asked


async def test_who_cannot_be_asked_at_all_is_a_failure_like_others(world: World):
    world.plan = ((world.attempt("tel:"), world.attempt(SipUri("sip", "x", "nowhere.invalid"))), (world.someone("carol"),))
    assert (await world.answer()).response.code in (404, 503)
    away = Attempt(kind=Kind.BROWSER, account=world.out, uri="sip:tab@tab.invalid", style=PLAIN)
    world.plan = ((away,), (world.someone("dave"),))
    assert (await world.answer()).response.code == 200


async def test_another_address_of_the_same_pbx(world: World):
    bob = world.someone("bob", 503)
    other = Attempt(kind=bob.kind, account=bob.account, uri=world.someone("bert").uri, style=PLAIN)
    world.plan = ((Attempt(kind=bob.kind, account=bob.account, uri=bob.uri, style=PLAIN, otherwise=other),),)
    assert (await world.answer()).response.code == 200


async def test_the_next_hop_of_an_attempt(world: World):
    bob = world.someone("bob")
    hop = f"<{at(world.others, 'x').to_text()};lr>".replace("x@", "")
    world.plan = ((Attempt(kind=bob.kind, account=bob.account, uri="sip:bob@nowhere.invalid", route=hop, style=PLAIN),),)
    world.others.account(settings_of("sip:bob@nowhere.invalid"), world.ears["bob"])
    assert (await world.answer()).response.code == 200


async def test_the_next_hop_takes_the_place_of_the_accounts_proxy(world: World):
    bob, proxy = world.someone("bob"), parse_sip_uri("sip:127.0.0.1:9")
    out = world.gateway.account(settings_of("sip:gateway@gateway.example.com", outbound_proxy=proxy), Ear())
    hop = f"<{at(world.others, 'x').to_text()};lr>".replace("x@", "")
    world.plan = ((Attempt(kind=Kind.PBX, account=out, uri=bob.uri, route=hop, style=PLAIN),),)
    assert (await world.answer()).response.code == 200
    assert (await world.ears["bob"].hears(IncomingMessage)).request.headers.all("Route") == [hop]


@pytest.mark.parametrize(("challenges", "code"), [(True, 401), (False, 403)])
async def test_a_challenge_is_for_who_has_the_password(world: World, challenges: bool, code: int):
    challenge = [("WWW-Authenticate", 'Digest realm="pbx", nonce="1"')]
    world.plan, world.challenges = ((world.someone("bob", 401, headers=challenge),),), challenges
    got = (await world.answer()).response
    assert (got.code, got.headers.all("WWW-Authenticate")) == (code, [challenge[0][1]] if challenges else [])


async def test_credentials_go_to_the_pbx(world: World):
    bob = world.someone("bob")
    world.plan = ((Attempt(kind=bob.kind, account=bob.account, uri=bob.uri, style=PLAIN, headers=(("Authorization", "Digest a=1"),)),),)
    await world.answer()
    assert (await world.ears["bob"].hears(IncomingMessage)).request.headers.get("Authorization") == "Digest a=1"


async def test_a_redirect_is_followed_and_never_shown(world: World):
    world.someone("carol")
    world.plan = ((world.someone("bob", 302, headers=[("Contact", f"<{at(world.others, 'carol').to_text()}>")]),),)
    assert (await world.answer()).response.code == 200
    world.plan = ((world.someone("dave", 302),),)
    assert (await world.answer()).response.code == 480


@pytest.mark.parametrize(
    ("codes", "chosen"),
    [((486, 603, 401), 603), ((486, 407), 407), ((500, 486), 486), ((503, 408), 408), ((480, 488), 488), ((404, 486), 404)],
)  # fmt: skip
def test_the_failure_that_tells_most(codes: tuple[int, ...], chosen: int):
    assert best([response(code) for code in codes]).code == chosen


async def test_a_refer_is_passed_and_its_acceptance_is_all_that_is_heard(world: World):
    world.someone("bob")
    taken: list[Any] = []

    def take(event: Any) -> None:
        if isinstance(event, IncomingRefer):
            taken.append(event.request)
            event.refer.accept()

    world.ears["bob"].then = take
    world.plan = ((world.attempt(at(world.others, "bob")),),)
    world.alice.request("REFER", world.front, headers=[("Refer-To", "<sip:carol@example.com>"), ("Referred-By", "<sip:alice@a.example>")])
    assert (await world.replies.hears(RequestAnswered)).response.code == 202
    [got] = taken
    assert (got.headers.get("Refer-To"), got.headers.get("Refer-Sub")) == ("<sip:carol@example.com>", "false")
    assert got.headers.get("Referred-By") == "<sip:alice@a.example>"


class Talk:
    """A gateway between two calls: what is said within one goes on in the other."""

    def __init__(self, world: World, name: str, take: Callable[[Any], None]) -> None:
        self.world = world
        self.ear = Ear(take)
        self.account: Account = world.others.account(settings_of(at(world.others, name)), self._came)
        self.far_ear = Ear(self._answered)
        self.session = world.out.invite(at(world.others, name), OFFER, hear=self.far_ear)

    def _came(self, event: Any) -> None:
        if isinstance(event, IncomingCall):
            event.session.hear = self.ear
            event.session.accept(ANSWER)

    def _answered(self, event: Any) -> None:
        if isinstance(event, RequestAnswered):
            assert self.world.messages.answered(self.session, event) is True
            assert self.world.messages.answered(self.session, event) is False


async def test_within_a_call(world: World):
    def take(event: Any) -> None:
        if isinstance(event, MessageReceived):
            event.incoming.answer(202)

    talk = Talk(world, "bob", take)
    await talk.far_ear.hears(Answered)
    sessions: list[Any] = []

    def come(event: Any) -> None:
        if isinstance(event, IncomingCall):
            sessions.append(event.session)
            event.session.hear = Ear(
                lambda news: isinstance(news, MessageReceived) and world.messages.relay_inside(news.incoming, talk.session)
            )
            event.session.accept(ANSWER)

    world.gateway.account(settings_of(at(world.gateway, "calls")), come)
    mine = Ear()
    call = world.alice.invite(at(world.gateway, "calls"), OFFER, hear=mine)
    await mine.hears(Answered)
    await sessions[0].hear.hears(Confirmed)
    call.send("MESSAGE", content_type="text/plain", body=b"psst")
    assert (await mine.hears(RequestAnswered)).response.code == 202
    assert (await talk.ear.hears(MessageReceived)).request.body == b"psst"
    talk.session.hang_up()
    call.send("MESSAGE", content_type="text/plain", body=b"still there?")
    assert (await mine.hears(RequestAnswered)).response.code == 480


async def test_who_is_not_heard_any_more_leaves_no_request_open(world: World):
    kept: list[Any] = []

    def take(event: Any) -> None:
        if isinstance(event, MessageReceived):
            event.incoming.later()
            kept.append(event.incoming)

    talk = Talk(world, "bob", take)
    await talk.far_ear.hears(Answered)

    def come(event: Any) -> None:
        if isinstance(event, IncomingCall):
            event.session.hear = lambda news: isinstance(news, MessageReceived) and world.messages.relay_inside(news.incoming, talk.session)
            event.session.accept(ANSWER)

    world.gateway.account(settings_of(at(world.gateway, "calls")), come)
    mine = Ear()
    call = world.alice.invite(at(world.gateway, "calls"), OFFER, hear=mine)
    await mine.hears(Answered)
    call.send("MESSAGE", content_type="text/plain", body=b"psst")
    await talk.ear.hears(MessageReceived)
    world.messages.forget(talk.session)
    assert (await mine.hears(RequestAnswered)).response.code == 480
    assert not world.messages._inside
