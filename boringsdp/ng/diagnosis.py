"""Why media does not flow, in words for people, from a call's report. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from boringsdp.call import CallReport, LegReport, MediaReport, Party

PATIENCE_S = 3.0
"""What is so young is not complained about."""


def complaints(report: CallReport, tags: Mapping[tuple[Party, str], str], wallclock: float) -> Iterator[str]:
    """
    Yield a sentence for each stream that should carry media between joined parties and does not: `tb: audio: …`.

    `tags` name parties by side and branch; `wallclock` is now, in seconds.
    """
    if wallclock - report.last_signal < PATIENCE_S:
        return
    for leg in report.legs:
        if leg.joined:
            name = tags.get((leg.party, leg.branch if leg.party is Party.B else ""), "") or leg.tag or leg.party.value
            for media in leg.medias:
                if reason := _reason(leg, media):
                    yield f"{name}: {media.kind}: {reason}"


def _reason(leg: LegReport, media: MediaReport) -> str:
    """Return why nothing comes from the party on one m-line, empty when something does or nothing is expected."""
    if not media.ports or not media.receive:
        return ""
    port = media.ports[0]
    if port.unmapped and 2 * port.unmapped > (heard := port.received.packets - port.received_rtcp.packets):
        share = f"all {heard}" if port.unmapped >= heard else f"{port.unmapped} of {heard}"
        return f"{share} packets were dropped: payload type {media.payload_type} is not in the answer"
    if port.received.packets:
        if port.received.errors > port.received.packets:
            return "most packets are dropped (wrong keys, or a source that is not the announced one)"
        return ""
    if port.received.errors:
        return f"all {port.received.errors} packets were dropped (wrong keys, or a source that is not the announced one)"
    host, number = port.local
    if "ice" in media.flags and port.remote is None:
        return f"no ICE check succeeded; can the party reach {host} port {number} (UDP)?"
    if "dtls" in media.flags and "fingerprint-verified" not in port.flags:
        return "the DTLS handshake has not finished"
    return f"no packet came to {host} port {number} (UDP)"
