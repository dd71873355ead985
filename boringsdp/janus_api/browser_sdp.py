"""Whether a session description can be a browser's. Pure."""

from __future__ import annotations

from boringsdp.errors import SdpError
from boringsdp.sdp import describe


def check_browser_sdp(text: str) -> None:
    """
    Raise `SdpError` for text that is no SDP, or one with media but without what a WebRTC peer must say of itself.

    One m-line with ICE credentials and a fingerprint is enough: those bundled with it may leave them out (RFC 9143 §7.1.3).
    """
    offered = [media for media in describe(text).medias if not media.rejected]
    if not offered:
        return
    if not any(media.ufrag and media.password for media in offered):
        raise SdpError("no ICE credentials (a=ice-ufrag and a=ice-pwd)", offered[0].line, offered[0].line_number)
    if not any(media.fingerprints for media in offered):
        raise SdpError("no DTLS fingerprint (a=fingerprint)", offered[0].line, offered[0].line_number)
