"""DTLS as the keying of a transport: an association on its RTP port, and one on its RTCP port unless that is muxed (RFC 5764 §4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from boringsdp.dtls import Action, Ended, Established, Failed, Transmit, usable_fingerprints
from boringsdp.net.driver import Driver
from boringsdp.relay.engine import Address, Way
from boringsdp.relay.keying import Keying
from boringsdp.relay.news import Closed, Connected, TransportEvent
from boringsdp.relay.news import Failed as FailedNews
from boringsdp.rtp.keys import Profile

if TYPE_CHECKING:
    from boringsdp.relay.engine import TransportId
    from boringsdp.relay.relay import Relay


class Dtls:
    """
    What a transport has when it may be keyed by DTLS.

    `tell` hears `Connected` when the keys of RTP are in force, `Failed` and `Closed`. RTCP of a peer that does no handshake for it stays
    silent, and that is all; only a wrong certificate there ends the whole.
    """

    __slots__ = ("_components", "_ice", "_tell", "profile")

    def __init__(self, relay: Relay, transport: TransportId, tell: Callable[[TransportEvent], None], *, ice: bool, two_ports: bool) -> None:
        self.profile: Profile | None = None
        """In force for RTP."""
        self._ice = ice
        self._tell = tell
        self._components = [_Component(self, relay, transport, rtcp, ice=ice) for rtcp in ([False, True] if two_ports else [False])]

    @property
    def established(self) -> bool:
        """Whether RTP has its keys."""
        return bool(self._components) and self._components[0].core.established

    @property
    def client(self) -> bool | None:
        """Our role, None before `start`."""
        return self._components[0].core.client if self._components else None

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """The peer's description is known. Raises `DtlsError` when no fingerprint is usable."""
        usable = usable_fingerprints(fingerprints)
        for each in self._components[1:]:
            if not each.core.established:
                each.hold()
        for each in list(self._components):
            if client:
                each.reply_to = None  # a hello of ours goes where the engine would send media
            each.driver.run(each.core.start(usable, client=client, now=each.now))

    def path(self, remote: Address, *, rtcp: bool = False) -> None:
        """ICE or latching found the peer of one port."""
        for each in [each for each in self._components if each.rtcp == rtcp]:
            each.reply_to = None
            each.driver.run(each.core.path(remote, each.now))

    def announced(self, rtp: Address | None, rtcp: Address | None) -> None:
        """The peer speaks no ICE, and said that it is there."""
        self._ice = False
        for each in list(self._components):
            where, each.reply_to = rtcp if each.rtcp else rtp, None
            each.driver.run(each.core.without_ice(each.now))
            if where is not None:
                each.driver.run(each.core.path(where, each.now))

    def consent_lost(self) -> None:
        for each in self._components:
            each.core.consent_lost(each.now)
            each.driver.run([])

    def receive(self, data: bytes, rtcp: bool, source: Address | None) -> None:
        """Take a datagram; what comes to the RTCP port of a muxed transport is the RTP association's."""
        if not self._components:
            return
        each = self._components[-1 if rtcp else 0]
        if not self._ice:
            each.reply_to = source
        each.driver.run(each.core.receive(data, each.now, source))

    def use_rtcp_mux(self) -> None:
        """RTCP goes with RTP; its association, if there is one, is no longer needed."""
        for each in self._components[1:]:
            each.close()
        del self._components[1:]

    def close(self) -> None:
        """Say close_notify and forget everything."""
        self._tell = _nobody
        for each in self._components:
            each.close()
        self._components.clear()
        self.profile = None

    def connected(self, profile: Profile) -> None:
        """RTP has its keys."""
        self.profile = profile
        self._tell(Connected(profile))

    def tell(self, event: TransportEvent) -> None:
        self._tell(event)


class _Component:
    """One association: where its datagrams go, and what becomes of its keys."""

    __slots__ = ("_owner", "_relay", "_transport", "core", "driver", "reply_to", "rtcp")

    def __init__(self, owner: Dtls, relay: Relay, transport: TransportId, rtcp: bool, *, ice: bool) -> None:
        settings = relay.settings
        self.rtcp = rtcp
        self.core = Keying(
            relay.identity, relay.half_open, ice_timeout=settings.ice_timeout_s, dtls_timeout=settings.dtls_timeout_s, ice=ice
        )
        self.reply_to: Address | None = None
        """Where the peer's last datagram came from, until latching has found it; None: where RTP goes."""
        self.driver: Driver[Action] = Driver(self.core, self._perform, relay.loop)
        self._owner = owner
        self._relay = relay
        self._transport = transport

    @property
    def now(self) -> float:
        return self._relay.loop.time()

    def close(self) -> None:
        for action in self.core.close(self.now):
            if isinstance(action, Transmit):
                self._send(action.datagram)
        self.driver.close()

    def install(self, keys: Established) -> None:
        """Put keys into force."""
        engine, number = self._relay.engine, self._transport
        install = engine.set_rtcp_keys if self.rtcp else engine.set_keys
        install(number, Way.SEND, keys.send)
        install(number, Way.RECEIVE, keys.receive)

    def hold(self) -> None:
        """Let no RTCP pass under the keys of RTP while its own are to come."""
        for way in (Way.SEND, Way.RECEIVE):
            self._relay.engine.set_rtcp_keys(self._transport, way, None)

    def _send(self, datagram: bytes) -> None:
        self._relay.engine.send(self._transport, datagram, rtcp=self.rtcp, to=self.reply_to)

    def _perform(self, action: Action) -> None:
        match action:
            case Transmit(datagram):
                self._send(datagram)
            case Established():
                self.install(action)
                if not self.rtcp:
                    self._relay.handshakes["completed"] += 1
                    self._owner.connected(action.send.profile)
            case Failed(reason):
                self._relay.handshakes[reason] += 1
                if not self.rtcp or reason == "fingerprint":
                    self._owner.tell(FailedNews(reason))
            case Ended():
                if not self.rtcp:
                    self._owner.tell(Closed("dtls-alert"))


def _nobody(_event: TransportEvent) -> None:
    """Who hears of an association that was closed."""
