"""Who has the media when several answer one offer on one leg: `SIP code` and the flag `provisional`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.call.phone import Phone
from tests.ng.conftest import Proxy, plain_sdp
from tests.ng.test_front_media import taken
from tests.ng.test_front_transports import PLAIN, gateway, talk


@dataclass
class Fork:
    """A caller, and two phones that were told the same offer."""

    proxy: Proxy
    caller: Phone
    phones: dict[str, Phone]
    offered: str
    answered: str = ""

    def answer(self, who: str, **keys: object) -> None:
        self.answered = taken(self.proxy.answer("ta", who, sdp=plain_sdp(self.phones[who].port), **keys))

    async def talks_to(self, who: str) -> None:
        await talk(self.caller, self.answered, self.phones[who], self.offered)


@pytest.fixture
async def fork() -> AsyncIterator[Fork]:
    caller, phones = Phone(), {"tb": Phone(), "tc": Phone()}
    async with gateway() as proxy:
        yield Fork(proxy, caller, phones, taken(proxy.offer("ta", sdp=plain_sdp(caller.port), **PLAIN)))
    for phone in (caller, *phones.values()):
        phone.close()


async def test_the_latest_answer_has_the_media_while_none_is_final(fork: Fork):
    fork.answer("tb", sip_code=183)
    await fork.talks_to("tb")
    fork.answer("tc", sip_code=200)
    await fork.talks_to("tc")


@pytest.mark.parametrize("late", [{"sip_code": 183}, {"sip_code": "180", "sip_message_type": "sip_reply"}, {"flags": ["provisional"]}])
async def test_a_late_provisional_answer_takes_no_media_from_a_final_one(fork: Fork, late: dict[str, object]):
    fork.answer("tb", sip_code=200)
    await fork.talks_to("tb")
    fork.answer("tc", **late)
    await fork.talks_to("tb")
    assert fork.proxy.send("query")["tags"]["tb"]["tag-aliases"] == ["tc"]


@pytest.mark.parametrize("first", [{}, {"sip_code": 200, "flags": ["provisional"]}])
async def test_what_is_not_final_is_frozen_by_nobody(fork: Fork, first: dict[str, object]):
    fork.answer("tb", **first)
    fork.answer("tc", sip_code=183)
    await fork.talks_to("tc")


@pytest.mark.parametrize("goodbye", [{"from_tag": "tc", "to_tag": "ta"}, {"from_tag": "ta", "to_tag": "tc", "flags": ["to-tag"]}])
async def test_a_second_final_answer_has_the_media_until_it_goes(fork: Fork, goodbye: dict[str, object]):
    fork.answer("tb", sip_code=200)
    fork.answer("tc", sip_code=200)
    await fork.talks_to("tc")
    assert "warning" not in fork.proxy.send("delete", **goodbye)
    await fork.talks_to("tb")
    fork.proxy.send("delete", from_tag="tb", to_tag="ta")
    assert fork.proxy.send("list")["calls"] == []


async def test_the_call_ends_with_the_second_when_the_first_has_gone(fork: Fork):
    fork.answer("tb", sip_code=200)
    fork.answer("tc", sip_code=200)
    fork.proxy.send("delete", from_tag="tb", to_tag="ta")
    await fork.talks_to("tc")
    fork.proxy.send("delete", from_tag="tc", to_tag="ta")
    assert fork.proxy.send("list")["calls"] == []


async def test_a_re_offer_begins_anew(fork: Fork):
    fork.answer("tb", sip_code=200)
    fork.offered = taken(fork.proxy.offer("ta", "tb", sdp=plain_sdp(fork.caller.port)))
    fork.answer("tc", sip_code=183)
    await fork.talks_to("tc")
