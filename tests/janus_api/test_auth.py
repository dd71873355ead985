from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.janus_api.auth import Authorization, SignedTokens, TokenStore
from boringsdp.janus_api.settings import Authentication
from tests.janus_api.build import World, code

PUPPET = "janus.plugin.puppet"


def test_secret():
    api = World(authorization=Authorization("öpen"))
    assert api.ask("ping")[0]["janus"] == "pong"
    assert api.ask("info")[0]["janus"] == "server_info"
    for wrong in ({}, {"apisecret": "no"}, {"apisecret": 5}, {"apisecret": None}, {"token": "öpen"}):
        assert code(api.ask("create", **wrong)) == 403
        assert code(api.ask("keepalive", session_id=1, **wrong)) == 403
    session_id = api.create(apisecret="öpen")
    assert code(api.ask("keepalive", session_id=session_id)) == 403
    assert code(api.ask("nonsense", session_id=session_id)) == 403
    assert code(api.ask("keepalive", session_id=5, apisecret="öpen")) == 458


def test_stored_tokens_and_their_plugins():
    store = TokenStore({"any": None, "some": [PUPPET], "none": []})
    api = World(authorization=Authorization(tokens=store))
    assert code(api.ask("create", token="other")) == 403
    session_id = api.create(token="some")

    def attach(token):
        return api.ask("attach", session_id=session_id, plugin=PUPPET, token=token)

    assert attach("some")[0]["janus"] == "success"
    assert attach("any")[0]["janus"] == "success"
    assert code(attach("none")) == 405
    assert code(attach("other")) == 403
    assert api.plugin.handles[0].handle.token == "some"
    assert store.remove("some")
    assert not store.remove("some")
    assert code(api.ask("keepalive", session_id=session_id, token="some")) == 403


def test_store_edits():
    store = TokenStore()
    store.add("a", [PUPPET])
    assert store.allow("a", ["x"])
    assert store.list() == {"a": (PUPPET, "x")}
    assert store.disallow("a", ["x"])
    assert not store.allows("a", "x")
    assert not store.allow("b", ["x"])
    assert not store.disallow("b", ["x"])
    store.add("any")
    assert store.disallow("any", ["x"], known=["x", "y"])
    assert store.list()["any"] == ("y",)
    assert "any" in store


def test_secret_or_token_is_enough():
    rule = Authorization("s", TokenStore({"t": [PUPPET]}))
    assert rule.allows_request("s", None)
    assert rule.allows_request(None, "t")
    assert rule.allows_request("s", "wrong")
    assert not rule.allows_request("wrong", "wrong")
    assert not rule.allows_request(None, None)
    assert rule.allows_plugin("s", None, "other")
    assert not rule.allows_plugin("s", "t", "other")
    assert rule.allows_plugin(None, "t", PUPPET)
    assert not rule.allows_plugin(None, None, PUPPET)


def test_signed_tokens():
    now = 1_000_000.0
    signed = SignedTokens("key", lambda: now)
    token = signed.sign(1_000_060, [PUPPET, "janus.plugin.nosip"])
    data = f"1000060,janus,{PUPPET},janus.plugin.nosip"
    assert token == data + ":" + base64.b64encode(hmac.digest(b"key", data.encode(), "sha1")).decode()
    assert signed.valid(token)
    assert signed.allows(token, "janus.plugin.nosip")
    assert not signed.allows(token, "janus.plugin.sip")
    assert not SignedTokens("other", lambda: now).valid(token)
    assert not SignedTokens("key", lambda: 1_000_061.0).valid(token)
    assert not signed.valid(token.replace("nosip", "x"))
    assert not signed.valid(token + "=")
    assert not signed.valid(token[:-1])


def test_signed_tokens_of_another_realm():
    signed = SignedTokens("key", lambda: 0.0)
    for data in ("99,other,p", "99", "x,janus,p", "-5,janus", "²,janus"):
        token = data + ":" + base64.b64encode(hmac.digest(b"key", data.encode(), "sha1")).decode()
        assert not signed.valid(token)


@given(st.text())
def test_any_text_is_a_token_or_not(text):
    assert not SignedTokens("key", lambda: 0.0).valid(text)


def test_from_settings():
    nobody = Authorization.from_settings(Authentication(), lambda: 0.0)
    assert nobody.allows_request(None, None)
    assert nobody.allows_plugin(None, None, PUPPET)
    assert not nobody.needs_secret
    stored = Authorization.from_settings(Authentication(token_auth=True, tokens={"t": None}), lambda: 0.0)
    assert stored.needs_token
    assert isinstance(stored.tokens, TokenStore)
    signed = Authorization.from_settings(Authentication(token_auth_secret="k"), lambda: 0.0)
    assert isinstance(signed.tokens, SignedTokens)


def test_secrets_do_not_show():
    assert "hidden" not in repr(Authentication(api_secret="hidden", tokens={"hidden": None}, token_auth_secret="hidden"))


@pytest.mark.parametrize(("given_secret", "status"), [(None, 403), ("no", 403), ("s", None)])
def test_polls_need_the_secret_too(given_secret, status):
    api = World(authorization=Authorization("s"))
    session_id = api.create(api.connect(lasting=False), apisecret="s")
    api.poll(1, session_id, secret=given_secret)
    assert api.polls.get(1) == status
