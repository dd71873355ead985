"""From outlines to text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from boringsdp.errors import SdpError
from boringsdp.sdp.describe import describe
from boringsdp.sdp.description import Description
from boringsdp.sdp.local import LocalMedia, LocalTransport
from boringsdp.sdp.memory import Exchange, LegMemory
from boringsdp.sdp.outline import Outline, Sheet, local_of, next_slots
from boringsdp.sdp.style import Keying, LegStyle


def compose(
    memory: LegMemory, sheet: Sheet, locals: Mapping[int, LocalMedia], style: LegStyle | None, *, we_offer: bool
) -> tuple[str, LegMemory]:
    """
    Return the text of `sheet` and the leg's memory after it was sent.

    The o= line keeps its session id and address for the life of the leg; its version goes up by one when anything changed (RFC 3264 §8).
    Raises `SdpError` when the text would exceed what `SessionDescription.parse` takes: an SDP can grow when it is translated.
    """
    host = memory.origin_host or next((local_of(o, locals).transport.host for o in sheet.outlines if o.accepted), "0.0.0.0")
    body = _body(sheet, locals, host)
    version = memory.version or 1
    text = _head(memory.session_id, version, host) + body
    if memory.sent and text != memory.sent:
        version += 1
        text = _head(memory.session_id, version, host) + body
    mids = [int(o.mid) for o in sheet.outlines if o.mid.isascii() and o.mid.isdigit() and len(o.mid) < 6]
    after = LegMemory(
        session_id=memory.session_id,
        version=version,
        origin_host=host,
        exchange=Exchange.LOCAL_OFFER if we_offer else Exchange.AGREED,
        we_offered=we_offer,
        style=style,
        accepts=memory.accepts,
        written=memory.written if text == memory.sent else _read_back(text),
        received=memory.received,
        slots=next_slots(memory, sheet.outlines),
        next_mid=max(memory.next_mid, *[mid + 1 for mid in mids], 0),
    )
    return text, after


def _read_back(text: str) -> Description:
    try:
        return describe(text)
    except SdpError as error:
        raise SdpError(f"its translation would exceed a limit: {error.reason}", error.line, error.number) from None


def _head(session_id: int, version: int, host: str) -> str:
    return f"v=0\r\no=- {session_id} {version} IN {_address(host)}\r\ns=-\r\n"


def _address(host: str) -> str:
    return f"IP6 {host}" if ":" in host else f"IP4 {host}"


def _body(sheet: Sheet, locals: Mapping[int, LocalMedia], host: str) -> str:
    """Everything after s=. Legs without ICE get a session-level c=, which is where old phones look."""
    lines: list[str] = []
    session_host = "" if sheet.ice else next((local_of(o, locals).transport.host for o in sheet.outlines if o.accepted), host)
    if session_host:
        lines.append(f"c=IN {_address(session_host)}")
    lines.append("t=0 0")
    if sheet.ice:
        lite = all(local_of(o, locals).transport.ice_lite for o in sheet.outlines if o.accepted)
        lines += [f"a=group:BUNDLE {' '.join(mids)}" for mids in sheet.groups]
        lines += ["a=ice-lite"] if lite else []
        lines += ["a=ice-options:trickle", "a=msid-semantic: WMS *"]
    lines += sheet.others
    for outline in sheet.outlines:
        if outline.accepted:
            _write_media(lines, outline, local_of(outline, locals), session_host)
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


def _write_media(lines: list[str], outline: Outline, local: LocalMedia, session_host: str) -> None:
    transport = local.transport
    numbers = " ".join([str(f.payload_type) for f in outline.formats])
    lines.append(f"m={outline.kind} {transport.port} {outline.protocol_text} {numbers}")
    if transport.host != session_host:
        lines.append(f"c=IN {_address(transport.host)}")
    if outline.mid:
        lines.append(f"a=mid:{outline.mid}")
    lines.append(f"a={outline.direction.value}")
    if not outline.rtcp_mux_sure and transport.rtcp_port is not None and transport.rtcp_port != transport.port + 1:
        lines.append(f"a=rtcp:{transport.rtcp_port}")
    if outline.rtcp_mux:
        lines.append("a=rtcp-mux")
    if outline.reduced_size:
        lines.append("a=rtcp-rsize")
    if outline.ice:
        _write_ice(lines, transport)
    if outline.keying is Keying.DTLS:
        lines += [f"a=fingerprint:{fingerprint}" for fingerprint in transport.fingerprints]
        lines.append(f"a=setup:{outline.setup}")
    elif outline.keying is Keying.SDES:
        _write_cryptos(lines, outline, transport)
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
    if outline.ice and local.cname:
        if outline.direction.send:
            lines.append(f"a=msid:{local.cname} {local.cname}-{outline.mid or outline.slot}")
        if local.ssrc:
            # Through a hold too: Chromium forgets a stream whose SSRC is not named, and its WebAudio stays silent when it comes back.
            lines.append(f"a=ssrc:{local.ssrc} cname:{local.cname}")


def _write_ice(lines: list[str], transport: LocalTransport) -> None:
    lines += [f"a=ice-ufrag:{transport.ufrag}", f"a=ice-pwd:{transport.password}"]
    lines += [f"a=candidate:{candidate}" for candidate in transport.candidates]
    lines.append("a=end-of-candidates")


def _write_cryptos(lines: list[str], outline: Outline, transport: LocalTransport) -> None:
    """An offer lists our lines in the style's order, tagged from 1; an answer repeats tag and suite of the line it takes."""
    by_suite = {crypto.suite: crypto for crypto in transport.cryptos}
    choice = outline.crypto_choice
    tags = [(choice.tag, choice.suite)] if choice else list(enumerate(outline.suites, 1))
    for tag, suite in tags:
        crypto = by_suite.get(suite)
        assert crypto is not None, f"no local key for {suite}"
        lines.append(f"a=crypto:{replace(crypto, tag=tag)}")
