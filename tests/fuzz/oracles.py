"""What must hold of any input, whatever it is: each takes one and raises when it does not. Used by campaigns and regressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from boringsdp.dtls import Association, Ended, Established, Failed, Transmit
from boringsdp.dtls.handshake import State
from boringsdp.errors import RtpError, SdpError, StunError, WrongState
from boringsdp.ice.stun import MAX_ATTRIBUTES, MAX_MESSAGE, StunMessage, parse_error_code, parse_stun, parse_xor_address
from boringsdp.rtp import rtcp
from boringsdp.rtp.level import level_from_extension, level_of_g711
from boringsdp.rtp.packet import MAX_EXTENSIONS, parse_extensions, parse_packet, write_packet
from boringsdp.sdp import (
    PLAIN,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    SUITES,
    WEBRTC,
    Candidate,
    Crypto,
    Description,
    Fingerprint,
    LegMemory,
    LegStyle,
    LocalMedia,
    LocalTransport,
    MediaNeed,
    SessionDescription,
    accept_answer,
    accept_offer,
    describe,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
    payload_type_map,
    withdraw,
)
from boringsdp.sdp.lines import MAX_BYTES, MAX_LINE_BYTES, MAX_MEDIAS, MAX_SECTION_LINES

STYLES: tuple[LegStyle, ...] = (WEBRTC, PLAIN, SDES_OPTIONAL, SDES_MANDATORY)

# --- SDP ---------------------------------------------------------------------------------------------------------------------------------


def read_sdp(text: str | bytes) -> Description | None:
    """The line model keeps what it takes byte for byte and within its limits, and the typed view is total."""
    try:
        model = SessionDescription.parse(text)
    except SdpError:
        model = None
    if model is not None:
        written = str(model)
        if isinstance(text, str):
            assert written == text
        else:
            assert text in (written.encode(), written.encode("latin-1", "replace"))
        assert len(written.encode()) <= MAX_BYTES
        assert len(model.medias) <= MAX_MEDIAS
        for section in (model.session, *model.medias):
            assert len(section.lines) <= MAX_SECTION_LINES
            assert all(len(line.encode()) <= MAX_LINE_BYTES for line in section.lines)
    try:
        seen = describe(text)
    except SdpError:
        return None
    assert model is not None, "described, but not parsed"
    assert seen == describe(str(model))
    assert len(seen.medias) == len(model.medias)
    for media in seen.medias:
        assert 0 <= media.port <= 65535
        assert all(0 <= f.payload_type <= 127 and f.codec.clock_rate > 0 and f.codec.channels > 0 for f in media.formats)
        assert len({f.payload_type for f in media.formats}) == len(media.formats)
        assert all(0 <= ssrc < 1 << 32 for ssrc in media.ssrcs)
        assert all(number > 0 for _, number in media.extensions)
        assert all(candidate.port <= 65535 for candidate in media.candidates)
        assert seen.tagged(media) in seen.medias
    style = seen.style
    assert style.protocol.secure or not style.dtls, "DTLS in a profile that is not secure"
    return seen


def locals_for(needs: Iterable[MediaNeed]) -> dict[int, LocalMedia]:
    """Fixed addresses, credentials and keys for every m-line that needs some."""
    found: dict[int, LocalMedia] = {}
    for need in needs:
        assert 0 <= need.slot < MAX_MEDIAS
        port = 20_000 + 2 * need.transport_slot
        cryptos = tuple(Crypto.from_random(suite, bytes(range(64))) for suite in need.suites)
        assert set(need.suites) <= set(SUITES)
        web = LocalTransport(
            host="192.0.2.1", port=3478, ufrag="abcdefgh", password="p" * 24, candidates=(Candidate.local("192.0.2.1", 3478),),
            fingerprints=(Fingerprint("sha-256", ":".join(["AB"] * 32)),), cryptos=cryptos,
        )  # fmt: skip
        plain = LocalTransport(
            host="192.0.2.1", port=port, rtcp_port=port + 1, cryptos=cryptos,
            fingerprints=web.fingerprints if need.dtls else (),
        )  # fmt: skip
        found[need.slot] = LocalMedia(transport=web if need.ice else plain, ssrc=1000 + need.slot, cname="cname")
    return found


def check_written(text: str, memory: LegMemory) -> Description:
    """What we write must be readable, by us first of all; and the leg's memory must survive being written down."""
    seen = read_sdp(text)
    assert seen is not None, "wrote what cannot be read"
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert LegMemory.from_record(memory.to_record()) == memory
    return seen


def offer_through(text: str | bytes, style: LegStyle) -> tuple[LegMemory, LegMemory, str] | None:
    """A peer's first offer, taken and offered on to a leg of `style`: both memories and the text, or None when it is refused."""
    try:
        heard = accept_offer(LegMemory(session_id=1), text)
        needs = needs_for_offer(LegMemory(session_id=2), style, heard)
        locals_ = locals_for(needs)
        written = make_offer(LegMemory(session_id=2), style, heard, locals_)
    except SdpError:
        return None
    check_written(written.text, written.memory)
    return heard, written.memory, written.text


def answer_of(offer: str) -> str:
    """A peer's ordinary answer to an offer of ours: everything it can take."""
    peer = accept_offer(LegMemory(session_id=3), offer)
    return make_answer(peer, None, locals_for(needs_for_answer(peer, None))).text


def answer_through(asked: LegMemory, offered: LegMemory, text: str | bytes) -> tuple[LegMemory, LegMemory] | None:
    """
    The other peer's answer to `offered`, taken and answered on to `asked`, with the plans and the payload types that follow from it.

    Both memories, or None when it is refused.
    """
    try:
        heard = accept_answer(offered, text)
        needs = needs_for_answer(asked, heard)
        written = make_answer(asked, heard, locals_for(needs))
    except (SdpError, WrongState):
        return None
    check_written(written.text, written.memory)
    check_plans(heard, written.memory)
    return written.memory, heard


def check_plans(one: LegMemory, other: LegMemory) -> None:
    plans = media_plans(one), media_plans(other)
    for side in (0, 1):
        for plan in plans[side]:
            assert plan.receive_formats or not plan.accepted
            for there in plans[1 - side]:
                mapped = payload_type_map(plan, there)
                types: Mapping[int, int] = mapped.codecs
                assert all(0 <= number <= 127 for pair in types.items() for number in pair)
                assert not set(types) & set(mapped.events)


def reoffer_through(asked: LegMemory, offered: LegMemory, text: str | bytes) -> bool:
    """A further offer on two legs that have met, from the side of `asked`, answered or withdrawn; False when it is refused."""
    try:
        heard = accept_offer(asked, text)
        written = make_offer(offered, None, heard, locals_for(needs_for_offer(offered, None, heard)))
    except (SdpError, WrongState):
        return False
    check_written(written.text, written.memory)
    assert len(describe(written.text).medias) >= len(offered.slots)
    assert withdraw(offered, written.memory).version == written.memory.version
    answer_through(heard, written.memory, answer_of(written.text))
    return True


# --- STUN, RTP, RTCP ---------------------------------------------------------------------------------------------------------------------


def read_stun(data: bytes) -> StunMessage | None:
    """A message or StunError; what is read from it raises nothing else either."""
    try:
        message = parse_stun(data)
    except StunError:
        return None
    assert len(data) <= MAX_MESSAGE
    assert len(message.attributes) <= MAX_ATTRIBUTES
    assert not message.verify(b"the wrong password")
    assert message.username is None or isinstance(message.username, str)
    assert message.use_candidate in (True, False)
    assert all(kind < 0x8000 for kind in message.unknown_required())
    for value in message.attributes.values():
        for read in (lambda value=value: parse_xor_address(value, message.transaction), lambda value=value: parse_error_code(value)):
            try:
                read()
            except StunError:
                continue
    return message


def read_rtp(data: bytes) -> bool:
    """A packet or RtpError. What was read can be written again and reads the same."""
    try:
        packet = parse_packet(data)
    except RtpError:
        return False
    assert len(packet.payload) + packet.padding + 12 + 4 * len(packet.csrcs) <= len(data)
    assert len(packet.extensions) <= MAX_EXTENSIONS
    assert packet.extensions == parse_extensions(data)
    level_of_g711(packet.payload_type, packet.payload)
    for value in packet.extensions.values():
        level = level_from_extension(value)
        assert level is None or -127 <= level <= 0
    if all(0 < number < 256 for number in packet.extensions):
        assert parse_packet(write_packet(packet)) == packet
    return True


def read_rtcp(data: bytes) -> bool:
    """Packets within the bounds or RtpError."""
    try:
        packets = rtcp.parse_rtcp(data)
    except RtpError:
        return False
    assert 0 < len(packets) <= rtcp.MAX_PACKETS
    for packet in packets:
        match packet:
            case rtcp.SenderReport() | rtcp.ReceiverReport():
                assert len(packet.reports) <= 31
                assert all(-0x800000 <= block.lost < 0x800000 and 0 <= block.fraction_lost < 256 for block in packet.reports)
                again = rtcp.write_sender_report(packet) if isinstance(packet, rtcp.SenderReport) else rtcp.write_receiver_report(packet)
                assert rtcp.parse_rtcp(again) == [packet]
            case rtcp.Nack():
                assert len(packet.lost) <= rtcp.MAX_LOST
                assert all(0 <= sequence < 65536 for sequence in packet.lost)
                assert isinstance(rtcp.parse_rtcp(rtcp.write_nack(packet))[0], rtcp.Nack)
            case rtcp.FullIntra():
                assert rtcp.parse_rtcp(rtcp.write_full_intra(packet)) == [packet]
            case rtcp.SourceDescription():
                assert all(len(name) <= 255 for _, name in packet.names)
            case _:
                pass
    return True


# --- DTLS --------------------------------------------------------------------------------------------------------------------------------


def feed_dtls(association: Association, datagram: bytes, now: float) -> list[bytes]:
    """Give a datagram to an association, which goes on or fails but never raises; returns what it sends."""
    before = association.state
    actions = association.receive(datagram, now)
    assert before is not State.DEAD or actions == []
    sent = [action.datagram for action in actions if isinstance(action, Transmit)]
    assert all(0 < len(data) <= 16_400 for data in sent)
    ends = [action for action in actions if isinstance(action, Failed | Ended)]
    assert len(ends) == (association.state is State.DEAD and before is not State.DEAD)
    if any(isinstance(action, Established) for action in actions):
        assert association.state in (State.ESTABLISHED, State.DEAD)
    deadline = association.deadline()
    assert (deadline is None) == (association.state in (State.DEAD, State.NEW)) or association.state in (State.ESTABLISHED, State.HELD)
    return sent
