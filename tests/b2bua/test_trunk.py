"""The account by which the PBX of a domain knows the gateway."""

from __future__ import annotations

import pytest

from boringsdp.b2bua.identity import Identity
from boringsdp.b2bua.settings import Mode, TrunkAccount
from boringsdp.b2bua.trunk import account_settings
from boringsdp.sip.account import Registered, RegistrationFailed
from boringsdp.sip.message import Response
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.desk import DOMAIN, Desk

PBX = tuple(map(parse_sip_uri, ("sip:192.0.2.9:5080;transport=tcp", "sip:pbx.example.net")))
LINE = parse_sip_uri("sip:gw7@carrier.example")


def desk(**trunk: object) -> Desk:
    own = TrunkAccount(identity=LINE, **trunk)  # type: ignore[arg-type]
    return Desk(domain={"mode": Mode.TRUNK, "pbx": PBX, "trunk": own, "sources": ("198.51.100.0/24",)})


def identity(made: Desk, user: str = "alice") -> Identity:
    return Identity(parse_sip_uri(f"sip:{user}@{DOMAIN}"), "Alice", made.domain)


def test_a_trunk_registers_where_it_is_wanted():
    registered = desk(username="gw-login", password="sesame", register=True)
    (account,) = registered.stack.accounts
    assert account.registered
    settings = account.settings
    assert (settings.identity, settings.registrar) == (LINE, PBX[0])
    assert [(one.user, one.secret) for one in settings.credentials] == [("gw-login", "sesame")]
    (other,) = desk().stack.accounts
    assert not other.registered
    assert other.settings.credentials == ()


def test_what_comes_from_the_pbx_is_for_the_domain():
    made = desk()
    (account,) = made.stack.accounts
    trunk = account.settings.trunk
    assert trunk is not None
    assert trunk.sources == ("198.51.100.0/24", "192.0.2.9")
    account.hear("news")
    assert made.heard == [(made.domain, None, "news")]
    made.registrar._trunk.close()
    assert account.closed


def test_the_log_tells_how_a_trunk_stands(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    (account,) = desk(register=True, password="x").stack.accounts
    answer = Response(200, "OK")
    failed = RegistrationFailed(503, "Down", answer, 10.0)
    for event in (Registered(answer, 300), Registered(answer, 300), failed, Registered(answer, 300)):
        account.hear(event)
    assert [record.message for record in caplog.records] == ["trunk registered", "trunk not registered", "trunk registered"]


@pytest.mark.parametrize(
    ("rule", "user", "presented"),
    [
        ("", "alice", f"sip:alice@{DOMAIN}"),
        ("+4930{user}", "12", "sip:+493012@carrier.example"),
        ("+493012340", "alice", "sip:+493012340@carrier.example"),
        ("{user}", "a%20b", "sip:a%20b@carrier.example"),
    ],
)
def test_who_calls_is_told_by_rule(rule: str, user: str, presented: str):
    made = desk(caller=rule)
    uri, name = made.registrar.presented(identity(made, user))
    assert (str(uri), name) == (presented, "Alice")


def test_headers_of_the_front_are_lent_to_the_account():
    settings = account_settings(desk().domain, ("X-*",))
    assert {"X-*", "Route", "Max-Forwards"} <= set(settings.own_headers)
