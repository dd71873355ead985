"""What each request does on a handle."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boringsdp.call import Party
from boringsdp.errors import JanusError, without_keys
from boringsdp.janus_api.plugin import Jsep, JsepType
from boringsdp.sdp import Direction
from boringsdp.sip import account as told
from boringsdp.sip.facades import Session
from boringsdp.sip.uri import SipUri, parse_sip_uri, parse_uri, same_uri
from boringsdp.sip_plugin import events
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.addresses import as_sip, user_of
from boringsdp.sip_plugin.call_news import CallNews
from boringsdp.sip_plugin.codes import (
    ALREADY_REGISTERED,
    HELPER_ERROR,
    INVALID_ELEMENT,
    IO_ERROR,
    MISSING_SDP,
    NO_SUCH_CALL_ID,
    NO_SUCH_STREAM,
    RECORDING_ERROR,
    WRONG_STATE,
)
from boringsdp.sip_plugin.master import Master, credentials_of, new_master_id
from boringsdp.sip_plugin.phone_call import PhoneCall, Reply
from boringsdp.sip_plugin.view import content_type_of, text_of, why

if TYPE_CHECKING:
    from boringsdp.sip_plugin.handle import SipHandle

DECLINED = 603
BUSY_HERE = 486


class Commands:
    """
    `perform` serves one request and returns the reply's `result` and jsep; None where Janus's reply has no result.

    Raises `JanusError`, and what the stack and the media raise; nothing has been done then.
    """

    def __init__(self, handle: SipHandle) -> None:
        self._handle = handle
        self._desk = handle.desk

    def perform(self, request: ask.SipRequest, jsep: Jsep | None) -> tuple[dict[str, Any] | None, Jsep | None]:
        match request:
            case ask.PlaceCall():
                return self._place_call(request, jsep)
            case ask.Accept():
                return self._call().accept(request, jsep)
            case ask.Progress():
                return self._call().progress(request, jsep)
            case ask.Update():
                return self._call().update(request, jsep)
            case ask.Ring(headers=headers):
                self._call().ring(headers)
                return None, None
            case ask.Decline():
                return self._decline(request)
            case ask.Hold(direction, headers):
                return self._call().hold(Direction(direction), headers)
            case ask.Unhold(headers):
                return self._call().hold(Direction.SENDRECV, headers)
            case ask.Transfer():
                return self._transfer(request)
            case ask.Hangup(headers):
                return self._call().hang_up(headers)
            case ask.Reset():
                return self._reset()
        return self._perform_beside(request), None

    def _perform_beside(self, request: ask.SipRequest) -> dict[str, Any]:
        """Requests that change no call."""
        match request:
            case ask.Register():
                return self._register(request)
            case ask.RegisterHelper():
                return self._register_helper(request)
            case ask.Unregister():
                return self._unregister()
            case ask.Subscribe(to=to):
                master = self._needed_master()
                return self._handle.subscriptions.begin(master.account, self._sip(to or master.request.username), request)
            case ask.Unsubscribe(event=package, to=to):
                master = self._needed_master()
                return self._handle.subscriptions.end(self._sip(to or master.request.username), package)
            case ask.SendMessage():
                return self._message(request)
            case ask.Info(kind, content, headers):
                self._call().send("INFO", headers, kind, content.encode())
                return {"event": "infosent"}
            case ask.DtmfInfo(digit, duration_ms, headers):
                body = f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
                self._call().send("INFO", headers, "application/dtmf-relay", body)
                return {"event": "dtmfsent"}
            case ask.Ladder():
                return self._ladder()
            case _:
                return self._perform_media(request)

    def _perform_media(self, request: ask.SipRequest) -> dict[str, Any]:
        """Requests about the media of a call."""
        match request:
            case ask.Dtmf(digits, duration_ms):
                return {"event": "dtmfsent", "digits": self._call().digits.send(digits, duration_ms)}
            case ask.KeyFrame(user, peer):
                media = self._media()
                for party, wanted in ((Party.A, user), (Party.B, peer)):
                    if wanted:
                        media.request_key_frame(party)
                return {"event": "keyframesent"}
            case ask.Statistics():
                record = self._media().statistics()
                names = {"a": "webrtc", "b": "sip"}
                return {"event": "stats", "state": record["state"], "legs": {names[key]: leg for key, leg in record["legs"].items()}}
            case ask.ListForwarders():
                return {"event": "forwarders", "rtp_forwarders": []}
            case ask.Forward(None):
                raise JanusError(IO_ERROR, "RTP forwarding is not available yet", "request")
            case ask.Forward(stream_id):
                raise JanusError(NO_SUCH_STREAM, f"No such stream ({stream_id})", "stream_id")
            case ask.Recording():
                raise JanusError(RECORDING_ERROR, "Recording is not available yet", "request")
        raise AssertionError(f"request {type(request).__name__} has no command")

    def _ladder(self) -> dict[str, Any]:
        call_id = self._handle.last_call_id
        if not call_id:
            raise JanusError(WRONG_STATE, "Wrong state (no call on this handle yet)", "request")
        return {"event": "ladder", "call_id": call_id, "ladder": self._desk.endpoint.ladder(call_id)}

    # --- accounts --------------------------------------------------------------------------------------------------------------------

    def _register(self, request: ask.Register) -> dict[str, Any]:
        handle, desk = self._handle, self._desk
        if handle.helper is not None:
            raise JanusError(HELPER_ERROR, "This handle is a helper: it cannot register an account", "type")
        if (request.identities or request.sources) and not desk.limits.trunks:
            raise JanusError(INVALID_ELEMENT, "Trunks (identities, sources) are turned off on this gateway", "identities")
        master = handle.master
        if master is not None and master.occupied and not request.refresh:
            raise JanusError(ALREADY_REGISTERED, f"Already registered ({master.request.username})", "request")
        if master is None:
            master = Master(desk.endpoint, handle, request, desk.limits, new_master_id(desk.masters))
            desk.masters[master.number] = master
            handle.master = master
        else:
            master.change(request)
            if not request.send_register and master.occupied_at_registrar:
                master.account.unregister()
        if request.send_register:
            master.account.register()
            return events.registering(handle.unique_id)
        handle.record({"event": "registered", "identity": request.username, "type": "guest", "master_id": master.number})
        return events.registered(master.username, master.number, sent=False, unique_id=handle.unique_id)

    def _register_helper(self, request: ask.RegisterHelper) -> dict[str, Any]:
        handle, desk = self._handle, self._desk
        if handle.master is not None:
            raise JanusError(HELPER_ERROR, "This handle has an account, or is a helper, already", "type")
        if request.master_id is None:
            raise JanusError(HELPER_ERROR, "Missing mandatory element (master_id)", "master_id")
        master = desk.masters.get(request.master_id)
        if master is None or master.closed:
            raise JanusError(HELPER_ERROR, f"No such master ({request.master_id})", "master_id")
        if len(master.helpers) >= desk.limits.helpers:
            raise JanusError(HELPER_ERROR, f"An account has at most {desk.limits.helpers} helpers", "master_id")
        handle.master, handle.helper = master, request
        try:
            master.add(handle, request.identities)
        except Exception:
            handle.master = handle.helper = None
            raise
        handle.record({"event": "registered", "identity": request.username, "type": "helper", "master_id": master.number})
        handle.later(master.line_free)
        return events.registered(user_of(request.username), master.number, sent=False, unique_id=handle.unique_id, helper=True)

    def _unregister(self) -> dict[str, Any]:
        handle = self._handle
        master = self._needed_master()
        if handle.helper is not None:
            handle.leave_master()
            handle.push({**events.unregistered(user_of(master.request.username)), "helper": True})
            return {"event": "unregistering"}
        if not master.registers:
            raise JanusError(WRONG_STATE, "Wrong state (a guest is not registered)", "request")
        if not master.occupied_at_registrar:
            raise JanusError(WRONG_STATE, f"Wrong state (not registered: {master.account.state.value})", "request")
        master.account.unregister()
        for helper in list(master.helpers):
            master.remove(helper)
            helper.dismissed()
        return {"event": "unregistering"}

    def _needed_master(self) -> Master:
        if self._handle.master is None:
            raise JanusError(WRONG_STATE, "Wrong state (register first)", "request")
        return self._handle.master

    def _usable_master(self) -> Master:
        master = self._needed_master()
        if not master.usable:
            raise JanusError(WRONG_STATE, f"Wrong state (not registered: {master.account.state.value})", "request")
        return master

    def _sip(self, address: str) -> str:
        return as_sip(address, self._needed_master().request.username)

    # --- calls -----------------------------------------------------------------------------------------------------------------------

    def _call(self) -> PhoneCall:
        if self._handle.call is None:
            raise JanusError(WRONG_STATE, "Wrong state (not in a call)", "request")
        return self._handle.call

    def _media(self) -> Any:
        media = self._call().media
        if media is None:
            raise JanusError(WRONG_STATE, "Wrong state (the call has no media)", "request")
        return media.call

    def _place_call(self, request: ask.PlaceCall, jsep: Jsep | None) -> Reply:
        handle = self._handle
        master = self._usable_master()
        if handle.call is not None:
            raise JanusError(WRONG_STATE, f"Wrong state (the handle has a call, which is {handle.call.state.words})", "request")
        if jsep is None or jsep.type is not JsepType.OFFER:
            raise JanusError(MISSING_SDP, "Missing SDP: call needs a jsep offer", "jsep")
        if request.call_id and self._desk.endpoint.session(request.call_id) is not None:
            raise JanusError(INVALID_ELEMENT, "Invalid element (call_id is that of another call)", "call_id")
        callee, refer = self._sip(request.uri), None
        if request.refer_id is not None:
            refer = self._desk.transfers.take(request.refer_id, master.account)
            if refer is None:
                raise JanusError(WRONG_STATE, f"Wrong state (no transfer {request.refer_id} waits)", "refer_id")
        phone = PhoneCall(handle, None, auto=request.autoaccept_reinvites, dtmf=request.dtmf or master.request.dtmf)
        phone.digits.tones = master.request.dtmf_tones
        news = CallNews(phone)
        try:
            identity, name = self._own_identity(master)
            media = handle.make_media(phone, news, request.srtp)
            sdp = media.offer_of_browser(jsep.said, request.srtp.style, family=master.account.family(callee))
            phone.session = master.account.invite(
                callee,
                sdp,
                hear=lambda event: handle.later(lambda: news.hear(event)),
                headers=request.headers,
                call_id=request.call_id or None,
                credentials=credentials_of(request.secret, user_of(master.request.username)) or None,
                identity=identity,
                display_name=name,
                refer=refer,
            )
        except Exception:
            handle.drop_media(phone)
            if refer is not None:
                refer.reject()
            raise
        handle.take_call(phone)
        facts = {"event": "calling", "callee": request.uri, "call-id": phone.call_id, "sdp": without_keys(sdp.decode("utf-8", "replace"))}
        handle.record(facts)
        return {"event": "calling", "call_id": phone.call_id}, None

    def _own_identity(self, master: Master) -> tuple[SipUri | None, str | None]:
        """On a trunk a helper calls in its own name."""
        helper = self._handle.helper
        if helper is None or master.account.settings.trunk is None:
            return None, (helper.display_name or None) if helper is not None else None
        return parse_sip_uri(helper.username), helper.display_name or None

    def _decline(self, request: ask.Decline) -> Reply:
        code = DECLINED if request.code is None else request.code if request.code > 399 else BUSY_HERE
        if request.refer_id is None:
            return self._call().decline(code, request.headers)
        master = self._needed_master()
        refer = self._desk.transfers.take(request.refer_id, master.account)
        if refer is None:
            raise JanusError(WRONG_STATE, f"Wrong state (no transfer {request.refer_id} waits)", "refer_id")
        refer.reject(code)
        self._handle.record({"event": "declined", "refer_id": request.refer_id, "code": code})
        return events.declining(code, refer_id=request.refer_id), None

    def _transfer(self, request: ask.Transfer) -> Reply:
        call = self._call()
        replaced = None
        if request.replace:
            replaced = self._replaced(request, call)
            if replaced is None:
                raise JanusError(NO_SUCH_CALL_ID, f"No such call-ID ({request.replace[:64]})", "replace")
        return call.transfer(self._sip(request.uri), replaced, request.headers, self._hear_transfer(call))

    def _replaced(self, request: ask.Transfer, call: PhoneCall) -> Session | None:
        """The call whose Call-ID `replace` is. Where both its ends are ours, the end that talks with the transfer's target is meant."""
        found = [session for session in self._desk.endpoint.sessions(request.replace) if session is not call.session]
        target = parse_sip_uri(self._sip(request.uri))
        with_target = [session for session in found if same_uri(parse_uri(session.remote_uri), target)]
        return next(iter(with_target or found), None)

    def _hear_transfer(self, call: PhoneCall) -> Callable[[Any], None]:
        """News of a transfer of ours: as Janus tells them (`notify`), and in numbers (`transfer_progress`)."""
        handle, call_id = self._handle, call.call_id

        def hear(event: Any) -> None:
            match event:
                case told.ReferProgress(code, reason, request, final):
                    substate = "terminated" if final else "active"
                    content = events.notify("refer", substate, content_type_of(request), text_of(request), handle.show(request))
                    handle.push(content, call_id=call_id)
                    if code:
                        handle.push(events.transfer_progress(code, reason, final=final), call_id=call_id)
                case told.ReferFailed(code, reason, response):
                    handle.push(events.transfer_progress(code, why(reason, response), final=True), call_id=call_id)

        return hear

    def _reset(self) -> Reply:
        handle = self._handle
        handle.forget_call("reset")
        handle.later(handle.handle.close_pc)
        if handle.master is not None:
            handle.later(handle.master.line_free)
        return {"event": "reset"}, None

    # --- messages --------------------------------------------------------------------------------------------------------------------

    def _message(self, request: ask.SendMessage) -> dict[str, Any]:
        """In the call without `uri`, out of any with it."""
        handle = self._handle
        body = request.content.encode()
        if not request.uri:
            call = self._call()
            call_id = call.call_id

            def done(code: int, reason: str) -> None:
                handle.push(events.message_delivery(code, reason), call_id=call_id)

            call.send("MESSAGE", request.headers, request.content_type, body, done)
            return {"event": "messagesent", "call_id": call_id}
        master = self._usable_master()
        chosen = request.call_id or secrets.token_hex(12)

        def hear(event: Any) -> None:
            if isinstance(event, told.RequestAnswered):
                response = event.response
                handle.push(events.message_delivery(response.code, why(response.reason, response)), call_id=chosen)

        master.account.request(
            "MESSAGE",
            self._sip(request.uri),
            headers=request.headers,
            content_type=request.content_type,
            body=body,
            call_id=chosen,
            hear=hear,
        )
        return {"event": "messagesent", "call_id": chosen}
