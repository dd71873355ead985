"""Dialogs (RFC 3261 §12): who talks with whom, by which route, and how their requests are numbered. A core without timers."""

from __future__ import annotations

from collections.abc import Sequence as Lines
from typing import NamedTuple

from boringsdp.sip.actions import Sequence
from boringsdp.sip.message import Request, Response


class DialogId(NamedTuple):
    call_id: str
    local_tag: str
    remote_tag: str


class Dialog:
    """One dialog as one side sees it. Used by sessions and subscriptions alike."""

    id: DialogId
    local: str
    """Our From in it, with the tag."""
    remote: str
    remote_target: str
    routes: tuple[str, ...]
    sequence: Sequence
    remote_number: int | None

    @classmethod
    def of_response(cls, request: Request, response: Response, sequence: Sequence) -> Dialog:
        """
        Return the dialog that a response to our request makes (RFC 3261 §12.1.2). `sequence` goes on from that request.

        Raises SipError without To tag, or without Contact in what makes or confirms a dialog.
        """
        raise NotImplementedError

    @classmethod
    def of_request(cls, request: Request, local_tag: str) -> Dialog:
        """Return the dialog that our response with that tag makes (RFC 3261 §12.1.1). Raises SipError without a Contact."""
        raise NotImplementedError

    def request(
        self, method: str, headers: Lines[tuple[str, str]] = (), content_type: str = "", body: bytes = b"", *, contact: str = ""
    ) -> Request:
        """Return a request in the dialog under the next CSeq (RFC 3261 §12.2.1.1), strict routers minded."""
        raise NotImplementedError

    def ack(self, number: int, body: bytes = b"", headers: Lines[tuple[str, str]] = ()) -> Request:
        """Return the ACK of a 2xx to the INVITE with that CSeq number (RFC 3261 §13.2.2.4)."""
        raise NotImplementedError

    def in_order(self, request: Request) -> bool:
        """Take note of a request's CSeq; False: it is too low, answer 500 (RFC 3261 §12.2.2)."""
        raise NotImplementedError

    def refresh_target(self, message: Request | Response) -> None:
        """Take the Contact of a target refresh (INVITE, UPDATE, SUBSCRIBE, NOTIFY, REFER; their 2xx) as the new remote target."""
        raise NotImplementedError
