"""Transfers (RFC 3515, RFC 4488, RFC 3891's Refer-To): who asks for one, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.sip.message import Request, Response


@dataclass(slots=True, frozen=True)
class ReferAccepted:
    """The other side accepted our REFER; NOTIFYs follow unless `subscribed` is False (RFC 4488)."""

    response: Response
    subscribed: bool = True


@dataclass(slots=True, frozen=True)
class ReferFailed:
    """The other side refused our REFER."""

    code: int
    reason: str
    response: Response


@dataclass(slots=True, frozen=True)
class ReferProgress:
    """What became of the transfer so far, from the sipfrag of a NOTIFY; `code` 0: it held none."""

    code: int
    reason: str
    request: Request
    final: bool


@dataclass(slots=True, frozen=True)
class ReferEnded:
    """No NOTIFY will come any more; `reason` as of SubscriptionEnded."""

    reason: str
