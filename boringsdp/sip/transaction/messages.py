"""The requests that transactions make themselves: ACK of a refusal, CANCEL; and what stands for responses that never came."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.sip.build import MAX_FORWARDS, response_to
from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.message import Headers, Request, Response
from boringsdp.sip.params import quote


def local_answer(request: Request, code: int, why: str = "") -> Response:
    """Return what stands for a response that never came, and why in a Warning; its To has no tag unless the request's has."""
    response = response_to(request, code, headers=[("Warning", f"399 localhost {quote(' '.join(why.split()))}")] if why else ())
    response.local = True
    return response


def unanswered(to: Destination) -> str:
    """Return the reason of a local 408: who was asked."""
    host, port = to.remote if isinstance(to, Flow) else (to.host, to.port)
    return f"no answer from [{host}]:{port}" if ":" in host else f"no answer from {host}:{port}"


def ack_of(request: Request, response: Response) -> Request:
    """Return the ACK of a response from 300 on to our INVITE: of the same branch (RFC 3261 §17.1.1.3)."""
    return _beside(request, "ACK", response.headers.get("To") or "")


def cancel_of(request: Request, headers: Iterable[tuple[str, str]] = ()) -> Request:
    """Return the CANCEL of our INVITE: of the same branch (RFC 3261 §9.1)."""
    cancel = _beside(request, "CANCEL", request.headers.get("To") or "")
    for name, value in headers:
        cancel.headers.add(name, value)
    return cancel


def _beside(request: Request, method: str, peer: str) -> Request:
    theirs = request.headers
    number = (theirs.get("CSeq") or "0").split(None, 1)[0]
    lines = [("Via", theirs.get("Via") or "")]
    lines += [("Route", value) for value in theirs.all("Route")]
    lines += [("Max-Forwards", str(MAX_FORWARDS)), ("From", theirs.get("From") or ""), ("To", peer)]
    lines += [("Call-ID", theirs.get("Call-ID") or ""), ("CSeq", f"{number} {method}")]
    return Request(method, request.uri, Headers(lines))
