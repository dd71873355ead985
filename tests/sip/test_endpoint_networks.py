"""Calls over TLS and IPv6, through names, and what happens when ways are lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountState, IncomingCall, Registered, RegistrationFailed, RequestAnswered, Unregistered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.session.events import Answered, Confirmed, Ended, Failed
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.transport import TlsSettings
from boringsdp.sip.uri import SipUri
from tests.support.certificate import make_certificate
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, at, endpoint, settings_of
from tests.support.sip_registrar import registrar

SECRET = (Credentials("bob", "secret"),)


@pytest.fixture
def tls(tmp_path: Path) -> SipSettings:
    """An endpoint that others verify, and that trusts the same authority."""
    file = make_certificate(tmp_path)
    transport = replace(
        LOOPBACK.transport, listen=("udp:127.0.0.1:0", "tls:127.0.0.1:0"), tls=TlsSettings(certificate=file, authorities=file)
    )
    return replace(LOOPBACK, transport=transport)


async def test_a_call_over_tls(tls: SipSettings) -> None:
    async with endpoint(tls) as here, endpoint(tls) as there:
        bob, caller, callee = Ear(), Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        there.account(settings_of(at(there, "bob")), bob)
        call = account.invite(at(there, "bob", Protocol.TLS), OFFER, hear=caller)
        came = await bob.hears(IncomingCall)
        contact = views.contact(came.request)
        assert contact is not None
        assert (contact.sip_uri.scheme, contact.sip_uri.param("transport")) == ("sip", "tls")
        came.session.hear = callee
        came.session.accept(ANSWER)
        await caller.hears(Answered)
        await callee.hears(Confirmed)
        came.session.hang_up()
        await caller.hears(Ended)
        assert "TLS" in here.ladder(call.call_id)


async def test_sips_asks_for_tls_and_says_so(tls: SipSettings) -> None:
    async with endpoint(tls) as here, endpoint(tls) as there:
        bob = Ear()
        target = at(there, "bob", Protocol.TLS)
        account = here.account(settings_of(SipUri("sips", "alice", "127.0.0.1")), Ear())
        there.account(settings_of(SipUri("sips", "bob", "127.0.0.1")), bob)
        account.invite(SipUri("sips", "bob", target.host, target.port), OFFER, hear=Ear())
        came = await bob.hears(IncomingCall)
        assert views.via(came.request).transport == "TLS"
        contact = views.contact(came.request)
        assert contact is not None
        assert contact.sip_uri.scheme == "sips"


async def test_a_server_that_cannot_be_verified_is_not_called(tls: SipSettings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    distrusting = replace(
        tls, transport=replace(tls.transport, tls=TlsSettings(authorities=make_certificate(other)), listen=("udp:127.0.0.1:0",))
    )
    async with endpoint(distrusting) as here, endpoint(tls) as there:
        caller = Ear()
        here.account(settings_of("sip:alice@127.0.0.1"), Ear()).invite(at(there, "bob", Protocol.TLS), OFFER, hear=caller)
        assert (await caller.hears(Failed)).code == 503


async def test_a_call_over_ipv6() -> None:
    async with endpoint(LOOPBACK, "udp:[::1]:0", "tcp:[::1]:0") as here, endpoint(LOOPBACK, "udp:[::1]:0") as there:
        bob, caller, callee = Ear(), Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        there.account(settings_of(at(there, "bob")), bob)
        account.invite(at(there, "bob"), OFFER, hear=caller)
        came = await bob.hears(IncomingCall)
        assert came.session.remote_target.startswith(f"sip:{account.contact_user}@[::1]:")
        came.session.hear = callee
        came.session.accept(ANSWER)
        await caller.hears(Answered)
        await callee.hears(Confirmed)
        came.session.hang_up()
        await caller.hears(Ended)


async def test_names_are_looked_up_and_dead_targets_left() -> None:
    async with endpoint() as there:
        found = at(there, "bob")
        assert found.port is not None
        dead, good = Target(Protocol.TCP, "127.0.0.1", 1), Target(Protocol.UDP, found.host, found.port)
        async with endpoint(LOOPBACK, pbx=[dead, good]) as here:
            bob = Ear()
            there.account(settings_of("sip:bob@pbx.example"), bob)
            account = here.account(settings_of("sip:alice@pbx.example"), Ear())
            account.invite("sip:bob@pbx.example", OFFER, hear=Ear())
            came = await bob.hears(IncomingCall)
            assert came.request.uri == "sip:bob@pbx.example"


async def test_a_name_that_is_none_fails_with_words() -> None:
    async with endpoint() as here:
        caller = Ear()
        here.account(settings_of("sip:alice@pbx.example"), Ear()).invite("sip:bob@nowhere.example", OFFER, hear=caller)
        failed = await caller.hears(Failed)
        assert failed.code == 503
        assert failed.response is not None
        assert "no address" in (failed.response.headers.get("Warning") or "")


async def test_a_registrar_by_name_gets_the_contact_that_leads_there() -> None:
    async with registrar() as at_, endpoint(LOOPBACK, pbx=[Target(Protocol.UDP, "127.0.0.1", at_.uri.port or 0)]) as here:
        ear = Ear()
        account = here.account(settings_of("sip:bob@pbx.example", credentials=SECRET), ear)
        account.register()
        await ear.hears(Registered)
        assert at_.contacts["bob"].sip_uri.host == "127.0.0.1"
        assert account.line.knows("127.0.0.1")  # who may call it by name


async def test_an_account_is_unregistered_before_its_registrar_is_found() -> None:
    async with endpoint() as here:
        ear = Ear()
        account = here.account(settings_of("sip:bob@nowhere.example", credentials=SECRET), ear)
        account.register()
        account.unregister()
        assert (await ear.hears(Unregistered)).response is None
        assert account.state is AccountState.UNREGISTERED
        assert ear.heard(RegistrationFailed) == []


async def test_a_registrar_that_no_name_server_knows_is_tried_again() -> None:
    async with endpoint() as here:
        ear = Ear()
        account = here.account(settings_of("sip:bob@nowhere.example", credentials=SECRET), ear)
        account.register()
        failed = await ear.hears(RegistrationFailed)
        assert (failed.code, account.state) == (503, AccountState.RETRYING)
        account.unregister()


async def test_a_lost_connection_is_made_again_by_registering() -> None:
    async with registrar() as at_, endpoint() as here:
        ear = Ear()
        account = here.account(settings_of(at_.identity("bob", Protocol.TCP), credentials=SECRET, protocol=Protocol.TCP), ear)
        account.register()
        await ear.hears(Registered)
        count = len(at_.requests)
        at_.hang_up()
        await ear.hears(Registered)
        assert len(at_.requests) > count
        assert account.state is AccountState.REGISTERED


async def test_large_messages_go_by_tcp() -> None:
    async with endpoint() as here, endpoint() as there:
        alice, bob = Ear(), Ear()
        port = at(there, "bob").port
        both = next(listen for listen in there.addresses() if listen.protocol is Protocol.TCP).port
        account = here.account(settings_of(at(here, "alice")), alice)
        there.account(settings_of(at(there, "bob")), bob)
        account.request("MESSAGE", at(there, "bob"), body=b"x" * 2000, content_type="text/plain")
        answered = await alice.hears(RequestAnswered)
        # The TCP port is another here, so nobody listens where the UDP port is: UDP is the way back (RFC 3261 §18.1.1).
        assert (answered.response.code, port == both) == (200, False)
        account.request("MESSAGE", at(there, "bob", Protocol.TCP), body=b"x" * 2000, content_type="text/plain")
        assert (await alice.hears(RequestAnswered)).response.code == 200


async def test_localhost_is_found_in_the_family_we_have() -> None:
    async with endpoint() as there:
        real = Endpoint(LOOPBACK)
        await real.start()
        try:
            bob = Ear()
            there.account(settings_of("sip:bob@localhost"), bob)
            account = real.account(settings_of("sip:alice@localhost"), Ear())
            account.invite(SipUri("sip", "bob", "localhost", at(there, "bob").port), OFFER, hear=Ear())
            assert (await bob.hears(IncomingCall)).request.uri.startswith("sip:bob@localhost")
        finally:
            await real.close()
