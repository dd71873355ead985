"""Web phones register by WebSocket: at a real PBX through the gateway, and at the gateway itself, over a restart of it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.account import Registered, RegistrationFailed, Unregistered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.message import Request
from boringsdp.sip.session.events import Answered, Ended, Failed, Ringing
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import Phone
from tests.interop.conftest import Gateway, free_port, running_gateway
from tests.interop.kamailio.phone import free_ports
from tests.interop.sip import registrar
from tests.interop.sip.registrar import Registrar, running_registrar
from tests.support.sip_endpoints import LOOPBACK, Ear, endpoint, settings_of

DOMAIN = "phones.example"
INSTANCES = itertools.count(1)

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@dataclass(frozen=True)
class Ports:
    """Of a gateway: SIP, and SIP over WebSocket."""

    sip: int
    websocket: int


@contextlib.asynccontextmanager
async def gateway(folder: Path, domain: str, ports: Ports, front: str = "") -> AsyncIterator[Gateway]:
    """A gateway with one domain."""
    file = folder / "gateway.toml"
    own = f'listen = ["ws:127.0.0.1:{ports.websocket}"]\n{front}'
    file.write_text(f'[b2bua]\n{own}\n[b2bua.domains."{DOMAIN}"]\n{domain}\n')
    listen = f"--sip.listen=udp:127.0.0.1:{ports.sip},tcp:127.0.0.1:{ports.sip}"
    async with running_gateway(folder / f"log{next(INSTANCES)}", f"--config={file}", listen, "--sip.t1=0.1") as started:
        yield started


def ports() -> Ports:
    return Ports(free_ports()[0], free_port())


@contextlib.asynccontextmanager
async def pbx(algorithm: str) -> AsyncIterator[Registrar]:
    if problem := registrar.missing():
        pytest.skip(problem)
    async with running_registrar(algorithm=algorithm) as started:
        yield started


def browser(there: Endpoint, at: Ports, user: str, password: str, instance: int = 0) -> Phone:
    """A web phone that has not registered: our own stack by WebSocket."""
    proxy = parse_sip_uri(f"sip:127.0.0.1:{at.websocket};transport=ws")
    ear, identity = Ear(), f"sip:{user}@{DOMAIN}"
    settings = settings_of(
        identity,
        credentials=(Credentials(user, password),),
        outbound_proxy=proxy,
        instance=f"urn:uuid:00000000-0000-4000-8000-{instance or next(INSTANCES):012d}",
    )
    return Phone(there, there.account(settings, ear), ear, identity, browser=True)


def telephone(there: Endpoint, at: Registrar, user: str) -> Phone:
    """Somebody at the PBX."""
    ear, identity = Ear(), f"sip:{user}@{DOMAIN}"
    settings = settings_of(identity, credentials=(Credentials(user, at.secret),), outbound_proxy=parse_sip_uri(f"sip:{at.domain}"))
    return Phone(there, there.account(settings, ear), ear, identity, browser=False)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_kamailio_knows_web_phones_through_the_gateway(tmp_path: Path, algorithm: str):
    async with pbx(algorithm) as at, endpoint(LOOPBACK, "udp:127.0.0.1:0", "tcp:127.0.0.1:0") as there:
        domain = f'mode = "pass-through"\npbx = ["sip:{at.domain}"]'
        ours = ports()
        async with gateway(tmp_path, domain, ours):
            intruder = browser(there, ours, "alice", "wrong")
            intruder.account.register()
            assert (await intruder.ear.hears(RegistrationFailed)).code in (401, 403)
            alice, bob = browser(there, ours, "alice", at.secret), telephone(there, at, "bob")
            for phone in (alice, bob):
                phone.account.register()
                assert (await phone.ear.hears(Registered)).expires > 60
            await _call(bob, alice)
            await _call(alice, bob)  # Kamailio asks for her password, and she answers
            alice.account.unregister()
            await alice.ear.hears(Unregistered)
            bob.calls(alice.uri)
            assert (await bob.hears(Failed)).code == 404


@pytest.mark.parametrize("registered", [True, False])
async def test_kamailio_knows_the_gateway_alone(tmp_path: Path, registered: bool):
    (tmp_path / "users").write_text("gw:sesame\nalice:sesame\n")
    async with pbx("MD5") as at, endpoint(LOOPBACK, "udp:127.0.0.1:0", "tcp:127.0.0.1:0") as there:
        account = f'account = "sip:gw@{at.domain}"\npassword = "{at.secret}"\nregister = true'
        domain = f'mode = "trunk"\nusers = "{tmp_path / "users"}"\npbx = ["sip:{at.domain}"]\ncaller = "trunk-{{user}}"\n'
        ours = ports()
        async with gateway(tmp_path, domain + (account if registered else ""), ours):
            alice, bob = browser(there, ours, "alice", "sesame"), telephone(there, at, "bob")
            for phone in (alice, bob):
                phone.account.register()
                await phone.ear.hears(Registered)
            assert views.from_(await _call(alice, bob)).sip_uri.user == "trunk-alice"
            if registered:
                gw = browser(there, ours, "gw", "sesame")
                gw.account.register()
                await gw.ear.hears(Registered)
                gw.uri = f"sip:gw@{at.domain}"
                await _call(bob, gw)


async def _call(caller: Phone, callee: Phone) -> Request:
    """One calls the other and hangs up; the INVITE that came."""
    caller.calls(callee.uri)
    call = await callee.rings()
    call.session.ring()
    await caller.hears(Ringing)
    call.session.accept(callee.answer())
    answered = await caller.hears(Answered)
    assert answered.sdp
    caller.call.hang_up()
    assert (await callee.hears(Ended)).code == 200
    return call.request


async def test_registrations_outlive_a_restart_of_the_gateway(tmp_path: Path):
    (tmp_path / "users").write_text("alice:sesame\nbob:sesame\n")
    kept, ours = tmp_path / "bindings.json", ports()
    domain, front = f'users = "{tmp_path / "users"}"', f'bindings_file = "{kept}"'
    async with endpoint(LOOPBACK, "udp:127.0.0.1:0") as there:
        async with gateway(tmp_path, domain, ours, front):
            alice = browser(there, ours, "alice", "sesame", 77)
            alice.account.register()
            await alice.ear.hears(Registered)
        (binding,) = json.loads(kept.read_text())["bindings"]
        assert binding["aor"] == alice.uri
        async with gateway(tmp_path, domain, ours, front):
            again, bob = browser(there, ours, "alice", "sesame", 77), browser(there, ours, "bob", "sesame")
            bob.account.register()
            await bob.ear.hears(Registered)
            bob.calls(alice.uri)  # who is not back yet: the call waits
            again.account.register()
            await again.rings()
            again.call.reject(486)
