"""One call to several phones, and several calls at once."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hang_up, hear_each_other, place, take, talking, webs_hear_each_other, with_each_library

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@with_each_library
async def test_the_second_of_two_phones_answers(party, library):
    user = party.name()
    first, second = await asyncio.gather(party.phone(user=user, frequency=1300), party.phone("opus", user=user))
    web = await party.web(library)
    await place(web, user, party.proxy.sip)
    await first.until("CALL_INCOMING")
    await take(second)
    await talking(web, second)
    await first.until("CALL_CLOSED")
    await hear_each_other(web, second)
    await hang_up(web, second)


@with_each_library
async def test_a_busy_phone_does_not_end_the_fork(party, library):
    user = party.name()
    first, second = await asyncio.gather(party.phone(user=user, frequency=1300), party.phone(user=user))
    web = await party.web(library)
    await place(web, user, party.proxy.sip)
    await asyncio.gather(first.until("CALL_INCOMING"), second.until("CALL_INCOMING"))
    await first.do("hangup")
    await asyncio.sleep(0.3)
    await take(second)
    await talking(web, second)
    await hear_each_other(web, second)
    await hang_up(second, web)


async def test_early_media_of_one_and_the_answer_of_the_other(party):
    # SIP.js gives up a call whose answer comes from another than the early media; the proxy and the gateway have no part in that.
    user = party.name()
    early, late = await asyncio.gather(party.phone(user=user, frequency=1300, account=";answermode=early"), party.phone(user=user))
    caller = await party.web("jssip")
    await place(caller, user, party.proxy.sip)
    await caller.until("progress", detail=183)
    await asyncio.sleep(0.5)
    await take(late)
    await talking(caller, late)
    await early.until("CALL_CLOSED")
    await hear_each_other(caller, late)
    await hang_up(late, caller)


@pytest.mark.parametrize("who", ["browser", "phone"])
@with_each_library
async def test_a_browser_and_a_phone_ring_and_one_answers(party, library, who):
    user = party.name()
    web, phone = await asyncio.gather(party.web(library, user), party.phone(user=user))
    caller = await party.phone(frequency=1500)
    other = await party.web(library)
    if who == "browser":
        await place(caller, user, party.proxy.sip)
        await phone.until("CALL_INCOMING")
        await take(web)
        await talking(caller, web)
        await phone.until("CALL_CLOSED")
        await hear_each_other(web, caller)
        await hang_up(caller, web)
    else:
        await place(other, user, party.proxy.sip)
        await web.until("incoming")
        await take(phone)
        await talking(other, phone)
        await web.until("failed")
        await hear_each_other(other, phone)
        await hang_up(other, phone)


async def test_ten_calls_at_once(party):
    webs = await asyncio.gather(*(party.web(("jssip", "sipjs")[index % 2]) for index in range(10)))
    phones = await asyncio.gather(*(party.phone(("PCMU", "opus")[index // 5], frequency=600 + 100 * index) for index in range(10)))
    pairs = list(zip(webs, phones, strict=True))
    await asyncio.gather(*(place(web, phone.user, party.proxy.sip) for web, phone in pairs[:5]))
    await asyncio.gather(*(place(phone, web.user, party.proxy.sip) for web, phone in pairs[5:]))
    await asyncio.gather(*(take(phone) for _, phone in pairs[:5]), *(take(web) for web, _ in pairs[5:]))
    await asyncio.gather(*(talking(*pair) for pair in pairs))
    await asyncio.sleep(1)
    await asyncio.gather(*(hear_each_other(web, phone, web_hz=650 + 100 * index) for index, (web, phone) in enumerate(pairs)))
    await asyncio.gather(*(hang_up(*(pair if index % 3 else pair[::-1])) for index, pair in enumerate(pairs)))


async def test_no_call_is_left_behind(party, backend):
    # The calls of the tests before this one, and one that was cancelled while it rang at two phones.
    user = party.name()
    web, *phones = await asyncio.gather(party.web(), party.phone(user=user), party.phone(user=user))
    await place(web, user, party.proxy.sip)
    await asyncio.gather(*(phone.until("CALL_INCOMING") for phone in phones), web.until("progress"))
    await web.do("hangup")
    await asyncio.gather(*(phone.until("CALL_CLOSED") for phone in phones))
    for _ in range(50):
        if not await backend.calls():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the gateway still has {await backend.calls()}")


async def test_web_phones_of_both_kinds_call_each_other(party):
    first, second = await asyncio.gather(party.web("jssip"), party.web("sipjs"))
    await place(first, second.user, party.proxy.sip)
    await take(second)
    await talking(first, second)
    await webs_hear_each_other(first, second)
    await hang_up(second, first)
