"""The SIP plugin on a real relay and a real endpoint on loopback; clients of it, and telephones on an endpoint of their own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.janus_api.browser_sdp import check_browser_sdp
from boringsdp.janus_api.handle import AttachedHandle
from boringsdp.janus_api.plugin import Ack, Jsep, JsepType, PluginContext
from boringsdp.janus_api.requests import Message
from boringsdp.relay import Relay, RelaySettings
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.session.events import Confirmed
from boringsdp.sip.settings import SipSettings
from boringsdp.sip_plugin import SipPlugin
from tests.call.phone import CHROMIUM, browser_answer, plain
from tests.sip_plugin.talk import Town, running_town
from tests.support.engines import make_relay
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of

Json = dict[str, Any]
PATIENCE_S = 5.0
_numbers = itertools.count(1)


class Client:
    """A Janus client with one handle of the plugin."""

    def __init__(self, plugin: SipPlugin) -> None:
        self.events: list[Json] = []
        self.news: list[Any] = []
        self._came = asyncio.Event()
        self.handle = AttachedHandle(self, 1, next(_numbers), plugin, None, None)
        self.handle.attach()

    def emit(self, session_id: int, message: Json) -> None:
        self.events.append(message)
        self._came.set()

    def report(self, news: Any) -> None:
        self.news.append(news)

    def end(self, session_id: int, handle_id: int) -> None:
        self.handle.detach(tell=True)

    def ask(self, body: Json, jsep: Jsep | None = None) -> Json:
        """Send a request and return the data of the event that answers it."""
        transaction = f"t{next(_numbers)}"
        reply = self.handle.message(transaction, Message(body, jsep), check_browser_sdp, 45.0, 0.0)
        assert reply["janus"] == "ack", Ack
        event = next(each for each in self.events if each.get("transaction") == transaction)
        self.events.remove(event)
        return self._data(event)

    def result(self, body: Json, jsep: Jsep | None = None) -> Json:
        """As `ask`, for what must not fail: the result."""
        data = self.ask(body, jsep)
        assert "error" not in data, data
        return dict(data.get("result", {}))

    def refusal(self, body: Json, jsep: Jsep | None = None) -> tuple[int, str]:
        data = self.ask(body, jsep)
        return data["error_code"], data["error"]

    async def hears(self, name: str) -> Json:
        """The data of the next event of this name, taken out with all that came before it; with `jsep` in it if there was one."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self.events:
                    event = self.events.pop(0)
                    if event["janus"] == name:
                        return event
                    data = self._data(event)
                    if data.get("result", {}).get("event") == name:
                        return data
                self._came.clear()
                await self._came.wait()

    def heard(self) -> list[str]:
        """The names of the events that nobody has taken."""
        return [self._data(event).get("result", {}).get("event", event["janus"]) for event in self.events]

    @staticmethod
    def _data(event: Json) -> Json:
        data = dict(event.get("plugindata", {}).get("data", {}))
        return data | ({"jsep": event["jsep"]} if "jsep" in event else {})


@dataclass
class World:
    """`here` is the gateway's endpoint, `there` the telephones'."""

    plugin: SipPlugin
    relay: Relay
    here: Endpoint
    there: Endpoint
    ear: Ear = field(default_factory=Ear)
    account: Account | None = None

    def client(self) -> Client:
        return Client(self.plugin)

    def guest(self, user: str = "alice", **more: Any) -> Client:
        """A client with an account that needs no registrar."""
        client = self.client()
        client.result({"request": "register", "type": "guest", "username": self.uri(user)} | more)
        return client

    def uri(self, user: str) -> str:
        """Of somebody at the gateway."""
        return str(at(self.here, user))

    def peer(self, user: str = "bob") -> str:
        """Of somebody at the telephones' endpoint."""
        return str(at(self.there, user))

    def telephone(self, user: str = "bob") -> Account:
        """An account there; `ear` hears it."""
        self.account = self.there.account(settings_of(at(self.there, user)), self.ear)
        return self.account

    async def rings(self) -> tuple[IncomingCall, Ear]:
        """The next call that comes to the telephone, and the ear that is given to its session."""
        call = await self.ear.hears(IncomingCall)
        ear = call.session.hear = Ear()
        return call, ear

    async def talk(self, client: Client, sdp: str = "", **more: Any) -> tuple[Session, Ear]:
        """The client calls the telephone, which answers: its session and ear."""
        if self.account is None:
            self.telephone()
        client.result({"request": "call", "uri": self.peer()} | more, offer())
        call, ear = await self.rings()
        call.session.accept((sdp or plain(9000)).encode())
        await client.hears("accepted")
        await ear.hears(Confirmed)
        return call.session, ear


def offer(sdp: str = CHROMIUM) -> Jsep:
    return Jsep(JsepType.OFFER, sdp)


def answer(to: Json, direction: str = "sendrecv") -> Jsep:
    """The browser's answer to the offer in an event."""
    return Jsep(JsepType.ANSWER, browser_answer(to["jsep"]["sdp"], direction))


@pytest.fixture
def plugin_config() -> dict[str, Any]:
    return {}


@pytest.fixture
def sip_settings() -> SipSettings:
    return LOOPBACK


@pytest.fixture
async def world(plugin_config: dict[str, Any], sip_settings: SipSettings) -> AsyncIterator[World]:
    relay = make_relay(RelaySettings(plain_ports=(40000, 40400), port_rest_s=0.0))
    await relay.start()
    try:
        async with endpoint(sip_settings) as here, endpoint() as there:
            plugin = SipPlugin(PluginContext(Calls(relay, CallSettings(max_calls=20)), plugin_config, here))
            yield World(plugin, relay, here, there)
            await plugin.close()
    finally:
        await relay.close()


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with running_town() as running:
        yield running
