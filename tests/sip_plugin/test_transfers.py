"""Transfers: ours, blind and attended; the peer's, followed and declined; calls that replace others."""

from __future__ import annotations

from typing import Any

from boringsdp.sip.account import IncomingCall, MessageReceived, ReferAccepted, ReferFailed, ReferProgress, ReferReceived
from boringsdp.sip.session.events import Answered, Ended
from boringsdp.sip_plugin.transfers import MOST_OF_ACCOUNT, Transfers
from tests.call.phone import plain
from tests.sip_plugin.conftest import World, answer, offer
from tests.support.sip_endpoints import Ear, at, settings_of


async def test_a_blind_transfer_and_how_it_fares(world: World):
    alice = world.guest()
    session, ear = await world.talk(alice)
    assert alice.result({"request": "transfer", "uri": world.peer("carol")}) == {"event": "transferring"}
    refer = (await ear.hears(ReferReceived)).refer
    assert (refer.target, refer.replaces) == (world.peer("carol"), "")
    refer.accept()
    refer.notify(180, "Ringing")
    refer.notify(200, "OK")
    notify = (await alice.hears("notify"))["result"]
    assert (notify["notify"], notify["content-type"].partition(";")[0], notify["substate"]) == ("refer", "message/sipfrag", "active")
    codes = []
    while not codes or codes[-1] != 200:
        codes.append((await alice.hears("transfer_progress"))["result"]["code"])
    assert codes[-2:] == [180, 200]
    assert session.over is False


async def test_a_refused_transfer_is_told(world: World):
    alice = world.guest()
    _, ear = await world.talk(alice)
    alice.result({"request": "transfer", "uri": world.peer("carol")})
    (await ear.hears(ReferReceived)).refer.reject(603)
    while not (progress := (await alice.hears("transfer_progress"))["result"])["final"]:
        pass
    assert progress["code"] == 603


async def test_an_attended_transfer_names_the_other_call(world: World):
    alice, helper = world.guest(), world.client()
    _, ear = await world.talk(alice)
    master_id = next(iter(world.plugin.masters))
    helper.result({"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id})
    second, _ = await world.talk(helper)
    assert alice.refusal({"request": "transfer", "uri": world.peer("carol"), "replace": "no-such"})[0] == 454
    alice.result({"request": "transfer", "uri": world.peer("carol"), "replace": second.call_id})
    refer = (await ear.hears(ReferReceived)).refer
    assert refer.replaces.startswith(second.call_id + ";")


async def test_a_transfer_by_the_peer_is_followed_on_another_line(world: World):
    alice, helper = world.guest(), world.client()
    session, _ = await world.talk(alice)
    master_id = next(iter(world.plugin.masters))
    helper.result({"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id})
    told = Ear()
    session.refer(world.peer("carol"), hear=told)
    transfer = (await alice.hears("transfer"))["result"]
    assert transfer["refer_to"] == world.peer("carol")
    await told.hears(ReferAccepted)
    carol = Ear()
    world.there.account(settings_of(at(world.there, "carol")), carol)
    asked = {"request": "call", "uri": transfer["refer_to"], "refer_id": transfer["refer_id"]}
    assert helper.result(asked, offer())["event"] == "calling"
    call = await carol.hears(IncomingCall)
    call.session.hear = Ear()
    call.session.accept(plain(9004).encode())
    await helper.hears("accepted")
    while not (await told.hears(ReferProgress)).final:
        pass
    assert helper.refusal(asked | {"refer_id": 99})[0] == 447


async def test_a_transfer_by_the_peer_is_declined(world: World):
    alice = world.guest()
    session, _ = await world.talk(alice)
    told = Ear()
    session.refer(world.peer("carol"), hear=told)
    transfer = (await alice.hears("transfer"))["result"]
    declining = alice.result({"request": "decline", "refer_id": transfer["refer_id"], "code": 480})
    assert declining == {"event": "declining", "refer_id": transfer["refer_id"], "code": 480}
    news = await told.hears(object)
    while not isinstance(news, ReferFailed) and not (isinstance(news, ReferProgress) and news.final):
        news = await told.hears(object)
    assert news.code == 480
    assert alice.refusal({"request": "decline", "refer_id": transfer["refer_id"]})[0] == 447


async def test_a_call_that_replaces_ours_keeps_the_peer_connection(world: World):
    alice = world.guest()
    session, ear = await world.talk(alice)
    ear.then = lambda event: event.incoming.later() if isinstance(event, MessageReceived) else None
    account = world.account
    assert account is not None
    alice.result({"request": "message", "content": "is heard and not answered"})
    await ear.hears(MessageReceived)
    newcomer = Ear()
    session2 = account.invite(world.uri("alice"), plain(9010).encode(), hear=newcomer, replaces=session)
    assert (await newcomer.hears(Answered)).sdp
    assert (await alice.hears("messagedelivery"))["result"]["code"] == 481
    replaced = (await alice.hears("replaced"))["result"]
    assert (replaced["call_id"], replaced["replaces"]) == (session2.call_id, session.call_id)
    assert (await ear.hears(Ended)).code == 200
    assert alice.handle.has_peer_connection
    assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
    assert (await newcomer.hears(Ended)).code == 200


async def test_a_call_that_replaces_is_shown_where_a_line_is_free(world: World):
    alice, helper = world.guest(), world.client()
    session, _ = await world.talk(alice)
    master_id = next(iter(world.plugin.masters))
    helper.result({"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id})
    newcomer = Ear()
    assert world.account is not None
    world.account.invite(world.uri("alice"), plain(9010).encode(), hear=newcomer, replaces=session)
    came = await helper.hears("incomingcall")
    assert came["result"]["replaces"].startswith(session.call_id)
    helper.result({"request": "accept"}, answer(came))
    await newcomer.hears(Answered)


async def test_one_account_s_transfers_leave_room_for_others():
    class Asked:
        code = 0

        def reject(self, code: int) -> None:
            self.code = code

    transfers = Transfers(limit=1000, wait=60.0)
    busy: Any = object()
    other: Any = object()
    refers: list[Any] = [Asked() for _ in range(MOST_OF_ACCOUNT + 1)]
    numbers = [transfers.add(refer, busy) for refer in refers]
    assert (numbers.count(None), numbers[-1], refers[-1].code) == (1, None, 486)
    last: Any = Asked()
    assert transfers.take(transfers.add(last, other) or 0, other) is last
    transfers.close()
