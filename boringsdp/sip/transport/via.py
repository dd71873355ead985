"""What a server notes in the topmost Via of a request: where it really came from (RFC 3261 §18.2.1, RFC 3581 §4)."""

from __future__ import annotations

from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request


def note_source(request: Request, flow: Flow) -> None:
    """
    Put `received`, and the value of `rport` where it is asked for, into the topmost Via.

    To be called before anybody else reads the request. A Via that cannot be read stays as it is.
    """
    raise NotImplementedError
