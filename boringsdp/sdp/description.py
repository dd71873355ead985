"""The typed view of an SDP: what both parties' texts mean, session-level defaults folded into every m-line."""

from __future__ import annotations

import functools

from boringsdp.sdp.candidate import Candidate, Fingerprint, parse_candidate
from boringsdp.sdp.codec import Format
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.style import PLAIN, WEBRTC, LegStyle, Protocol, Sdes
from boringsdp.values import Value, replace

Address = tuple[str, int]
"""(host as written, port); the host may be a name."""

NOWHERE = ("", "0.0.0.0", "::")


class Origin(Value, frozen=True):
    """The o= line (RFC 8866 §5.2); numbers stay text because peers write more than 64 bits."""

    username: str
    session_id: str
    version: str
    address: str


class Media(Value, frozen=True, kw_only=True):
    """One m-line. What the section leaves unsaid is taken from the session level or is the RFC's default."""

    HIDDEN = frozenset({"password"})

    index: int
    kind: str
    """audio, video, application, image, … in lower case."""
    port: int
    protocol_text: str
    protocol: Protocol | None
    """None for what is no RTP profile we know (UDP/DTLS/SCTP, udptl, TCP/MRCPv2, …)."""
    formats: tuple[Format, ...] = ()
    """In the m-line's order; a dynamic payload type without a usable rtpmap is left out."""
    host: str = ""
    """Of c=; empty when there is none."""
    rtcp: Address | None = None
    """Where RTCP goes when not muxed: a=rtcp, or port + 1. None when there is no address."""
    rtcp_mux: bool = False
    rtcp_mux_only: bool = False
    rtcp_reduced_size: bool = False
    direction: Direction = Direction.SENDRECV
    """As the peer means it: legacy hold (c=0.0.0.0) is already folded in."""
    stated: Direction = Direction.SENDRECV
    """As it is written."""
    mid: str = ""
    bundle_only: bool = False
    ufrag: str = ""
    password: str = ""
    candidate_values: tuple[str, ...] = ()
    end_of_candidates: bool = False
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: str = ""
    tls_id: str = ""
    cryptos: tuple[Crypto, ...] = ()
    """Only the lines that can be used, in the peer's order."""
    crypto_lines: int = 0
    """How many crypto lines there were, usable or not."""
    extensions: tuple[tuple[str, int], ...] = ()
    """(URI, id) in order; the direction suffix of the id is dropped."""
    ssrcs: tuple[int, ...] = ()
    cname: str = ""
    ptime_ms: int = 0
    maxptime_ms: int = 0
    others: tuple[str, ...] = ()
    """Attribute lines this view does not read, whole and in order."""
    line: str = ""
    line_number: int = 0

    @property
    def address(self) -> Address | None:
        """Where the party wants RTP, or None when it named no address (rejected, port 9 of trickle ICE, 0.0.0.0)."""
        return None if not self.port or self.host in NOWHERE else (self.host, self.port)

    @property
    def zero(self) -> bool:
        """True for a hold of RFC 2543: a port, but no address to send to (and no ICE, which has its own)."""
        return bool(self.port) and self.host in NOWHERE[1:] and not self.ufrag

    @property
    def format_texts(self) -> list[str]:
        """What stands in the m-line after the protocol: payload types, `t38`, `*`."""
        return self.line[2:].split()[3:]

    @property
    def raw(self) -> bool:
        """
        True for media that could be relayed as datagrams, unread: UDPTL, BFCP over UDP, real-time text over plain RTP, and protocols that
        are not known.

        Not what needs ICE or a stream (data channels, MSRP, MRCP), nor SRTP that is not spoken here.
        """
        if self.protocol is not None:
            return self.kind not in ("audio", "video") and not self.protocol.secure
        name = self.protocol_text.upper()
        return not any(word in name for word in ("TCP", "SCTP", "MSRP", "RTP/"))

    @property
    def rejected(self) -> bool:
        """True for port 0 that is not the port 0 of a bundled m-line (RFC 9143 §6)."""
        return self.port == 0 and not self.bundle_only

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates that can be read; the others are to be ignored."""
        return tuple(candidate for value in self.candidate_values if (candidate := parse_candidate(value)) is not None)

    @property
    def codecs(self) -> tuple[Format, ...]:
        """The formats that carry media by themselves: neither telephone-event, comfort noise, RED, RTX nor FEC."""
        return tuple([f for f in self.formats if f.codec.carries_media])


class Description(Value, frozen=True, kw_only=True):
    """A whole SDP. `text` is what it was read from, byte for byte."""

    HIDDEN = frozenset({"text"})

    text: str
    origin: Origin
    ice_lite: bool = False
    trickle: bool = False
    bundle: tuple[tuple[str, ...], ...] = ()
    """The BUNDLE groups' mids."""
    medias: tuple[Media, ...] = ()
    name: str = "-"
    others: tuple[str, ...] = ()
    """Session-level attribute lines this view does not read."""

    @property
    def style(self) -> LegStyle:
        """What the party that wrote this speaks."""
        return classify(self)

    @property
    def webrtc(self) -> bool:
        """True when any m-line has both ICE and DTLS: a browser, or something like it."""
        return any(media.ufrag and media.fingerprints for media in self.medias)

    def tagged(self, media: Media) -> Media:
        """Return the m-line whose transport `media` uses: the first accepted one of its BUNDLE group, else itself (RFC 9143 §7)."""
        if media.mid:
            for group in self.bundle:
                if media.mid in group:
                    by_mid = {other.mid: other for other in self.medias if other.mid and not other.rejected}
                    first = next((by_mid[mid] for mid in group if mid in by_mid), media)
                    return first if first.ufrag or not media.ufrag else media
        return media


def classify(description: Description) -> LegStyle:
    """Return the style in which to talk back to whoever wrote `description`: the strongest m-line that is not rejected decides."""
    live = [media for media in description.medias if not media.rejected] or list(description.medias)
    for media in live:
        transport = description.tagged(media)
        if transport.fingerprints and (media.protocol is None or media.protocol.secure):
            bundled = any(media.mid in group for group in description.bundle)
            protocol = media.protocol or Protocol.DTLS_SAVPF
            return _dtls_style(protocol, bool(transport.ufrag), bundled, media.rtcp_mux, bool(media.mid))
    for media in live:
        if media.cryptos and media.protocol is not None:
            sdes = Sdes.MANDATORY if media.protocol.secure else Sdes.OPTIONAL
            suites = tuple(dict.fromkeys(crypto.suite for crypto in media.cryptos))
            return _plain_style(media.protocol, media.rtcp_mux, bool(description.tagged(media).ufrag), sdes, suites)
    for media in live:
        if media.protocol is not None:
            return _plain_style(media.protocol, media.rtcp_mux, bool(description.tagged(media).ufrag))
    return PLAIN


# The few styles that there are, made once: copying one takes longer than finding out which it is.


@functools.lru_cache(maxsize=256)
def _dtls_style(protocol: Protocol, ice: bool, bundle: bool, rtcp_mux: bool, mids: bool) -> LegStyle:
    return replace(WEBRTC, protocol=protocol, ice=ice, bundle=bundle, rtcp_mux=rtcp_mux, mids=mids)


@functools.lru_cache(maxsize=256)
def _plain_style(
    protocol: Protocol, rtcp_mux: bool, ice: bool, sdes: Sdes = PLAIN.sdes, suites: tuple[str, ...] = PLAIN.suites
) -> LegStyle:
    return replace(PLAIN, protocol=protocol, rtcp_mux=rtcp_mux, ice=ice, sdes=sdes, suites=suites)
