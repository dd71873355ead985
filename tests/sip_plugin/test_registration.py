"""Accounts at a registrar: digest, failures that keep the account and those that end it, refresh, unregister, subscriptions."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boringsdp.errors import ConfigError, JanusError
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.sip.message import Headers, Response
from boringsdp.sip_plugin import SipPlugin
from boringsdp.sip_plugin.settings import read_settings
from boringsdp.sip_plugin.view import why
from tests.sip_plugin.conftest import Client, World, offer
from tests.sip_plugin.pbx import Pbx
from tests.support.certificate import make_certificate
from tests.support.gateway import free_port

SECRET = "s3:cret"


@pytest.fixture
async def pbx() -> AsyncIterator[Pbx]:
    async with Pbx() as made:
        yield made


def account(pbx: Pbx, **more: Any) -> dict[str, Any]:
    return {"request": "register", "username": "sip:alice@pbx.test", "secret": SECRET, "proxy": pbx.uri} | more


async def registered(world: World, pbx: Pbx, **more: Any) -> Client:
    client = world.client()
    client.result(account(pbx, **more))
    await client.hears("registered")
    await pbx.hears("REGISTER")
    return client


async def test_registering_with_everything(world: World, pbx: Pbx):
    alice = world.client()
    body = account(
        pbx,
        authuser="alice",
        display_name="Alice A.",
        user_agent="phone/1",
        headers={"X-Token": "1"},
        contact_params={"pn-prid": "abc"},
        incoming_header_prefixes=["X-"],
        register_ttl=120,
    )
    pbx.headers = [("X-Welcome", "yes")]
    data = alice.ask(body)
    unique_id = data["result"]["unique_id"]
    assert data == {"sip": "event", "result": {"event": "registering", "unique_id": unique_id}}
    registered = await alice.hears("registered")
    master_id = next(iter(world.plugin.masters))
    assert registered == {
        "sip": "event",
        "unique_id": unique_id,
        "result": {
            "event": "registered", "username": "alice", "register_sent": True, "master_id": master_id, "headers": {"X-Welcome": "yes"},
        },
    }  # fmt: skip
    heard = await pbx.hears("REGISTER")
    assert (heard.headers.get("User-Agent"), heard.headers.get("X-Token")) == ("phone/1", "1")
    assert "pn-prid=abc" in (heard.headers.get("Contact") or "")
    assert "Alice A." in (heard.headers.get("From") or "")
    assert "120" in (heard.headers.get("Contact") or "") + (heard.headers.get("Expires") or "")
    assert alice.refusal(body)[0] == 445
    assert alice.result(body | {"refresh": True, "display_name": "A."})["event"] == "registering"
    assert "A." in ((await pbx.hears("REGISTER")).headers.get("From") or "")
    await alice.hears("registered")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_hashed_secret(world: World, algorithm: str):
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm](f"alice:pbx:{SECRET}".encode()).hexdigest()
    async with Pbx(algorithms=(algorithm,)) as pbx:
        alice = world.client()
        alice.result({"request": "register", "username": "sip:alice@pbx.test", "ha1_secret": hashed, "proxy": pbx.uri})
        await alice.hears("registered")


async def test_a_wrong_secret_is_told_and_may_be_put_right(world: World, pbx: Pbx):
    alice = world.client()
    alice.result(account(pbx, secret="wrong"))
    failed = (await alice.hears("registration_failed"))["result"]
    assert (failed["code"], "retry_in" in failed) == (403, False)
    assert alice.refusal({"request": "call", "uri": world.peer()}, offer())[0] == 447
    assert alice.result(account(pbx))["event"] == "registering"
    await alice.hears("registered")


async def test_a_registrar_in_trouble_does_not_cost_the_account(world: World, pbx: Pbx):
    alice = world.client()
    pbx.codes = [503]
    alice.result(account(pbx))
    failed = (await alice.hears("registration_failed"))["result"]
    assert failed["code"] == 503
    assert failed["retry_in"] > 0
    assert len(world.plugin.masters) == 1
    assert alice.result(account(pbx))["event"] == "registering"
    await alice.hears("registered")


async def test_unregistering_ends_the_helpers(world: World, pbx: Pbx):
    alice = await registered(world, pbx)
    helper = world.client()
    master_id = next(iter(world.plugin.masters))
    helper.result({"request": "register", "type": "helper", "username": "sip:alice@pbx.test", "master_id": master_id})
    assert alice.result({"request": "unregister"}) == {"event": "unregistering"}
    assert (await alice.hears("unregistered"))["result"] == {"event": "unregistered", "username": "alice"}
    await helper.hears("unregistered")
    assert alice.refusal({"request": "unregister"})[0] == 447
    assert alice.refusal({"request": "call", "uri": world.peer()}, offer())[0] == 447
    assert alice.result(account(pbx))["event"] == "registering"
    await alice.hears("registered")


async def test_an_account_that_becomes_a_guest_is_unregistered(world: World, pbx: Pbx):
    alice = await registered(world, pbx)
    guest = {"request": "register", "type": "guest", "username": "sip:alice@pbx.test"}
    assert alice.refusal(guest)[0] == 445
    assert alice.result(guest | {"refresh": True})["register_sent"] is False
    heard = await pbx.hears("REGISTER")
    assert "expires=0" in (heard.headers.get("Contact") or "")
    assert alice.refusal(guest)[0] == 445


async def test_detaching_unregisters(world: World, pbx: Pbx):
    alice = await registered(world, pbx)
    alice.handle.detach(tell=True)
    heard = await pbx.hears("REGISTER")
    assert "expires=0" in (heard.headers.get("Contact") or "") + f"expires={heard.headers.get('Expires')}"


async def test_waiting_messages_are_told(world: World, pbx: Pbx):
    alice = await registered(world, pbx, username=pbx.address("alice"))
    subscribing = alice.result({"request": "subscribe", "event": "message-summary", "accept": "application/simple-message-summary"})
    call_id = subscribing.pop("call_id")
    assert subscribing == {"event": "subscribing"}
    heard = await pbx.hears("SUBSCRIBE")
    assert (heard.headers.get("Event"), heard.headers.get("Accept")) == ("message-summary", "application/simple-message-summary")
    succeeded = await alice.hears("subscribe_succeeded")
    assert (succeeded["call_id"], succeeded["result"]["code"], succeeded["result"]["expires"]) == (call_id, 200, 3600)
    pbx.notify(heard, "pbx", "Messages-Waiting: yes\r\n")
    notify = await alice.hears("notify")
    assert notify["call_id"] == call_id
    assert notify["result"] == {
        "event": "notify",
        "notify": "message-summary",
        "substate": "active",
        "content-type": "application/simple-message-summary",
        "content": "Messages-Waiting: yes\r\n",
    }
    assert alice.result({"request": "unsubscribe", "event": "message-summary"}) == {"event": "unsubscribing"}
    assert (await pbx.hears("SUBSCRIBE")).headers.get("Expires") == "0"


async def test_subscribing_again_says_what_is_wanted_now(world: World, pbx: Pbx):
    alice = await registered(world, pbx, username=pbx.address("alice"))
    body = {"request": "subscribe", "event": "message-summary", "headers": {"X-Turn": "1"}}
    alice.result(body)
    first = await pbx.hears("SUBSCRIBE")
    await alice.hears("subscribe_succeeded")
    pbx.notify(first, "pbx", "Messages-Waiting: no\r\n")
    await alice.hears("notify")
    alice.result(body | {"subscribe_ttl": 60, "accept": "text/plain", "headers": {"X-Turn": "2"}, "content": "now", "content_type": "a/b"})
    second = await pbx.hears("SUBSCRIBE")
    names = ("Call-ID", "Expires", "Accept", "X-Turn", "Content-Type")
    assert [second.headers.get(name) for name in names] == [first.headers.get("Call-ID"), "60", "text/plain", "2", "a/b"]
    assert second.body == b"now"


async def test_the_secret_is_the_registrars(world: World, pbx: Pbx):
    """A callee that asks for credentials itself gets none, once the registrar has taken them."""
    alice = await registered(world, pbx)
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, _ = await world.rings()
    call.session.reject(401, "", (("WWW-Authenticate", 'Digest realm="callee.invalid", nonce="guess"'),))
    assert (await alice.hears("hangup"))["result"]["code"] == 401


@pytest.mark.parametrize("by", ["helper", "master"])
async def test_a_line_that_is_let_go_leaves_no_subscription(world: World, pbx: Pbx, by: str):
    alice, helper = await registered(world, pbx), world.client()
    master_id = next(iter(world.plugin.masters))
    helper.result({"request": "register", "type": "helper", "username": "sip:alice@pbx.test", "master_id": master_id})
    helper.result({"request": "subscribe", "event": "message-summary", "to": pbx.address("alice")})
    await pbx.hears("SUBSCRIBE")
    await helper.hears("subscribe_succeeded")
    (alice if by == "master" else helper).result({"request": "unregister"})
    assert (await pbx.hears("SUBSCRIBE")).headers.get("Expires") == "0"
    await helper.hears("unregistered")
    assert helper.heard() == (["detached"] if by == "master" else [])


async def test_a_refused_subscription(world: World, pbx: Pbx):
    alice = await registered(world, pbx)
    pbx.codes = [489]
    alice.result({"request": "subscribe", "event": "dialog", "to": pbx.address("bob")})
    assert (await alice.hears("subscribe_failed"))["result"]["code"] == 489
    assert alice.refusal({"request": "unsubscribe", "event": "dialog", "to": pbx.address("bob")})[0] == 447


async def test_the_secret_shows_nowhere(world: World, pbx: Pbx):
    alice = await registered(world, pbx)
    assert SECRET not in str(alice.handle.query())
    assert SECRET not in str(alice.news)
    assert alice.handle.query()["registration_status"] == "registered"


async def test_without_an_endpoint_a_handle_is_refused(world: World):
    plugin = SipPlugin(PluginContext(world.plugin.calls))
    with pytest.raises(JanusError, match="no SIP endpoint"):
        Client(plugin)


@pytest.mark.parametrize(("config", "key"), [({"codec": []}, "codec"), ({"helpers": 0}, "helpers"), ({"codecs": "opus"}, "codecs")])
def test_settings_complain_about_their_key(config: dict[str, Any], key: str):
    with pytest.raises(ConfigError, match=rf'"janus.plugin.sip"\.{key}:'):
        read_settings(config)


class TestFailuresOfOurOwn:
    """Nobody has answered: what the gateway found stands in the reason."""

    async def test_a_refused_connection(self, world: World):
        nobody = f"127.0.0.1:{free_port()};transport=tcp"
        alice = world.client()
        alice.result({"request": "register", "username": "sip:alice@pbx.test", "secret": SECRET, "proxy": f"sip:{nobody}"})
        failed = (await alice.hears("registration_failed"))["result"]
        assert (failed["code"], failed["reason"]) == (503, "Service Unavailable (Connection refused)")
        guest = world.guest()
        guest.result({"request": "call", "uri": f"sip:bob@{nobody}"}, offer())
        over = (await guest.hears("hangup"))["result"]
        assert over == {"event": "hangup", "code": 503, "reason": "Service Unavailable (Connection refused)"}
        guest.result({"request": "message", "uri": f"sip:bob@{nobody}", "content": "x"})
        assert (await guest.hears("messagedelivery"))["result"]["reason"] == "Service Unavailable (Connection refused)"
        guest.result({"request": "subscribe", "event": "presence", "to": f"sip:bob@{nobody}"})
        assert (await guest.hears("subscribe_failed"))["result"]["reason"] == "Service Unavailable (Connection refused)"

    async def test_a_certificate_that_is_not_believed(self, world: World, tmp_path: Path):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(make_certificate(tmp_path))
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            alice = world.client()
            proxy = {"proxy": f"sip:127.0.0.1:{port};transport=tls"}
            alice.result({"request": "register", "username": "sip:alice@pbx.test", "secret": SECRET} | proxy)
            failed = (await alice.hears("registration_failed"))["result"]
            assert (failed["code"], "certificate verify failed" in failed["reason"]) == (503, True), failed


def test_what_the_peer_says_is_told_as_it_came():
    response = Response(503, "Closed", Headers([("Warning", '399 pbx "a secret of its own"')]), b"")
    assert why(response.reason, response) == "Closed"
