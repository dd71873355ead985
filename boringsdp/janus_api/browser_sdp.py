"""Whether a session description can be a browser's. Pure."""

from __future__ import annotations

from boringsdp.errors import SdpError
from boringsdp.sdp import Description, describe


def check_browser_sdp(text: str) -> Description:
    """
    Return what the text says.

    Raises `SdpError` for text that is no SDP, or one with media but without what a WebRTC peer must say of itself.

    One m-line with ICE credentials and a fingerprint is enough: those bundled with it may leave them out (RFC 9143 §7.1.3).
    """
    description = describe(text)
    offered = [media for media in description.medias if not media.rejected]
    if not offered:
        return description
    if not any(media.ufrag and media.password for media in offered):
        raise SdpError("no ICE credentials (a=ice-ufrag and a=ice-pwd)", offered[0].line, offered[0].line_number)
    if not any(media.fingerprints for media in offered):
        raise SdpError("no DTLS fingerprint (a=fingerprint)", offered[0].line, offered[0].line_number)
    return description
