"""An ICMP error leaves a UDP socket hearing, under uvloop too."""

from __future__ import annotations

import asyncio
import socket

import pytest

from boringsdp.sip.session.events import Failed
from tests.support.sip_endpoints import OFFER, Ear, at, endpoint, settings_of


def test_a_dead_peer_does_not_deafen_the_endpoint():
    uvloop = pytest.importorskip("uvloop")

    async def calls() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            dead = probe.getsockname()[1]
        async with endpoint() as here, endpoint() as there:
            account = here.account(settings_of(at(here, "alice")), Ear())
            there.account(settings_of(at(there, "bob")), Ear(lambda event: event.session.reject(486)))
            account.request("OPTIONS", f"sip:nobody@127.0.0.1:{dead}")
            await asyncio.sleep(0.05)  # the error comes back
            ear = Ear()
            account.invite(at(there, "bob"), OFFER, hear=ear)
            assert (await ear.hears(Failed)).code == 486

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(calls())
