"""What `query` and `delete` tell of a call, in the shape that proxies and dashboards read from rtpengine. Pure functions of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boringsdp.call import CallReport, Counts, LegReport, MediaReport, Party, PortReport, QualitySample, SsrcReport
from boringsdp.ng.requests import Identity
from boringsdp.values import Value

Address = tuple[str, int]

MEDIA_FLAGS: Mapping[str, str] = {
    "initialized": "initialized",
    "asymmetric": "asymmetric",
    "rtcp-mux": "rtcp-mux",
    "dtls": "DTLS-SRTP",
    "dtls-active": "DTLS role active",
    "dtls-passive": "DTLS role passive",
    "sdes": "SDES",
    "ice": "ICE",
    "trickle": "trickle ICE",
    "ice-lite-peer": "ICE-lite peer",
    "ice-lite-self": "ICE-lite self",
    "feedback": "RTCP feedback",
    "blocked": "blocked",
    "silenced": "silenced",
    "raw": "raw",
}
"""From the report's flags to rtpengine's; the last three are ours."""
PORT_FLAGS: Mapping[str, str] = {
    "filled": "filled",
    "confirmed": "confirmed",
    "fingerprint-verified": "DTLS fingerprint verified",
    "strict": "strict source address",
    "handover": "media handover",
    "ice": "ICE",
}


class Names(Value, frozen=True, kw_only=True):
    """What the front knows of a leg and the call does not. `tags`: all of the party's, the one in use last."""

    tags: tuple[str, ...] = ()
    label: str = ""
    branch: str = ""


class Told(Value, frozen=True, kw_only=True):
    """One dialog to tell of: `names` by party and branch name; `faults` are reasons why media does not flow, oldest first."""

    report: CallReport
    names: Mapping[tuple[Party, str], Names]
    metadata: str = ""
    faults: Sequence[str] = ()


@dataclass(slots=True)
class _Party:
    """One tag of the reply."""

    key: str
    tag: str
    leg: LegReport
    names: Names
    peers: list[_Party] = field(default_factory=list)


def tell_call(dialogs: Sequence[Told], who: Identity | None = None) -> dict[str, Any]:
    """
    Return the whole reply but for `result`: times, tags with their medias and streams, SSRCs with MOS, totals.

    With tags in `who` only those parties and whom they talk to; an unknown from-tag leaves nothing, an unknown to-tag is passed over. MOS
    values are times ten, times in the MOS blocks are microseconds (round trip) and milliseconds (jitter).
    """
    first = min(dialogs, key=lambda told: told.report.created)
    parties = [party for each in _numbered(dialogs) for party in each]
    shown = _selected(parties, who)
    created = first.report.created
    reply: dict[str, Any] = {
        "created": int(created),
        "created_us": int(created % 1 * 1e6),
        "last signal": int(max(told.report.last_signal for told in dialogs)),
        "SSRC": {str(number): _ssrc(report) for told in dialogs for number, report in told.report.ssrcs.items()},
        "tags": {party.key: _tell_party(party) for party in shown},
        "totals": _totals(shown),
    }
    if metadata := next((told.metadata for told in dialogs if told.metadata), ""):
        reply["metadata"] = metadata
    if faults := [fault for told in dialogs for fault in told.faults]:
        reply["last error"], reply["errors"] = faults[-1], faults
    return reply


def _numbered(dialogs: Sequence[Told]) -> Iterator[list[_Party]]:
    """Yield each dialog's parties, A first; who has no tag yet gets a number."""
    untagged = 0
    taken: set[str] = set()
    for told in dialogs:
        parties: list[_Party] = []
        for leg in sorted(told.report.legs, key=lambda leg: leg.party is Party.B):
            names = told.names.get((leg.party, leg.branch), Names())
            tag = names.tags[-1] if names.tags else leg.tag
            if not tag or tag in taken:
                untagged += 1
            key = tag if tag and tag not in taken else f"{tag}<{untagged}>" if tag else f"<untagged {untagged}>"
            taken.add(key)
            parties.append(_Party(key, tag, leg, names))
        _associate(parties)
        yield parties


def _associate(parties: list[_Party]) -> None:
    """Say who talks to whom: those whose media is joined, and before any answer everyone with the offerer."""
    near = [party for party in parties if party.leg.party is Party.A]
    far = [party for party in parties if party.leg.party is Party.B]
    joined = [party for party in far if party.leg.joined]
    for a in near:
        for b in joined or far:
            a.peers.append(b)
            b.peers.append(a)


def _selected(parties: list[_Party], who: Identity | None) -> list[_Party]:
    if who is None or not who.from_tag:
        return parties
    chosen = [party for party in parties if _is(party, who.from_tag)]
    named = [party for party in parties if who.to_tag and _is(party, who.to_tag)]
    if not chosen:
        return []
    beside = named or [peer for party in chosen for peer in party.peers]
    return [party for party in parties if party in chosen or party in beside]


def _is(party: _Party, tag: str) -> bool:
    return tag in (party.key, party.tag) or tag in party.names.tags


def _tell_party(party: _Party) -> dict[str, Any]:
    peers = [{"tag": peer.tag, "type": "offer/answer"} for peer in party.peers]
    told: dict[str, Any] = {"tag": party.tag}
    if party.names.branch:
        told["via-branch"] = party.names.branch
    if label := party.names.label or party.leg.label:
        told["label"] = label
    told["created"] = int(party.leg.created)
    if aliases := party.names.tags[:-1]:
        told["tag-aliases"] = list(aliases)
    if len(peers) == 1:
        told["in dialogue with"] = peers[0]["tag"]
    told |= {"subscriptions": peers, "subscribers": [dict(peer) for peer in peers]}
    told["medias"] = [_tell_media(media) for media in party.leg.medias]
    return told


def _tell_media(media: MediaReport) -> dict[str, Any]:
    told: dict[str, Any] = {"index": media.index, "type": media.kind, "protocol": media.protocol}
    if media.codec:
        told["codec"] = media.codec
    flags = [name for flag, name in MEDIA_FLAGS.items() if flag in media.flags]
    flags[1:1] = [name for name, on in (("send", media.send), ("recv", media.receive)) if on]
    told |= {
        "ingress SSRCs": [{"SSRC": ssrc} for ssrc in media.received_ssrcs],
        "egress SSRCs": [{"SSRC": ssrc} for ssrc in media.sent_ssrcs],
        "streams": [*map(_tell_port, media.ports), *_missing_port(media)],
        "flags": flags,
    }
    return told


def _tell_port(port: PortReport) -> dict[str, Any]:
    host, number = port.local
    kinds = ["RTCP"] if port.rtcp else ["RTP", "RTCP"] if "muxed" in port.flags else ["RTP"]
    told: dict[str, Any] = {
        "local port": number,
        "local address": host,
        "family": _family(host),
        "endpoint": _endpoint(port.remote),
        "advertised endpoint": _endpoint(port.announced),
    }
    if port.suite:
        told["crypto suite"] = port.suite
    told["last packet"] = told["last user packet"] = int(port.last_packet)
    told["flags"] = [*kinds, *(name for flag, name in PORT_FLAGS.items() if flag in port.flags)]
    if port.ssrcs:
        told["SSRC"] = port.ssrcs[0]
    told |= {"stats": _counts(port.received), "stats_out": _counts(port.sent)}
    return told


def _missing_port(media: MediaReport) -> list[dict[str, Any]]:
    """Readers look for RTCP in the second stream, also where it shares the port of the first and is counted there."""
    if len(media.ports) != 1:
        return []
    host, number = media.ports[0].local
    empty = {"endpoint": {}, "advertised endpoint": {}, "last packet": 0, "flags": ["RTCP", "fallback RTCP"]}
    counts = {"stats": _counts(Counts()), "stats_out": _counts(Counts())}
    return [{"local port": number, "local address": host, "family": _family(host), **empty, **counts}]


def _endpoint(address: Address | None) -> dict[str, Any]:
    return {} if address is None else {"family": _family(address[0]), "address": address[0], "port": address[1]}


def _family(host: str) -> str:
    return "IPv6" if ":" in host else "IPv4"


def _counts(counts: Counts) -> dict[str, int]:
    return {"packets": counts.packets, "bytes": counts.bytes, "errors": counts.errors}


def _totals(parties: Iterable[_Party]) -> dict[str, dict[str, int]]:
    legs = [party.leg for party in parties]
    told = {}
    for name, rtcp in (("RTP", False), ("RTCP", True)):
        each = [_counts(leg.received(rtcp=rtcp)) for leg in legs]
        told[name] = {key: sum(counts[key] for counts in each) for key in ("packets", "bytes", "errors")}
    return told


def _ssrc(report: SsrcReport) -> dict[str, Any]:
    told: dict[str, Any] = {
        "bytes": report.bytes,
        "packets": report.packets,
        "last RTP timestamp": report.last_timestamp,
        "last RTP seq": report.last_sequence,
        "cumulative loss": report.lost,
    }
    if report.average is not None:
        told["average MOS"] = {**_quality(report.average), "samples": report.sample_count}
    for name, sample in (("lowest MOS", report.lowest), ("highest MOS", report.highest)):
        if sample is not None:
            told[name] = _reported(sample)
    if report.samples:
        told["MOS progression"] = {"interval": round(report.interval_s), "entries": [_reported(sample) for sample in report.samples]}
    return told


def _quality(sample: QualitySample) -> dict[str, int]:
    return {
        "MOS": round(sample.mos * 10),
        "round-trip time": sample.round_trip_us,
        "round-trip time leg": sample.leg_round_trip_us,
        "jitter": round(sample.jitter_ms),
        "packet loss": round(sample.loss_percent),
    }


def _reported(sample: QualitySample) -> dict[str, int]:
    return {**_quality(sample), "reported at": int(sample.at)}
