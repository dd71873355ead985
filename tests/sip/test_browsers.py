"""Browsers at an endpoint: what they ask comes to one account, and what they are asked goes by their WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boringsdp.errors import Forbidden, WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.account import (
    FlowLost,
    IncomingCall,
    IncomingMessage,
    IncomingRefer,
    IncomingRequest,
    IncomingSubscribe,
    NotifierEnded,
    NotifierRefreshed,
    NotifyReceived,
    RequestAnswered,
    SubscriptionActive,
)
from boringsdp.sip.build import response_to
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Request
from boringsdp.sip.parse import parse
from boringsdp.sip.session.events import Answered, Cancelled, Confirmed, Ended, Failed, Ringing
from tests.sip.transport.side import side
from tests.support.sip_browser import Browser, browser
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, endpoint, settings_of

OWN = ("Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Contact", "Path", "Max-Forwards", "X-*")
LISTEN = ("ws:127.0.0.1:0", "udp:127.0.0.1:0")


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Endpoint, Account, Ear]]:
    """An endpoint that serves browsers, the account of that, and who hears it."""
    async with endpoint(LOOPBACK, *LISTEN) as here:
        ear = Ear()
        yield here, here.serve_browsers(settings_of("sip:gateway@example.com", own_headers=OWN), ear), ear


async def registered(phone: Browser, ear: Ear) -> Flow:
    """Let a browser register; returns its flow."""
    await phone.ask("REGISTER")
    event = await ear.hears(IncomingRequest)
    assert (await phone.gets(405)).code == 405
    return event.incoming.flow


async def test_a_registration_is_answered_by_the_application() -> None:
    async with served() as (here, _, ear), browser(here, origin="https://phone.example.com") as phone:

        def challenge(event: object) -> None:
            if isinstance(event, IncomingRequest) and "authorization" not in event.request.headers:
                event.incoming.answer(401, headers=[("WWW-Authenticate", 'Digest realm="example.com", nonce="1"')])
            elif isinstance(event, IncomingRequest):
                contact = event.request.headers.get("Contact") or ""
                event.incoming.answer(200, headers=[("Contact", f"{contact};expires=300"), ("Path", "<sip:a;lr>"), ("X-More", "1")])

        ear.then = challenge
        await phone.ask("REGISTER")
        assert (await phone.gets(401)).headers.get("WWW-Authenticate") == 'Digest realm="example.com", nonce="1"'
        await phone.ask("REGISTER", headers=(("Authorization", "Digest x"), ("Supported", "path, outbound"), ("Require", "outbound")))
        answer = await phone.gets(200)
        assert answer.headers.get("Contact") == f"<{phone.contact}>;expires=300"
        assert (answer.headers.get("Path"), answer.headers.get("X-More")) == ("<sip:a;lr>", "1")
        flow = ear.heard(IncomingRequest)[0].incoming.flow
        assert here.peer(flow).origin == "https://phone.example.com"
        assert here.is_open(flow)
        await phone.close()
        assert (await ear.hears(FlowLost)).flow == flow
        assert not here.is_open(flow)


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("REGISTER", (), 405),
        ("PUBLISH", (), 405),
        ("OPTIONS", (), 200),
        ("OPTIONS", (("Max-Forwards", "0"),), 200),
        ("MESSAGE", (), 200),
        ("MESSAGE", (("Max-Forwards", "0"),), 483),
        ("SUBSCRIBE", (("Event", "presence"),), 489),
        ("REFER", (("Refer-To", "<sip:b@example.com>"),), 603),
        ("INFO", (), 481),
        ("DANCE", (), 501),
        ("REGISTER", (("Require", "pref"),), 420),
        ("INVITE", (("Max-Forwards", "0"),), 483),
    ],
)
async def test_what_nobody_answers_is_answered(method: str, headers: tuple[tuple[str, str], ...], code: int) -> None:
    async with served() as (here, _, _), browser(here) as phone:
        await phone.ask(method, "sip:bob@elsewhere.example.net", headers=headers)
        answer = await phone.gets(code)
        if code == 501:
            assert "REGISTER" in (answer.headers.get("Allow") or "")


async def test_without_it_browsers_are_strangers() -> None:
    async with endpoint(LOOPBACK, *LISTEN) as here, browser(here) as phone:
        await phone.ask("REGISTER")
        await phone.gets(405)
        await phone.ask("MESSAGE", "sip:bob@example.com")
        await phone.gets(404)


async def test_one_account_serves_and_may_be_followed_by_another() -> None:
    async with served() as (here, account, _):
        with pytest.raises(WrongState):
            here.serve_browsers(settings_of("sip:other@example.com"), Ear())
        account.close()
        here.serve_browsers(settings_of("sip:other@example.com"), Ear())


async def test_the_account_is_for_browsers_alone() -> None:
    async with served() as (here, account, ear), endpoint() as there:
        stranger = there.account(settings_of("sip:mallory@example.net"), hears := Ear())
        udp = next(listen for listen in here.addresses() if listen.protocol.value == "UDP")
        stranger.request("MESSAGE", f"sip:{account.contact_user}@127.0.0.1:{udp.port}")
        assert (await hears.hears(RequestAnswered)).response.code == 404
        assert ear.all == []


async def test_a_browser_is_called_by_its_connection() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        call = account.invite(
            phone.contact, OFFER, hear=(hears := Ear()), flow=flow, to='"Bob" <sip:bob@example.com>', display_name="Carol",
            headers=[("Max-Forwards", "40"), ("X-Call", "7")],
        )  # fmt: skip
        invite = await phone.is_asked("INVITE")
        assert invite.uri == phone.contact
        assert invite.headers.get("To") == '"Bob" <sip:bob@example.com>'
        assert (invite.headers.all("Max-Forwards"), invite.headers.get("X-Call")) == (["40"], "7")
        port = here.addresses()[0].port
        assert views.contacts(invite)[0].uri_text == f"sip:{account.contact_user}@127.0.0.1:{port};transport=ws"
        assert {"timer", "replaces"} <= set(views.tokens(invite, "Supported"))
        assert {"UPDATE", "REFER", "INFO"} <= set((invite.headers.get("Allow") or "").replace(",", " ").split())
        assert (invite.headers.get("Session-Expires") or "").startswith("1800")
        await phone.answer(invite, 180)
        await hears.hears(Ringing)
        await phone.answer(invite, 200, sdp=ANSWER)
        await hears.hears(Answered)
        assert (await phone.is_asked("ACK")).uri == phone.contact
        assert call.flow == flow
        call.hang_up()
        bye = await phone.is_asked("BYE")
        assert bye.uri == phone.contact
        await phone.answer(bye, 200)
        await hears.hears(Ended)


async def test_a_call_to_a_browser_is_taken_back() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        call = account.invite(phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        invite = await phone.is_asked("INVITE")
        await phone.answer(invite, 180)
        await hears.hears(Ringing)
        call.hang_up([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
        cancel = await phone.is_asked("CANCEL")
        assert "completed elsewhere" in (cancel.headers.get("Reason") or "")
        await phone.answer(cancel, 200)
        await phone.answer(invite, 487)
        await phone.is_asked("ACK")
        await hears.hears(Ended)


async def test_redirects_of_a_browser_are_told_and_not_followed() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        account.invite(phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        await phone.answer(await phone.is_asked("INVITE"), 302, headers=(("Contact", "<sip:voicemail@example.com>"),))
        assert (await hears.hears(Failed)).code == 302


async def test_a_browser_calls_and_is_answered_by_its_connection() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        invite = await phone.ask("INVITE", "sip:bob@example.com", sdp=OFFER)
        event = await ear.hears(IncomingCall)
        hears = event.session.hear = Ear()
        assert event.session.flow is not None
        event.session.accept(ANSWER)
        answered = await phone.gets(200)
        assert views.contacts(answered)[0].uri_text.endswith(";transport=ws")
        await phone.within(answered, "ACK", views.cseq(invite).number)
        await hears.hears(Confirmed)
        event.session.send("INFO", content_type="text/plain", body=b"hello")
        info = await phone.is_asked("INFO")
        assert info.uri == phone.contact
        await phone.answer(info, 200)
        await hears.hears(RequestAnswered)
        await phone.within(answered, "BYE", 2)
        await phone.gets(200)
        await hears.hears(Ended)
        assert account.sessions == []


async def test_a_browser_takes_its_call_back() -> None:
    async with served() as (here, _, ear), browser(here) as phone:
        invite = await phone.ask("INVITE", "sip:bob@example.com", sdp=OFFER)
        event = await ear.hears(IncomingCall)
        hears = event.session.hear = Ear()
        event.session.ring()
        await phone.gets(180)
        cancel = invite.copy()
        cancel.method = "CANCEL"
        cancel.headers.set("CSeq", "1 CANCEL")
        await phone.say(cancel)
        await hears.hears(Cancelled)
        assert {(await phone.next()).to_bytes()[:11] for _ in range(2)} == {b"SIP/2.0 200", b"SIP/2.0 487"}


async def test_requests_know_what_they_came_by() -> None:
    async with served() as (here, _, ear), browser(here) as one, browser(here, "bob") as other:
        flows = [await registered(one, ear), await registered(other, ear)]
        await other.ask("MESSAGE", "sip:carol@example.com")
        assert (await ear.hears(IncomingMessage)).incoming.flow == flows[1]
        await one.ask("REFER", "sip:carol@example.com", headers=(("Refer-To", "<sip:dan@example.com>"),))
        assert (await ear.hears(IncomingRefer)).refer.flow == flows[0]


async def test_requests_go_by_a_connection() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        sent = account.request(
            "MESSAGE", phone.contact, body=b"hello", content_type="text/plain", flow=flow,
            to="<sip:alice@example.com>", from_='"Bob" <sip:bob@example.com>',
        )  # fmt: skip
        message = await phone.is_asked("MESSAGE")
        assert (message.uri, message.headers.get("To"), message.body) == (phone.contact, "<sip:alice@example.com>", b"hello")
        assert (message.headers.get("From") or "").startswith('"Bob" <sip:bob@example.com>;tag=')
        await phone.answer(message, 200)
        assert (await ear.hears(RequestAnswered)).number == sent


async def test_headers_of_ones_own_are_few() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        for name in ("Via", "CSeq", "Call-ID", "Content-Length", "Record-Route"):
            with pytest.raises(Forbidden):
                account.request("MESSAGE", phone.contact, flow=flow, headers=[(name, "x")])
        with pytest.raises(Forbidden):
            account.request("MESSAGE", phone.contact, flow=flow, headers=[("X-Evil", "a\r\nVia: b")])
        plain = here.account(settings_of("sip:plain@example.com"), Ear())
        with pytest.raises(Forbidden):
            plain.request("MESSAGE", "sip:b@127.0.0.1", headers=[("Authorization", "Digest x")])


async def test_a_registration_of_the_applications_own_making() -> None:
    asked: list[Request] = []

    def answer(data: bytes) -> bytes:
        request = parse(data).message
        assert isinstance(request, Request)
        asked.append(request)
        return response_to(request, 200, tag="r").to_bytes()

    async with served() as (here, _, _), side("udp:127.0.0.1:0", replies=answer) as registrar:
        heard = Ear()
        account = here.account(settings_of("sip:alice@example.com", own_headers=OWN), heard)
        port = registrar.transports.addresses()[0].port
        for number in (7, 8):
            account.request(
                "REGISTER", f"sip:127.0.0.1:{port}", to="<sip:alice@example.com>", from_="<sip:alice@example.com>;tag=a",
                call_id="kept", cseq=number, contact=';expires=60;+sip.instance="<urn:x>"', headers=[("Authorization", "Digest y")],
            )  # fmt: skip
            assert views.cseq((await heard.hears(RequestAnswered)).response).number == number
        assert [(views.cseq(request).number, views.call_id(request)) for request in asked] == [(7, "kept"), (8, "kept")]
        contact = next(listen for listen in here.addresses() if listen.protocol is Protocol.UDP)
        assert asked[0].headers.all("Contact") == [
            f'<sip:{account.contact_user}@127.0.0.1:{contact.port}>;expires=60;+sip.instance="<urn:x>"'
        ]
        assert asked[0].headers.get("Authorization") == "Digest y"
        assert asked[0].headers.get("From") == "<sip:alice@example.com>;tag=a"


async def test_an_ack_has_the_credentials_that_its_invite_was_given() -> None:
    asked: list[Request] = []

    def answer(data: bytes) -> bytes | None:
        request = parse(data).message
        assert isinstance(request, Request)
        asked.append(request)
        contact = [("Contact", f"<sip:b@127.0.0.1:{port}>")]
        made = response_to(request, 200, tag="r", headers=contact, content_type="application/sdp", body=ANSWER)
        return None if request.method == "ACK" else made.to_bytes()

    async with served() as (here, _, _), side("udp:127.0.0.1:0", replies=answer) as pbx:
        port = pbx.transports.addresses()[0].port
        account = here.account(settings_of("sip:alice@example.com", own_headers=OWN), Ear())
        lines = [("Authorization", "Digest y")]
        account.invite(f"sip:b@127.0.0.1:{port}", OFFER, hear=(hears := Ear()), headers=lines)
        await hears.hears(Answered)
        await pbx.polls(lambda: any(request.method == "ACK" for request in asked))
        assert next(request for request in asked if request.method == "ACK").headers.all("Authorization") == ["Digest y"]


async def test_a_browser_subscribes() -> None:
    async with served() as (here, _, ear), browser(here) as phone:
        await phone.ask("SUBSCRIBE", "sip:bob@example.com", headers=(("Event", "presence"), ("Expires", "600")))
        event = await ear.hears(IncomingSubscribe)
        assert event.event == "presence"
        assert (await phone.gets(489)).code == 489

        def take(event: object) -> None:
            if isinstance(event, IncomingSubscribe):
                handles.append(event.accept(300, news))
                handles[0].notify("pending", headers=[("X-More", "1")])

        handles: list[Any] = []
        news = Ear()
        ear.then = take
        subscribe = await phone.ask("SUBSCRIBE", "sip:bob@example.com", headers=(("Event", "presence"), ("Expires", "600")))
        accepted = await phone.gets(200)
        assert accepted.headers.get("Expires") == "300"
        notify = await phone.is_asked("NOTIFY")
        assert notify.uri == phone.contact
        assert (notify.headers.get("Subscription-State") or "").startswith("pending;expires=")
        assert notify.headers.get("X-More") == "1"
        await phone.answer(notify, 200)
        handles[0].notify("active", "text/plain", b"open")
        notify = await phone.is_asked("NOTIFY")
        assert notify.body == b"open"
        await phone.answer(notify, 200)
        contact = views.contacts(accepted)[0].uri_text
        again = (("Event", "presence"), ("Expires", "0"))
        to = accepted.headers.get("To") or ""
        await phone.ask("SUBSCRIBE", contact, to=to, call_id=views.call_id(subscribe), cseq=2, headers=(again[0], ("Expires", "120")))
        assert (await phone.gets(200)).headers.get("Expires") == "120"
        assert (await news.hears(NotifierRefreshed)).expires == 120
        await phone.answer(await phone.is_asked("NOTIFY"), 200)
        await phone.ask("SUBSCRIBE", contact, to=to, call_id=views.call_id(subscribe), cseq=3, headers=again)
        await phone.gets(200)
        last = await phone.is_asked("NOTIFY")
        assert (last.headers.get("Subscription-State") or "").startswith("terminated")
        await phone.answer(last, 200)
        assert (await news.hears(NotifierEnded)).reason == "timeout"
        assert handles[0].over
        handles[0].notify()  # nothing happens


async def test_a_subscription_within_a_call() -> None:
    async with served() as (here, _, ear), browser(here) as phone:
        invite = await phone.ask("INVITE", "sip:bob@example.com", sdp=OFFER)
        event = await ear.hears(IncomingCall)
        handles: list[Any] = []

        def take(news: object) -> None:
            if isinstance(news, IncomingSubscribe):
                handles.append(news.accept(60))
                handles[0].notify(content_type="text/plain", body=b"floor")

        event.session.hear = hears = Ear(take)
        event.session.accept(ANSWER)
        answered = await phone.gets(200)
        await phone.within(answered, "ACK", views.cseq(invite).number)
        await hears.hears(Confirmed)
        contact, to = views.contacts(answered)[0].uri_text, answered.headers.get("To") or ""
        await phone.ask("SUBSCRIBE", contact, to=to, call_id=views.call_id(invite), cseq=2, headers=(("Event", "conference"),))
        await phone.gets(200)
        notify = await phone.is_asked("NOTIFY")
        assert (notify.headers.get("Event"), notify.body) == ("conference", b"floor")
        await phone.answer(notify, 200)
        handles[0].terminate()
        assert "noresource" in ((await phone.is_asked("NOTIFY")).headers.get("Subscription-State") or "")
        assert not event.session.over


async def test_we_subscribe_at_a_browser() -> None:
    async with served() as (here, account, ear), browser(here) as phone:
        flow = await registered(phone, ear)
        to = "<sip:alice@example.com>"
        subscription = account.subscribe(phone.contact, "dialog", hear=(hears := Ear()), flow=flow, to=to, from_="<sip:bob@example.com>")
        subscribe = await phone.is_asked("SUBSCRIBE")
        assert (subscribe.uri, subscribe.headers.get("To")) == (phone.contact, to)
        await phone.answer(subscribe, 200, headers=(("Expires", "600"),))
        assert (await hears.hears(SubscriptionActive)).expires == 600
        contact, theirs = views.contacts(subscribe)[0].uri_text, subscribe.headers.get("From") or ""
        state = (("Event", "dialog"), ("Subscription-State", "active;expires=600"))
        await phone.ask("NOTIFY", contact, to=theirs, call_id=views.call_id(subscribe), headers=state)
        await phone.gets(200)
        await hears.hears(NotifyReceived)
        subscription.unsubscribe()
        assert (await phone.is_asked("SUBSCRIBE")).headers.get("Expires") == "0"


async def test_a_call_is_challenged_in_somebody_elses_words() -> None:
    async with served() as (here, _, ear), browser(here) as phone:
        challenges = [("Proxy-Authenticate", f'Digest realm="pbx", nonce="{number}", algorithm=MD5') for number in (1, 2)]

        def refuse(event: object) -> None:
            if isinstance(event, IncomingCall) and "proxy-authorization" not in event.request.headers:
                event.session.reject(407, headers=challenges)
            elif isinstance(event, IncomingCall):
                event.session.reject(302, "Gone Home", [("Contact", "<sip:home@example.com>")])

        ear.then = refuse
        await phone.ask("INVITE", "sip:bob@example.com", call_id="call", sdp=OFFER)
        assert (await phone.gets(407)).headers.all("Proxy-Authenticate") == [value for _, value in challenges]
        lines = (("Proxy-Authorization", "Digest x"),)
        await phone.ask("INVITE", "sip:bob@example.com", call_id="call", cseq=2, sdp=OFFER, headers=lines)
        moved = await phone.gets(302)
        assert (moved.reason, moved.headers.all("Contact")) == ("Gone Home", ["<sip:home@example.com>"])
