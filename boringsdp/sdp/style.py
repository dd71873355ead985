"""What a leg speaks: transport profile, keying, ICE, BUNDLE. A leg is described by this value, never by a special case."""

from __future__ import annotations

import enum

from boringsdp.values import Value


class Protocol(enum.Enum):
    """RTP profiles of m-lines (RFC 3551, 4585, 3711, 5124, 5764)."""

    AVP = "RTP/AVP"
    AVPF = "RTP/AVPF"
    SAVP = "RTP/SAVP"
    SAVPF = "RTP/SAVPF"
    DTLS_SAVP = "UDP/TLS/RTP/SAVP"
    DTLS_SAVPF = "UDP/TLS/RTP/SAVPF"

    @property
    def feedback(self) -> bool:
        """True when rtcp-fb may be used (RFC 4585)."""
        return self.value.endswith("F")

    def with_feedback(self, feedback: bool) -> Protocol:
        """Return the same profile with rtcp-fb or without."""
        return Protocol(self.value.removesuffix("F") + ("F" if feedback else ""))

    @property
    def secure(self) -> bool:
        """True when media must be SRTP."""
        return "SAVP" in self.value


class Sdes(enum.Enum):
    """Whether a leg is keyed by a=crypto lines (RFC 4568)."""

    OFF = "off"
    OPTIONAL = "optional"
    """RTP/AVP with crypto lines: the peer may take them or leave them."""
    MANDATORY = "mandatory"
    """RTP/SAVP: no media without."""


class Keying(enum.Enum):
    """What protects the media of one m-line."""

    NONE = "none"
    SDES = "sdes"
    DTLS = "dtls"


DEFAULT_SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""What is offered by default: every SDES peer has these; more lines only make the SDP longer."""


class LegStyle(Value, frozen=True, kw_only=True):
    """How our offers to a leg look. Answers follow the peer's offer, within what the style allows."""

    protocol: Protocol = Protocol.AVP
    sdes: Sdes = Sdes.OFF
    suites: tuple[str, ...] = DEFAULT_SUITES
    """SDES suites in the order we offer them; in answers the peer's order decides among all we speak."""
    ice: bool = False
    dtls: bool = False
    bundle: bool = False
    rtcp_mux: bool = False
    mids: bool = False
    rtcp_mux_only: bool = False
    """Act as if rtcp-mux were agreed: one port, no fallback (a=rtcp-mux-only, RFC 8858)."""
    setup: str = ""
    """DTLS role in our answers where the peer leaves the choice: `active` or `passive`; empty: passive."""
    fingerprint_hash: str = "sha-256"
    ice_optional: bool = False
    """ICE beside a usable c= and m= line: our candidates have low priority and the other leg's stay where no key forbids it."""
    trickle: bool = True
    sdes_pad: bool = False
    """Write `=` padding at the end of SDES keys (RFC 4568 asks for base64; many peers omit it)."""
    sdes_lifetime: bool = False
    sdes_preferred: bool = False
    """Where a peer's description has both DTLS and SDES, take SDES."""
    osrtp: bool = False
    """Opportunistic SRTP (RFC 8643): RTP/AVP(F) with keys; the peer may answer without. With `dtls` or SDES OPTIONAL."""
    reset: bool = False
    """Offer ICE again to a peer that answered without, and let DTLS and rtcp-mux begin anew."""
    refuse_ice: bool = False
    """Answer an offer of ICE without."""
    refuse_dtls: bool = False
    """Treat fingerprints in a peer's offer as not there."""
    refuse_rtcp_mux: bool = False
    answer_suites: tuple[str, ...] = ()
    """SDES suites that answers take, the best first; empty: any that we speak, in the peer's order."""

    @property
    def webrtc(self) -> bool:
        """True for a browser-like leg."""
        return self.ice and self.dtls

    @property
    def keying(self) -> Keying:
        """What our offers key media with; with DTLS and SDES both the peer may take either."""
        return Keying.DTLS if self.dtls else Keying.NONE if self.sdes is Sdes.OFF else Keying.SDES

    @property
    def offered_suites(self) -> tuple[str, ...]:
        """The suites of the crypto lines in our offers. UDP/TLS/… has none: those profiles are keyed by DTLS alone (RFC 5764 §8)."""
        over_dtls = self.protocol in (Protocol.DTLS_SAVP, Protocol.DTLS_SAVPF)
        return () if self.sdes is Sdes.OFF or (self.dtls and over_dtls) else self.suites


WEBRTC = LegStyle(protocol=Protocol.DTLS_SAVPF, ice=True, dtls=True, bundle=True, rtcp_mux=True, mids=True)
PLAIN = LegStyle(protocol=Protocol.AVP)
PLAIN_FEEDBACK = LegStyle(protocol=Protocol.AVPF)
SDES_OPTIONAL = LegStyle(protocol=Protocol.AVP, sdes=Sdes.OPTIONAL)
SDES_MANDATORY = LegStyle(protocol=Protocol.SAVP, sdes=Sdes.MANDATORY)
ANYTHING = LegStyle(sdes=Sdes.OPTIONAL)
"""What a peer's offer may agree on while nobody has said otherwise."""
