from __future__ import annotations

import pytest
from multidict import CIMultiDict

from boringsdp.janus_api.access import Gatekeeper
from boringsdp.janus_api.settings import Access


@pytest.mark.parametrize(
    ("acl", "remote", "admitted"),
    [
        ((), "203.0.113.9", True),
        (("10.",), "10.1.2.3", True),
        (("10.",), "110.1.2.3", False),
        (("10.0.0.0/8",), "10.9.9.9", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "::ffff:192.0.2.7", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "10.0.0.1", False),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "nonsense", False),
    ],
)
def test_addresses(acl, remote, admitted):
    assert Gatekeeper(Access(acl=acl)).admits(remote, CIMultiDict()) is admitted


def test_forwarded_address_only_when_trusted():
    headers = CIMultiDict({"X-Forwarded-For": "10.0.0.1, 192.0.2.1"})
    assert not Gatekeeper(Access(acl=("10.",))).admits("127.0.0.1", headers)
    assert Gatekeeper(Access(acl=("10.",), acl_forwarded=True)).admits("127.0.0.1", headers)


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"Origin": "https://a.example.org"}, True),
        ({"Origin": "https://a.example.org.evil.net"}, False),
        ({"Origin": "https://other.net"}, False),
        ({"Origin": "null", "Referer": "https://a.example.org/x"}, False),
        ({"Referer": "https://a.example.org/page?x"}, True),
        ({"Referer": "https://a.example.org.evil.net/"}, False),
        ({}, False),
    ],
)
def test_enforced_origins(headers, admitted):
    keeper = Gatekeeper(Access(allow_origin="https://a.example.org", enforce_cors=True))
    assert keeper.admits("127.0.0.1", CIMultiDict(headers)) is admitted
    assert Gatekeeper(Access(allow_origin="https://a.example.org")).admits("127.0.0.1", CIMultiDict(headers))
    assert Gatekeeper(Access(enforce_cors=True)).admits("127.0.0.1", CIMultiDict(headers))


def test_cors_headers():
    asked = CIMultiDict({"Access-Control-Request-Method": "POST", "access-control-request-headers": "x-a, x-b"})
    assert Gatekeeper(Access()).cors_headers(asked) == {"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "86400"}
    assert Gatekeeper(Access(allow_origin="https://a")).cors_headers(asked, preflight=True) == {
        "Access-Control-Allow-Origin": "https://a",
        "Access-Control-Max-Age": "86400",
        "Vary": "Origin",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "x-a, x-b",
    }
