"""Which m-lines of a description can be served, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.formats import allowed
from boringsdp.sdp.memory import Slot
from boringsdp.sdp.policy import CodecPolicy
from boringsdp.sdp.style import Keying, Sdes

FINGERPRINT_HASHES = frozenset({"sha-256", "sha-384", "sha-512"})
"""What proves a certificate; sha-1 alone does not (RFC 8122 §5 asks for SHA-256)."""


@dataclass(slots=True)
class Servable:
    """`medias` by index are those that can be served; `reasons` says of each other one why not."""

    medias: dict[int, Media]
    reasons: dict[int, str]

    def error(self, description: Description) -> SdpError:
        """Return the error that names the first m-line that should have been served."""
        first = min(self.reasons, default=None)
        if first is None:
            return SdpError("there is no m-line")
        media = description.medias[first]
        return SdpError(self.reasons[first], media.line, media.line_number)


def servable(description: Description, slots: Sequence[Slot], sdes: Sdes, policy: CodecPolicy) -> Servable:
    """
    Return which m-lines can be relayed.

    Of twins (the same medium offered both as RTP/AVP and as RTP/SAVP in two m-lines, RFC 3264 has no better way) one is chosen: the one in
    use (`slots` are those of the leg that wrote the description), else the secure one.
    """
    found = Servable({}, {})
    for media in description.medias:
        reason = _reason(media, description.tagged(media), sdes, policy)
        if reason:
            found.reasons[media.index] = reason
        else:
            found.medias[media.index] = media
    if len(found.medias) > 1:
        for index in _unchosen_twins(found.medias, slots):
            del found.medias[index]
            found.reasons[index] = "its twin in another profile was chosen"
    return found


def _reason(media: Media, transport: Media, sdes: Sdes, policy: CodecPolicy) -> str:
    """Return why `media` cannot be served, empty when it can."""
    if media.rejected:
        return "it is disabled (port 0)"
    if media.kind not in ("audio", "video"):
        return f"{media.kind} media is not relayed"
    if media.protocol is None:
        return f"protocol {media.protocol_text} is not relayed"
    unlimited = not policy.remove and not policy.only
    if not (
        any(f.codec.carries_media for f in media.formats) if unlimited else allowed(media.formats, policy)
    ):  # an m-line of nothing but telephone-event or RED is no media
        return "it lists no codec that may be relayed"
    used = keying(media, transport, sdes)
    if used is Keying.DTLS and not any(f.hash in FINGERPRINT_HASHES for f in transport.fingerprints):
        return "no a=fingerprint with SHA-256 or better"
    if used is Keying.DTLS and not transport.ufrag:
        return "DTLS without ICE is not relayed"  # its transport would have to tell components and handshakes apart by address alone
    # In a bundle that a data channel leads, only the m-lines of media say it.
    if used is Keying.DTLS and not any(each.rtcp_mux or each.rtcp_mux_only for each in (media, transport)):
        return "ICE without a=rtcp-mux is not relayed"  # on a shared port nothing tells the RTCP component from the other
    if used is Keying.NONE and (media.protocol.secure or sdes is Sdes.MANDATORY):
        return "no a=crypto line that may be used" if media.crypto_lines else "neither a=crypto nor a=fingerprint keys its SRTP"
    return ""


def keying(media: Media, transport: Media, sdes: Sdes) -> Keying:
    """Return what keys an m-line of the peer; `transport` is the m-line whose transport it uses, `sdes` whether crypto lines are taken."""
    crypto = bool(media.cryptos) and sdes is not Sdes.OFF
    if media.protocol is not None and media.protocol.secure and transport.fingerprints:
        over_dtls = media.protocol.value.startswith("UDP/TLS/")
        if over_dtls or transport.ufrag or not crypto:
            return Keying.DTLS
    elif media.protocol_text.upper().startswith("UDP/TLS/"):
        return Keying.NONE
    return Keying.SDES if crypto else Keying.NONE


def _unchosen_twins(medias: dict[int, Media], slots: Sequence[Slot]) -> list[int]:
    unchosen = []
    for kind in ("audio", "video"):
        lines = [media for media in medias.values() if media.kind == kind and not media.fingerprints]
        secure = [media.index for media in lines if media.protocol is not None and media.protocol.secure]
        clear = [media.index for media in lines if media.protocol is not None and not media.protocol.secure]
        for one, other in zip(secure, clear, strict=False):
            in_use = other < len(slots) and slots[other].live and not (one < len(slots) and slots[one].live)
            unchosen.append(one if in_use else other)
    return unchosen
