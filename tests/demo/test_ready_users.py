"""The demo's own domain: its users, their passwords, and where their calls go."""

from __future__ import annotations

import stat
from types import SimpleNamespace
from typing import Any

import pytest

from boringsdp.b2bua.policy import DefaultRouting, Refusal, Route, ToEcho, ToUser
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.users import parse_users
from boringsdp.config import load
from boringsdp.demo.ready_users import DOMAIN, ECHO, read_users, users_file
from boringsdp.demo.routing import DemoRouting
from boringsdp.demo_part import ROUTING, demo_config
from boringsdp.sip.uri import parse_sip_uri


def test_the_registrar_reads_what_phones_are_told():
    with users_file() as path:
        told = read_users(str(path))
        read = parse_users(path.read_text(), str(path), DOMAIN)
        assert [user.user for user in told] == ["alice", "bob"] == list(read)
        for user in told:
            assert (read[user.user].display_name, read[user.user].credentials[0].secret) == (user.name, user.password)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


def test_each_start_has_passwords_of_its_own():
    with users_file() as one, users_file() as other:
        passwords = {user.password for path in (one, other) for user in read_users(str(path))}
    assert len(passwords) == 4
    assert all(len(password) >= 16 for password in passwords)


def test_the_demo_serves_a_domain_beside_those_of_the_configuration():
    with users_file() as path:
        config = demo_config(load(), path)
        assert config.domains[DOMAIN].users == str(path)
        assert config.b2bua.routing == ROUTING
        assert config.domains[DOMAIN].sources == ("127.0.0.0/8",)
        own = demo_config(load(flags={"b2bua.routing": "my:Own", "rtp.address": "192.0.2.1"}), path)
        assert (own.b2bua.routing, own.domains[DOMAIN].sources) == ("my:Own", ())
        assert demo_config(load(flags={"b2bua.enabled": "false"}), path).domains == {}
    assert demo_config(load()).domains == {}


@pytest.mark.parametrize("way", ["from_browser", "from_pbx"])
def test_echo_is_nobodys_name(way: str):
    domain = DomainSettings(name=DOMAIN, mode=Mode.REGISTRAR)
    settings = B2buaSettings(domains={DOMAIN: domain})
    bob = parse_sip_uri(f"sip:bob@{DOMAIN}")

    def decide(user: str, known: Any = None) -> Any:
        asked: Any = SimpleNamespace(domain=domain, called=parse_sip_uri(f"sip:{user}@{DOMAIN}"), user=known, binding=None, diverted=0)
        return getattr(DemoRouting(settings), way)(asked)

    assert decide(ECHO) == Route(groups=((ToEcho(),),))
    assert decide("bob", bob) == Route(groups=((ToUser(bob),),))
    assert decide("nobody") == Refusal(404)
    assert issubclass(DemoRouting, DefaultRouting)
