"""A transport on ports of its own or a trunk's: with ICE-lite or not, in the clear or keyed by SDES or DTLS, RTCP beside or multiplexed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boringsdp.dtls import Failed as PathFailed
from boringsdp.errors import WrongState
from boringsdp.net.driver import Driver
from boringsdp.relay.dtls import Dtls
from boringsdp.relay.engine import Address, IceCredentials, Keys, Latch, PortId, TransportId, TransportSpec, Way
from boringsdp.relay.keying import PathWait
from boringsdp.relay.news import Failed, Owner
from boringsdp.relay.ports import same_family
from boringsdp.relay.transport import Transport
from boringsdp.rtp.keys import Profile

if TYPE_CHECKING:
    from boringsdp.relay.relay import Relay
    from boringsdp.relay.trunk import TrunkPorts


class PlainTransport(Transport):
    """
    RTP and RTCP on ports of its own, or on a trunk's; `addresses` is the one RTP address.

    How the peer is found: by its checks, with `credentials`, until `set_remote` says that it speaks no ICE (or is ICE-lite too); then at
    the announced address, by latching. How it is keyed: in the clear (unless `secured`), by `set_keys`, or by `start`; the last one counts.
    """

    __slots__ = ("_announced", "_profile", "_secured", "_waiting", "claimed", "credentials", "ports", "retired", "trunk")

    def __init__(
        self,
        relay: Relay,
        transport: TransportId,
        owner: Owner,
        address: Address,
        ports: tuple[PortId, ...],
        *,
        rtcp_port: int | None = None,
        secured: bool = False,
        ice: bool = False,
        credentials: IceCredentials | None = None,
        cname: str = "",
        tos: int = 0,
        trunk: TrunkPorts | None = None,
    ) -> None:
        super().__init__(relay, transport, owner, (address,), cname=cname)
        self.rtcp_port = rtcp_port
        self.credentials: IceCredentials | None = None
        """What the peer's checks must use; None without ICE."""
        self.ports = ports
        self.trunk = trunk
        """Whose ports they are when they are shared: the peer is then where it says, and nowhere else."""
        self.claimed: tuple[PortId, Address] | None = None
        """The peer's address there."""
        self.retired = False
        """The call is over but for a delay: another may have the peer's address."""
        self._secured = secured
        self._profile: Profile | None = None
        self._announced: tuple[Address | None, Address | None] | None = None
        self._waiting: Driver[PathFailed] | None = None
        if ice:
            self.ice = True
            self.credentials = credentials or self._make_credentials()
        relay.engine.add_transport(
            TransportSpec(
                id=transport,
                ports=ports[:1],
                rtcp_port=ports[1] if len(ports) > 1 else None,
                own=trunk is None,
                shared=trunk is not None,
                ice=self.credentials,
                secured=secured,
                tos=tos,
                latch_window_s=relay.settings.latch_window_s,
                consent_timeout_s=relay.settings.consent_timeout_s,
            )
        )

    @property
    def ready(self) -> bool:
        if self._remote is None and (self.ice or self._announced is None):
            return False
        if self._dtls is not None and self._dtls.client is not None:
            return self._dtls.established
        return not self._secured or self._profile is not None

    @property
    def suite(self) -> str:
        """The SRTP protection profile that we send with, empty in the clear or before there are keys."""
        return super().suite if self._profile is None else self._profile.value

    def reaches(self, peer: str) -> bool:
        """Whether a peer's numeric address is of our family (IPv4, IPv6)."""
        return same_family(self.addresses[0][0], peer)

    # --- where the peer is ---------------------------------------------------------------------------------------------------------------

    def set_remote(self, rtp: Address | None, rtcp: Address | None = None, latch: Latch = Latch.ONCE) -> None:
        """
        Say where the peer announced itself; opens the latching window. `rtcp` None: the next port, or the same with rtcp-mux.

        With ICE only for a peer that speaks none, or is ICE-lite: checks count no more. The same again is nothing: an unchanged re-offer
        must not open the window to a stranger (`relatch` does). On a trunk's port `refusal` should be asked first: what it refuses is
        `Failed("address-taken")`. Raises `WrongState` for a host name.
        """
        self._require_open()
        self.retired = False
        if self.trunk is not None:
            latch = Latch.STRICT
        if rtp is not None and rtcp is None:
            rtcp = rtp if self.rtcp_port is None else (rtp[0], min(65535, rtp[1] + 1))
        if (self._announced, self.latch) == ((rtp, rtcp), latch):
            return
        if self.trunk is None:
            self.relay.engine.set_remote(self.id, rtp, rtcp, latch)
        elif not self._claim(rtp, rtcp):
            self.tell(Failed("address-taken"))
            return
        if self.ice:
            self.ice, self._remote = False, None
        self._announced, self.latch = (rtp, rtcp), latch
        self._stop_waiting()
        if self._dtls is not None:
            self._dtls.announced(rtp, rtcp)
        if rtp is not None and not self.closed:
            self._begin_if_ready()

    def refusal(self, rtp: Address) -> str:
        """Why the peer cannot be heard at a numeric address, on a trunk's port; empty when it can."""
        return "" if self.trunk is None else self.trunk.refusal(self, rtp)

    def retire(self) -> None:
        """The call is over but for a delay: what comes goes on until another call on the same port says that its peer is there."""
        self.retired = True

    def give_way(self) -> None:
        """Another call has the peer's address from now on."""
        assert self.trunk is not None
        self.trunk.release(self)
        self.relay.engine.set_remote(self.id, None, None, Latch.STRICT)
        self._announced = None

    def _claim(self, rtp: Address | None, rtcp: Address | None) -> bool:
        """Take the peer's address on a trunk's port; False when it cannot be had. An RTCP address that another has is done without."""
        assert self.trunk is not None
        if rtp is not None and self.refusal(rtp):
            return False
        self.trunk.claim(self, rtp)
        try:
            self.relay.engine.set_remote(self.id, rtp, rtcp, Latch.STRICT)
        except WrongState:
            self.relay.engine.set_remote(self.id, rtp, None, Latch.STRICT)
        return True

    def relatch(self) -> None:
        """Open the latching window anew although the peer announced nothing new; nothing before `set_remote`, or with ICE."""
        self._require_open()
        if self._announced is not None and self.latch is not None and self.trunk is None:
            self.relay.engine.set_remote(self.id, *self._announced, self.latch)

    def restart_ice(self) -> IceCredentials:
        """
        Return new credentials for the next description; the old ones are good until the peer uses the new. Keys stay.

        Also brings ICE back after `set_remote`: media goes on as before until the first check. Raises `WrongState` without ICE.
        """
        self._require_open()
        if self.credentials is None:
            raise WrongState("without ICE", "a transport opened with it")
        self.credentials = self._make_credentials()
        self.relay.engine.restart_ice(self.id, self.credentials)
        return self.credentials

    def expect_ice(self) -> None:
        """
        The peer's description is known and speaks ICE: `Failed("ice-failed")` follows if no check comes. With DTLS `start` is enough.

        Raises `WrongState` without ICE.
        """
        self._require_open()
        if self.credentials is None:
            raise WrongState("without ICE", "a transport opened with it")
        self.ice, self._announced, self.latch = True, None, None
        if self._remote is None and not self._by_dtls:
            self._start_waiting()

    def use_rtcp_mux(self) -> None:
        """rtcp-mux was agreed on a transport opened with a pair: RTCP moves to the RTP port (RFC 5761 §5.1.1)."""
        if self.rtcp_port is None:
            return
        self.rtcp_port = None
        self.relay.engine.mux_rtcp(self.id, True)
        if self._dtls is not None:
            self._dtls.use_rtcp_mux()
        if self._announced is not None and self.latch is not None:
            rtp, _ = self._announced
            self.set_remote(rtp, rtp, self.latch)

    # --- how it is keyed -----------------------------------------------------------------------------------------------------------------

    def fingerprint_of(self, hash_name: str) -> tuple[str, str]:
        """
        Return our certificate's `(hash, "AB:CD:…")` for a=fingerprint: sha-1, sha-224, sha-256, sha-384 or sha-512.

        The peer is going to be told, and may say hello at once: an early ClientHello is served from now on, its keys are held back until
        `start`. Raises `ConfigError` for another hash.
        """
        if not self.closed:
            self._open_dtls()
        return super().fingerprint_of(hash_name)

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """
        DTLS, as `WebRtcTransport.start`; without rtcp-mux there is an association on each port (RFC 5764 §4.1).

        Leads to `Connected` (once the RTP port has its keys) or `Failed`. Raises `DtlsError` when no fingerprint is usable.
        """
        self._require_open()
        dtls = self._open_dtls()
        dtls.start(fingerprints, client=client)
        self._profile = None
        self._stop_waiting()  # DTLS waits itself

    def set_keys(self, send: Keys | None, receive: Keys | None) -> None:
        """
        SDES keys agreed, per way (RFC 4568); None leaves that way as it is. From then on that way is SRTP, and DTLS is over.

        The former receive keys stay good for some seconds; the same keys again change nothing.
        """
        self._require_open()
        self._close_dtls()
        if send is not None:
            self.relay.engine.set_keys(self.id, Way.SEND, send)
            self._profile = send.profile
        if receive is not None:
            self.relay.engine.set_keys(self.id, Way.RECEIVE, receive)
        self._begin_if_ready()

    def drop_keys(self) -> None:
        """RTP in the clear was agreed where SDES or DTLS keys were in use."""
        self._require_open()
        self._close_dtls()
        self._profile = None
        for way in (Way.SEND, Way.RECEIVE):
            self.relay.engine.set_keys(self.id, way, None)

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        ufrag = None if self.credentials is None else self.credentials.ufrag
        client = None if self._dtls is None else self._dtls.client
        return {"kind": "plain", "ufrag": ufrag, "dtls_client": client, **super().record()}

    # --- news of the engine --------------------------------------------------------------------------------------------------------------

    def path_selected(self, remote: Address) -> None:
        super().path_selected(remote)
        if self.closed:
            return
        self._stop_waiting()
        if self._dtls is not None:
            self._dtls.path(remote)
        if not self.closed:
            self._begin_if_ready()

    def consent_lost(self) -> None:
        self._remote = None  # the same path again is news
        if self._by_dtls:
            assert self._dtls is not None
            self._dtls.consent_lost()
        else:
            self._start_waiting()
        super().consent_lost()

    @property
    def _by_dtls(self) -> bool:
        """Whether DTLS was agreed."""
        return self._dtls is not None and self._dtls.client is not None

    def _begin_if_ready(self) -> None:
        if self.ready:
            self._begin()

    def _open_dtls(self) -> Dtls:
        if self._dtls is None:
            two_ports = self.rtcp_port is not None
            self._dtls = Dtls(self.relay, self.id, self._hear_dtls, ice=self.ice, two_ports=two_ports)
            if self._announced is not None:
                self._dtls.announced(*self._announced)
            elif not self.ice:
                self._dtls.announced(None, None)
            if self._remote is not None:
                self._dtls.path(self._remote)
        return self._dtls

    def _close_dtls(self) -> None:
        """Another keying was agreed. Keys that DTLS put into force go with it."""
        if self._dtls is None:
            return
        agreed = self._by_dtls
        self._dtls.close()
        self._dtls = None
        if agreed:
            for way in (Way.SEND, Way.RECEIVE):
                self.relay.engine.set_keys(self.id, way, None)

    def _make_credentials(self) -> IceCredentials:
        credentials = self.relay.make_credentials()
        self.ufrags += (credentials.ufrag,)
        return credentials

    def _start_waiting(self) -> None:
        """Fail unless a path is found in time."""
        self._stop_waiting()
        wait = PathWait(self.relay.settings.ice_timeout_s, self.relay.loop.time())
        self._waiting = Driver(wait, self._perform_wait, self.relay.loop)
        self._waiting.run([])

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    def _perform_wait(self, action: PathFailed) -> None:
        self.tell(Failed(action.reason))

    def _release(self) -> None:
        if self._dtls is not None:
            self._dtls.close()
        self._stop_waiting()
        if self.trunk is None:
            self.relay.forget_transport(self, self.ports)
        else:
            self.trunk.release(self)
            self.relay.forget_transport(self, ())
