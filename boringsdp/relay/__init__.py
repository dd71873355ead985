"""Moves media between peers: transports, streams, routes. `engine.py` is the contract below, `Relay` what the call layer uses."""

from boringsdp.relay.engine import Address, IceCredentials, Keys, Latch, Profile
from boringsdp.relay.figures import Counts, PortFigures, QualitySample, SsrcFigures
from boringsdp.relay.history import QualityHistory
from boringsdp.relay.news import (
    Closed,
    Connected,
    ConsentLost,
    Dtmf,
    Failed,
    KeyFrameRequested,
    MediaTimeout,
    Owner,
    PathChanged,
    Receiving,
    SlowLink,
    TransportEvent,
)
from boringsdp.relay.places import Place
from boringsdp.relay.plain import PlainTransport
from boringsdp.relay.raw import RawTransport
from boringsdp.relay.relay import Relay
from boringsdp.relay.rules import RelaySettings, RouteRules, StreamFormat, StreamRules
from boringsdp.relay.stream import Stream
from boringsdp.relay.transport import Transport, WebRtcTransport

__all__ = [
    "Address",
    "Closed",
    "Connected",
    "ConsentLost",
    "Counts",
    "Dtmf",
    "Failed",
    "IceCredentials",
    "KeyFrameRequested",
    "Keys",
    "Latch",
    "MediaTimeout",
    "Owner",
    "PathChanged",
    "Place",
    "PlainTransport",
    "PortFigures",
    "Profile",
    "QualityHistory",
    "QualitySample",
    "RawTransport",
    "Receiving",
    "Relay",
    "RelaySettings",
    "RouteRules",
    "SlowLink",
    "SsrcFigures",
    "Stream",
    "StreamFormat",
    "StreamRules",
    "Transport",
    "TransportEvent",
    "WebRtcTransport",
]
