"""Addresses in lists of networks."""

from __future__ import annotations

import pytest

from boringsdp.net.networks import networks, subscriber, within

BOTH = networks(("192.0.2.0/24", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("192.0.2.7", True),
        ("198.51.100.7", False),
        ("2001:db8::7", True),
        ("2001:db8::7%eth0", True),
        ("::ffff:192.0.2.7", True),
        ("fe80::1%eth0", False),
        ("nobody", False),
    ],
)
def test_networks_of_both_families(host: str, found: bool):
    assert within(host, BOTH) is found
    assert not within(host, networks(()))


def test_what_is_no_network():
    with pytest.raises(ValueError, match=r"192\.0\.2"):
        networks(("192.0.2/x",))


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nobody", "nobody"),
    ],
)
def test_whose_an_address_is(host: str, whose: str):
    assert subscriber(host) == whose
