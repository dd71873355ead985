"""sdp/crypto.py: which crypto lines can be used, and that their keys do not leak."""

from __future__ import annotations

import base64

import pytest

from boringsdp.sdp import SUITES, Crypto, describe, parse_crypto
from boringsdp.sdp.crypto import KEY_LENGTHS

KEY = base64.b64encode(bytes(range(30))).decode()
SUITE = "AES_CM_128_HMAC_SHA1_80"


def test_a_line_with_lifetime_and_mki() -> None:
    crypto = parse_crypto(f"3 {SUITE} inline:{KEY}|2^20|1:4")
    assert crypto == Crypto(3, SUITE, bytes(range(16)), bytes(range(16, 30)), 1 << 20, b"\0\0\0\1")
    assert str(crypto) == f"3 {SUITE} inline:{KEY}|2^20|1:4"


def test_base64_without_padding() -> None:
    key = base64.b64encode(bytes(range(28))).decode()
    with_padding = parse_crypto(f"1 AEAD_AES_128_GCM inline:{key}")
    assert with_padding is not None
    assert with_padding == parse_crypto(f"1 AEAD_AES_128_GCM inline:{key.rstrip('=')}")


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_written_and_read_back(suite: str) -> None:
    crypto = Crypto.from_random(suite, bytes(range(46)), tag=2)
    assert parse_crypto(str(crypto)) == crypto
    assert (len(crypto.key), len(crypto.salt)) == KEY_LENGTHS[suite]


@pytest.mark.parametrize("tail", ["|2^20", "|1048576", "|1:4", " WSH=64", " -UNKNOWN=1", "|2^48", "|7:1"])
def test_what_is_taken(tail: str) -> None:
    assert parse_crypto(f"1 {SUITE} inline:{KEY}{tail}")


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"1 {SUITE}",
        f"x {SUITE} inline:{KEY}",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"1 {SUITE} uri:{KEY}",
        f"1 {SUITE} inline:{KEY[:-4]}",
        f"1 {SUITE} inline:{KEY};inline:{KEY}",
        f"1 {SUITE} inline:{KEY} UNENCRYPTED_SRTP",
        f"1 {SUITE} inline:{KEY} KDR=1",
        f"1 {SUITE} inline:{KEY} FEC_ORDER=FEC_SRTP",
        f"1 {SUITE} inline:{KEY}|2^49",
        f"1 {SUITE} inline:{KEY}|0",
        f"1 {SUITE} inline:{KEY}|1:0",
        f"1 {SUITE} inline:{KEY}|1:129",
        f"1 {SUITE} inline:{KEY}|256:1",
        f"1 {SUITE} inline:{KEY}|1:4|2^20",
        f"1 {SUITE} inline:{KEY}|2^20|1:4|x",
        f"1 {SUITE} inline:é",
    ],
)
def test_what_is_skipped(value: str) -> None:
    assert parse_crypto(value) is None


def test_keys_are_not_shown() -> None:
    crypto = parse_crypto(f"1 {SUITE} inline:{KEY}|2^20|7:4")
    assert crypto is not None
    assert repr(crypto) == f"Crypto(tag=1, suite='{SUITE}', lifetime=1048576)"
    description = describe(
        f"v=0\r\nm=audio 1 RTP/SAVP 0\r\nc=IN IP4 192.0.2.1\r\na=ice-pwd:secretsecretsecretsecret\r\na=crypto:1 {SUITE} inline:{KEY}\r\n"
    )
    assert KEY not in repr(description)
    assert "secretsecret" not in repr(description)
