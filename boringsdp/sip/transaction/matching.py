"""Which server transaction a request belongs to (RFC 3261 §17.2.3), and where its responses go (§18.2.2, RFC 3581)."""

from __future__ import annotations

import hashlib

from boringsdp.errors import SipError
from boringsdp.sip.flow import Destination, Flow, Protocol, Target
from boringsdp.sip.headers import to, via
from boringsdp.sip.message import Request
from boringsdp.sip.transaction.server_invite import ServerInvite

COOKIE = "z9hG4bK"
_COOKIE = COOKIE.lower()

ServerKey = tuple[str, ...]
"""What tells a transaction from others; the last element is the method."""

OLD = "2543"


def server_key(request: Request) -> ServerKey:
    """
    Return the key of the transaction that a request is of, its own method last.

    Without the magic cookie it is RFC 2543's: there the topmost Via, Request-URI, From, Call-ID and CSeq are to agree. Raises SipError when
    the topmost Via cannot be read: then it cannot be answered either.
    """
    top = via(request)
    branch = top.branch.lower()  # tokens know no case
    if branch.startswith(_COOKIE) and len(branch) > len(_COOKIE):
        return branch, top.sent_by.lower(), request.method
    header = request.headers.get
    number = (header("CSeq") or "").split(None, 1)[:1]
    return OLD, header("Via") or "", request.uri, header("From") or "", header("Call-ID") or "", *number, request.method


def is_ours(ack: Request, key: ServerKey, invite: ServerInvite) -> bool:
    """Whether an ACK whose key fits an INVITE answers our response: RFC 2543 goes by the To tag, where a branch says nothing."""
    return key[0] != OLD or to(ack).tag in (invite.to_tag, to(invite.request).tag)


def reply_destination(request: Request, flow: Flow) -> Flow:
    """
    Return where responses go: back through the connection; over UDP from the same socket to the source's host, at the source's port when
    Via asks for that (rport), else at the port of its sent-by.

    Deviation: maddr is not followed. It lets anybody aim our answers at a third party, and multicast SIP is not spoken here.
    """
    if flow.protocol.reliable:
        return flow
    top = via(request)
    if "rport" in top.params:
        return flow
    host, port = flow.remote[0], top.port or flow.protocol.default_port
    return flow if port == flow.remote[1] else Flow(flow.protocol, flow.local, (host, port), flow.id)


def stateless_destination(request: Request, flow: Flow) -> Flow:
    """Return where an answer goes that no transaction gives, as to a request whose Via may be broken: then back where it came from."""
    try:
        return reply_destination(request, flow)
    except SipError:
        return flow


def stateless_tag(request: Request, secret: str) -> str:
    """Return the To tag of such an answer: the same for a retransmission, and nobody knows it beforehand (RFC 3261 §8.2.7)."""
    digest = hashlib.blake2s(secret.encode(), digest_size=8)
    for name in ("Via", "From", "Call-ID", "CSeq"):
        digest.update((request.headers.get(name) or "").encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def second_destination(request: Request, flow: Flow, to: Destination) -> Target | None:
    """Return where to try again when the connection that a request came by has gone: sent-by's port at the source's host. None: nowhere."""
    if to is not flow or flow.protocol not in (Protocol.TCP, Protocol.TLS):
        return None
    top = via(request)
    return Target(flow.protocol, flow.remote[0], top.port or flow.protocol.default_port, name=top.host)
