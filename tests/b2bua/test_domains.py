"""Domains side by side: whose request that is, what becomes of bindings, what a shared PBX means."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from boringsdp.b2bua.bindings import Bound, Succeeded, Unbound
from boringsdp.b2bua.domains import Domains
from boringsdp.b2bua.identity import Identified, Identity
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.errors import ConfigError
from boringsdp.sip.account import IncomingMessage
from boringsdp.sip.build import request as build_request
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.message import Request, Response
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.desk import DOMAIN, Came, FakeStack, contact, flow, register, with_credentials

OTHER = "other.example"
PBX = (parse_sip_uri("sip:192.0.2.9"),)


class Town:
    def __init__(self, domains: Domains, stack: FakeStack, heard: list[tuple[Any, ...]]) -> None:
        self.domains, self.stack, self.heard = domains, stack, heard
        self.changes: list[object] = []
        domains.on_change = self.changes.append

    def asks(self, request: Request, by: int = 1) -> Response:
        came = Came(request)
        self.domains.register(came, flow(by))  # type: ignore[arg-type]
        assert came.response is not None
        return came.response

    def registers(self, by: int = 1, **more: Any) -> Response:
        request = register(contact("c", str(by)), **more)
        challenged = self.asks(request, by)
        if challenged.code != 401:
            return challenged
        auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
        return self.asks(with_credentials(request, auth, challenged), by)

    def asker(self, sender: str, by: int = 1) -> Identified:
        told: list[Identified] = []
        made = build_request("INVITE", "sip:b@c", from_=f"<{sender}>;tag=a", to="<sip:b@c>", call_id="x", cseq=1)
        self.domains.identify(made, flow(by), told.append)
        (who,) = told
        return who


@asynccontextmanager
async def town(folder: Path, **more: Any) -> AsyncIterator[Town]:
    users = folder / "users"
    users.write_text("alice:sesame\n")
    both = {name: DomainSettings(name=name, mode=Mode.REGISTRAR, users=str(users), pbx=PBX) for name in (DOMAIN, OTHER)}
    stack, heard = FakeStack(asyncio.get_running_loop().time()), list[tuple[Any, ...]]()
    domains = Domains(B2buaSettings(domains=both, **more), stack, lambda *news: heard.append(news))
    await domains.start()
    yield Town(domains, stack, heard)
    await domains.close()
    assert all(account.closed for account in stack.accounts)


async def test_users_of_one_domain_are_strangers_in_the_other(tmp_path: Path):
    async with town(tmp_path) as made:
        assert made.registers(domain=DOMAIN).code == 200
        assert made.registers(domain="Example.COM.").code == 200
        assert isinstance(made.asker(f"sip:alice@{DOMAIN}"), Identity)
        stranger = made.asker(f"sip:alice@{OTHER}")
        assert isinstance(stranger, Refusal)
        assert stranger.code == 407
        assert [binding.aor.host for binding in made.domains.bindings] == [DOMAIN]
        assert made.domains.is_user(parse_sip_uri(f"sip:alice@{OTHER}"))  # though not registered
        assert not made.domains.is_user(parse_sip_uri(f"sip:bob@{OTHER}"))
        assert not made.domains.is_user(parse_sip_uri("sip:alice@elsewhere.example"))


async def test_domains_that_are_not_served(tmp_path: Path):
    async with town(tmp_path) as made:
        assert (made.registers(domain="elsewhere.example").code, len(made.domains.bindings)) == (404, 0)
        for sender, code in (("sip:alice@elsewhere.example", 403), ("tel:+4930", 400), ("sip:x@anonymous.invalid", 403)):
            refused = made.asker(sender)
            assert isinstance(refused, Refusal)
            assert refused.code == code


async def test_what_becomes_of_a_binding_is_told_and_done(tmp_path: Path):
    async with town(tmp_path) as made:
        made.registers(1)
        assert made.stack.kept == [(flow(1), 30.0)]
        made.domains.lost(flow(1))
        request = register(contact("c", "1"))
        challenged = made.asks(request, 2)
        auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
        made.asks(with_credentials(request, auth, challenged), 2)
        assert made.stack.successions == [(flow(1), flow(2))]
        made.domains.succeeded(flow(2), flow(3))
        assert [binding.flow for binding in made.domains.bindings] == [flow(3)]
        assert made.stack.kept[-1] == (flow(3), 30.0)
        made.domains.abandoned(flow(3))
        assert [type(change) for change in made.changes] == [Bound, Succeeded, Bound, Unbound]


async def test_a_shared_pbx_names_the_domain_that_it_means(tmp_path: Path):
    async with town(tmp_path) as made:
        hear = made.stack.accounts[0].hear
        for host, domain in ((DOMAIN, DOMAIN), (OTHER, OTHER), ("192.0.2.1", DOMAIN), ("elsewhere.example", DOMAIN)):
            uri = f"sip:alice@{host}"
            came = IncomingMessage(object(), build_request("MESSAGE", uri, from_="<sip:x@y>;tag=a", to=f"<{uri}>", call_id="x", cseq=1))  # type: ignore[arg-type]
            hear(came)
            assert made.heard.pop()[0].name == domain
        hear("other news")
        assert made.heard.pop()[0].name == DOMAIN


async def test_bindings_outlive_domains(tmp_path: Path):
    kept = str(tmp_path / "bindings.json")
    async with town(tmp_path, bindings_file=kept) as made:
        made.registers(1)
    async with town(tmp_path, bindings_file=kept) as made:
        (binding,) = made.domains.bindings
        assert binding.flow is None
        assert binding.reachable


async def test_users_that_cannot_be_read_are_complained_of_at_start(tmp_path: Path):
    domain = DomainSettings(name=DOMAIN, mode=Mode.REGISTRAR, users=str(tmp_path / "none"))
    domains = Domains(B2buaSettings(domains={DOMAIN: domain}), FakeStack(), lambda *_: None)
    with pytest.raises(ConfigError, match="cannot be read"):
        await domains.start()
    await domains.close()
