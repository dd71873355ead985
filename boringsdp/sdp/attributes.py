"""
Which attribute lines of one leg are written to the other. This table decides, and nothing else does.

What the typed view reads (codecs, ICE, DTLS, SDES, direction, ptime, …) is written anew for each leg and never comes here. The rest:

    attribute in KEPT                   always passed on
    attribute in DROPPED                never passed on: it is about the transport, the profile or payload types of one leg
    any other, plain leg to plain leg   passed on, whole
    any other, to or from WebRTC        dropped: browsers do not know it, and what browsers add, SIP peers do not

i=, b= and k= lines are always dropped: bandwidth is each leg's own, and a key in the clear belongs nowhere.

That is how a gateway that is an endpoint does it. A mirror (`Passing.mirror`, a proxy's media relay) passes on all that it need not write
anew, i= and b= lines included:

    attribute in REWRITTEN              never passed on as it is: transport, keys, RTP numbers of one leg (a=group other than BUNDLE passes
                                        where its members keep their mids)
    attribute in STREAM_NAMES           passed on towards WebRTC only: SIP peers do not know it
    rtcp-xr                             passed on from plain leg to plain leg only
    any other                           passed on, whole; to or from WebRTC only with `Passing.attributes`
"""

from __future__ import annotations

from collections.abc import Iterable

KEPT = frozenset({"content", "framerate", "label", "lang", "orient", "quality", "sdplang", "type"})

DROPPED = frozenset(
    {
        "acap", "acfg", "cap", "cdsc", "cpar", "cparmax", "cparmin", "creq", "csup", "tcap", "pcfg", "rmcap", "omcap",
        "candidate", "connection", "control", "crypto", "cs-correlation", "curr", "conf", "des", "direction", "dtls-id",
        "extmap-allow-mixed", "group", "ice-mismatch", "ice-options", "ice-pacing", "identity", "imageattr", "key-mgmt",
        "max-message-size", "maxprate", "mid", "minptime", "msid", "msid-semantic", "nortpproxy", "rid", "range",
        "remote-candidates", "rtcp-mux", "rtcp-xr", "sctp-init", "sctp-port", "sctpmap", "simulcast", "sqn", "source-filter",
        "ssrc-group", "tool", "ts-refclk", "mediaclk", "x-google-flag", "zrtp-hash",
    }
)  # fmt: skip


REWRITTEN = frozenset(
    {
        # addresses and ports
        "candidate", "connection", "direction", "end-of-candidates", "ice-lite", "ice-mismatch", "ice-options", "ice-pacing", "ice-pwd",
        "ice-ufrag", "remote-candidates", "rtcp", "rtcp-mux", "rtcp-mux-only", "rtcp-rsize", "source-filter", "altc",
        # keys, and what is signed together with them
        "crypto", "dtls-id", "fingerprint", "identity", "key-mgmt", "setup", "tls-id", "zrtp-hash",
        # which m-lines share a transport
        "bundle-only", "group", "mid",
        # payload types, SSRCs, header extensions and timestamps, which are each leg's own
        "extmap", "extmap-allow-mixed", "fmtp", "mediaclk", "rid", "rtcp-fb", "rtpmap", "simulcast", "ssrc", "ssrc-group", "ts-refclk",
        "x-google-flag",
        # capabilities in other profiles (RFC 3407, RFC 5939, RFC 6871)
        "acap", "acfg", "cap", "cdsc", "cpar", "cparmax", "cparmin", "creq", "csup", "omcap", "pcfg", "rmcap", "sqn", "tcap",
        # data channels
        "max-message-size", "sctp-init", "sctp-port", "sctpmap",
    }
)  # fmt: skip

NUMBERED = frozenset({"framesize", "imageattr"})
"""Attributes that begin with a payload type (or `*`), beside rtpmap, fmtp and rtcp-fb: passed on under the number of the other leg."""

STREAM_NAMES = frozenset({"msid", "msid-semantic"})


def mirrored(name: str, *, between_plain: bool, attributes: bool, to_webrtc: bool) -> bool:
    """Return whether a mirror passes the attribute `name` (in lower case) on as it is."""
    if name in REWRITTEN:
        return False
    if name in STREAM_NAMES:
        return to_webrtc and attributes
    if name == "rtcp-xr":
        return between_plain
    return name in KEPT or name in ("ptime", "maxptime") or between_plain or attributes


def passed_on(lines: Iterable[str], *, between_plain: bool) -> tuple[str, ...]:
    """Return those of the attribute `lines` that are written to the other leg, unchanged and in order."""
    return tuple([line for line in lines if _passes(line[2:].partition(":")[0].lower(), between_plain)])


def _passes(name: str, between_plain: bool) -> bool:
    return name in KEPT or (between_plain and name not in DROPPED)
