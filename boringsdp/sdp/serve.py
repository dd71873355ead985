"""Which m-lines of a description can be served, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.formats import allowed, lenient
from boringsdp.sdp.memory import Slot
from boringsdp.sdp.passing import Passing
from boringsdp.sdp.policy import CodecPolicy
from boringsdp.sdp.style import ANYTHING, Keying, LegStyle, Sdes
from boringsdp.values import replace

FINGERPRINT_HASHES = frozenset({"sha-256", "sha-384", "sha-512"})
"""What proves a certificate; sha-1 alone does not (RFC 8122 §5 asks for SHA-256)."""

OURS = replace(ANYTHING, osrtp=True)
"""What may key a text of our own: whatever it says."""


@dataclass(slots=True)
class Servable:
    """`medias` by index are those that can be served (`Media.raw` ones as datagrams); `reasons` says of each other one why not."""

    medias: dict[int, Media]
    reasons: dict[int, str]

    def error(self, description: Description) -> SdpError:
        """Return the error that names the first m-line that should have been served."""
        first = min(self.reasons, default=None)
        if first is None:
            return SdpError("there is no m-line")
        media = description.medias[first]
        return SdpError(self.reasons[first], media.line, media.line_number)


def servable(description: Description, slots: Sequence[Slot], limits: LegStyle, policy: CodecPolicy, passing: Passing) -> Servable:
    """
    Return which m-lines can be relayed; `limits` is what the leg that wrote the description may agree on.

    Of twins (the same medium offered both as RTP/AVP and as RTP/SAVP in two m-lines, RFC 3264 has no better way) one is chosen: the one in
    use (`slots` are those of the leg that wrote the description), else the secure one. A mirror keeps both.
    """
    found = Servable({}, {})
    for media in description.medias:
        reason = _reason(media, description.tagged(media), limits, policy, passing)
        if reason:
            found.reasons[media.index] = reason
        else:
            found.medias[media.index] = media
    if len(found.medias) > 1 and not passing.mirror:
        for index in _unchosen_twins(found.medias, slots):
            del found.medias[index]
            found.reasons[index] = "its twin in another profile was chosen"
    return found


def _reason(media: Media, transport: Media, limits: LegStyle, policy: CodecPolicy, passing: Passing) -> str:
    """Return why `media` cannot be served, empty when it can."""
    if media.rejected:
        return "it is disabled (port 0)"
    if passing.mirror and media.raw:
        return "" if not media.ufrag else f"{media.kind} media with ICE is not relayed"
    if media.kind not in ("audio", "video"):
        return f"{media.kind} media is not relayed"
    if media.protocol is None:
        return f"protocol {media.protocol_text} is not relayed"
    if passing.mirror:
        policy = lenient(policy, media.formats)
    if not (
        any(f.codec.carries_media for f in media.formats) if policy.unlimited else allowed(media.formats, policy)
    ):  # an m-line of nothing but telephone-event or RED is no media
        return "it lists no codec that may be relayed"
    used = keying(media, transport, limits)
    if used is Keying.DTLS and not any(f.hash in FINGERPRINT_HASHES for f in transport.fingerprints):
        return "no a=fingerprint with SHA-256 or better"
    if used is Keying.NONE and (media.protocol.secure or limits.sdes is Sdes.MANDATORY):
        return "no a=crypto line that may be used" if media.crypto_lines else "neither a=crypto nor a=fingerprint keys its SRTP"
    return ""


def keying(media: Media, transport: Media, limits: LegStyle) -> Keying:
    """
    Return what keys an m-line of the peer; `transport` is the m-line whose transport it uses, `limits` what may be agreed with that peer.

    Fingerprints under RTP/AVP(F) count only where `limits` asks for opportunistic SRTP (RFC 8643); crypto lines there always have.
    """
    crypto = bool(media.cryptos and usable_cryptos(media, limits)) and not media.protocol_text.upper().startswith("UDP/TLS/")
    secure = media.protocol is not None and media.protocol.secure
    if transport.fingerprints and not limits.refuse_dtls and (secure or limits.osrtp) and not (crypto and limits.sdes_preferred):
        return Keying.DTLS
    return Keying.SDES if crypto else Keying.NONE


def usable_cryptos(media: Media, limits: LegStyle) -> tuple[Crypto, ...]:
    """Return the peer's crypto lines that an answer may take, the best first."""
    if limits.sdes is Sdes.OFF or not media.cryptos:
        return ()
    if not limits.answer_suites:
        return media.cryptos
    rank = {suite: position for position, suite in enumerate(limits.answer_suites)}
    return tuple(sorted([crypto for crypto in media.cryptos if crypto.suite in rank], key=lambda crypto: rank[crypto.suite]))


def agreed_keying(ours: Media, our_transport: Media, theirs: Media, their_transport: Media, limits: LegStyle) -> Keying:
    """Return what the answer `theirs` to our offer `ours` took of the keyings that we offered."""
    took_dtls = bool(our_transport.fingerprints and their_transport.fingerprints)
    tags = {(crypto.tag, crypto.suite) for crypto in ours.cryptos}
    took_sdes = any((crypto.tag, crypto.suite) in tags for crypto in theirs.cryptos)
    if took_dtls and not (took_sdes and limits.sdes_preferred):
        return Keying.DTLS
    return Keying.SDES if took_sdes else Keying.NONE


def _unchosen_twins(medias: dict[int, Media], slots: Sequence[Slot]) -> list[int]:
    unchosen = []
    for kind in ("audio", "video"):
        lines = [media for media in medias.values() if media.kind == kind]
        secure = [media.index for media in lines if media.protocol is not None and media.protocol.secure]
        clear = [media.index for media in lines if media.protocol is not None and not media.protocol.secure]
        for one, other in zip(secure, clear, strict=False):
            in_use = other < len(slots) and slots[other].live and not (one < len(slots) and slots[one].live)
            unchosen.append(one if in_use else other)
    return unchosen
