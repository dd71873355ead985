"""A carrier's trunk under a proxy: offers to it name its port, and what cannot be heard there is an error that the proxy sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.ng.test_front_media import flows, taken
from tests.support.engines import make_relay
from tests.support.trunk import free_pair

INTERFACES = {"inside": ("127.0.0.1",), "carrier": ("127.0.0.1",)}
OUT, IN = {"direction": ["inside", "carrier"]}, {"direction": ["carrier", "inside"]}


@dataclass
class Trunk:
    front: NgFront
    port: int

    def call(self, name: str) -> Proxy:
        return Proxy(self.front, name)


@pytest.fixture
async def trunk() -> AsyncIterator[Trunk]:
    port = free_pair()
    settings = RelaySettings(
        plain_ports=(43000, 43200), port_rest_s=0.0, interfaces=INTERFACES, trunk_port=port, trunks=("127.0.0.1/32",),
        trunk_interfaces=frozenset({"carrier"}),
    )  # fmt: skip
    relay = make_relay(settings)
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(interfaces=INTERFACES, delete_delay_s=30.0))
    yield Trunk(front, port)
    calls.close()
    await front.close()
    await relay.close()


async def test_a_call_to_the_carrier(trunk: Trunk):
    phone, carrier = Phone(), Phone()
    to_carrier = taken(trunk.call("c1").offer("ta", sdp=plain_sdp(phone.port), **OUT))
    to_phone = taken(trunk.call("c1").answer("ta", "tb", sdp=plain_sdp(carrier.port)))
    assert port_of(to_carrier) == trunk.port
    await flows(phone, port_of(to_phone), carrier)
    await flows(carrier, trunk.port, phone)


async def test_a_call_from_the_carrier(trunk: Trunk):
    phone, carrier = Phone(), Phone()
    to_phone = taken(trunk.call("c1").offer("ta", sdp=plain_sdp(carrier.port), **IN))
    to_carrier = taken(trunk.call("c1").answer("ta", "tb", sdp=plain_sdp(phone.port)))
    assert (port_of(to_carrier), port_of(to_phone) != trunk.port) == (trunk.port, True)
    await flows(phone, port_of(to_phone), carrier)
    await flows(carrier, trunk.port, phone)


async def test_an_answer_that_cannot_be_heard_is_an_error(trunk: Trunk):
    phone, carrier = Phone(), Phone()
    call = trunk.call("c1")
    taken(call.offer("ta", sdp=plain_sdp(phone.port), **OUT))
    reply = call.answer("ta", "tb", sdp=plain_sdp(5000, host="127.0.0.2"))
    assert reply["result"] == "error"
    assert "(127.0.0.2 port 5000) is not in rtp.trunks" in reply["warning"]
    to_phone = taken(call.answer("ta", "tb", sdp=plain_sdp(carrier.port)))
    await flows(phone, port_of(to_phone), carrier)


async def test_a_deleted_call_gives_way_before_its_delay_is_over(trunk: Trunk):
    phone, other, carrier = Phone(), Phone(), Phone()
    first, second = trunk.call("c1"), trunk.call("c2")
    for call, caller in ((first, phone), (second, other)):
        taken(call.offer("ta", sdp=plain_sdp(caller.port), **OUT))
    taken(first.answer("ta", "tb", sdp=plain_sdp(carrier.port)))
    reply = second.answer("ta", "tb", sdp=plain_sdp(carrier.port))
    assert "is in use by another call" in reply["warning"]
    first.send("delete", from_tag="ta")
    await flows(carrier, trunk.port, phone)
    to_other = taken(second.answer("ta", "tb", sdp=plain_sdp(carrier.port)))
    await flows(carrier, trunk.port, other)
    await flows(other, port_of(to_other), carrier)
