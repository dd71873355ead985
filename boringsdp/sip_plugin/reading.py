"""Requests of `janus.plugin.sip` at the door: from JSON to typed values, or refused with the plugin's code and the element named."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from boringsdp.call.digits import DtmfMode
from boringsdp.errors import JanusError
from boringsdp.janus_api.elements import Elements
from boringsdp.sdp import SUITES
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.addresses import checked_identity, checked_proxy, checked_target, checked_uri
from boringsdp.sip_plugin.codes import INVALID_ELEMENT, INVALID_REQUEST, MISSING_ELEMENT, NO_MESSAGE
from boringsdp.sip_plugin.headers import has_control, read_headers, read_parameters
from boringsdp.sip_plugin.requests import SipRequest

MAX_TEXT = 4096
"""Characters of one name, secret or token."""
MAX_CONTENT = 48 * 1024
"""Octets of the body of a MESSAGE, an INFO or a SUBSCRIBE."""
MAX_PATTERNS = 100
MAX_DIGITS = 64
DIGITS = "0123456789*#ABCD"


def parse_request(body: Mapping[str, Any], allowed_headers: tuple[str, ...] = ("*",)) -> SipRequest:
    """
    Return the typed request; `allowed_headers` are patterns of the header names that applications may set.

    Raises `JanusError` with the plugin's codes (440, 442, 443, 444, 446) naming the element.
    """
    if not body:
        raise JanusError(NO_MESSAGE, "No message: the body is empty", "body")
    reader = _Reader(body, allowed_headers)
    name = reader.elements.required_text("request").lower()
    if name not in READERS:
        raise JanusError(INVALID_REQUEST, f"Unknown request '{name[:64]}'", "request")
    return READERS[name](reader)


class _Reader:
    """The elements of one request, and the readings that several requests share."""

    def __init__(self, body: Mapping[str, Any], allowed_headers: tuple[str, ...]) -> None:
        self.elements = Elements(body, missing=MISSING_ELEMENT, invalid=INVALID_ELEMENT)
        self._allowed = allowed_headers

    def line(self, name: str, default: str = "") -> str:
        """Text of one line, for a header or an account."""
        value = self.elements.text(name, default)
        if len(value) > MAX_TEXT or has_control(value):
            raise self.elements.refuse(name, f"one line of text, at most {MAX_TEXT} characters")
        return value

    def required_line(self, name: str) -> str:
        self.elements.require(name)
        return self.line(name)

    def flag(self, name: str, default: bool) -> bool:
        return self.elements.flag(name, default)

    def headers(self) -> tuple[tuple[str, str], ...]:
        return read_headers(self.elements, allowed=self._allowed)

    def content(self, name: str) -> str:
        value = self.elements.text(name, "")
        if self._octets(name, value) > MAX_CONTENT:
            raise self.elements.refuse(name, f"at most {MAX_CONTENT} octets")
        return value

    def _octets(self, name: str, text: str) -> int:
        """How long text is in UTF-8. Raises `JanusError` 444 for half a character (a lone surrogate), which JSON can hold."""
        try:
            return len(text.encode())
        except UnicodeEncodeError:
            raise self.elements.refuse(name, "text in Unicode") from None

    def texts(self, name: str) -> tuple[str, ...]:
        """An array of strings."""
        values = self.elements.items(name) or ()
        if len(values) > MAX_PATTERNS or any(type(value) is not str or len(value) > 256 or has_control(value) for value in values):
            raise self.elements.refuse(name, f"an array of at most {MAX_PATTERNS} strings")
        return values

    def networks(self, name: str) -> tuple[str, ...]:
        """An array of networks."""
        values = self.texts(name)
        for value in values:
            try:
                ipaddress.ip_network(value, strict=False)
            except ValueError:
                raise self.elements.refuse(name, "an array of networks such as 192.0.2.0/28") from None
        return values

    def srtp(self) -> ask.Srtp:
        mode = self.elements.choice("srtp", "sdes_optional", "sdes_mandatory", "dtls")
        profile = self.elements.choice("srtp_profile", *SUITES)
        if profile is not None and mode == "dtls":
            raise JanusError(INVALID_ELEMENT, "Conflicting elements: srtp_profile is about SDES, and srtp is dtls", "srtp_profile")
        # Who names a suite wants SDES. Optional: Janus ignores the name and calls in the clear, and such calls should still come about.
        return ask.Srtp("sdes_optional" if profile is not None and mode is None else mode, profile)

    def dtmf(self) -> DtmfMode | None:
        named = self.elements.choice("dtmf", *[mode.value for mode in DtmfMode])
        return None if named is None else DtmfMode(named)

    def secret(self, *, required: bool) -> ask.Secret | None:
        """`secret` or `ha1_secret`, with `authuser`."""
        elements, user = self.elements, self.line("authuser")
        plain, hashed = elements.text("secret"), elements.text("ha1_secret")
        if plain is not None and hashed is not None:
            raise JanusError(INVALID_ELEMENT, "Conflicting elements specified (secret and ha1_secret)", "ha1_secret")
        if plain is None and hashed is None:
            if required:
                raise JanusError(MISSING_ELEMENT, "Missing mandatory element (secret or ha1_secret)", "secret")
            return None
        if hashed is not None and (len(hashed) not in (32, 64) or hashed.strip("0123456789abcdefABCDEF")):
            raise elements.refuse("ha1_secret", "a digest in hexadecimal")
        text = hashed.lower() if hashed is not None else plain or ""
        if self._octets("secret", text) > MAX_TEXT:
            raise elements.refuse("secret", f"at most {MAX_TEXT} octets")
        return ask.Secret(text, hashed is not None, user)


def _register(reader: _Reader) -> SipRequest:
    elements = reader.elements
    kind = elements.choice("type", "guest", "helper")
    prefixes = reader.texts("incoming_header_prefixes") if "incoming_header_prefixes" in elements else None
    username = checked_identity(elements.required_text("username"), "username")
    display_name, identities = reader.line("display_name"), reader.texts("identities")
    ringing = reader.flag("automatic_ringing", True)
    if kind == "helper":
        return ask.RegisterHelper(
            username=username,
            master_id=elements.integer("master_id"),
            display_name=display_name,
            header_prefixes=prefixes,
            identities=identities,
            automatic_ringing=ringing,
        )
    guest, send = kind == "guest", elements.flag("send_register")
    if guest and send:
        raise JanusError(INVALID_ELEMENT, "Conflicting elements: a guest does not register (send_register)", "send_register")
    udp, tcp = reader.flag("force_udp", False), reader.flag("force_tcp", False)
    if udp and tcp:
        raise JanusError(INVALID_ELEMENT, "Conflicting elements: force_udp and force_tcp cannot both be true", "force_tcp")
    proxy, outbound = elements.text("proxy"), elements.text("outbound_proxy")
    return ask.Register(
        username=username,
        guest=guest,
        send_register=not guest and send is not False,
        secret=reader.secret(required=not guest),
        user_agent=reader.line("user_agent"),
        proxy=checked_proxy(proxy, "proxy") if proxy else "",
        outbound_proxy=checked_proxy(outbound, "outbound_proxy") if outbound else "",
        headers=reader.headers(),
        contact_params=read_parameters(elements, "contact_params"),
        header_prefixes=prefixes or (),
        force_udp=udp,
        force_tcp=tcp,
        sips=reader.flag("sips", False),
        rfc2543_cancel=reader.flag("rfc2543_cancel", False),
        automatic_ringing=ringing,
        register_ttl=elements.integer("register_ttl", least=1, most=2**31 - 1),
        refresh=reader.flag("refresh", False),
        sources=reader.networks("sources"),
        learn_contact=reader.flag("learn_contact", False),
        helpers_on_demand=reader.flag("helpers_on_demand", False),
        dtmf=reader.dtmf() or DtmfMode.AUTO,
        dtmf_tones=reader.flag("dtmf_tones", False),
        display_name=display_name,
        identities=identities,
    )


def _target(reader: _Reader, name: str) -> str:
    text = reader.elements.text(name)
    return checked_target(text, name) if text else ""


def _required_target(reader: _Reader, name: str) -> str:
    return checked_target(reader.elements.required_text(name), name)


def _token(reader: _Reader, name: str) -> str:
    """A Call-ID or an event package: a word."""
    value = reader.line(name)
    if any(char in ' \t",;<>' for char in value) or not value.isascii() or len(value) > 256:
        raise reader.elements.refuse(name, "one word")
    return value


def _subscribe(reader: _Reader) -> SipRequest:
    reader.elements.require("event")
    return ask.Subscribe(
        event=_token(reader, "event"),
        to=_target(reader, "to"),
        accept=reader.line("accept"),
        ttl=reader.elements.integer("subscribe_ttl", most=2**31 - 1),
        call_id=_token(reader, "call_id"),
        headers=reader.headers(),
        content=reader.content("content"),
        content_type=reader.line("content_type"),
    )


def _unsubscribe(reader: _Reader) -> SipRequest:
    reader.elements.require("event")
    return ask.Unsubscribe(event=_token(reader, "event"), to=_target(reader, "to"))


def _call(reader: _Reader) -> SipRequest:
    return ask.PlaceCall(
        uri=_required_target(reader, "uri"),
        headers=reader.headers(),
        call_id=_token(reader, "call_id"),
        srtp=reader.srtp(),
        autoaccept_reinvites=reader.flag("autoaccept_reinvites", True),
        refer_id=reader.elements.integer("refer_id"),
        secret=reader.secret(required=False),
        dtmf=reader.dtmf(),
    )


def _answering(kind: type[ask.Accept] | type[ask.Progress]) -> Callable[[_Reader], SipRequest]:
    def read(reader: _Reader) -> SipRequest:
        accepting = reader.flag("autoaccept_reinvites", True)
        return kind(srtp=reader.srtp(), headers=reader.headers(), autoaccept_reinvites=accepting, dtmf=reader.dtmf())

    return read


def _decline(reader: _Reader) -> SipRequest:
    code, transfer = reader.elements.integer("code", most=699), reader.elements.integer("refer_id")
    return ask.Decline(code=code, headers=reader.headers(), refer_id=transfer)


def _hold(reader: _Reader) -> SipRequest:
    direction = reader.elements.choice("direction", "sendonly", "recvonly", "inactive")
    return ask.Hold(direction or "sendonly", reader.headers())


def _transfer(reader: _Reader) -> SipRequest:
    return ask.Transfer(_required_target(reader, "uri"), reader.line("replace"), reader.headers())


def _recording(reader: _Reader) -> SipRequest:
    elements = reader.elements
    elements.required_text("action")
    action = elements.choice("action", "start", "stop", "pause", "resume")
    which = [elements.flag(name, False) for name in ("audio", "video", "peer_audio", "peer_video")]
    elements.flag("send_peer_pli")
    elements.text("filename")
    if not any(which):
        raise JanusError(INVALID_ELEMENT, "One of audio, video, peer_audio and peer_video must be true", "audio")
    return ask.Recording(action or "")


def _info(reader: _Reader) -> SipRequest:
    kind = reader.required_line("type")
    reader.elements.require("content")
    return ask.Info(kind, reader.content("content"), reader.headers())


def _message(reader: _Reader) -> SipRequest:
    reader.elements.require("content")
    target = reader.elements.text("uri")
    return ask.SendMessage(
        content=reader.content("content"),
        content_type=reader.line("content_type", "text/plain") or "text/plain",
        uri=checked_uri(target, "uri") if target else "",
        headers=reader.headers(),
        call_id=_token(reader, "call_id"),
    )


def _dtmf_info(reader: _Reader) -> SipRequest:
    digit = reader.elements.required_text("digit")
    if len(digit) != 1 or digit.upper() not in DIGITS + "!":
        raise reader.elements.refuse("digit", "one of 0-9*#ABCD")
    duration = reader.elements.integer("duration")
    # Out of range is no error with Janus: it is brought into range.
    return ask.DtmfInfo(digit.upper(), 160 if duration is None else min(max(duration, 1), 5000), reader.headers())


def _dtmf(reader: _Reader) -> SipRequest:
    digits = reader.elements.required_text("digits")
    if not 0 < len(digits) <= MAX_DIGITS or digits.upper().strip(DIGITS):
        raise reader.elements.refuse("digits", f"1 to {MAX_DIGITS} of 0-9*#ABCD")
    return ask.Dtmf(digits.upper(), reader.elements.integer("duration", least=40, most=6000) or 100)


def _forward(reader: _Reader) -> SipRequest:
    reader.elements.require("streams")
    reader.elements.items("streams")
    return ask.Forward()


def _stop_forward(reader: _Reader) -> SipRequest:
    reader.elements.require("stream_id")
    return ask.Forward(reader.elements.integer("stream_id"))


READERS: Mapping[str, Callable[[_Reader], SipRequest]] = {
    "register": _register,
    "unregister": lambda reader: ask.Unregister(),
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "call": _call,
    "accept": _answering(ask.Accept),
    "progress": _answering(ask.Progress),
    "send_ringing": lambda reader: ask.Ring(headers=reader.headers()),
    "decline": _decline,
    "update": lambda reader: ask.Update(reader.headers()),
    "hold": _hold,
    "unhold": lambda reader: ask.Unhold(reader.headers()),
    "transfer": _transfer,
    "hangup": lambda reader: ask.Hangup(reader.headers()),
    "recording": _recording,
    "info": _info,
    "message": _message,
    "dtmf_info": _dtmf_info,
    "dtmf": _dtmf,
    "keyframe": lambda reader: ask.KeyFrame(reader.flag("user", False), reader.flag("peer", False)),
    "rtp_forward": _forward,
    "stop_rtp_forward": _stop_forward,
    "listforwarders": lambda reader: ask.ListForwarders(),
    "reset": lambda reader: ask.Reset(),
    "stats": lambda reader: ask.Statistics(),
    "ladder": lambda reader: ask.Ladder(),
}
