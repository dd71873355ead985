"""From outlines to text."""

from __future__ import annotations

from collections.abc import Mapping

from boringsdp.errors import SdpError
from boringsdp.sdp.describe import describe, is_number
from boringsdp.sdp.description import Description, Origin
from boringsdp.sdp.local import LocalMedia
from boringsdp.sdp.loop import LOOP_ATTRIBUTE
from boringsdp.sdp.memory import Exchange, LegMemory
from boringsdp.sdp.mirror import mirrored_text
from boringsdp.sdp.outline import Outline, Sheet, local_of, next_slots
from boringsdp.sdp.passing import OriginPart
from boringsdp.sdp.style import LegStyle
from boringsdp.sdp.transport_lines import write_address, write_ssrc, write_transport


def compose(
    memory: LegMemory, sheet: Sheet, locals: Mapping[int, LocalMedia], style: LegStyle | None, *, we_offer: bool
) -> tuple[str, LegMemory]:
    """
    Return the text of `sheet` and the leg's memory after it was sent.

    The parts of the o= line that are ours stay for the life of the leg, but for the version, which goes up by one when anything changed
    (RFC 3264 §8). Raises `SdpError` when the text would exceed what `SessionDescription.parse` takes: an SDP can grow when it is
    translated.
    """
    host = memory.origin_host or next((local_of(o, locals).transport.host for o in sheet.outlines if o.accepted), "0.0.0.0")
    theirs = sheet.source.origin if sheet.source is not None else None
    version = memory.version or _first_version(sheet, theirs)
    text = _text(sheet, locals, _origin(memory, sheet, theirs, version, host), host)
    forced = sheet.passing.force_version and bool(memory.sent)
    if memory.sent and (text != memory.sent or forced):
        version += 1
        text = _text(sheet, locals, _origin(memory, sheet, theirs, version, host), host)
    if theirs is not None and OriginPart.VERSION not in _own_parts(sheet) and is_number(theirs.version, 18):
        version = int(theirs.version)  # what is on the line; should it become ours, it goes on from there
    mids = [int(o.mid) for o in sheet.outlines if o.mid.isascii() and o.mid.isdigit() and len(o.mid) < 6]
    after = LegMemory(
        session_id=memory.session_id,
        version=version,
        origin_host=host,
        exchange=Exchange.LOCAL_OFFER if we_offer else Exchange.AGREED,
        we_offered=we_offer,
        style=style,
        accepts=memory.accepts,
        ice_refused=memory.ice_refused,
        written=memory.written if text == memory.sent else _read_back(text),
        received=memory.received,
        slots=next_slots(memory, sheet.outlines),
        next_mid=max(memory.next_mid, *[mid + 1 for mid in mids], 0),
    )
    return text, after


def _own_parts(sheet: Sheet) -> frozenset[OriginPart]:
    return sheet.passing.origin | {OriginPart.VERSION} if sheet.passing.force_version else sheet.passing.origin


def _first_version(sheet: Sheet, theirs: Origin | None) -> int:
    """Our counter begins where a session id that is not ours stands already."""
    if theirs is not None and OriginPart.SESSION_ID not in sheet.passing.origin and is_number(theirs.version, 18):
        return int(theirs.version)
    return 1


def _origin(memory: LegMemory, sheet: Sheet, theirs: Origin | None, version: int, host: str) -> str:
    """Return the o= line (RFC 8866 §5.2)."""
    if theirs is None or not theirs.address:
        return f"o=- {memory.session_id} {version} IN {write_address(host)}"
    own = _own_parts(sheet)
    username = "-" if OriginPart.USERNAME in own else theirs.username
    session_id = memory.session_id if OriginPart.SESSION_ID in own else theirs.session_id
    said_version = version if OriginPart.VERSION in own else theirs.version
    address = host if OriginPart.ADDRESS in own else theirs.address
    return f"o={username} {session_id} {said_version} IN {write_address(address)}"


def _text(sheet: Sheet, locals: Mapping[int, LocalMedia], origin: str, host: str) -> str:
    if sheet.source is not None:
        return mirrored_text(sheet, sheet.source, locals, origin, host)
    return f"v=0\r\n{origin}\r\ns=-\r\n{_body(sheet, locals, host)}"


def _read_back(text: str) -> Description:
    try:
        return describe(text)
    except SdpError as error:
        raise SdpError(f"its translation would exceed a limit: {error.reason}", error.line, error.number) from None


def _body(sheet: Sheet, locals: Mapping[int, LocalMedia], host: str) -> str:
    """Everything after s=. Legs without ICE get a session-level c=, which is where old phones look."""
    lines: list[str] = []
    session_host = "" if sheet.ice else next((local_of(o, locals).transport.host for o in sheet.outlines if o.accepted), host)
    if session_host:
        lines.append(f"c=IN {write_address(session_host)}")
    lines.append("t=0 0")
    if sheet.ice:
        lite = all(local_of(o, locals).transport.ice_lite for o in sheet.outlines if o.accepted)
        lines += [f"a=group:BUNDLE {' '.join(mids)}" for mids in sheet.groups]
        lines += ["a=ice-lite"] if lite else []
        lines += ["a=ice-options:trickle", "a=msid-semantic: WMS *"]
    lines += sheet.others
    lines += [f"a={LOOP_ATTRIBUTE}:{sheet.passing.loop_mark}"] if sheet.passing.loop_mark else []
    for outline in sheet.outlines:
        if outline.accepted:
            _write_media(lines, sheet, outline, local_of(outline, locals), session_host)
        else:
            _write_refused(lines, outline, session_host)
    lines.append("")
    return "\r\n".join(lines)


def _write_refused(lines: list[str], outline: Outline, session_host: str) -> None:
    lines.append(outline.refused_line)
    if not session_host:
        lines.append("c=IN IP4 0.0.0.0")
    if outline.mid:
        lines.append(f"a=mid:{outline.mid}")
    lines.append("a=inactive")


def _write_media(lines: list[str], sheet: Sheet, outline: Outline, local: LocalMedia, session_host: str) -> None:
    transport = local.transport
    numbers = " ".join([str(f.payload_type) for f in outline.formats])
    lines.append(f"m={outline.kind} {transport.port} {outline.protocol_text} {numbers}")
    if transport.host != session_host:
        lines.append(f"c=IN {write_address(transport.host)}")
    if outline.mid:
        lines.append(f"a=mid:{outline.mid}")
    lines.append(f"a={outline.direction.value}")
    write_transport(lines, sheet, outline, transport)
    lines += [f"a=extmap:{number} {uri}" for uri, number in outline.extensions]
    for f in outline.formats:
        lines.append(f"a=rtpmap:{f.payload_type} {f.codec}")
        if f.fmtp:
            lines.append(f"a=fmtp:{f.payload_type} {f.fmtp}")
        lines += [f"a=rtcp-fb:{f.payload_type} {value}" for value in f.feedback]
    if outline.ptime_ms:
        lines.append(f"a=ptime:{outline.ptime_ms}")
    if outline.maxptime_ms:
        lines.append(f"a=maxptime:{outline.maxptime_ms}")
    lines += outline.others
    write_ssrc(lines, outline, local)
