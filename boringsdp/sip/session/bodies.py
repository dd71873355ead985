"""The SDP of a message, and what else several parts of a session read in one."""

from __future__ import annotations

from contextlib import suppress

from boringsdp.errors import SipError
from boringsdp.sip import headers
from boringsdp.sip.body import body_of
from boringsdp.sip.message import Message, Response
from boringsdp.sip.session_timer import options_of

SDP = "application/sdp"


def sdp_of(message: Message) -> bytes | None:
    """The SDP, alone or in a multipart body. A body without Content-Type that begins like one is one."""
    if not message.body:
        return None
    if "content-type" not in message.headers:
        return message.body if message.body.startswith(b"v=0") else None
    with suppress(SipError):
        return body_of(message, SDP)
    return None


def reliable_number(response: Response) -> int | None:
    """The RSeq of a provisional response that wants a PRACK (RFC 3262 §4), else None."""
    if not 100 < response.code < 200 or "100rel" not in options_of(response):
        return None
    with suppress(SipError):
        return headers.rseq(response)
    return None


def reason_of(message: Message) -> str:
    """The text of the Reason header (RFC 3326), or its whole value when it has none; empty without the header."""
    value = message.headers.get("Reason")
    if value is None:
        return ""
    with suppress(SipError):
        return next((reason.text for reason in headers.reasons(message) if reason.text), value)
    return value


def retry_after_of(response: Response) -> int | None:
    with suppress(SipError):
        return headers.retry_after(response)
    return None


def words_of(message: Message, name: str) -> frozenset[str]:
    """The words of Allow, Supported and the like; none when they cannot be read."""
    with suppress(SipError):
        return frozenset(headers.tokens(message, name))
    return frozenset()
