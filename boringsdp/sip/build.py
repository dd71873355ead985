"""Messages of our own: requests, and responses to those of others."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.sip.message import Headers, Message, Request, Response
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.params import Params, params_text

MAX_FORWARDS = 70

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 199: "Early Dialog Terminated",
    200: "OK", 202: "Accepted", 204: "No Notification",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 412: "Conditional Request Failed",
    413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority", 420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
    423: "Interval Too Brief", 424: "Bad Location Information", 425: "Bad Alert Message", 428: "Use Identity Header",
    429: "Provide Referrer Identity", 430: "Flow Failed", 433: "Anonymity Disallowed", 436: "Bad Identity-Info",
    437: "Unsupported Certificate", 438: "Invalid Identity Header", 439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded", 469: "Bad Info Package", 470: "Consent Needed",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops",
    484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    489: "Bad Event", 491: "Request Pending", 493: "Undecipherable", 494: "Security Agreement Required",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
    505: "Version Not Supported", 513: "Message Too Large", 555: "Push Notification Service Not Supported", 580: "Precondition Failure",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip
"""IANA's reason phrases."""

_CLASSES = {1: "Progress", 2: "OK", 3: "Redirection", 4: "Request Failure", 5: "Server Failure", 6: "Global Failure"}
_ANSWERED = ("From", "To", "Call-ID", "CSeq")


def reason_of(code: int) -> str:
    """The reason phrase of a code, also of one nobody knows."""
    return REASONS.get(code) or _CLASSES.get(code // 100, "Unknown")


def request(
    method: str,
    uri: str,
    *,
    from_: str | NameAddress,
    to: str | NameAddress,
    call_id: str,
    cseq: int,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    body: bytes = b"",
) -> Request:
    """
    Return a request without Via; From and To are whole values, tags and all. `headers` come behind those that every request has; a
    Max-Forwards of theirs holds.
    """
    headers = tuple(headers)
    forwards = () if any(name.lower() == "max-forwards" for name, _ in headers) else (("Max-Forwards", str(MAX_FORWARDS)),)
    made = Headers(
        [
            *forwards,
            ("From", str(from_)),
            ("To", str(to)),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ]
    )
    return Request(method, uri, _with_body(made, content_type), body)


def response(
    code: int,
    reason: str | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    body: bytes = b"",
) -> Response:
    """Return a response without what it copies from its request (`answering` puts it there)."""
    return Response(code, reason_of(code) if reason is None else reason, _with_body(Headers(headers), content_type), body)


def response_to(
    request: Message,
    code: int,
    reason: str | None = None,
    tag: str | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    body: bytes = b"",
) -> Response:
    """
    Return the response to a request (RFC 3261 §8.2.6): Vias, From, To, Call-ID and CSeq octet for octet and in order, with `tag` in a To
    that has none. What the request lacks the response lacks, so that a defect request can be answered too. Never raises.
    """
    return answering(request, response(code, reason, headers=headers, content_type=content_type, body=body), tag)


def answering(request: Message, response: Response, tag: str | None = None) -> Response:
    """Return `response` with what it copies from its request before its own headers. A To of its own that has a tag stays."""
    own = response.headers
    own_to = own.get("To")
    copied = [("Via", value) for value in request.headers.all("Via")]
    for name in _ANSWERED:
        value = request.headers.get(name)
        if name == "To" and own_to is not None and has_tag(own_to):
            value = own_to
        if value is None:
            continue
        if name == "To" and tag and response.code != 100 and not has_tag(value):
            value = f"{value};tag={tag}"
        copied.append((name, value))
    if response.code == 100 and (timestamp := request.headers.get("Timestamp")) is not None:
        copied.append(("Timestamp", timestamp))
    rest = [(name, value) for name, value in own if name not in _ANSWERED and name != "Via"]
    return Response(response.code, response.reason, Headers([*copied, *rest]), response.body, local=response.local)


def has_tag(value: str) -> bool:
    """Whether a From or To value has a tag, also when the rest of it cannot be read."""
    return ";tag=" in value.rpartition(">")[2].replace(" ", "").replace("\t", "").lower()


def via_text(transport: str, sent_by: str, branch: str, *, rport: bool = True, params: Params | None = None) -> str:
    """Return a Via value of ours (RFC 3581: `rport` asks where we are seen)."""
    return f"SIP/2.0/{transport} {sent_by};branch={branch}{';rport' if rport else ''}{params_text(params or {})}"


def _with_body(headers: Headers, content_type: str) -> Headers:
    if content_type:
        headers.set("Content-Type", content_type)
    return headers
