"""The server's side of digest: nonces, replays, and what a stranger may learn."""

from __future__ import annotations

import pytest

from boringsdp.sip import digest_hash
from boringsdp.sip.build import response
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.digest_hash import secret_sum
from boringsdp.sip.digest_server import WINDOW, Challenger, Verdict
from boringsdp.sip.message import Request
from tests.support.sip_network import make_request, tokens

USERS = {"alice": Credentials("alice", "wonderland"), "hash": Credentials("hash", ha1=secret_sum("MD5", "hash", "r", "pw"))}


def challenger(**settings: object) -> Challenger:
    return Challenger("r", USERS.get, token=tokens(), **settings)  # type: ignore[arg-type]


def asked(server: Challenger, client: Authenticator, request: Request, now: float) -> Request:
    """Return the request with the client's answer to a challenge of the server."""
    lines = client.answer(response(401, headers=server.challenge(now)), request)
    assert lines is not None
    return with_lines(request, lines)


def with_lines(request: Request, lines: list[tuple[str, str]]) -> Request:
    copy = request.copy()
    for name, value in lines:
        copy.headers.set(name, value)
    return copy


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
@pytest.mark.parametrize("proxy", [False, True])
def test_our_client_gets_in(algorithm: str, proxy: bool) -> None:
    server = challenger(algorithms=(algorithm,), proxy=proxy)
    client = Authenticator((USERS["alice"],))
    request = make_request("INVITE", body=b"v=0")
    first = asked(server, client, request, 10.0)
    assert server.check(first, 10.1) == (Verdict.GOOD, "alice")
    second = with_lines(request, client.preempt(request))
    assert server.check(second, 20.0) == (Verdict.GOOD, "alice")
    assert server.check(make_request("INVITE"), 20.0) == (Verdict.MISSING, "")


def test_one_challenge_per_algorithm_the_preferred_first() -> None:
    lines = challenger().challenge(0.0)
    assert [value.rpartition("=")[2] for _, value in lines] == ["SHA-256", "MD5"]
    assert all("stale=true" in value for _, value in challenger().challenge(0.0, stale=True))


def test_known_by_ha1() -> None:
    server = challenger()
    with_secret = Authenticator((Credentials("hash", ha1=USERS["hash"].ha1),))
    assert server.check(asked(server, with_secret, make_request("REGISTER"), 0.0), 0.0) == (Verdict.GOOD, "hash")


def test_what_is_wrong() -> None:
    server, request = challenger(), make_request("REGISTER")
    for credentials in (Credentials("alice", "wrong"), Credentials("nobody", "wonderland"), Credentials("", "x")):
        assert server.check(asked(server, Authenticator((credentials,)), request, 0.0), 0.0) == (Verdict.WRONG, "")
    good = asked(server, Authenticator((USERS["alice"],)), request, 0.0)
    value = good.headers.get("Authorization") or ""
    for old, new in (
        ("REGISTER", "REGISTER"), ("response=\"", "response=\"0"), ("nc=00000001", "nc=1"), ("nc=00000001", "nc=0000000x"),
        ("qop=auth", "qop=other"), ("sip:bob@192.0.2.2", "sip:eve@192.0.2.2"), ("SHA-256", "SHA-3"), ("SHA-256", "MD5"),
        ("username=\"alice\"", "username=\"\""), ("cnonce", "dnonce"),
    )[1:]:  # fmt: skip
        bad = with_lines(request, [("Authorization", value.replace(old, new))])
        assert server.check(bad, 0.0)[0] is Verdict.WRONG, new
    other_method = Request("INVITE", request.uri, good.headers)
    assert server.check(other_method, 0.0)[0] is Verdict.WRONG
    other_realm = with_lines(request, [("Authorization", value.replace('realm="r"', 'realm="x"'))])
    assert server.check(other_realm, 0.0)[0] is Verdict.MISSING
    assert server.check(good, 0.0)[0] is Verdict.GOOD


def test_a_uri_written_in_another_way_is_the_same() -> None:
    server, client = challenger(), Authenticator((USERS["alice"],))
    request = Request("REGISTER", "sip:Example.ORG", make_request("REGISTER").headers)
    good = asked(server, client, request, 0.0)
    assert server.check(Request("REGISTER", "sip:example.org", good.headers), 0.0)[0] is Verdict.GOOD


def test_nonces_grow_stale() -> None:
    server, client, request = challenger(lifetime_s=60.0), Authenticator((USERS["alice"],)), make_request("REGISTER")
    good = asked(server, client, request, 100.0)
    assert server.check(good, 159.0)[0] is Verdict.GOOD
    assert server.check(with_lines(request, client.preempt(request)), 161.0)[0] is Verdict.STALE
    assert server.check(asked(server, client, request, 100.0), 161.0)[0] is Verdict.STALE
    assert server.check(asked(server, client, request, 500.0), 400.0)[0] is Verdict.STALE, "of a time to come"
    forged = client.answer(response(401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="' + "0" * 60 + '", qop="auth"')]), request)
    assert server.check(with_lines(request, forged or []), 400.0)[0] is Verdict.STALE
    other_key = challenger(key=b"other")
    assert server.check(asked(other_key, client, request, 400.0), 400.0)[0] is Verdict.STALE


def test_a_replay_is_found() -> None:
    server, client, request = challenger(), Authenticator((USERS["alice"],)), make_request("REGISTER")
    good = asked(server, client, request, 0.0)
    assert [server.check(good, 1.0)[0] for _ in range(3)] == [Verdict.GOOD, Verdict.STALE, Verdict.STALE]


def test_requests_may_overtake_each_other_within_the_window() -> None:
    server, client, request = challenger(), Authenticator((USERS["alice"],)), make_request("REGISTER")
    first = asked(server, client, request, 0.0)
    more = [with_lines(request, client.preempt(request)) for _ in range(WINDOW + 5)]
    assert server.check(more[WINDOW], 0.0)[0] is Verdict.GOOD
    assert server.check(more[1], 0.0)[0] is Verdict.GOOD
    assert server.check(more[1], 0.0)[0] is Verdict.STALE
    assert server.check(first, 0.0)[0] is Verdict.STALE, "too far behind"
    assert server.check(more[WINDOW + 4], 0.0)[0] is Verdict.GOOD
    assert server.check(more[WINDOW], 0.0)[0] is Verdict.STALE


def test_without_qop_a_nonce_is_good_once() -> None:
    server, client, request = challenger(algorithms=("MD5",)), Authenticator((USERS["alice"],)), make_request("REGISTER")
    plain = [(name, value.replace(', qop="auth"', "")) for name, value in server.challenge(0.0)]
    old = with_lines(request, client.answer(response(401, headers=plain), request) or [])
    assert [server.check(old, 1.0)[0] for _ in range(2)] == [Verdict.GOOD, Verdict.STALE]


def test_memory_is_bounded_and_replays_are_found_all_the_same() -> None:
    server, request = challenger(max_nonces=3), make_request("REGISTER")
    requests = [asked(server, Authenticator((USERS["alice"],)), request, now) for now in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert [server.check(one, 5.0)[0] for one in requests] == [Verdict.GOOD] * 5
    assert [server.check(one, 5.0)[0] for one in requests] == [Verdict.STALE] * 5
    assert len(server._used) == 3
    server.check(asked(server, Authenticator((USERS["alice"],)), request, 1000.0), 1000.0)
    assert len(server._used) == 1, "those that are too old are not kept"


def test_users_cannot_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same verdict and as many sums for a known user with a wrong password, by secret or HA1, and for an unknown one."""
    sums: list[int] = []
    honest = digest_hash.digest
    monkeypatch.setattr(digest_hash, "digest", lambda algorithm, data: sums.append(len(data)) or honest(algorithm, data))
    costs = {}
    for user in ("alice", "hash", "nobody", "other"):
        server = challenger(algorithms=("MD5",))
        request = asked(server, Authenticator((Credentials(user, "guess"),)), make_request("REGISTER"), 0.0)
        sums.clear()
        assert server.check(request, 0.0) == (Verdict.WRONG, "")
        costs[user] = len(sums)
    assert set(costs.values()) == {3}, costs
