from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.errors import RtpError
from boringsdp.rtp.packet import RtpPacket, is_rtcp, measure, parse_extensions, parse_packet, write_extensions, write_packet

PACKETS = st.builds(
    RtpPacket, payload_type=st.integers(0, 127), sequence=st.integers(0, 65535), timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1), payload=st.binary(max_size=100), marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 2**32 - 1), max_size=15).map(tuple),
    extensions=st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=8), padding=st.integers(0, 255),
)  # fmt: skip


@given(PACKETS)
@settings(deadline=None)
def test_reads_what_it_writes(packet: RtpPacket) -> None:
    assert parse_packet(write_packet(packet)) == packet


@given(st.binary(max_size=120))
@settings(max_examples=500, deadline=None)
def test_parses_or_raises_its_own_error(data: bytes) -> None:
    for candidate in (data, b"\x80" + data, b"\x9f" + data, b"\xbf" + data + b"\xff", b"\x90" + data[:11] + b"\xbe\xde" + data[11:]):
        try:
            packet = parse_packet(candidate)
        except RtpError:
            continue
        assert len(packet.payload) <= len(candidate) - 12


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(12), "version"), (b"\x80" + bytes(10), "short"), (b"\x81" + bytes(11), "CSRC"), (b"\x90" + bytes(11), "no extension"),
        (b"\x90" + bytes(11) + b"\xbe\xde\x00\x01", "extension length"), (b"\xa0" + bytes(11), "no padding"),
        (b"\xa0" + bytes(11) + b"\x00", "padding of 0"), (b"\xa0" + bytes(11) + b"\x02", "padding too long"),
    ],
)  # fmt: skip
def test_refuses(data: bytes, why: str) -> None:
    with pytest.raises(RtpError):
        parse_packet(data)


def test_two_byte_extensions_when_the_one_byte_form_cannot() -> None:
    for elements in ({15: b"x"}, {1: b""}, {2: b"x" * 17}, {200: b"x" * 255}):
        block = write_extensions(elements.items())
        assert block[:2] == b"\x10\x00"
        assert parse_extensions(b"\x90" + bytes(11) + block) == elements
    assert write_extensions([]) == b""


def test_odd_elements_end_the_reading_quietly() -> None:
    head = b"\x90" + bytes(11)
    assert parse_extensions(head + b"\xbe\xde\x00\x02\x10\xaa\xf0\x11\x22\x33\x44\x55") == {1: b"\xaa"}            # id 15 means stop
    assert parse_extensions(head + b"\xbe\xde\x00\x01\x00\x1f\x00\x00") == {}                                       # runs over
    assert parse_extensions(head + b"\x12\x34\x00\x01\x10\xaa\x00\x00") == {}                                       # another profile
    assert parse_extensions(head + b"\x10\x00\x00\x01\x00\x00\x00\x05") == {}


def test_tells_rtcp_from_rtp() -> None:
    assert not is_rtcp(b"\x80\x00")
    assert not is_rtcp(b"\x80\xe0")                         # marker and payload type 96
    assert is_rtcp(b"\x80\xc8")
    assert is_rtcp(b"\x80\xce")


def test_measures_without_copying() -> None:
    packet = RtpPacket(payload_type=0, sequence=1, timestamp=2, ssrc=3, payload=b"abc", csrcs=(9,), extensions={1: b"x"}, padding=5)
    data = write_packet(packet)
    begin, end = measure(data)
    assert data[begin:end] == b"abc"
