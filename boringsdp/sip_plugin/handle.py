"""One handle of `janus.plugin.sip`: a line, and at most one call at a time."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from boringsdp import logs
from boringsdp.call import CallEvent, Calls, Party
from boringsdp.errors import BoringError, Exhausted, JanusError, SdpError, WrongState
from boringsdp.janus_api.plugin import Ack, Handle, Jsep, Outcome, PluginHandle, Request
from boringsdp.sdp import CodecPolicy
from boringsdp.sip import account as told
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Session
from boringsdp.sip.message import Message
from boringsdp.sip_plugin import events
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.call_news import CallNews
from boringsdp.sip_plugin.codes import IO_ERROR, SIP_ERROR, WRONG_STATE
from boringsdp.sip_plugin.commands import Commands
from boringsdp.sip_plugin.headers import shown_headers
from boringsdp.sip_plugin.master import Master
from boringsdp.sip_plugin.media_side import MediaSide, read_sdp
from boringsdp.sip_plugin.phone_call import CallState, PhoneCall, checked_jsep
from boringsdp.sip_plugin.reading import parse_request
from boringsdp.sip_plugin.settings import PluginSettings
from boringsdp.sip_plugin.subscriptions import Subscriptions
from boringsdp.sip_plugin.transfers import Transfers
from boringsdp.sip_plugin.view import header_of

NOT_ACCEPTABLE = 488
UNAVAILABLE = 480

log = logs.bind("sip")


class Desk(Protocol):
    """What the handles of the plugin share."""

    @property
    def endpoint(self) -> Endpoint: ...

    calls: Calls
    limits: PluginSettings
    policy: CodecPolicy
    masters: dict[int, Master]
    transfers: Transfers


class SipHandle(PluginHandle):
    """
    The application's side of a line.

    What is heard while a request is served is told after its reply: the stack answers at once, clients expect order.
    """

    def __init__(self, handle: Handle, desk: Desk) -> None:
        self.handle = handle
        self.desk = desk
        self.unique_id = secrets.token_hex(8)
        self.master: Master | None = None
        self.helper: ask.RegisterHelper | None = None
        """What it was made a helper by, if it is one."""
        self.call: PhoneCall | None = None
        self.last_call_id = ""
        self.subscriptions = Subscriptions(desk.limits.subscriptions, self.push, self.show, self.later)
        self._commands = Commands(self)
        self._serving = False
        self._later: list[Callable[[], None]] = []

    # --- what the core asks ----------------------------------------------------------------------------------------------------------

    def message(self, request: Request) -> Outcome:
        """Every request is asynchronous. What is wrong with a jsep is an error of the core, everything else an event with `error_code`."""
        self._serving = True
        try:
            self._serve(request)
        finally:
            self._serving = False
            while self._later:
                self._later.pop(0)()
        return Ack()

    def _serve(self, request: Request) -> None:
        try:
            asked = parse_request(request.body, self.desk.endpoint.settings.policy.headers or ("*",))
            reply, jsep = self._commands.perform(asked, checked_jsep(request.jsep))
        except JanusError as error:
            self._refuse(error.code, error.reason, request.transaction)
        except Exhausted as error:
            self._refuse(IO_ERROR, f"The gateway has {error}", request.transaction)
        except WrongState as error:
            self._refuse(WRONG_STATE, f"Wrong state ({error})", request.transaction)
        except SdpError:
            raise
        except BoringError as error:
            self._refuse(SIP_ERROR, str(error), request.transaction)
        else:
            if reply is not None:
                self.handle.push(events.event(reply, call_id=self.last_call_id), jsep, request.transaction)
            else:
                call = {"call_id": self.last_call_id} if self.last_call_id else {}
                self.handle.push(events.sound({"sip": "event", **call}), None, request.transaction)

    def hangup(self, reason: str) -> None:
        """The PeerConnection is gone, and with it the call; after the call's own end there is none any more."""
        if self.call is not None:
            self.call.lost(reason)

    def detach(self) -> None:
        """The call ends, the subscriptions too; of a master the account and its helpers."""
        self.forget_call("detached")
        self.leave_master()

    def query(self) -> dict[str, Any]:
        """As Janus's `plugin_specific`."""
        found: dict[str, Any] = {"unique_id": self.unique_id}
        if self.helper is not None and self.master is not None:
            found |= {"helper": True, "master": {"master_id": self.master.number}}
        if (master := self.master) is not None:
            request = master.request
            found |= {"username": request.username, "secret": "(hidden)", "display_name": request.display_name}
            found |= {"identity": request.username, "user_agent": request.user_agent, "registration_status": master.account.state.value}
            found |= {"helpers": len(master.helpers)}
        call = self.call
        found["call_status"] = "idle" if call is None else call.state.value
        if call is not None:
            found |= {"callee": call.session.remote_uri, "call_id": call.call_id}
            found |= {} if call.media is None else {"call": call.media.call.statistics()}
        whole: dict[str, Any] = events.sound(found)
        return whole

    # --- calls -----------------------------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it can take a call now."""
        return self.call is None and self.master is not None

    def ring_in(self, call: told.IncomingCall) -> None:
        """Show an incoming call to the application, or refuse it because its media cannot be served."""
        ringing = self.helper.automatic_ringing if self.helper is not None else self.master is None or self.master.request.automatic_ringing
        phone = PhoneCall(self, call.session)
        if self.master is not None:
            phone.digits.mode, phone.digits.tones = self.master.request.dtmf, self.master.request.dtmf_tones
        news = CallNews(phone)
        call.session.hear = lambda event: self.later(lambda: news.hear(event))
        try:
            description = None if call.sdp is None else read_sdp(call.sdp)
            media = self.make_media(phone, news, ask.Srtp())
            offer = None if description is None else media.offer_of_peer(description)
        except (SdpError, Exhausted) as error:
            self.drop_media(phone)
            code = NOT_ACCEPTABLE if isinstance(error, SdpError) else UNAVAILABLE
            log.info("call cannot be served", extra={"call_id": call.session.call_id, "code": code, "reason": str(error)})
            call.session.hear = None
            call.session.reject(code)
            return
        phone.offered = description is not None
        if description is not None:
            media.peer.take(description)  # what is in it is no news: `incomingcall` shows it
        self.take_call(phone)
        if ringing:
            call.session.ring()
        self.later(lambda: news.show_incoming(call.request, description, offer))
        facts = {"call-id": phone.call_id, "username": call.session.remote_uri, "callee": call.session.local_uri}
        self.record({"event": "incomingcall", **facts})

    def replace(self, call: told.IncomingCall, old: Session) -> bool:
        """
        Put a call with Replaces in place of the handle's own, without asking: the browser keeps its PeerConnection (RFC 3891).

        Where the application wants to see re-INVITEs, or the media does not fit, it is not done.
        """
        phone = self.call
        if phone is None or phone.session is not old or not phone.auto or phone.media is None or call.sdp is None:
            return False
        if phone.state is not CallState.INCALL:
            return False
        try:
            description = read_sdp(call.sdp)
            answer = phone.media.answer_for_browser(description)
        except (SdpError, WrongState, Exhausted):
            return False
        news, former = CallNews(phone), phone.call_id
        old.hear = None
        phone.move(call.session)
        call.session.hear = lambda event: self.later(lambda: news.hear(event))
        call.session.accept(answer)
        old.hang_up()
        self.last_call_id = call.session.call_id
        self.push(events.replaced(phone.call_id, former, call.session.remote_uri), call_id=phone.call_id)
        for each in phone.media.peer.take(description):
            self.push(each, call_id=phone.call_id)
        return True

    def make_media(self, phone: PhoneCall, news: CallNews, srtp: ask.Srtp) -> MediaSide:
        """Give the call its media. Raises `Exhausted`."""
        call = self.desk.calls.create(lambda event: self.later(lambda: self._hear_media(phone, news, event)))
        phone.media = media = MediaSide(call, self.desk.policy, srtp.style)
        phone.digits.apply()
        return media

    def _hear_media(self, phone: PhoneCall, news: CallNews, event: CallEvent) -> None:
        """What a call's media says while we end it is no news."""
        if self.call is phone and phone.media is not None:
            news.hear_media(event)

    def take_call(self, phone: PhoneCall) -> None:
        """The handle has a call now."""
        self.call = phone
        self.last_call_id = phone.call_id
        handle = self.handle
        mine, theirs = phone.session.local_uri, phone.session.remote_uri
        facts = {"direction": "in", "from": theirs, "to": mine} if phone.incoming else {"direction": "out", "from": mine, "to": theirs}
        beside: dict[str, Any] = {"session": handle.session_id, "handle": handle.handle_id}
        if handle.opaque_id is not None:
            beside["opaque_id"] = handle.opaque_id
        log.info("call attached", extra={**phone.name(), **facts, **beside})

    def forget_call(self, reason: str, *, hang_up: bool = True) -> None:
        """The handle has no call any more, whatever its state; nothing is told."""
        phone, self.call = self.call, None
        if phone is None:
            return
        phone.session.hear = None
        if hang_up:
            phone.session.hang_up(code=UNAVAILABLE)
        self.drop_media(phone, reason)

    def drop_media(self, phone: PhoneCall, reason: str = "refused") -> None:
        """Close the media of a call; nothing of it is told."""
        media, phone.media = phone.media, None
        if media is not None:
            media.call.close(reason)

    # --- the line --------------------------------------------------------------------------------------------------------------------

    def dismissed(self) -> None:
        """The master is gone: so is this helper, its call and its handle."""
        phone = self.call
        if phone is not None:
            self.push(events.hangup(UNAVAILABLE, "The account is gone"), call_id=phone.call_id)
            self.forget_call("unregistered")
            self.handle.close_pc()
        self.subscriptions.close()
        if self.master is not None:
            self.push({**events.unregistered(self.master.username), "helper": True})
        self.master = self.helper = None
        self.later(self.handle.end)

    def leave_master(self) -> None:
        """Let go of the account, and of the subscriptions in its name; the owner's ends."""
        self.subscriptions.close()
        master, helper = self.master, self.helper
        self.master = self.helper = None
        if master is None:
            return
        if helper is not None:
            master.remove(self)
        else:
            self.desk.masters.pop(master.number, None)
            self.desk.transfers.drop(master.account)
            master.close()

    # --- what calls, masters and subscriptions need of us ----------------------------------------------------------------------------

    def push(
        self, result: Mapping[str, Any], jsep: Jsep | None = None, *, call_id: str = "", transaction: str | None = None, **beside: Any
    ) -> None:
        """Send an event; while a request is served, after its reply."""
        data = events.event(result, call_id=call_id, **beside)
        self.later(lambda: self.handle.push(data, jsep, transaction))

    def later(self, action: Callable[[], None]) -> None:
        """Do it now, or once the request that is being served has its reply."""
        if self._serving:
            self._later.append(action)
        else:
            action()

    def show(self, message: Message | None) -> dict[str, Any]:
        """The headers that the application wants to see (`incoming_header_prefixes`)."""
        if self.master is None:
            return {}
        own = self.helper.header_prefixes if self.helper is not None else None
        return shown_headers(message, self.master.request.header_prefixes if own is None else own)

    def record(self, data: Mapping[str, Any]) -> None:
        self.handle.notify(events.sound(data))

    def decline(self) -> None:
        self.handle.decline()

    def publish(self, event: CallEvent) -> None:
        self.handle.publish(event, Party.A)

    def over(self, call: PhoneCall, reason: str) -> None:
        """The call has ended and the application knows: the PeerConnection goes too."""
        if self.call is not call:
            return
        name = call.name()
        self.forget_call(reason, hang_up=False)
        self.handle.close_pc()
        if log.isEnabledFor(logging.DEBUG):
            log.debug("messages of the call:\n%s", self.desk.endpoint.ladder(call.call_id), extra=name)
        if self.master is not None:
            self.master.line_free()

    def transferred(self, event: Any) -> None:
        """The peer (or somebody else) wants us to call: accepted at once, the application decides."""
        if self.master is None:
            return
        refer = event.refer
        refer.accept()
        number = self.desk.transfers.add(refer, self.master.account)
        if number is None:
            return
        referred_by = header_of(event.request, "Referred-By")
        call_id = self.call.call_id if self.call is not None else ""
        news = events.transfer(number, refer.target, referred_by, refer.replaces, self.show(event.request))
        self.push(news, call_id=call_id)
        self.record({"event": "transfer", "refer_id": number, "refer_to": refer.target})

    def _refuse(self, code: int, reason: str, transaction: str) -> None:
        """The request is refused, and a session description that came with it has not been."""
        self.handle.decline()
        self.handle.push(events.error(code, reason, call_id=self.last_call_id), transaction=transaction)


__all__ = ["Desk", "SipHandle"]
