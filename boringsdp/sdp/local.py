"""What the call layer supplies for our side of a leg: addresses, credentials, keys, SSRCs."""

from __future__ import annotations

from boringsdp.sdp.candidate import Candidate, Fingerprint
from boringsdp.sdp.crypto import Crypto
from boringsdp.values import Value


class LocalTransport(Value, frozen=True, kw_only=True):
    """
    One transport of ours. Bundled m-lines are given the same value.

    `rtcp_port` None means RTCP on the RTP port or on the next one. `cryptos`: one line of ours for each suite that `MediaNeed.suites`
    named, in any order and with any tag; give the same ones again in re-offers, a changed key is a rekey. `setup` forces the DTLS role of
    an answer (`active` or `passive`); empty lets the peer's offer and the role so far decide, `passive` when both are free.
    """

    HIDDEN = frozenset({"password"})

    host: str
    port: int
    rtcp_port: int | None = None
    ufrag: str = ""
    password: str = ""
    candidates: tuple[Candidate, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: str = ""
    cryptos: tuple[Crypto, ...] = ()
    ice_lite: bool = True


class LocalMedia(Value, frozen=True, kw_only=True):
    """Our side of one m-line: its transport, and towards WebRTC the SSRC and CNAME we send with (0 and empty: not announced)."""

    transport: LocalTransport
    ssrc: int = 0
    cname: str = ""


class MediaNeed(Value, frozen=True, kw_only=True):
    """What one m-line needs from the call layer before its text can be written."""

    HIDDEN = frozenset({"credentials"})

    slot: int
    kind: str
    transport_slot: int
    """The slot whose transport this one uses: itself, or the tagged m-line of its BUNDLE group."""
    rtcp_mux: bool
    """True: one port (an offer of rtcp-mux to a plain peer that may refuse it says False)."""
    ice: bool
    dtls: bool
    suites: tuple[str, ...] = ()
    """SDES suites for which `LocalTransport.cryptos` must hold a line; empty: no SDES."""
    ice_restart: bool = False
    """The peer restarted ICE: supply new credentials."""
    kept: bool = False
    """The slot was in use before: supply the transport it has."""
    shared: bool = False
    """The shared UDP port will do: ICE, DTLS-SRTP and rtcp-mux for certain. Else the m-line needs a port (pair) of its own: with `ice` and
    not `rtcp_mux`, candidates of both components."""
    lite_peer: bool = False
    """
    The peer is known to be ICE-lite, as we are: nobody checks, and it may be on a port that many calls share, as we may. One side must
    have a port of its own, so that addresses tell calls apart; a shared port that is in use stays.
    """
    raw: bool = False
    """No RTP (udptl and the like): an own port whose datagrams are copied as they are."""
    fingerprint_hash: str = "sha-256"
    """Which hash of our certificate `LocalTransport.fingerprints` should hold, with `dtls`."""
    low_priority: bool = False
    """Our candidates stand beside those of the other leg, which should be tried first."""
    credentials: tuple[str, str] | None = None
    """(ufrag, password) that our transport must answer to: those of the other leg's peer, whose candidates are passed on beside ours."""
