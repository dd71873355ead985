from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.errors import StunError
from boringsdp.ice.stun import (
    Attribute,
    Kind,
    parse_error_code,
    parse_stun,
    parse_xor_address,
    write_error_code,
    write_stun,
    write_xor_address,
)

# RFC 5769 §2.1: sample request, password VOkJxbRl1RmTxUk/WvJxBt
SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
# RFC 5769 §2.2 and §2.3: sample IPv4 and IPv6 responses
SAMPLE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
SAMPLE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014"
    "a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"


def test_reads_the_sample_request_of_rfc_5769() -> None:
    message = parse_stun(SAMPLE_REQUEST)
    assert (message.kind, message.method, message.username) == (Kind.REQUEST, 1, "evtj:h6vY")
    assert message.verify(PASSWORD)
    assert not message.verify(b"wrong")
    assert message.attributes[Attribute.SOFTWARE] == b"STUN test client"
    assert message.unknown_required() == []


@pytest.mark.parametrize(
    ("data", "address"),
    [(SAMPLE_IPV4, ("192.0.2.1", 32853)), (SAMPLE_IPV6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))],
)
def test_reads_the_sample_responses_of_rfc_5769(data: bytes, address: tuple[str, int]) -> None:
    message = parse_stun(data)
    value = message.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert message.verify(PASSWORD)
    assert parse_xor_address(value, message.transaction) == address
    assert write_xor_address(address, message.transaction) == value


def test_ipv4_mapped_addresses_go_out_as_ipv4() -> None:
    assert parse_xor_address(write_xor_address(("::ffff:192.0.2.1", 5), b"x" * 12), b"x" * 12) == ("192.0.2.1", 5)


def test_what_comes_after_integrity_is_ignored() -> None:
    head = write_stun(Kind.REQUEST, b"t" * 12, [(Attribute.USERNAME, b"a:b")], password=b"p", fingerprint=False)
    body = head[20:] + b"\x00\x25\x00\x00"
    message = parse_stun(head[:2] + len(body).to_bytes(2, "big") + head[4:20] + body)
    assert not message.use_candidate
    assert message.verify(b"p")


def test_the_first_of_a_repeated_attribute_counts() -> None:
    message = parse_stun(write_stun(Kind.REQUEST, b"t" * 12, [(Attribute.USERNAME, b"a:b"), (Attribute.USERNAME, b"c:d")]))
    assert message.username == "a:b"


@pytest.mark.parametrize(
    "data",
    [
        b"", SAMPLE_REQUEST[:19], SAMPLE_REQUEST[:-4], SAMPLE_REQUEST + b"\0\0\0\0", b"\xff" + SAMPLE_REQUEST[1:],
        SAMPLE_REQUEST[:4] + b"\0\0\0\0" + SAMPLE_REQUEST[8:], SAMPLE_REQUEST[:-1] + b"\0",
        SAMPLE_REQUEST[:22] + b"\xff\xff" + SAMPLE_REQUEST[24:],
        write_stun(Kind.REQUEST, b"t" * 12, [(Attribute.MESSAGE_INTEGRITY, b"short")], fingerprint=False),
        write_stun(Kind.REQUEST, b"t" * 12, [(0x8000, b"")] * 65, fingerprint=False),
    ],
)  # fmt: skip
def test_refuses_what_is_not_stun(data: bytes) -> None:
    with pytest.raises(StunError):
        parse_stun(data)


def test_error_codes() -> None:
    assert [parse_error_code(write_error_code(code)) for code in (400, 401, 420, 487)] == [400, 401, 420, 487]
    with pytest.raises(StunError):
        parse_error_code(b"\0\0")


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_parses_or_raises_its_own_error(data: bytes) -> None:
    for candidate in (data, SAMPLE_REQUEST[:20] + data, write_stun(Kind.REQUEST, b"t" * 12, [(6, data[:20]), (8, data[20:])])):
        with contextlib.suppress(StunError):
            parse_stun(candidate).verify(b"x")


@given(st.lists(st.tuples(st.integers(0x8100, 0xFFFF), st.binary(max_size=30)), max_size=10, unique_by=lambda pair: pair[0]), st.booleans())
@settings(deadline=None)
def test_reads_what_it_writes(attributes: list[tuple[int, bytes]], fingerprint: bool) -> None:
    transaction = os.urandom(12)
    message = parse_stun(write_stun(Kind.SUCCESS, transaction, attributes, password=b"secret", fingerprint=fingerprint, method=0xABC))
    assert (message.kind, message.method, message.transaction) == (Kind.SUCCESS, 0xABC, transaction)
    assert {kind: value for kind, value in message.attributes.items() if kind != Attribute.FINGERPRINT} == dict(attributes)
    assert message.verify(b"secret")


def test_agrees_with_aioice() -> None:
    stun = pytest.importorskip("aioice.stun")
    theirs = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=b"0123456789ab")
    theirs.attributes["USERNAME"] = "abcd:efgh"
    theirs.attributes["PRIORITY"] = 1
    theirs.add_message_integrity(b"password")
    assert parse_stun(bytes(theirs)).verify(b"password")
    value = write_xor_address(("192.0.2.5", 1234), b"0123456789ab")
    ours = write_stun(Kind.SUCCESS, b"0123456789ab", [(Attribute.XOR_MAPPED_ADDRESS, value)], password=b"password")
    reply = stun.parse_message(ours)
    assert not hasattr(reply, "check_message_integrity") or reply.check_message_integrity(b"password") is not False
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.5", 1234)
