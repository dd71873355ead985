"""What fails here in the middle of a transfer leaves no call half joined: it is whole, or over for all, with a record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from boringsdp.b2bua.bridge import transfer, transfer_blind
from boringsdp.b2bua.bridge.answering import Answering
from boringsdp.b2bua.bridge.bridge import Bridge
from boringsdp.b2bua.bridge.transfer_meeting import Meeting
from boringsdp.b2bua.echo import EchoCall
from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToEcho
from boringsdp.call import Call
from boringsdp.errors import WrongState
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import Answered, Ended, Failed
from tests.b2bua.house import House, Phone, talk
from tests.b2bua.test_transfers import agreeable, gone, refers, settled


class WithEcho(DefaultRouting):
    def from_browser(self, asked: Asked) -> Any:
        return Route(groups=((ToEcho(),),)) if asked.called.user_name == "echo" else super().from_browser(asked)


@pytest.fixture
def make_routing() -> Any:
    return WithEcho


async def blind(house: House, *, leaves: bool = False) -> tuple[Phone, ...]:
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    refers(alice, carol.uri)
    call = await carol.rings()
    if leaves:
        alice.call.hang_up()
        await gone(house, alice.call)
        await asyncio.sleep(0.02)
    call.session.accept(carol.answer())
    return alice, bob, carol


async def left(house: House) -> tuple[Phone, ...]:
    return await blind(house, leaves=True)


async def attended(house: House) -> tuple[Phone, ...]:
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    first = alice.call
    agreeable(bob)
    await talk(alice, carol, carol.uri)
    agreeable(carol)
    refers(alice, carol.uri, session=first, replaces=alice.call)
    return alice, bob, carol


async def replaces(house: House) -> tuple[Phone, ...]:
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    agreeable(bob)
    carol.calls(alice.uri, headers=[("Replaces", alice.call.replaces_text)])
    return alice, bob, carol


async def echo(house: House) -> tuple[Phone, ...]:
    alice, carol = await house.phone("alice"), await house.phone("carol")
    await talk(alice, carol, carol.uri)
    agreeable(carol)
    refers(alice, "sip:echo@example.com")
    return alice, carol


def failing(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, number: int, error: Exception) -> list[None]:
    """Let the call of that number raise; what is returned is no longer empty when it has."""
    real, count, done = getattr(where, name), [0], []

    def act(*args: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == number:
            done.append(None)
            raise error
        return real(*args, **named)

    monkeypatch.setattr(where, name, act)
    return done


async def is_nothing_half(house: House) -> None:
    """Every session of the gateway is of a call that has two sides with their media, or of an echo."""
    await settled(house)

    def counted() -> tuple[int, int, int]:
        bridges = house.front.bridges()
        alive = [entry for entry in house.here.ua.entries() if isinstance(entry.face, Session) and not entry.face.over]
        legs = sum(len(bridge.call.statistics()["legs"]) for bridge in bridges)
        return len(alive) - len(house.front._echoes), legs, 2 * len(bridges)

    until = asyncio.get_running_loop().time() + 3
    while len(set(counted())) > 1 and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 (nothing to wait for)
        await asyncio.sleep(0.01)
    assert len(set(counted())) == 1, counted()
    assert len(house.calls) == len(house.front.bridges()) + len(house.front._echoes)


Scenario = Callable[[House], Awaitable[tuple[Phone, ...]]]
BUG, REFUSED = RuntimeError("a bug"), WrongState("here", "there")
SCENARIOS = (blind, left, attended, replaces, echo)
STEPS = [
    *((each, Call, "hand_over", n, REFUSED) for each, most in zip(SCENARIOS, (2, 3, 2, 3, 1), strict=True) for n in range(1, most + 1)),
    *((each, Call, "take_over", n, REFUSED) for each, most in zip(SCENARIOS, (1, 3, 1, 3, 1), strict=True) for n in range(1, most + 1)),
    *((each, Bridge, "put", 1, BUG) for each in (blind, left, attended, replaces)),
    *((each, Meeting, "start", 1, BUG) for each in (blind, left, attended)),
    *((each, Meeting, "_next", 2, BUG) for each in (blind, attended)),
    (blind, transfer_blind, "leave", 1, BUG),
    (attended, transfer, "leave", 1, BUG),
    (echo, transfer, "leave", 1, BUG),
    (echo, EchoCall, "_answered", 1, BUG),
]


@pytest.mark.parametrize(("scenario", "where", "name", "number", "error"), STEPS, ids=lambda each: getattr(each, "__name__", str(each)))
async def test_what_fails_in_a_transfer_leaves_nothing_half(
    house: House, monkeypatch: pytest.MonkeyPatch, scenario: Scenario, where: Any, name: str, number: int, error: Exception
):
    done = failing(monkeypatch, where, name, number, error)
    phones = await scenario(house)
    async with asyncio.timeout(3):
        while not done:  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.01)
    await is_nothing_half(house)
    for phone in phones:
        phone.call.hang_up()
    async with asyncio.timeout(3):
        while house.front.bridges() or house.front._echoes:  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.01)
    await is_nothing_half(house)
    assert (await house.record()).ended


async def test_what_fails_while_somebody_is_called_ends_it_for_the_caller(house: House, monkeypatch: pytest.MonkeyPatch):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    failing(monkeypatch, Answering, "trying", 1, RuntimeError("a bug"))
    alice.calls(bob.uri)
    (await bob.rings()).session.ring()
    assert (await alice.hears(Failed)).code == 500
    await is_nothing_half(house)
    assert (await house.record()).reason == "failed here"


async def test_what_fails_in_an_echo_ends_it(house: House, monkeypatch: pytest.MonkeyPatch):
    alice = await house.phone("alice")
    alice.calls("sip:echo@example.com")
    await alice.hears(Answered)
    failing(monkeypatch, EchoCall, "_reoffered", 1, RuntimeError("a bug"))
    alice.call.offer(alice.offer().replace(b"a=sendrecv", b"a=sendonly"))
    await alice.hears(Ended)
    assert (await house.record()).reason == "failed here"


async def test_a_policy_that_fails_late_leaves_the_call(house: House, monkeypatch: pytest.MonkeyPatch):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)

    async def decide(asked: Asked) -> Decision:
        await asyncio.sleep(0)
        raise RuntimeError

    monkeypatch.setattr(house.front.routing.routing, "from_browser", decide)  # type: ignore[attr-defined]
    refers(alice, carol.uri)
    await asyncio.sleep(0.05)
    await is_nothing_half(house)
    assert len(list(house.front.bridges())) == 1
