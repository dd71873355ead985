"""Connections that end before it is known who calls, or before the policy has said where to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from boringsdp.b2bua.identity import Done, Identity
from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Refusal
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.message import Request, Response
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import House, Phone
from tests.b2bua.test_lost import SHORT, Tab
from tests.b2bua.test_lost import tab as tab
from tests.call.phone import CHROMIUM
from tests.support.sip_browser import browser


class Slow(DefaultRouting):
    """Waits for `go`, and says no to 666."""

    go: asyncio.Event

    async def from_browser(self, asked: Asked) -> Decision:  # type: ignore[override]
        self.go = asyncio.Event()
        await self.go.wait()
        return Refusal(403) if asked.called.user_name == "666" else super().from_browser(asked)  # type: ignore[return-value]


@pytest.fixture
def make_routing() -> Any:
    return Slow


@pytest.fixture
def front_settings() -> dict[str, Any]:
    return {"grace_s": SHORT}


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(3):
        while not holds():  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.01)


def kept(house: House) -> int:
    return len(house.here._browsers._successions)


async def test_the_connection_of_a_stranger_is_not_kept(house: House):
    async with browser(house.here) as phone:
        await phone.ask("INVITE", "sip:bob@example.com", sdp=CHROMIUM.encode())
        answer = await phone.next()
        while isinstance(answer, Response) and answer.code < 200:
            answer = await phone.next()
        assert isinstance(answer, Response)
        assert answer.code == 407
        assert kept(house) == 0


async def test_lost_before_it_is_known_who_calls(house: House, monkeypatch: pytest.MonkeyPatch):
    bob, asking = house.telephone("bob"), []

    def identify(_request: Request, _flow: Any, done: Done) -> None:
        asking.append(done)

    monkeypatch.setattr(house.front.domains, "identify", identify)
    async with browser(house.here) as phone:
        await phone.ask("INVITE", "sip:bob@example.com", sdp=CHROMIUM.encode())
        await until(lambda: asking)
        [entry] = house.here.ua.entries()
        await phone.cut()
        await until(lambda: not house.here.is_open(entry.face.flow))
        domain = house.front.settings.domains["example.com"]
        asking[0](Identity(parse_sip_uri("sip:alice@example.com"), "", domain))
        routing = house.front.routing.routing  # type: ignore[attr-defined]
        await until(lambda: hasattr(routing, "go"))
        routing.go.set()
        record = await house.record()
    assert (record.result, record.ended_by, record.reason) == ("failed", "gateway", "browser lost")
    assert not bob.ear.heard(IncomingCall)
    assert not house.front.bridges()


async def test_lost_for_good_while_the_policy_thinks(house: House, tab: Tab, bob: Phone):
    await tab.phone.ask("INVITE", "sip:bob@example.com", sdp=CHROMIUM.encode())
    routing = house.front.routing.routing  # type: ignore[attr-defined]
    await until(lambda: hasattr(routing, "go"))
    [entry] = house.here.ua.entries()
    await tab.phone.cut()
    await until(lambda: not house.here.is_borne(entry.face.flow))
    routing.go.set()
    assert (await house.record()).reason == "browser lost"
    assert not bob.ear.heard(IncomingCall)


async def test_who_cancels_before_a_refusal_has_cancelled(house: House):
    alice = await house.phone("alice")
    alice.calls("sip:666@example.com")
    routing = house.front.routing.routing  # type: ignore[attr-defined]
    await until(lambda: hasattr(routing, "go"))
    alice.call.hang_up()
    await until(lambda: not house.here.sessions(alice.call.call_id))
    routing.go.set()
    record = await house.record()
    assert (record.result, record.code, record.ended_by, record.reason) == ("cancelled", 487, "caller", "cancelled")


@pytest.fixture
def bob(house: House) -> Phone:
    return house.telephone("bob")
