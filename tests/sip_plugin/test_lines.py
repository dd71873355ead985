"""Accounts and their lines: helpers, call waiting, helpers on demand, trunks, messages."""

from __future__ import annotations

import base64
import socket
from dataclasses import replace
from typing import Any

import pylibsrtp
import pytest

from boringsdp.sip.account import IncomingMessage, InfoReceived, MessageReceived
from boringsdp.sip.session.events import Answered, Confirmed, Ended, Failed, Ringing
from boringsdp.sip.settings import PolicySettings, SipSettings
from tests.call.phone import Phone, plain, port_of
from tests.sip_plugin.conftest import Client, World, answer, offer
from tests.support.sip_endpoints import LOOPBACK, Ear


def helper(world: World, **more: Any) -> Client:
    client = world.client()
    master_id = next(iter(world.plugin.masters))
    body = {"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id} | more
    registered = client.result(body)
    assert registered | {"unique_id": ""} == {
        "event": "registered", "username": "alice", "register_sent": False, "helper": True, "master_id": master_id, "unique_id": "",
    }  # fmt: skip
    return client


async def test_a_guest_is_registered_at_once(world: World):
    alice = world.client()
    registered = alice.result({"request": "register", "type": "guest", "username": world.uri("alice")})
    assert registered.pop("unique_id")
    master_id = next(iter(world.plugin.masters))
    assert registered == {"event": "registered", "username": "alice", "register_sent": False, "master_id": master_id}
    assert 0 < master_id < 2**32


async def test_without_an_account_nothing_goes(world: World):
    client = world.client()
    message = {"request": "message", "content": "x", "uri": "sip:a@b"}
    for body in ({"request": "unregister"}, {"request": "subscribe", "event": "dialog"}, message):
        assert client.refusal(body)[0] == 447
    assert client.refusal({"request": "call", "uri": world.peer()}, offer())[0] == 447


@pytest.mark.parametrize(("master_id", "words"), [(None, "master_id"), (5, "No such master")])
async def test_helpers_need_a_master(world: World, master_id: int | None, words: str):
    world.guest()
    client = world.client()
    code, text = client.refusal({"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id})
    assert (code, words in text) == (453, True)


async def test_a_helper_is_no_master_and_no_helper_twice(world: World):
    world.guest()
    client = helper(world)
    assert client.refusal({"request": "register", "type": "guest", "username": world.uri("carol")})[0] == 453
    again = {"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": next(iter(world.plugin.masters))}
    assert client.refusal(again)[0] == 453


async def test_the_first_idle_line_rings_and_the_last_call_is_missed(world: World):
    alice = world.guest()
    second = helper(world)
    account, ears = world.telephone(), [Ear(), Ear(), Ear()]
    account.invite(world.uri("alice"), plain(9000).encode(), hear=ears[0])
    first_call = await alice.hears("incomingcall")
    account.invite(world.uri("alice"), plain(9002).encode(), hear=ears[1])
    second_call = await second.hears("incomingcall")
    account.invite(world.uri("alice"), plain(9004).encode(), hear=ears[2])
    assert (await ears[2].hears(Failed)).code == 486
    await alice.hears("missed_call")
    alice.result({"request": "accept"}, answer(first_call))
    second.result({"request": "accept"}, answer(second_call))
    await ears[0].hears(Answered)
    await ears[1].hears(Answered)


async def test_a_helper_can_be_made_on_demand(world: World):
    alice = world.guest(helpers_on_demand=True)
    await world.talk(alice)
    assert world.account is not None
    ear = Ear()
    session = world.account.invite(world.uri("alice"), plain(9002).encode(), hear=ear)
    wanted = (await alice.hears("helper_wanted"))["result"]
    assert (wanted["caller"], wanted["seconds"]) == (world.peer(), 5.0)
    await ear.hears(Ringing)
    client = helper(world)
    came = await client.hears("incomingcall")
    assert came["call_id"] == session.call_id
    client.result({"request": "accept"}, answer(came))
    await ear.hears(Answered)


class TestShortWait:
    @pytest.fixture
    def plugin_config(self) -> dict[str, Any]:
        return {"helper_wait": 0.05}

    async def test_a_helper_that_does_not_come(self, world: World):
        alice = world.guest(helpers_on_demand=True)
        await world.talk(alice)
        assert world.account is not None
        ear = Ear()
        world.account.invite(world.uri("alice"), plain(9002).encode(), hear=ear)
        assert (await ear.hears(Failed)).code == 486
        assert (await alice.hears("missed_call"))["result"]["caller"] == world.peer()


async def test_a_waiting_call_gets_the_line_that_comes_free(world: World):
    alice = world.guest(helpers_on_demand=True)
    await world.talk(alice)
    assert world.account is not None
    ear = Ear()
    world.account.invite(world.uri("alice"), plain(9002).encode(), hear=ear)
    await alice.hears("helper_wanted")
    alice.result({"request": "hangup"})
    await alice.hears("incomingcall")


async def test_helpers_end_with_their_master(world: World):
    alice = world.guest()
    client = helper(world)
    _, ear = await world.talk(client)
    alice.handle.detach(tell=True)
    assert (await ear.hears(Ended)).code == 200
    assert client.heard()[-4:] == ["hangup", "hangup", "unregistered", "detached"]  # of the call, the PeerConnection, the line, the handle


async def test_a_helper_that_leaves_its_master(world: World):
    alice = world.guest()
    client = helper(world)
    assert client.result({"request": "unregister"}) == {"event": "unregistering"}
    assert (await client.hears("unregistered"))["result"]["username"] == "alice"
    assert client.refusal({"request": "call", "uri": world.peer()}, offer())[0] == 447
    assert alice.handle.query()["helpers"] == 0


class TestTrunk:
    @pytest.fixture
    def plugin_config(self) -> dict[str, Any]:
        return {"trunks": True}

    async def test_calls_of_many_identities_are_led_to_lines_by_rule(self, world: World):
        main = world.guest("trunk", identities=["+4930*"], sources=["127.0.0.0/8"])
        sales = world.client()
        master_id = next(iter(world.plugin.masters))
        body = {"request": "register", "type": "helper", "username": world.uri("+49301"), "master_id": master_id}
        sales.result(body | {"identities": ["+49301*"]})
        account = world.telephone()
        account.invite(world.uri("+49301234"), plain(9000).encode(), hear=Ear())
        came = await sales.hears("incomingcall")
        assert came["result"]["callee"] == world.uri("+49301234")
        account.invite(world.uri("+49302222"), plain(9002).encode(), hear=Ear())
        await main.hears("incomingcall")
        busy = Ear()
        account.invite(world.uri("+49301235"), plain(9004).encode(), hear=busy)
        assert (await busy.hears(Failed)).code == 486
        await sales.hears("missed_call")

    @pytest.mark.parametrize("source", ["nonsense", "192.0.2.0/99", ""])
    async def test_sources_that_are_no_networks_are_refused(self, world: World, source: str):
        body = {"request": "register", "type": "guest", "username": world.uri("trunk"), "sources": ["192.0.2.0/24", source]}
        assert world.client().refusal(body)[0] == 444

    async def test_the_call_of_a_line_with_a_rule_can_be_replaced(self, world: World):
        world.guest("trunk", identities=["+4930*"], sources=["127.0.0.0/8"])
        sales = world.client()
        master_id = next(iter(world.plugin.masters))
        body = {"request": "register", "type": "helper", "username": world.uri("+49301"), "master_id": master_id}
        sales.result(body | {"identities": ["+49301*"]})
        session, _ = await world.talk(sales)
        assert world.account is not None
        newcomer = Ear()
        world.account.invite(world.uri("+49301"), plain(9010).encode(), hear=newcomer, replaces=session)
        await newcomer.hears(Answered)
        assert (await sales.hears("replaced"))["result"]["replaces"] == session.call_id

    async def test_a_line_of_a_trunk_calls_in_its_own_name(self, world: World):
        world.guest("trunk", identities=["*"], sources=["127.0.0.0/8"])
        sales = world.client()
        master_id = next(iter(world.plugin.masters))
        name = {"username": world.uri("+49301"), "display_name": "Sales"}
        sales.result({"request": "register", "type": "helper", "master_id": master_id, **name})
        world.telephone()
        sales.result({"request": "call", "uri": world.peer()}, offer())
        call, _ = await world.rings()
        assert call.session.remote_uri == world.uri("+49301")


class TestPolicy:
    @pytest.fixture
    def sip_settings(self) -> SipSettings:
        policy = PolicySettings(sources=("127.0.0.0/8",), registrars=("pbx.test",), targets=("127.0.0.1",), headers=("X-*",))
        return replace(LOOPBACK, policy=policy)

    async def test_what_the_operator_does_not_allow_is_refused(self, world: World):
        client = world.client()
        elsewhere = {"request": "register", "username": "sip:a@pbx.test", "secret": "x", "proxy": "sip:evil.test"}
        code, text = client.refusal(elsewhere)
        assert (code, "evil.test" in text) == (449, True), text
        client.result({"request": "register", "type": "guest", "username": "sip:a@pbx.test"})
        code, text = client.refusal({"request": "call", "uri": "sip:bob@evil.test"}, offer())
        assert (code, "evil.test" in text) == (449, True), text
        king = {"P-Asserted-Identity": "<sip:king@pbx.test>"}
        assert client.refusal({"request": "call", "uri": world.peer(), "headers": king}, offer())[0] == 444
        assert client.refusal({"request": "call", "uri": f"{world.peer()};MADDR=127.0.0.2"}, offer())[0] == 449
        elsewhere = {"request": "register", "username": "sip:a@pbx.test;maddr=evil.test", "secret": "x", "refresh": True}
        assert client.refusal(elsewhere)[0] == 449
        assert client.handle.has_peer_connection is False
        assert len(world.plugin.calls) == 0

    async def test_no_list_of_headers_keeps_the_gateway_from_saying_why_a_call_ends(self, world: World):
        client = world.client()
        client.result({"request": "register", "type": "guest", "username": "sip:a@pbx.test"})
        session, ear = await world.talk(client)
        client.handle.close_pc("DTLS alert")
        ended = await ear.hears(Ended)
        assert ended.message.headers.get("Reason") == 'SIP;cause=200;text="DTLS alert"'
        assert session.over


async def test_trunks_are_off_unless_allowed(world: World):
    client = world.client()
    body = {"request": "register", "type": "guest", "username": world.uri("a"), "identities": ["*"]}
    assert client.refusal(body)[0] == 444


async def test_messages_in_and_out_of_calls(world: World):
    alice = world.guest(incoming_header_prefixes=["X-"])
    session, ear = await world.talk(alice)
    sent = alice.ask({"request": "message", "content": "hé", "headers": {"X-A": "1"}})
    assert sent["result"] == {"event": "messagesent", "call_id": session.call_id}
    got = (await ear.hears(MessageReceived)).request
    assert (got.body.decode(), got.headers.get("Content-Type"), got.headers.get("X-A")) == ("hé", "text/plain", "1")
    delivered = await alice.hears("messagedelivery")
    assert (delivered["call_id"], delivered["result"]["code"]) == (session.call_id, 200)
    session.send("MESSAGE", [("X-B", "2")], content_type="text/html", body=b"<b>")
    message = (await alice.hears("message"))["result"]
    assert message == {"event": "message", "sender": world.peer(), "content": "<b>", "content_type": "text/html", "headers": {"X-B": "2"}}
    sent = alice.ask({"request": "message", "content": "out", "uri": world.peer(), "call_id": "my-id", "content_type": "text/x"})
    assert sent["result"] == {"event": "messagesent", "call_id": "my-id"}
    assert (await world.ear.hears(IncomingMessage)).request.headers.get("Call-ID") == "my-id"
    assert (await alice.hears("messagedelivery"))["call_id"] == "my-id"
    assert world.account is not None
    world.account.request("MESSAGE", world.uri("alice"), content_type="text/plain", body=b"knock")
    assert (await alice.hears("message"))["result"]["content"] == "knock"


async def test_info_and_digits(world: World):
    alice = world.guest()
    session, ear = await world.talk(alice)
    assert alice.result({"request": "info", "type": "application/x", "content": "c"}) == {"event": "infosent"}
    assert (await ear.hears(InfoReceived)).request.body == b"c"
    assert alice.result({"request": "dtmf_info", "digit": "5", "duration": 200}) == {"event": "dtmfsent"}
    got = (await ear.hears(InfoReceived)).request
    assert (got.headers.get("Content-Type"), got.body) == ("application/dtmf-relay", b"Signal=5\r\nDuration=200\r\n")
    session.send("INFO", content_type="text/plain", body=b"hello")
    info = (await alice.hears("info"))["result"]
    assert info == {"event": "info", "sender": world.peer(), "type": "text/plain", "content": "hello"}
    assert alice.result({"request": "dtmf", "digits": "12"}) == {"event": "dtmfsent", "digits": 2}


async def test_digits_of_the_peer_are_told(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, ear = await world.rings()
    phone = Phone()
    call.session.accept(plain(phone.port).encode())
    await ear.hears(Confirmed)
    phone.press(port_of((call.sdp or b"").decode()), 7)
    assert (await alice.hears("dtmf"))["result"] == {"event": "dtmf", "sender": world.peer(), "signal": "7", "duration": 800}


async def test_digits_of_the_peer_are_told_with_srtp(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer(), "srtp": "sdes_mandatory"}, offer())
    call, ear = await world.rings()
    phone, key = Phone(), bytes(range(30))
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{base64.b64encode(key).decode()}\r\n"
    call.session.accept(plain(phone.port, extra=crypto).replace("RTP/AVP", "RTP/SAVP").encode())
    await ear.hears(Confirmed)
    sealed = pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND))
    plain_socket, phone.socket = phone.socket, SealedSocket(phone.socket, sealed)  # type: ignore[assignment]
    phone.press(port_of((call.sdp or b"").decode()), 9)
    assert (await alice.hears("dtmf"))["result"]["signal"] == "9"
    plain_socket.close()


class SealedSocket:
    """Encrypts what a telephone sends."""

    def __init__(self, inner: socket.socket, sealed: pylibsrtp.Session) -> None:
        self._inner = inner
        self._sealed = sealed

    def sendto(self, data: bytes, to: tuple[str, int]) -> None:
        self._inner.sendto(self._sealed.protect(data), to)


async def test_a_cancelled_call_waits_no_longer(world: World):
    alice = world.guest(helpers_on_demand=True)
    await world.talk(alice)
    assert world.account is not None
    ear = Ear()
    session = world.account.invite(world.uri("alice"), plain(9002).encode(), hear=ear)
    await ear.hears(Ringing)
    session.hang_up()
    assert (await ear.hears(Ended)).code == 487
    await alice.hears("missed_call")
