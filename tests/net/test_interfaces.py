from __future__ import annotations

import pytest

from boringsdp.net.interfaces import address_towards


@pytest.mark.parametrize(("peer", "local"), [("127.0.0.9", "127.0.0.1"), ("::1", "::1"), ("255.255.255.255.1", None)])
def test_the_system_says_from_where_it_would_send(peer: str, local: str | None) -> None:
    assert address_towards(peer) == local
