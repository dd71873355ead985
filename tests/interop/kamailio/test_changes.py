"""What happens within a call through Kamailio: hold and resume by re-INVITE from both sides, and digits both ways."""

import asyncio

import numpy as np
import pytest

from tests.interop.kamailio.talk import (
    dialled,
    directed,
    hang_up,
    hear_each_other,
    heard_by_web,
    place,
    quiet,
    take,
    talking,
    with_each_library,
)
from tests.interop.tones import samples_of

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")


@with_each_library
async def test_the_web_holds_and_resumes(party, library):
    web, phone = await asyncio.gather(party.web(library), party.phone())
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await web.do("hold")
    assert await web.do("directions") in (["sendonly"], ["inactive"])
    await quiet(web)
    await web.do("resume")
    assert await web.do("directions") == ["sendrecv"]
    await asyncio.gather(heard_by_web(web, phone), dialled(web, phone, "42"))
    await hang_up(web, phone)


@with_each_library
async def test_the_phone_holds_and_resumes(party, library):
    web, phone = await asyncio.gather(party.web(library), party.phone())
    await place(phone, web.user, party.proxy.sip)
    await take(web)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await phone.do("hold")
    await directed(web, "recvonly", "inactive")
    await phone.do("resume")
    await directed(web, "sendrecv")
    await asyncio.gather(heard_by_web(web, phone), dialled(web, phone, "42"))
    await hang_up(phone, web)


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
@with_each_library
async def test_digits_arrive_both_ways(party, library, codec):
    web, phone = await asyncio.gather(party.web(library), party.phone(codec))
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await heard_by_web(web, phone)
    await dialled(web, phone, "159#")
    # A browser has no event for digits that arrive: it plays them.
    await web.do("forget")
    for count, digit in enumerate("27", 1):
        await phone.do("sndcode", digit)
        for _ in range(20):
            await asyncio.sleep(0.1)
            if len(keys(*await web.samples())) >= count:
                break
    assert keys(*await web.samples()) == "27"
    await hang_up(web, phone)


def keys(data, rate):
    """The dual tones in samples, each once: a gap of under 100 ms does not make two of it, a busy machine plays with such gaps."""
    samples = samples_of(data)
    window, found, silent = int(rate * 0.05), [], 0
    for start in range(0, len(samples) - window, window):
        spectrum = np.abs(np.fft.rfft(samples[start : start + window] * np.hanning(window), 8192)) ** 2
        row, column = (max(group, key=lambda frequency: spectrum[round(frequency * 8192 / rate)]) for group in (ROWS, COLUMNS))
        near = sum(spectrum[round(f * 8192 / rate) - 12 : round(f * 8192 / rate) + 13].sum() for f in (row, column))
        weakest = min(spectrum[round(f * 8192 / rate)] for f in (row, column))
        loud = np.sqrt(np.mean(samples[start : start + window] ** 2)) > 0.01
        key = (
            KEYS[ROWS.index(row)][COLUMNS.index(column)] if loud and near > 0.8 * spectrum.sum() and weakest > 0.05 * spectrum.max() else ""
        )
        silent = 0 if key else silent + 1
        if key and (not found or key != found[-1]):
            found.append(key)
        elif silent == 2:
            found.append("")
    return "".join(found)
