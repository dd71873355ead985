"""The lines of an m-line that are ours whatever the rest of the text is made from: RTCP, ICE, keys, SSRC."""

from __future__ import annotations

from boringsdp.sdp.candidate import Candidate
from boringsdp.sdp.local import LocalMedia, LocalTransport
from boringsdp.sdp.outline import Outline, Sheet
from boringsdp.sdp.style import Keying
from boringsdp.values import replace

LOW_TYPE_PREFERENCE = 124
"""Below the host candidates of others (126), above reflexive and relayed ones (RFC 8445 §5.1.2.2)."""

SDES_LIFETIME = 1 << 31
"""In packets; what SRTCP allows, the lesser of both (RFC 3711 §9.2)."""


def write_address(host: str) -> str:
    """Return what stands after `c=IN ` for a numeric address."""
    return f"IP6 {host}" if ":" in host else f"IP4 {host}"


def write_transport(lines: list[str], sheet: Sheet, outline: Outline, transport: LocalTransport) -> None:
    """Append everything about the transport of an accepted m-line to `lines`, from a=rtcp to its keys."""
    _write_rtcp(lines, sheet, outline, transport)
    if outline.ice:
        _write_ice(lines, sheet, outline, transport)
    if outline.keying is Keying.DTLS:
        lines += [f"a=fingerprint:{fingerprint}" for fingerprint in transport.fingerprints]
        lines.append(f"a=setup:{outline.setup}")
    if outline.suites:
        _write_cryptos(lines, sheet, outline, transport)


def _write_rtcp(lines: list[str], sheet: Sheet, outline: Outline, transport: LocalTransport) -> None:
    port = transport.port if outline.rtcp_mux_sure else transport.rtcp_port or transport.port + 1
    elsewhere = port != transport.port + 1 and not outline.rtcp_mux_sure
    doubtful = sheet.passing.mirror and outline.rtcp_mux and not outline.rtcp_mux_sure
    match sheet.passing.rtcp_attribute:
        case "never":
            pass
        case "full":
            lines.append(f"a=rtcp:{port} IN {write_address(transport.host)}")
        case "always":
            lines.append(f"a=rtcp:{port}")
        case _:
            lines += [f"a=rtcp:{port}"] if elsewhere or doubtful else []
    if outline.rtcp_mux:
        lines.append("a=rtcp-mux")
    if outline.rtcp_mux_only:
        lines.append("a=rtcp-mux-only")
    if outline.reduced_size:
        lines.append("a=rtcp-rsize")


def _write_ice(lines: list[str], sheet: Sheet, outline: Outline, transport: LocalTransport) -> None:
    """Theirs before ours where both stand, under their credentials, which our transport answers to as well."""
    guest = outline.guest
    ufrag, password = (guest.ufrag, guest.password) if guest is not None else (transport.ufrag, transport.password)
    lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}"]
    own = [c for c in transport.candidates if c.component == 1 or not outline.rtcp_mux_sure]
    if guest is not None:
        lines += [f"a=candidate:{candidate}" for candidate in guest.candidates]
        own = [replace(candidate, foundation=f"own{candidate.foundation}") for candidate in own]
    lines += [f"a=candidate:{_lowered(candidate) if outline.low_priority else candidate}" for candidate in own]
    if guest is None or guest.end_of_candidates or (sheet.source is not None and not sheet.source.trickle):
        lines.append("a=end-of-candidates")


def _lowered(candidate: Candidate) -> Candidate:
    return replace(candidate, priority=(LOW_TYPE_PREFERENCE << 24) | (candidate.priority & 0xFFFFFF))


def _write_cryptos(lines: list[str], sheet: Sheet, outline: Outline, transport: LocalTransport) -> None:
    """An offer lists our lines in the style's order, tagged from 1; an answer repeats tag and suite of the line it takes."""
    by_suite = {crypto.suite: crypto for crypto in transport.cryptos}
    choice = outline.crypto_choice
    tags = [(choice.tag, choice.suite)] if choice else list(enumerate(outline.suites, 1))
    for tag, suite in tags:
        crypto = by_suite.get(suite)
        assert crypto is not None, f"no local key for {suite}"
        crypto = replace(crypto, tag=tag, lifetime=SDES_LIFETIME if sheet.sdes_lifetime else crypto.lifetime)
        text = str(crypto) if sheet.sdes_pad else str(crypto).replace("=", "")
        lines.append(f"a=crypto:{text}")


def write_ssrc(lines: list[str], outline: Outline, local: LocalMedia, *, msid: bool = True) -> None:
    """Append what tells a browser which stream and SSRC ours are; `msid` False: the text has an a=msid already."""
    if outline.ice and outline.keying is Keying.DTLS and local.cname:
        if outline.direction.send and msid:
            lines.append(f"a=msid:{local.cname} {local.cname}-{outline.mid or outline.slot}")
        if local.ssrc:
            # Through a hold too: Chromium forgets a stream whose SSRC is not named, and its WebAudio stays silent when it comes back.
            lines.append(f"a=ssrc:{local.ssrc} cname:{local.cname}")
