"""A domain whose users the PBX knows: REGISTER goes through, under our Contact; over real WebSockets and UDP."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from boringsdp.b2bua import pass_through
from boringsdp.b2bua.domains import Domains
from boringsdp.b2bua.pass_through import TRY_S, PassThrough
from boringsdp.b2bua.pass_through_way import Way
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.shared import OWN_HEADERS
from boringsdp.errors import ConfigError
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings, FlowAbandoned, FlowLost, IncomingCall, IncomingRequest
from boringsdp.sip.build import request as build_request
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.message import Response
from boringsdp.sip.policy import Policy
from boringsdp.sip.session.events import Failed, RequestAnswered
from boringsdp.sip.settings import PolicySettings
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.b2bua.desk import DOMAIN, contact
from tests.support.sip_browser import Browser, browser
from tests.support.sip_endpoints import LOOPBACK, Ear, endpoint, settings_of
from tests.support.sip_registrar import REALM, Registrar, registrar

NOBODY = parse_sip_uri("sip:127.0.0.1:9")


@dataclass
class World:
    here: Endpoint
    domains: Domains
    pbx: Registrar
    heard: list[tuple[Any, ...]]


@contextlib.asynccontextmanager
async def world(*first: SipUri, **more: Any) -> AsyncIterator[World]:
    """A gateway whose PBX is at the addresses of `first`, then at one that answers."""
    heard: list[tuple[Any, ...]] = []
    async with endpoint(LOOPBACK, "ws:127.0.0.1:0", "udp:127.0.0.1:0", "tcp:127.0.0.1:0") as here, registrar() as pbx:
        domain = DomainSettings(name=DOMAIN, mode=Mode.PASS_THROUGH, pbx=(*first, pbx.uri))
        domains = Domains(B2buaSettings(domains={DOMAIN: domain}, **more), here, lambda *news: heard.append(news))

        def hear(event: Any) -> None:
            match event:
                case IncomingRequest(incoming, _):
                    domains.register(incoming, incoming.flow)
                case FlowLost(flow):
                    domains.lost(flow)
                case FlowAbandoned(flow):
                    domains.abandoned(flow)

        here.serve_browsers(AccountSettings(identity=SipUri("sip", None, "browsers.invalid"), own_headers=OWN_HEADERS), hear)
        await domains.start()
        yield World(here, domains, pbx, heard)
        await domains.close()


class Page:
    """A browser that registers, again and again."""

    def __init__(self, phone: Browser, user: str = "alice", password: str = "secret") -> None:
        self.phone, self.user = phone, user
        self.auth = Authenticator((Credentials(user, secret=password),), secrets.token_hex)
        self.call_id = f"page-{secrets.token_hex(4)}"
        self.cseq = 0

    async def asks(self, *lines: tuple[str, str], expires: int = 600, contacts: tuple[str, ...] = (contact(),)) -> Response:
        self.cseq += 1
        named = tuple(("Contact", value) for value in contacts)
        headers = (("Expires", str(expires)), ("Supported", "outbound"), *named, *lines)
        aor = f"<sip:{self.user}@{DOMAIN}>"
        self.request = await self._say(headers, aor)
        answer = await self.phone.next()
        assert isinstance(answer, Response)
        return answer

    async def registers(self, **more: Any) -> Response:
        challenged = await self.asks(**more)
        if challenged.code != 401:
            return challenged
        lines = self.auth.answer(challenged, self.request)
        assert lines is not None
        return await self.asks(*lines, **more)

    async def _say(self, headers: tuple[tuple[str, str], ...], aor: str) -> Any:
        made = build_request(
            "REGISTER", f"sip:{DOMAIN}", from_=f"{aor};tag=b", to=aor, call_id=self.call_id, cseq=self.cseq, headers=headers
        )
        made.headers.prepend("Via", f"SIP/2.0/WS page.invalid;branch=z9hG4bK{secrets.token_hex(4)}")
        await self.phone.say(made)
        return made


async def test_register_goes_through_under_our_contact():
    async with world() as made, browser(made.here) as phone:
        page = Page(phone)
        challenged = await page.asks(("X-Tenant", "7"), ("X-Other", "8"))
        assert challenged.code == 401
        assert f'realm="{REALM}"' in (challenged.headers.get("WWW-Authenticate") or "")
        lines = page.auth.answer(challenged, page.request)
        assert lines is not None
        answer = await page.asks(*lines)
        assert answer.code == 200
        assert answer.headers.all("Contact") == [f"{contact()};expires=600"]
        assert answer.headers.get("Require") == "outbound"
        await page.registers()
        first, *_, last = made.pbx.requests
        assert (first.uri, first.headers.get("X-Tenant")) == (f"sip:{DOMAIN}", "7")
        assert {views.call_id(request) for request in made.pbx.requests} == {views.call_id(first)}
        assert views.call_id(first) != page.call_id
        numbers = [views.cseq(request).number for request in made.pbx.requests]
        assert numbers == [1, 2, 3, 4]
        (binding,) = made.domains.bindings
        assert binding.account is not None
        ours = views.contacts(last)[0]
        assert ours.sip_uri.user == binding.account.contact_user
        assert "invalid" not in ours.to_text()
        assert "+sip.instance" not in ours.params


async def test_service_route_is_used_and_not_told():
    async with world() as made, browser(made.here) as phone:
        made.pbx.extra.append(("Service-Route", "<sip:edge.example;lr>"))
        answer = await Page(phone).registers()
        assert "Service-Route" not in answer.headers
        (binding,) = made.domains.bindings
        assert binding.account is not None
        assert binding.account.line.service_route == ("<sip:edge.example;lr>",)


async def test_wrong_passwords_count():
    async with world(wrong_passwords=3) as made, browser(made.here) as phone:
        for code in (401, 401, 401, 403):
            assert (await Page(phone, password="wrong").registers()).code == code
        assert len(made.pbx.requests) == 6
        assert len(made.domains.bindings) == 0


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [(423, "Min-Expires", "900"), (403, "P-Associated-URI", "<sip:a@b>"), (503, "Retry-After", "7"), (404, "", "")],
)
async def test_refusals_come_back(code: int, name: str, value: str):
    async with world() as made, browser(made.here) as phone:
        made.pbx.refuse.append((code, [(name, value)] if name else []))
        answer = await Page(phone).asks()
        assert answer.code == code
        assert answer.headers.get(name) == (value or None)


async def test_a_pbx_that_is_silent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pass_through, "PATIENCE_S", 0.1)
    async with world(NOBODY) as made, browser(made.here) as phone:
        made.pbx.transports.counts.clear()
        monkeypatch.setattr(made.pbx, "_answer", lambda request: (100, []))
        assert (await Page(phone).asks()).code == 504


async def test_the_next_address_is_tried_and_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pass_through, "TRY_S", 0.1)
    async with world(NOBODY) as made, browser(made.here) as phone:
        answer = await Page(phone).registers()
        assert answer.code == 200
        (binding,) = made.domains.bindings
        assert binding.account is not None
        assert binding.account.settings.outbound_proxy == made.pbx.uri
        async with browser(made.here, "bob") as other:
            monkeypatch.setattr(pass_through, "TRY_S", 60)
            assert (await Page(other, "bob").registers()).code == 200


async def test_a_browser_comes_back_and_goes():
    async with world() as made, browser(made.here) as phone:
        page = Page(phone)
        await page.registers()
        (before,) = made.domains.bindings
        account = before.account
        await phone.cut()
        await phone.open()
        assert (await page.registers()).code == 200
        (after,) = made.domains.bindings
        assert after is before
        assert after.account is account
        answer = await page.registers(expires=0)
        assert (answer.code, answer.headers.all("Contact")) == (200, [])
        assert len(made.domains.bindings) == 0
        assert made.pbx.contacts == {}


async def test_calls_find_the_browser_while_it_is_there():
    async with world(grace_s=0.05) as made, browser(made.here) as phone, endpoint() as caller:
        await Page(phone).registers()
        (binding,) = made.domains.bindings
        ours = made.pbx.contacts["alice"].uri_text
        line = caller.account(settings_of("sip:pbx@pbx.example"), Ear())
        line.invite(ours, b"", hear=Ear())
        ear = Ear()
        await _until(lambda: made.heard)
        domain, found, event = made.heard[0]
        assert (domain.name, found) == (DOMAIN, binding)
        assert isinstance(event, IncomingCall)
        event.session.reject(486)
        await phone.cut()
        await _until(lambda: not binding.reachable)
        assert list(made.domains.bindings) == [binding]  # the PBX thinks so, too
        line.invite(ours, b"", hear=ear)
        failed = await ear.hears(Failed)
        assert failed.code == 480
        assert len(made.heard) == 1


async def test_strangers_do_not_use_the_pbx_as_they_like():
    async with world() as made, browser(made.here) as phone:
        request = await phone.ask("REGISTER", "sip:elsewhere.example", to=f"<{phone.aor}>", headers=(("Expires", "60"),))
        assert request.uri == "sip:elsewhere.example"
        assert (await phone.gets(404)).reason == "Domain Not Served"
        assert (await Page(phone).asks(contacts=(contact("a", "1"), contact("b", "2")))).code == 400
        assert made.pbx.requests == []


@pytest.mark.parametrize("where", [f"sip:{DOMAIN};maddr=127.0.0.1", f"sip:{DOMAIN}:{{port}};maddr=127.0.0.1", f"sip:{DOMAIN}:{{port}}"])
async def test_where_dns_leads_is_not_for_browsers_to_say(where: str):
    async with world() as made, browser(made.here) as phone:
        made.domains._domains[DOMAIN].settings = replace(made.domains._domains[DOMAIN].settings, pbx=())
        lines = (("Contact", contact()), ("Expires", "60"))
        await phone.ask("REGISTER", where.format(port=made.pbx.uri.port), to=f"<{phone.aor}>", headers=lines)
        assert (await phone.gets(404)).reason == "Domain Not Served"
        assert made.pbx.requests == []


async def test_of_headers_none_of_the_dialog_go_through_whatever_is_configured():
    async with world(headers=("*",)) as made, browser(made.here) as phone:
        assert (await Page(phone).asks(("X-Site", "north"), ("Supported", "path, outbound"))).code == 401
        sent = made.pbx.requests[0]
        assert sent.headers.all("X-Site") == ["north"]
        assert len(sent.headers.all("Contact")) == 1
        assert ".invalid" not in (sent.headers.get("Contact") or "")


async def test_what_the_operator_forbids_is_not_passed_on(monkeypatch: pytest.MonkeyPatch):
    async with world() as made, browser(made.here) as phone:
        monkeypatch.setattr(made.here.ua, "policy", Policy(PolicySettings(targets=("elsewhere.example",))))
        assert (await Page(phone).asks()).code == 403
        monkeypatch.setattr(made.here.ua, "policy", Policy(PolicySettings()))
        assert (await Page(phone).registers()).code == 200


async def test_a_pbx_that_the_operator_forbids_is_complained_of_at_start():
    settings = replace(LOOPBACK, policy=PolicySettings(registrars=("elsewhere.example",)))
    async with endpoint(settings) as here:
        for mode in Mode:
            domain = DomainSettings(name=DOMAIN, mode=mode, pbx=(NOBODY,))
            domains = Domains(B2buaSettings(domains={DOMAIN: domain}), here, lambda *_: None)
            with pytest.raises(ConfigError, match=r'b2bua\.domains\."example\.com"\.pbx: is not allowed by sip\.registrars'):
                await domains.start()
            await domains.close()


async def test_what_is_kept_of_those_who_do_not_get_in_goes():
    async with world() as made, browser(made.here) as phone:
        domain = made.domains.at(DOMAIN)
        assert isinstance(domain, PassThrough)
        before = len(made.here.ua.lines)
        for number in range(5):
            await Page(phone, f"user{number}").asks(contacts=(contact(f"c{number}", str(number)),))
        assert len(made.here.ua.lines) == before + 5
        assert domain._ways.sweep(made.here.now() + 59)
        assert not domain._ways.sweep(made.here.now() + 61)
        assert len(made.here.ua.lines) == before


async def _until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 (sockets)
            await asyncio.sleep(0.01)


async def test_what_fails_while_it_is_being_sent_goes_to_the_next_at_once(monkeypatch: pytest.MonkeyPatch):
    real, told = Way.send, []

    def send(self: Way, request: Any, said: Any, hear: Any, now: float) -> int:
        if told:
            return real(self, request, said, hear, now)
        told.append(None)
        hear(RequestAnswered(7, Response(503, "", local=True)))
        return 7

    monkeypatch.setattr(Way, "send", send)
    async with asyncio.timeout(TRY_S / 2), world(NOBODY) as made, browser(made.here) as phone:
        assert (await Page(phone).asks()).code == 401
