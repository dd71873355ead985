"""UDP, TCP, TLS and WebSockets for SIP (RFC 3261 §18, RFC 7118). Shells, and the small cores that decide for them."""

from boringsdp.sip.transport.advertised import Reach
from boringsdp.sip.transport.connection import Peer
from boringsdp.sip.transport.settings import GateSettings, Limits, Listen, TlsSettings, TransportSettings
from boringsdp.sip.transport.transports import Transports
from boringsdp.sip.transport.via import note_source

__all__ = [
    "GateSettings",
    "Limits",
    "Listen",
    "Peer",
    "Reach",
    "TlsSettings",
    "TransportSettings",
    "Transports",
    "note_source",
]
