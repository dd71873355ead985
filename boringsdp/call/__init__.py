"""Joins two legs: asks `sdp` what to say and tells `relay` what to move. What every front drives."""

from boringsdp.call.call import Call
from boringsdp.call.calls import Calls
from boringsdp.call.destinations import DestinationPolicy
from boringsdp.call.events import (
    CallClosed,
    CallEvent,
    CallTimedOut,
    LegClosed,
    LegConnected,
    LegConsentLost,
    LegDtmf,
    LegFailed,
    LegMediaTimeout,
    LegReceiving,
    LegSlow,
    Party,
)
from boringsdp.call.negotiation import State
from boringsdp.call.settings import CallSettings

__all__ = [
    "Call",
    "CallClosed",
    "CallEvent",
    "CallSettings",
    "CallTimedOut",
    "Calls",
    "DestinationPolicy",
    "LegClosed",
    "LegConnected",
    "LegConsentLost",
    "LegDtmf",
    "LegFailed",
    "LegMediaTimeout",
    "LegReceiving",
    "LegSlow",
    "Party",
    "State",
]
