"""Digest credentials of a client: the sums, challenges chosen, nonces reused."""

from __future__ import annotations

import hashlib
import random
import time
from typing import Any

import pytest

from boringsdp.sip.build import response
from boringsdp.sip.digest import MAX_PLACES, MAX_REALMS, Authenticator, Credentials
from boringsdp.sip.digest_hash import digest, response_sum, secret_sum, sha512_256
from boringsdp.sip.digest_params import challenges_of, read_lines
from boringsdp.sip.message import Request, Response
from tests.support.sip_network import make_request, tokens

ALICE = Credentials("alice", "wonderland")


def challenged(*lines: str, code: int = 401, proxy: bool = False) -> Response:
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    return response(code, headers=[(name, line) for line in lines])


def again(request: Request, lines: list[tuple[str, str]] | None) -> Request:
    """Return a request with the credentials given for it."""
    assert lines is not None
    copy = request.copy()
    copy.headers.remove("Authorization")
    copy.headers.remove("Proxy-Authorization")
    for name, value in lines:
        copy.headers.add(name, value)
    return copy


def words(request: Request, name: str = "Authorization") -> dict[str, str]:
    [(scheme, found)] = read_lines(request, name)
    assert scheme == "digest"
    return found


def right(found: dict[str, str], request: Request, secret: str = "wonderland") -> bool:
    algorithm = found.get("algorithm", "MD5")
    return found["response"] == response_sum(
        algorithm, secret_sum(algorithm, found["username"], found["realm"], secret), request.method, request.uri,
        nonce=found["nonce"], nc=found.get("nc", ""), cnonce=found.get("cnonce", ""), qop=found.get("qop", ""), body=request.body,
    )  # fmt: skip


# --- the sums ------------------------------------------------------------------------------------------------------------------------


def test_example_of_rfc_2617() -> None:
    ha1 = secret_sum("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    facts = {"nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "nc": "00000001", "cnonce": "0a4f113b", "qop": "auth"}
    assert response_sum("MD5", ha1, "GET", "/dir/index.html", **facts) == "6629fae49393a05397450978507c4ef1"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_rfc_7616_section_3_9_1(algorithm: str, expected: str) -> None:
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    challenge = challenged(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{nonce}", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    client = Authenticator((Credentials("Mufasa", "Circle of Life"),), lambda n: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    request = Request("GET", "/dir/index.html")
    found = words(again(request, client.answer(challenge, request)))
    assert found["response"] == expected
    assert found["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_example_of_rfc_7616_section_3_9_2() -> None:
    """With the values of erratum 4897: those printed are of SHA-512 cut short, which SHA-512/256 is not."""
    challenge = challenged(
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    client = Authenticator((Credentials("Jäsøn Doe", "Secret, or not?"),), lambda n: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
    request = Request("GET", "/doe.json")
    found = words(again(request, client.answer(challenge, request)))
    assert found["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert found["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert found["userhash"] == "true"


def test_sha_512_256_where_openssl_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fips_180 = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"  # of "abc"
    assert sha512_256(b"abc") == fips_180

    def unknown(name: str, data: bytes = b"", **more: Any) -> Any:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", unknown)
    assert sha512_256(b"abc") == fips_180


def test_sess_and_auth_int() -> None:
    """The sums of RFC 2617 §3.2.2 written out."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    body = b"v=0\r\n"
    a1 = md5(f"{md5('alice:r:wonderland')}:n:c")
    a2 = md5(f"INVITE:sip:b:{hashlib.md5(body).hexdigest()}")
    expected = md5(f"{a1}:n:00000002:c:auth-int:{a2}")
    ha1 = secret_sum("MD5-sess", "alice", "r", "wonderland")
    assert response_sum("MD5-sess", ha1, "INVITE", "sip:b", nonce="n", nc="00000002", cnonce="c", qop="auth-int", body=body) == expected


# --- challenges ----------------------------------------------------------------------------------------------------------------------


def test_an_old_challenge_gets_an_old_answer() -> None:
    client, request = Authenticator((ALICE,), tokens()), make_request("REGISTER")
    lines = client.answer(challenged('Digest realm="r", nonce="n"'), request)
    found = words(again(request, lines))
    assert set(found) == {"username", "realm", "nonce", "uri", "response"}
    assert right(found, request)


@pytest.mark.parametrize("order", [("MD5", "SHA-256", "SHA-512-256"), ("SHA-512-256", "SHA-256", "MD5")])
def test_the_strongest_is_answered(order: tuple[str, ...]) -> None:
    lines = [f'Digest realm="r", nonce="n", qop="auth", algorithm={name}' for name in order]
    for given in (lines, [", ".join(lines)]):  # in lines of their own, and in one
        request = make_request("REGISTER")
        found = words(again(request, Authenticator((ALICE,)).answer(challenged(*given), request)))
        assert found["algorithm"] == "SHA-512-256"
        assert right(found, request)


def test_ha1_answers_only_its_own_algorithm() -> None:
    client = Authenticator((Credentials("alice", ha1=secret_sum("MD5", "alice", "r", "wonderland").upper()),))
    request = make_request("REGISTER")
    both = challenged('Digest realm="r", nonce="n", algorithm=SHA-256', 'Digest realm="r", nonce="n", algorithm=MD5')
    found = words(again(request, client.answer(both, request)))
    assert found["algorithm"] == "MD5"
    assert right(found, request)
    assert client.answer(challenged('Digest realm="r", nonce="n", algorithm=SHA-256'), request) is None


def test_what_cannot_be_answered() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    for line in (
        'Basic realm="r"', "Digest", "", 'Digest realm="r"', 'Digest nonce="n"', 'Digest realm="r", nonce="n", algorithm=SHA-3',
        'Digest realm="r", nonce="n", qop="token"', 'Digest realm="r, nonce="n"', "Negotiate abc==", ",,,", "=", "\udcff=\udcfe",
    ):  # fmt: skip
        assert client.answer(challenged(line), request) is None, line
    assert Authenticator(()).answer(challenged('Digest realm="r", nonce="n"'), request) is None


def test_commas_escapes_and_other_schemes_within_one_line() -> None:
    line = r'Basic realm="b", Digest realm="a \"b\", c",nonce="n=,=", qop="auth,auth-int",stale=FALSE , NTLM, Digest realm="r2",nonce=n2'
    [first, second] = challenges_of(challenged(line))
    assert (first.realm, first.nonce, first.qop, first.stale) == ('a "b", c', "n=,=", "auth", False)
    assert (second.realm, second.nonce, second.qop) == ("r2", "n2", "")
    request = make_request("REGISTER")
    lines = Authenticator((ALICE,)).answer(challenged(line), request)
    assert lines is not None
    assert r'realm="a \"b\", c"' in lines[0][1]


def test_auth_int_where_nothing_else_is_offered() -> None:
    client, request = Authenticator((ALICE,)), make_request("INVITE", body=b"v=0\r\n")
    found = words(again(request, client.answer(challenged('Digest realm="r", nonce="n", qop="auth-int"'), request)))
    assert found["qop"] == "auth-int"
    assert right(found, request)


def test_one_set_of_credentials_per_realm() -> None:
    """407 of one proxy, then of a second, then 401 of the server: all three are kept (RFC 3261 §22.3)."""
    client = Authenticator((ALICE, Credentials("alice2", "two", realm="p2")), tokens())
    request = make_request("INVITE")
    first = again(request, client.answer(challenged('Digest realm="p1", nonce="1", qop="auth"', code=407, proxy=True), request))
    second = again(first, client.answer(challenged('Digest realm="p2", nonce="2", qop="auth"', code=407, proxy=True), first))
    third = again(second, client.answer(challenged('Digest realm="s", nonce="3", qop="auth"'), second))
    proxies = [found for _, found in read_lines(third, "Proxy-Authorization")]
    assert [(found["realm"], found["nc"], found["username"]) for found in proxies] == [
        ("p1", "00000003", "alice"),
        ("p2", "00000002", "alice2"),
    ]
    assert words(third)["nonce"] == "3"
    assert right(proxies[0], request)
    assert right(proxies[1], request, "two")


def test_several_realms_in_one_response() -> None:
    client, request = Authenticator((ALICE,)), make_request("INVITE")
    both = challenged('Digest realm="p1", nonce="1"', 'Digest realm="p2", nonce="2"', code=407, proxy=True)
    lines = client.answer(both, request)
    assert [name for name, _ in lines or ()] == ["Proxy-Authorization"] * 2


def registered(agent: Authenticator, realm: str) -> None:
    """A registrar has taken the credentials."""
    request = make_request("REGISTER")
    sent = again(request, agent.answer(challenged(f'Digest realm="{realm}", nonce="n"'), request))
    agent.heard(response(200), sent)


def test_credentials_are_the_registrars_once_it_has_taken_them() -> None:
    agent = Authenticator((ALICE,), tokens(), ["pbx.example.com"])
    invite = make_request("INVITE")
    foreign = challenged('Digest realm="callee.invalid", nonce="x"')
    assert agent.answer(foreign, invite) is not None, "a guest of no registrar: whoever asks"
    agent = Authenticator((ALICE, Credentials("a", "other", realm="named.example")), tokens(), ["pbx.example.com"])
    registered(agent, "asterisk")
    assert agent.answer(foreign, invite) is None
    assert agent.answer(challenged('Digest realm="callee.invalid", nonce="x"', code=407, proxy=True), invite) is None
    for realm in ("asterisk", "PBX.example.com", "named.example"):
        assert agent.answer(challenged(f'Digest realm="{realm}", nonce="y"'), invite) is not None, realm
    both = agent.answer(challenged('Digest realm="callee.invalid", nonce="z"', 'Digest realm="asterisk", nonce="z"'), invite)
    assert [words["realm"] for _, words in read_lines(again(invite, both), "Authorization")] == ["asterisk"]
    assert agent.answer(challenged('Digest realm="renamed", nonce="n"'), make_request("REGISTER")) is not None


def test_a_registrar_that_has_refused_ties_nothing() -> None:
    agent = Authenticator((ALICE,), tokens())
    request = make_request("REGISTER")
    sent = again(request, agent.answer(challenged('Digest realm="evil", nonce="n"'), request))
    agent.heard(response(403), sent)
    assert agent.answer(challenged('Digest realm="asterisk", nonce="x"'), make_request("INVITE")) is not None


def test_wrong_password_is_seen_at_once() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    for qop in ("", ', qop="auth"'):
        once = again(request, client.answer(challenged(f'Digest realm="r", nonce="1"{qop}'), request))
        assert client.answer(challenged(f'Digest realm="r", nonce="2"{qop}'), once) is None
        assert client.answer(challenged(f'Digest realm="r", nonce="1"{qop}, stale=true'), once) is None, "the same nonce again"
        client.forget()


def test_stale_is_answered_with_the_new_nonce() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    once = again(request, client.answer(challenged('Digest realm="r", nonce="1", qop="auth"'), request))
    twice = again(once, client.answer(challenged('Digest realm="r", nonce="2", qop="auth", stale=TRUE'), once))
    assert (words(twice)["nonce"], words(twice)["nc"]) == ("2", "00000001")


# --- nonces used again ---------------------------------------------------------------------------------------------------------------


def test_a_nonce_is_used_again_and_counted() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    client.answer(challenged('Digest realm="r", nonce="1", qop="auth", algorithm=SHA-256'), request)
    for count in range(2, 20):
        found = words(again(request, client.preempt(request)))
        assert found["nc"] == f"{count:08x}"
        assert right(found, request)


def test_a_used_nonce_that_is_refused_without_stale_gets_another_try() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    for qop in ("", ', qop="auth"'):
        client.answer(challenged(f'Digest realm="r", nonce="1"{qop}'), request)
        second = again(request, client.preempt(request))
        third = again(second, client.answer(challenged(f'Digest realm="r", nonce="2"{qop}'), second))
        assert words(third)["nonce"] == "2"
        assert client.answer(challenged(f'Digest realm="r", nonce="3"{qop}'), third) is None
        client.forget()


def test_credentials_are_not_shown_to_others() -> None:
    client = Authenticator((ALICE,))
    register = make_request("REGISTER")
    client.answer(challenged('Digest realm="s", nonce="1"'), register)
    invite = make_request("INVITE", call_id="other")
    client.answer(challenged('Digest realm="p", nonce="2"', code=407, proxy=True), invite)
    elsewhere = Request("INVITE", "sip:carol@192.0.2.77", make_request("INVITE", call_id="third").headers)
    assert client.preempt(elsewhere) == []
    same_host = Request("INVITE", "sip:carol@192.0.2.2", make_request("INVITE", call_id="third").headers)
    assert [name for name, _ in client.preempt(same_host)] == ["Proxy-Authorization"], "the proxy's, not the server's"
    in_call = Request("BYE", "sip:x@203.0.113.1", make_request("BYE", call_id="other").headers)
    assert [name for name, _ in client.preempt(in_call)] == ["Proxy-Authorization"]
    routed = Request("INVITE", "sip:carol@192.0.2.2", make_request("INVITE", call_id="third").headers)
    routed.headers.add("Route", "<sip:other.example.net;lr>")
    assert client.preempt(routed) == []


def test_register_shows_one_server_its_credentials_once() -> None:
    client = Authenticator((ALICE,), tokens())
    register, invite = make_request("REGISTER"), make_request("INVITE")
    client.answer(challenged('Digest realm="a", nonce="1"'), register)
    for realm in ("a", "b"):
        client.answer(challenged(f'Digest realm="{realm}", nonce="2"', code=407, proxy=True), invite)
    shown = [(name, value.partition('realm="')[2][0]) for name, value in client.preempt(register)]
    assert shown == [("Authorization", "a"), ("Proxy-Authorization", "b")]
    assert [name for name, _ in client.preempt(invite)][-2:] == ["Proxy-Authorization"] * 2


def test_nextnonce() -> None:
    client, request = Authenticator((ALICE,)), make_request("REGISTER")
    once = again(request, client.answer(challenged('Digest realm="r", nonce="1", qop="auth"'), request))
    client.heard(response(200, headers=[("Authentication-Info", 'qop=auth, nextnonce="2"')]), once)
    found = words(again(request, client.preempt(request)))
    assert (found["nonce"], found["nc"]) == ("2", "00000001")
    assert right(found, request)
    for nonsense in ('nextnonce="', "", ",", "nextnonce"):
        client.heard(response(200, headers=[("Authentication-Info", nonsense)]), once)
    assert words(again(request, client.preempt(request)))["nonce"] == "2"


def test_memory_is_bounded() -> None:
    client = Authenticator((ALICE,))
    for number in range(MAX_REALMS + 10):
        client.answer(challenged(f'Digest realm="r{number}", nonce="n"'), make_request("REGISTER"))
    assert len(client.preempt(make_request("REGISTER"))) == MAX_REALMS
    for number in range(MAX_PLACES + 10):
        client.answer(challenged('Digest realm="r", nonce="n"'), make_request("REGISTER", call_id=str(number)))
    assert len(max((space.places for space in client._spaces.values()), key=len)) == MAX_PLACES


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("alice", "wonderland", "cafe")) + repr(Authenticator((ALICE,)))
    assert "alice" in shown
    assert "wonderland" not in shown
    assert "cafe" not in shown


def test_digest_of_text_that_is_no_utf_8() -> None:
    assert digest("MD5", "\udcff") == hashlib.md5(b"\xff").hexdigest()


@pytest.mark.parametrize(
    "unit",
    [
        'Digest realm="r", nonce="n", ',
        "a=b,",
        '"',
        '\\"',
        "Digest ",
        "=",
        ", ",
        ' x="y\\\\"',
        'Digest realm=r,nonce=n,qop="auth,auth-int",',
    ],
)
def test_challenges_are_read_in_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        made = challenged("Digest " + unit * (size // len(unit)))
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            challenges_of(made)
            best = min(best, time.perf_counter() - start)
        return best

    assert cost(64_000) < 40 * cost(8_000) + 0.002, "8 times is linear, 64 times quadratic"


def test_mutated_challenges_and_credentials() -> None:
    dice = random.Random(5)
    line = 'Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256, opaque="o", stale=false, Basic realm="b"'
    request = make_request("REGISTER")
    answered = 0
    for _ in range(3_000):
        text = list(line)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(text))
            text[at : at + dice.randrange(3)] = dice.choice(['"', ",", "=", " ", "\\", "x", "\udcff", "Digest "])
        client = Authenticator((ALICE,))
        lines = client.answer(challenged("".join(text)), request)
        client.heard(response(200, headers=[("Authentication-Info", "".join(text))]), again(request, lines or []))
        answered += lines is not None
    assert 300 < answered < 3_000
