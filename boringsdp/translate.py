"""`boringsdp translate`: what the gateway would make of an offer, with invented addresses and keys."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from boringsdp import sdp
from boringsdp.comparison import Change, Row, compare
from boringsdp.config import Config
from boringsdp.errors import SdpError

EXAMPLE_HOST = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): nobody's address."""
EXAMPLE_PORT = 20000


@dataclass(slots=True, frozen=True)
class Translation:
    """A text and its counterpart; `notes` say what a person should know besides."""

    before: str
    after: str
    notes: tuple[str, ...] = ()


def translate(
    text: str | bytes, *, to: str | None = None, sdes: str = "off", prefer: Iterable[str] = (), remove: Iterable[str] = ()
) -> Translation:
    """
    Return the offer `text` and the offer that the gateway would make of it for the other side.

    `to` is `webrtc` or an RTP profile in lower case; None: plain RTP for a WebRTC offer, WebRTC for any other. Raises SdpError.
    """
    source = sdp.describe(text)
    style = _style(to or ("rtp/avp" if source.style.webrtc else "webrtc"), sdes)
    policy = sdp.CodecPolicy(prefer=tuple(prefer), remove=frozenset(remove))
    near = sdp.accept_offer(sdp.LegMemory(session_id=1), source)
    far = sdp.LegMemory(session_id=1)
    emptied = _emptied(source, policy.remove)
    try:
        draft = sdp.draft_offer(far, style, near, policy)
    except SdpError as error:
        if emptied:
            raise SdpError(f"--remove takes every codec of m={' and m='.join(emptied)}") from error
        raise
    transports = {need.slot: _transport(index, need) for index, need in enumerate(draft.needs)}
    local = {need.slot: sdp.LocalMedia(transport=transports[need.transport_slot]) for need in draft.needs}
    notes = [f"--remove takes every codec of m={kind}, so it is left out" for kind in emptied]
    return Translation(source.text, draft.write(local).text, (*notes, *_refusals(source)))


def _emptied(source: sdp.Description, remove: Iterable[str]) -> tuple[str, ...]:
    """The kinds of media that `remove` leaves without a codec."""
    unwanted = {name.lower() for name in remove}
    offered: dict[str, set[str]] = {}
    for media in source.medias:
        if not media.rejected:
            names = {each.codec.name.lower() for each in media.formats if each.codec.carries_media}
            offered.setdefault(media.kind, set()).update(names)
    return tuple(kind for kind, names in offered.items() if names and names <= unwanted)


def _refusals(source: sdp.Description) -> Iterator[str]:
    """What a gateway with default settings has against the addresses."""
    from boringsdp.call.destinations import DestinationPolicy  # what a check of the configuration need not wait for

    try:
        DestinationPolicy.of(deny=Config().rtp.deny).check(source)
    except SdpError as error:
        yield f"a running gateway with default settings refuses this SDP: {error.reason}"


def _style(to: str, sdes: str) -> sdp.LegStyle:
    if to == "webrtc":
        return sdp.WEBRTC
    keying = sdp.Sdes.MANDATORY if to.startswith("rtp/savp") else sdp.Sdes(sdes)
    protocol = sdp.Protocol(to.upper())
    if keying is sdp.Sdes.MANDATORY and not protocol.secure:
        protocol = sdp.Protocol.SAVPF if protocol.feedback else sdp.Protocol.SAVP
    return replace(sdp.PLAIN, protocol=protocol, sdes=keying)


def _transport(index: int, need: sdp.MediaNeed) -> sdp.LocalTransport:
    port = EXAMPLE_PORT + 2 * index
    keys = tuple(sdp.Crypto.from_random(suite, bytes(range(46)), tag) for tag, suite in enumerate(need.suites, 1))
    if not need.ice:
        return sdp.LocalTransport(host=EXAMPLE_HOST, port=port, rtcp_port=None if need.rtcp_mux else port + 1, cryptos=keys)
    return sdp.LocalTransport(
        host=EXAMPLE_HOST,
        port=port,
        ufrag="boringsdp",
        password="an-example-and-not-a-secret",
        candidates=(sdp.Candidate.local(EXAMPLE_HOST, port),),
        fingerprints=(sdp.Fingerprint("sha-256", ":".join(f"{octet:02X}" for octet in range(32))),),
        setup="actpass",
    )


_MARKS = {Change.KEPT: "  ", Change.REMOVED: "- ", Change.ADDED: "+ ", Change.CHANGED: "~ "}
_COLOURS = {Change.REMOVED: "31", Change.ADDED: "32", Change.CHANGED: "33"}


def show(translation: Translation, shape: str, *, colour: bool | None = None) -> str:
    """
    Return the translation as text: `sdp` (the result alone, CRLF line ends), `json` (both, and what changed), or `diff`.

    `colour` None: when standard output is a terminal. Raises ConfigError for `json` when sdp-transform is not installed.
    """
    if shape == "sdp":
        return translation.after
    rows = compare(translation.before, translation.after)
    if shape == "json":
        record = {
            "before": sdp.to_json(translation.before),
            "after": sdp.to_json(translation.after),
            "lines": [row.to_record() for row in rows],
        }
        return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    coloured = sys.stdout.isatty() if colour is None else colour
    return "".join(line for row in rows for line in _lines(row, coloured))


def _lines(row: Row, coloured: bool) -> list[str]:
    if row.change is Change.CHANGED:
        parts = [("~-", row.before, ""), ("~+", row.after, row.reason)]
    else:
        parts = [(_MARKS[row.change], row.before or row.after, row.reason)]
    lines = []
    for mark, text, reason in parts:
        line = f"{mark:<3}{text}"
        if reason:
            line = f"{line:<72}  # {reason}"
        code = _COLOURS.get(row.change)
        lines.append(f"\033[{code}m{line}\033[0m\n" if coloured and code else f"{line}\n")
    return lines
