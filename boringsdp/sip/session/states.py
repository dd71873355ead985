"""The states of a session and the commands each allows."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    IDLE = "idle"
    """Not started."""

    CALLING = "calling"
    """Outgoing: the INVITE is out, nothing came."""
    PROCEEDING = "proceeding"
    """Outgoing: a provisional response came, perhaps with early dialogs."""
    ANSWERED = "answered"
    """Outgoing: the 2xx made an offer; our answer, in the ACK, is awaited from our owner."""
    CANCELLING = "cancelling"
    """Outgoing: taken back, its final response is awaited."""

    INCOMING = "incoming"
    """Incoming: nothing but 100 was sent."""
    EARLY = "early"
    """Incoming: a provisional response with our tag was sent."""
    ACCEPTING = "accepting"
    """Incoming: accepted, but a provisional response with SDP has first to be acknowledged (RFC 3262 §3)."""
    ACCEPTED = "accepted"
    """Incoming: the 2xx is out, the ACK is awaited."""
    LEAVING = "leaving"
    """Incoming: hung up while the ACK is awaited; BYE follows that or its time limit (RFC 3261 §15.1.1)."""

    CONFIRMED = "confirmed"
    """Both sides know that the call is up."""
    ENDING = "ending"
    """Our BYE is out."""
    ENDED = "ended"
    """Over. An outgoing one lingers for 2xx that come again or from other forks."""
