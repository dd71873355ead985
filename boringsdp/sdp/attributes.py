"""
Which attribute lines of one leg are written to the other. This table decides, and nothing else does.

What the typed view reads (codecs, ICE, DTLS, SDES, direction, ptime, …) is written anew for each leg and never comes here. The rest:

    attribute in KEPT                   always passed on
    attribute in DROPPED                never passed on: it is about the transport, the profile or payload types of one leg
    any other, plain leg to plain leg   passed on, whole
    any other, to or from WebRTC        dropped: browsers do not know it, and what browsers add, SIP peers do not

i=, b= and k= lines are always dropped: bandwidth is each leg's own, and a key in the clear belongs nowhere.
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


def passed_on(lines: Iterable[str], *, between_plain: bool) -> tuple[str, ...]:
    """Return those of the attribute `lines` that are written to the other leg, unchanged and in order."""
    return tuple([line for line in lines if _passes(line[2:].partition(":")[0].lower(), between_plain)])


def _passes(name: str, between_plain: bool) -> bool:
    return name in KEPT or (between_plain and name not in DROPPED)
