"""The relay: everything about media that is not the engine's packet path and not the call's negotiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boringsdp.relay.engine import Engine, EventSink
from boringsdp.relay.news import Owner
from boringsdp.relay.rules import RelaySettings, RouteRules
from boringsdp.relay.stream import Stream
from boringsdp.relay.transport import PlainTransport, WebRtcTransport


class Relay:
    """
    Opens transports, joins their streams, speaks DTLS and RTCP with the peers, and regenerates digits.

    One event loop, no tasks: everything happens in the engine's batches and in timers. Owners are called from there; they may call back into the
    relay, close included, and must not raise.
    """

    def __init__(self, engine_factory: Callable[[EventSink], Engine], settings: RelaySettings) -> None: ...

    async def start(self) -> None:
        """Make the certificate and bind the shared WebRTC port on every host. Raises OSError, ConfigError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every transport and port; no event follows."""
        raise NotImplementedError

    def open_webrtc(self, owner: Owner) -> WebRtcTransport:
        """Raises `Exhausted("transports")`, `WrongState` before start or after close."""
        raise NotImplementedError

    def open_plain(self, owner: Owner, *, host: str | None = None, rtcp_mux: bool = False, secured: bool = False) -> PlainTransport:
        """
        Take a port pair (one port with `rtcp_mux`) on local address `host`. `secured`: nothing passes before `set_keys` (mandatory SDES).

        Raises `Exhausted("ports")` or `Exhausted("transports")`.
        """
        raise NotImplementedError

    def connect(self, source: Stream, target: Stream, rules: RouteRules) -> None:
        """Join or re-join two streams, one way (the same stream twice: echo). A target hears one source; a new one replaces the old."""
        raise NotImplementedError

    def disconnect(self, source: Stream, target: Stream) -> None:
        raise NotImplementedError

    def statistics(self) -> dict[str, Any]:
        """Totals as plain values: transports, streams, ports, handshakes, drops by reason, packets, bytes."""
        raise NotImplementedError
