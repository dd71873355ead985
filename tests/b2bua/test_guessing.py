"""Ten thousand REGISTERs with a wrong password, over real WebSockets: limits are met, and others notice nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.b2bua.house import House
from tests.support.guesses import guesses
from tests.support.sip_browser import url_of

GUESSES = 10_000


@pytest.mark.load
async def test_ten_thousand_guesses(house: House):
    alice = await house.phone("alice")
    url = url_of(house.here)
    guessing = asyncio.create_task(guesses(url, GUESSES))
    carol, rounds = await house.phone("carol"), 0
    while not guessing.done():
        alice.calls(carol.uri)
        await carol.takes()
        alice.call.hang_up()
        rounds += 1
        await asyncio.sleep(0.2)  # she is not to meet limits of her own
    heard = await guessing
    assert rounds > 3
    assert heard[401] <= house.front.settings.wrong_passwords
    assert heard[403] > 0
    assert set(heard) <= {0, 401, 403, 503}
    assert heard[0] > 1  # closed, and opened again
    assert len(house.front.domains.bindings) == 2
