"""Accounts at a registrar, over loopback."""

from __future__ import annotations

import asyncio

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountState, IncomingCall, Registered, RegistrationFailed, Unregistered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Place
from boringsdp.sip.session.events import Answered
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.uri import parse_sip_uri
from boringsdp.values import replace
from tests.interop.sip.scripts.relay import running_relay
from tests.support.gateway import free_port
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, Names, at, endpoint, settings_of
from tests.support.sip_registrar import registrar

SECRET = (Credentials("bob", "secret"),)
STRICT = SipSettings(transport=LOOPBACK.transport)
"""Trusts nobody for coming from loopback."""


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-512-256", "SHA-256", "MD5")])
@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
async def test_register_and_unregister(algorithms: tuple[str, ...], protocol: Protocol) -> None:
    async with registrar(algorithms=algorithms) as at, endpoint() as here:
        ear = Ear()
        account = here.account(settings_of(at.identity("bob", protocol), credentials=SECRET, protocol=protocol, register_ttl=300), ear)
        account.register()
        assert account.state is AccountState.REGISTERING
        assert (await ear.hears(Registered)).expires == 600
        assert account.state is AccountState.REGISTERED
        assert at.contacts["bob"].sip_uri.user == account.contact_user
        assert (at.contacts["bob"].sip_uri.param("transport") == "tcp") == (protocol is Protocol.TCP)
        account.unregister()
        await ear.hears(Unregistered)
        assert (account.state, at.contacts) == (AccountState.UNREGISTERED, {})
        with pytest.raises(WrongState):
            account.unregister()


async def test_a_wrong_password_is_told() -> None:
    async with registrar() as at, endpoint() as here:
        ear = Ear()
        account = here.account(settings_of(at.identity("bob"), credentials=(Credentials("bob", "wrong"),)), ear)
        account.register()
        failed = await ear.hears(RegistrationFailed)
        assert (failed.code, failed.retry_in, account.state) == (401, None, AccountState.FAILED)
        account.change(settings_of(at.identity("bob"), credentials=SECRET))
        account.register()
        await ear.hears(Registered)


async def test_what_is_kept_open_is_the_way_to_who_has_answered() -> None:
    async with registrar() as at:
        live = Target(Protocol.TCP, "127.0.0.1", at.identity("bob", Protocol.TCP).port or 0)
        dead = Target(Protocol.TCP, "127.0.0.1", free_port())
        async with endpoint(LOOPBACK, pbx=[dead, live]) as here:
            kept: list[tuple[object, bool]] = []
            here._registrations._keep_alive = lambda to, on: kept.append((to, on))
            ear = Ear()
            identity = replace(at.identity("bob"), host="pbx.test", port=None)
            account = here.account(settings_of(identity, credentials=SECRET, protocol=Protocol.TCP), ear)
            account.register()
            await ear.hears(Registered)
            assert kept == [(live, True)]
            account.unregister()
            await ear.hears(Unregistered)
            assert kept[1:] == [(live, False)]


async def test_an_interval_too_brief_is_lengthened() -> None:
    async with registrar() as at, endpoint() as here:
        at.refuse.append((423, [("Min-Expires", "1800")]))
        ear = Ear()
        here.account(settings_of(at.identity("bob"), credentials=SECRET, register_ttl=60), ear).register()
        await ear.hears(Registered)
        contact = views.contact(at.requests[-1])
        assert contact is not None
        assert "1800" in (contact.params.get("expires"), at.requests[-1].headers.get("Expires"))


async def test_a_registrar_in_trouble_keeps_the_account() -> None:
    async with registrar() as at, endpoint() as here:
        at.refuse.append((503, []))
        ear = Ear()
        account = here.account(settings_of(at.identity("bob"), credentials=SECRET), ear)
        account.register()
        failed = await ear.hears(RegistrationFailed)
        assert failed.retry_in is not None
        assert account.state is AccountState.RETRYING
        account.register()
        await ear.hears(Registered)


async def test_service_route_leads_calls() -> None:
    async with registrar() as at, endpoint() as here, endpoint() as there:
        found = there.addresses()[0]
        at.extra = [("Service-Route", f"<sip:127.0.0.1:{found.port};lr>")]
        ear, bob = Ear(), Ear()
        account = here.account(settings_of(at.identity("bob"), credentials=SECRET), ear)
        account.register()
        await ear.hears(Registered)
        there.account(settings_of("sip:carol@elsewhere.example"), bob)
        account.invite("sip:carol@elsewhere.example", OFFER, hear=Ear())
        came = await bob.hears(IncomingCall)
        assert views.routes(came.request)[0].sip_uri.port == found.port


async def test_calls_come_by_the_contact_and_from_the_registrar_only() -> None:
    async with registrar() as at, endpoint(STRICT) as here, endpoint() as there:
        ear, caller = Ear(), Ear()
        account = here.account(settings_of(at.identity("bob"), credentials=SECRET), ear)
        account.register()
        await ear.hears(Registered)
        other = there.account(settings_of("sip:carol@127.0.0.1"), Ear())
        other.invite(at.contacts["bob"].sip_uri, OFFER, hear=caller)
        came = await ear.hears(IncomingCall)
        came.session.accept(ANSWER)
        assert (await caller.hears(Answered)).sdp == ANSWER


async def test_many_accounts_have_contacts_of_their_own() -> None:
    async with registrar() as at, endpoint() as here:
        ears = [Ear() for _ in range(50)]
        accounts = [
            here.account(settings_of(at.identity(f"user{number}"), credentials=(Credentials(f"user{number}", "secret"),)), ear)
            for number, ear in enumerate(ears)
        ]
        for account in accounts:
            account.register()
        for ear in ears:
            await ear.hears(Registered)
        assert len({contact.sip_uri.user for contact in at.contacts.values()}) == 50
        assert here.statistics()["registered"] == 50


async def test_close_unregisters() -> None:
    async with registrar() as at:
        async with endpoint() as here:
            ear = Ear()
            here.account(settings_of(at.identity("bob"), credentials=SECRET), ear).register()
            await ear.hears(Registered)
        assert at.contacts == {}


async def test_a_registrar_of_another_name_and_a_proxy() -> None:
    async with registrar() as at, endpoint() as here:
        ear = Ear()
        settings = settings_of(
            "sip:bob@corp.example", credentials=SECRET, outbound_proxy=at.uri, display_name="Bob", headers=(("X-Tag", "1"),)
        )
        here.account(settings, ear).register()
        await ear.hears(Registered)
        request = at.requests[-1]
        assert request.uri == "sip:corp.example"
        assert request.headers.get("X-Tag") == "1"
        assert (views.to(request).display, views.to(request).uri) == ("Bob", parse_sip_uri("sip:bob@corp.example"))
        assert views.routes(request)[0].sip_uri.port == at.uri.port


async def test_the_family_of_the_next_hop_is_known_without_dns() -> None:
    async with endpoint() as here:
        identity = parse_sip_uri("sip:bob@example.com")
        account = here.account(settings_of(identity), Ear())
        assert account.family("sip:carol@[2001:db8::1]") == "IP6"
        assert account.family("sip:carol@192.0.2.1") == "IP4"
        assert account.family("sip:carol@example.com") == ""
        account.line.learn(Target(Protocol.UDP, "2001:db8::2", 5060))
        assert account.family("sip:carol@example.com") == "IP6"
        account.change(settings_of(identity, outbound_proxy=parse_sip_uri("sip:192.0.2.7;transport=tcp")))
        assert account.family("sip:carol@[2001:db8::1]") == "IP4"
        account.change(settings_of(identity))
        account.line.service_route = ("<sip:[2001:db8::3];lr>",)
        assert account.family("sip:carol@192.0.2.1") == "IP6"


async def test_settings_that_change_while_dns_is_asked_are_those_that_count() -> None:
    class Slow(Names):
        def __init__(self) -> None:
            super().__init__()
            self.asked: dict[str, asyncio.Event] = {}

        async def locate(self, place: Place, *, want: Protocol | None = None) -> list[Target]:
            await self.asked.setdefault(place.host, asyncio.Event()).wait()
            return []

    names = Slow()
    here = Endpoint(LOOPBACK, locator=names)
    await here.start()
    account = here.account(settings_of("sip:bob@old.test"), Ear())
    account.register()
    account.change(settings_of("sip:bob@new.test"))
    account.register()
    await asyncio.sleep(0)
    names.asked["old.test"].set()
    await asyncio.sleep(0.01)
    assert (account.state, account.line.registration) == (AccountState.REGISTERING, None)
    names.asked["new.test"].set()
    await asyncio.sleep(0.01)
    assert account.line.registration is not None
    await here.close()


async def test_behind_a_nat_others_reach_us_where_the_registrar_has_seen_us() -> None:
    """A relay stands for the NAT: the registrar, and who calls by the Contact that it has, see its address."""
    async with registrar() as at_pbx, endpoint(STRICT) as here, endpoint() as there:
        real = at_pbx.identity(None)
        async with running_relay(f"{real.host}:{real.port}") as nat:
            ear = Ear()
            identity = replace(at_pbx.identity("bob"), port=nat.port)
            account = here.account(settings_of(identity, credentials=SECRET, learn_contact=True), ear)
            account.register()
            await ear.hears(Registered)
            await ear.hears(Registered)
            contact = at_pbx.contacts["bob"].sip_uri
            assert (contact.host, contact.port, contact.user) == ("127.0.0.1", nat.outside, account.contact_user)
            assert ";expires=0" in (at_pbx.requests[-1].headers.get("Contact") or "").rpartition(", ")[2]
            carol = Ear()
            there.account(settings_of(at(there, "carol")), carol)
            account.invite(at(there, "carol"), OFFER, hear=Ear())
            came = await carol.hears(IncomingCall)
            assert views.contact(came.request).sip_uri.port == nat.outside
