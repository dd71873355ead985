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
from boringsdp.call.options import UNCHANGED, Block, LegOptions, Timeouts
from boringsdp.call.report import CallReport, Counts, LegReport, MediaReport, PortReport, QualitySample, SsrcReport
from boringsdp.call.settings import CallSettings

__all__ = [
    "UNCHANGED",
    "Block",
    "Call",
    "CallClosed",
    "CallEvent",
    "CallReport",
    "CallSettings",
    "CallTimedOut",
    "Calls",
    "Counts",
    "DestinationPolicy",
    "LegClosed",
    "LegConnected",
    "LegConsentLost",
    "LegDtmf",
    "LegFailed",
    "LegMediaTimeout",
    "LegOptions",
    "LegReceiving",
    "LegReport",
    "LegSlow",
    "MediaReport",
    "Party",
    "PortReport",
    "QualitySample",
    "SsrcReport",
    "State",
    "Timeouts",
]
