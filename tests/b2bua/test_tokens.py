"""Signed tokens: whose they are, and everything that makes them worthless."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.b2bua.tokens import Claims, make_jwt, read_jwt, timed_password, timed_user

KEY, DOMAIN, NOW = "a key of sixteen letters", "example.com", 1_800_000_000.0


def signed(payload: object, header: object = None, key: str = KEY) -> str:
    def text(octets: bytes) -> str:
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    head = f"{text(json.dumps(header or {'alg': 'HS256'}).encode())}.{text(json.dumps(payload).encode())}"
    return f"{head}.{text(hmac.new(key.encode(), head.encode(), hashlib.sha256).digest())}"


def read(token: str) -> Claims | None:
    return read_jwt(token, KEY, DOMAIN, NOW)


def test_what_is_made_is_read():
    assert read(make_jwt("alice", KEY, DOMAIN, NOW + 1, "Alice")) == Claims("alice", "Alice")


@pytest.mark.parametrize("sub", ["alice", "alice@example.com", "sip:alice@Example.com"])
def test_ways_to_write_a_user(sub: str):
    assert read(signed({"sub": sub, "exp": NOW + 1})) == Claims("alice")


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"exp": NOW},
        {"exp": "9999999999"},
        {"exp": True},
        {"nbf": NOW + 1},
        {"nbf": "now"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "@example.com"},
        {"sub": "alice@other.example"},
        {"aud": "other.example"},
        {"aud": []},
        {"aud": 1},
    ],
)
def test_claims_that_do_not_hold(changed: dict[str, Any]):
    whole = {"sub": "alice", "exp": NOW + 60, "nbf": NOW - 60, "aud": ["x", DOMAIN]}
    assert read(signed(whole)) == Claims("alice")
    assert read(signed({**whole, **changed})) is None


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "HS256", "crit": ["x"]}, {"typ": "JWT"}, []]
)
def test_other_ways_to_sign_are_none(header: object):
    assert read(signed({"sub": "alice", "exp": NOW + 60}, header or ["HS256"])) is None


def test_a_token_that_is_tampered_with():
    token = make_jwt("alice", KEY, DOMAIN, NOW + 60)
    head, payload, signature = token.split(".")
    other = make_jwt("bob", KEY, DOMAIN, NOW + 60).split(".")[1]
    for bad in (
        f"{head}.{other}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f".{payload}.{signature}",
        "",
        "..",
        token + "x" * 5000,
    ):
        assert read(bad) is None
    assert read(signed({"sub": "alice", "exp": NOW + 60}, key="another")) is None
    assert read_jwt(token, KEY, "other.example", NOW) is None


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_none(text: str):
    assert read(text) is None
    assert read(f"{text}.{text}.{text}") is None


def test_timed_names():
    assert timed_user(f"{int(NOW) + 1}:alice", NOW) == "alice"
    assert timed_user(f"{int(NOW)}:alice", NOW) == ""
    for other in ("alice", ":alice", "12:", "1x:alice", "²:alice", "9" * 12 + ":alice"):
        assert timed_user(other, NOW) is None
    assert timed_password("1:alice", KEY, DOMAIN) != timed_password("1:bob", KEY, DOMAIN)
