"""Sessions over true transactions, with datagrams lost, doubled and late."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings
from boringsdp.sip.actions import Reply
from boringsdp.sip.build import response
from boringsdp.sip.digest import Credentials
from boringsdp.sip.message import Request
from boringsdp.sip.session import State
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    By,
    Cancelled,
    Confirmed,
    Ended,
    Failed,
    OfferReceived,
    OfferRefused,
    RequestAnswered,
)
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.ua import CallCame
from boringsdp.sip.uri import SipUri
from tests.support.network import Impairment
from tests.support.sip_agents import ANYWHERE, Agent, Call
from tests.support.sip_network import ALICE, BOB, SipNetwork
from tests.support.sip_sessions import ANSWER, OFFER, sdp

TO_BOB = "sip:bob@192.0.2.2"


def test_no_call_is_lost_with_ten_per_cent_of_datagrams():
    def answer(call: Call, event: Any) -> None:
        if isinstance(event, CallCame):
            call.do("ring")
            net.at(net.now + 1, lambda: call.do("accept", ANSWER))

    fate = Impairment(seed=7, loss=0.1, duplicate=0.1, jitter_s=0.2)
    net = SipNetwork(fate)
    alice, bob = Agent(net, ALICE, "alice"), Agent(net, BOB, "bob", then=answer)
    calls = []
    for _ in range(100):
        calls.append(alice.call(TO_BOB, OFFER))
        net.run(0.1)
    net.run(20)
    assert len(bob.calls) == len(calls)
    assert all(len(call.told(Answered)) == 1 for call in calls)
    assert all(len(call.told(Confirmed)) == 1 for call in bob.calls)
    others = {call.session.call_id: call for call in bob.calls}
    for number, call in enumerate(calls):
        (call if number % 2 else others[call.session.call_id]).do("hang_up")
    net.run(100)
    assert all(len(call.told(Ended)) == 1 for call in [*calls, *bob.calls])
    assert alice.ua.counts()["usages"] == bob.ua.counts()["usages"] == 0
    assert alice.ua.counts()["transactions"] == bob.ua.counts()["transactions"] == 0
    assert len(fate.lost) > 50


def test_a_re_invite_that_is_not_understood_is_refused_and_the_call_goes_on():
    net = SipNetwork()
    alice, bob = Agent(net, ALICE, "alice"), Agent(net, BOB, "bob")
    call = alice.call(TO_BOB, OFFER)
    net.run(1)
    bob.calls[0].do("accept", ANSWER)
    net.run(1)
    for lines, code in (([("Require", "magic")], 420), ([("Content-Encoding", "zip")], 415)):
        call.do("offer", sdp("alice", 2), lines)
        net.run(1)
        assert call.last(OfferRefused).code == code
    assert not bob.calls[0].told(OfferReceived)
    call.do("offer", sdp("alice", 3))
    net.run(1)
    assert bob.calls[0].last(OfferReceived).sdp == sdp("alice", 3)


def test_digest_within_the_dialog_takes_numbers_of_its_own():
    """A challenged BYE goes out again under the next CSeq of the dialog (RFC 3261 §22.2)."""
    secret = SipSettings(policy=ANYWHERE)
    net = SipNetwork()
    alice, bob = Agent(net, ALICE, "alice", settings=secret), Agent(net, BOB, "bob")
    alice.ua.change_line(
        alice.line, AccountSettings(identity=SipUri("sip", "alice", ALICE[0]), credentials=(Credentials("alice", "secret"),))
    )
    call = alice.call(TO_BOB, OFFER)
    net.run(1)
    other = bob.calls[0]
    other.do("accept", ANSWER)
    net.run(1)
    receive = other.session.receive_request

    def challenge(request: Request, transaction: int | None, now: float) -> list[Any]:
        if transaction is not None and "Authorization" not in request.headers:
            return [Reply(transaction, response(401, headers=[("WWW-Authenticate", 'Digest realm="bob", nonce="n", qop="auth"')]))]
        return receive(request, transaction, now)

    other.session.receive_request = challenge  # type: ignore[method-assign]
    number = call.do("request", "INFO")
    net.run(1)
    assert call.last(RequestAnswered).number == number
    assert call.last(RequestAnswered).response.code == 200
    call.do("offer", sdp("alice", 2))
    net.run(1)
    other.do("answer", sdp("bob", 2))
    net.run(1)
    assert call.last(AnswerReceived).sdp == sdp("bob", 2)
    call.do("hang_up")
    net.run(40)
    assert other.last(Ended).by is By.REMOTE
    numbers = [views.cseq(sent.message).number for sent in net.sent if sent.source == ALICE and sent.what in ("INFO", "INVITE", "BYE")]
    assert numbers == sorted(set(numbers))


class Chance:
    """Two agents whose calls do whatever comes to mind."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.net = SipNetwork(Impairment(seed=seed, loss=self.random.choice([0, 0.1, 0.2]), duplicate=0.1, jitter_s=0.5))
        self.alice = Agent(self.net, ALICE, "alice", then=self.hear)
        self.bob = Agent(self.net, BOB, "bob", then=self.hear)
        self.version = 1

    def hear(self, call: Call, event: Any) -> None:
        if isinstance(event, OfferReceived):
            at = self.net.now + self.random.choice([0, 0.5, 3.0])
            self.net.at(at, lambda: self.answer(call, event.tag))

    def sdp(self, call: Call) -> bytes:
        self.version += 1
        return sdp("alice" if call.agent is self.alice else "bob", self.version)

    def answer(self, call: Call, tag: str) -> None:
        with suppress(WrongState):
            call.do("answer", self.sdp(call), tag=tag)

    def step(self, call: Call) -> None:
        choices = {
            "ring": lambda: call.do("ring"),
            "progress": lambda: call.do("progress", self.sdp(call)),
            "accept": lambda: call.do("accept", self.sdp(call)),
            "offer": lambda: call.do("offer", self.sdp(call)),
            "update": lambda: call.do("offer", self.sdp(call), by="UPDATE"),
            "no offer": lambda: call.do("offer", None),
            "info": lambda: call.do("request", "INFO"),
            "hang up": lambda: call.do("hang_up") if self.random.random() < 0.2 else None,
        }
        with suppress(WrongState):
            choices[self.random.choice(list(choices))]()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_each_side_ends_once_and_agrees(seed):
    chance = Chance(seed)
    net = chance.net
    chance.alice.call(TO_BOB, chance.random.choice([OFFER, OFFER, None]))
    for _ in range(25):
        net.run(chance.random.random() * 2)
        for call in [*chance.alice.calls, *chance.bob.calls]:
            if not call.done:
                chance.step(call)
    net.run(60)
    calls = [*chance.alice.calls, *chance.bob.calls]
    up = [call for call in calls if call.session.state is State.CONFIRMED]
    assert len(up) in (0, 2)
    if up:
        one, other = (call.session for call in up)
        assert (one.local_sdp, one.remote_sdp) == (other.remote_sdp, other.local_sdp)
        up[chance.random.randrange(2)].do("hang_up")
    net.run(400)
    for call in calls:
        assert len([event for event in call.heard if isinstance(event, Ended | Failed | Cancelled)]) == 1
        assert call.done
    for agent in (chance.alice, chance.bob):
        assert agent.ua.counts()["transactions"] == 0
