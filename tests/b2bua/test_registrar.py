"""A domain whose users we know: who gets in, what REGISTER answers, who is taken for whom."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from boringsdp.b2bua.bindings import Succeeded
from boringsdp.b2bua.identity import Identified, Identity
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.tokens import make_jwt, timed_password
from boringsdp.b2bua.users import User
from boringsdp.sip.build import request as build_request
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.digest_hash import secret_sum
from boringsdp.sip.digest_params import read_lines
from boringsdp.sip.message import Headers, Request, Response
from tests.b2bua.desk import DOMAIN, Desk, contact, flow, register, user, with_credentials

SECRET = "a key of sixteen letters and more"


def test_a_browser_is_registered_and_told_so():
    desk = Desk()
    answer = desk.registers(flow(1), register(headers=(("Supported", "path, outbound, gruu"),)))
    assert answer.code == 200
    # JsSIP finds itself by instance and reg-id as it wrote them, SIP.js by the user part.
    assert answer.headers.all("Contact") == [
        '<sip:k3j2h4g5@a1b2c3.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:1>";expires=600',
    ]
    assert answer.headers.get("Require") == "outbound"
    assert "outbound" in (answer.headers.get("Supported") or "")
    assert answer.headers.get("Date")
    assert [binding.flow for binding in desk.bindings] == [flow(1)]


def test_outbound_is_said_only_to_who_supports_it():
    desk = Desk()
    assert desk.registers(flow(1)).headers.get("Require") is None


def test_md5_is_offered_first_and_both_are_good():
    desk = Desk()
    challenged = desk.asks(register(), flow(1))
    assert challenged is not None
    assert challenged.code == 401
    offered = [words for _, words in read_lines(challenged, "WWW-Authenticate")]
    assert [words["algorithm"] for words in offered] == ["SHA-256", "MD5"]
    assert {words["realm"] for words in offered} == {DOMAIN}
    for number in range(2):
        request = register(contact(instance=""))
        challenged = desk.asks(request, flow(1))
        assert challenged is not None
        line = challenged.headers.all("WWW-Authenticate")[number]
        one = Response(401, "", Headers([("WWW-Authenticate", line)]))
        auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
        answer = desk.asks(with_credentials(request, auth, one), flow(1))
        assert answer is not None
        assert answer.code == 200, line


def test_hashes_serve_for_their_algorithm():
    for algorithm in ("MD5", "SHA-256"):
        ha1 = secret_sum(algorithm, "alice", DOMAIN, "sesame")
        known = User("alice", (Credentials("alice", ha1=ha1, realm=DOMAIN, ha1_algorithm=algorithm),))
        desk = Desk(known, domain={"algorithms": (algorithm,)})
        assert desk.registers(flow(1)).code == 200
        assert desk.registers(flow(1), password="wrong").code == 401


@pytest.mark.parametrize(("username", "code"), [("alice", 200), ("alice@example.com", 200), ("bob", 401), ("alice@other.example", 401)])
def test_user_names_with_and_without_domain(username: str, code: int):
    assert Desk().registers(flow(1), username=username).code == code


def test_somebody_elses_address_is_not_to_be_had():
    desk = Desk(user("alice"), user("bob"))
    answer = desk.registers(flow(1), register(user="bob"), username="alice")
    assert answer.code == 403
    assert len(desk.bindings) == 0


def test_those_who_do_not_exist_get_the_same_answers():
    desk = Desk()

    def shape(answer: Response) -> tuple[object, ...]:
        return answer.code, answer.reason, [(name, value.partition("nonce")[0]) for name, value in answer.headers]

    known = desk.asks(register(user="alice"), flow(1))
    unknown = desk.asks(register(user="nobody"), flow(1))
    assert known is not None
    assert unknown is not None
    assert shape(known) == shape(unknown)
    wrong = desk.registers(flow(1), register(user="alice"), password="wrong")
    nobody = desk.registers(flow(1), register(user="nobody"), username="nobody")
    assert shape(wrong) == shape(nobody)
    assert wrong.code == 401


def test_ten_thousand_wrong_passwords_meet_a_limit_of_their_source_alone():
    desk = Desk(wrong_passwords=20)
    request = register()
    challenged = desk.asks(request, flow(1))
    assert challenged is not None
    codes: dict[int, int] = {}
    auth = Authenticator((Credentials("alice", secret="wrong"),), secrets.token_hex)
    guess = with_credentials(request, auth, challenged)
    for _ in range(10_000):
        answer = desk.asks(guess, flow(1))
        assert answer is not None
        codes[answer.code] = codes.get(answer.code, 0) + 1
    assert codes == {401: 20, 403: 9980}
    assert answer.reason == "Too Many Wrong Passwords"
    assert 0 < int(answer.headers.get("Retry-After") or "") <= 60
    assert len(desk.stack.blamed) == 20
    assert len(desk.names.asked) == 20
    assert desk.registers(flow(2)).code == 403  # the right one, from there
    assert desk.registers(flow(3, "203.0.113.5")).code == 200
    desk.stack.time += 60
    assert desk.registers(flow(2)).code == 200


def test_who_is_registered_does_not_suffer_from_a_neighbour():
    desk = Desk(wrong_passwords=1)
    assert desk.registers(flow(1)).code == 200
    assert desk.bindings.by_flow(flow(1))
    assert desk.registers(flow(2), password="wrong").code == 401
    assert desk.registers(flow(2)).code == 403
    assert desk.registers(flow(1)).code == 200


def test_who_is_registered_does_not_suffer_for_others_behind_its_nat_but_may_not_guess():
    desk = Desk(user("alice"), user("bob"), wrong_passwords=5)
    desk.registers(flow(1))
    for _ in range(6):
        answer = desk.registers(flow(2), password="wrong")
    assert answer.code == 403
    assert desk.registers(flow(1)).code == 200
    for _ in range(6):
        answer = desk.registers(flow(1), register(user="bob"), username="bob", password="wrong")
    assert answer.code == 403


def test_who_is_registered_guesses_no_more_by_further_connections():
    desk = Desk(user("alice"), user("bob"), wrong_passwords=5)
    for number in range(1, 7):
        assert desk.registers(flow(number), register(contact(f"c{number}", str(number)))).code == 200
    codes = [desk.registers(flow(n), register(user="bob"), username="bob", password="wrong").code for n in range(1, 7)]
    assert codes == [401] * 5 + [403]


def test_all_of_one_network_of_ipv6_guess_together():
    desk = Desk(wrong_passwords=5)
    codes = [desk.registers(flow(n, f"2001:db8:1:2::{n}"), password="wrong").code for n in range(1, 8)]
    assert codes == [401] * 5 + [403] * 2
    assert desk.registers(flow(9, "2001:db8:1:3::1")).code == 200


def test_old_nonces_are_no_wrong_passwords():
    desk = Desk(wrong_passwords=1)
    auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
    request = register()
    challenged = desk.asks(request, flow(1))
    assert challenged is not None
    desk.stack.time += 3600
    late = desk.asks(with_credentials(request, auth, challenged), flow(1))
    assert late is not None
    assert late.code == 401
    assert "stale=true" in (late.headers.get("WWW-Authenticate") or "")
    assert len(desk.wrong_passwords) == 0


def test_times_too_short_are_refused_too_long_ones_cut():
    desk = Desk(expires_min=60, expires_max=1800)
    short = desk.registers(flow(1), register(expires=59))
    assert (short.code, short.headers.get("Min-Expires")) == (423, "60")
    assert len(desk.bindings) == 0
    for asked, granted in ((60, 60), (86400, 1800), (None, 600)):
        answer = desk.registers(flow(1), register(expires=asked))
        assert (answer.headers.get("Contact") or "").endswith(f";expires={granted}")


def test_registrations_are_asked_for_and_taken_back():
    desk = Desk()
    desk.registers(flow(1), register(contact("a", "1")))
    desk.registers(flow(2), register(contact("b", "2")))
    fetch = register()
    fetch.headers.remove("Contact")
    assert len(desk.registers(flow(1), fetch).headers.all("Contact")) == 2
    left = desk.registers(flow(1), register(contact("a", "1", more=";expires=0")))
    assert [value[5:6] for value in left.headers.all("Contact")] == ["b"]
    assert desk.registers(flow(1), register("*", expires=0)).headers.all("Contact") == []
    assert len(desk.bindings) == 0


def test_a_new_connection_succeeds_the_old_one():
    desk = Desk()
    desk.registers(flow(1))
    desk.bindings.lost(flow(1), desk.stack.now())
    desk.registers(flow(2))
    assert [(action.old, action.new) for action in desk.done if isinstance(action, Succeeded)] == [(flow(1), flow(2))]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (register("*", expires=10), 400),
        (register("*", contact(), expires=0), 400),
        (register("<sip:a@b", expires=10), 400),
        (register("<http://example.com>"), 400),
        (register(contact("x" * 1100)), 400),
        (register(call_id="c" * 1100), 400),
        (register(headers=(("Require", "path, sec-agree"),)), 420),
        (register(*(contact(f"c{number}", str(number)) for number in range(11))), 403),
        (register(*(contact(f"c{number}", str(number)) for number in range(31))), 400),
        (register(headers=(("Expires", "soon"),), expires=None), 400),
    ],
)
def test_what_is_wrong_is_said_and_nothing_done(request_: Request, code: int):
    desk = Desk()
    answer = desk.registers(flow(1), request_)
    assert answer.code == code
    assert len(desk.bindings) == 0
    assert (answer.headers.get("Unsupported") == "sec-agree") == (code == 420)


def test_a_page_that_is_gone_before_it_is_registered():
    desk = Desk(late=True)
    request = register()
    challenged = desk.asks(request, flow(1))
    assert challenged is not None
    auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
    assert desk.asks(with_credentials(request, auth, challenged), flow(1)) is None
    desk.stack.closed.add(flow(1))
    desk.names.release()
    (binding,) = desk.bindings
    assert binding.waits_until == desk.stack.now() + desk.settings.grace_s


# --- tokens --------------------------------------------------------------------------------------------------------------------------


def test_a_bearer_token_is_a_password():
    desk = Desk(domain={"token_secret": SECRET})
    challenged = desk.asks(register(), flow(1))
    assert challenged is not None
    assert challenged.headers.all("WWW-Authenticate")[0] == f'Bearer realm="{DOMAIN}"'
    good = make_jwt("carol", SECRET, DOMAIN, desk.wallclock + 60, "Carol C.")
    for token, code in ((good, 200), (good[:-2], 401), (make_jwt("carol", "another key that is long", DOMAIN, desk.wallclock + 60), 401)):
        answer = desk.asks(register(user="carol", headers=(("Authorization", f"Bearer {token}"),)), flow(1))
        assert answer is not None
        assert answer.code == code
    assert len(desk.stack.blamed) == 2
    desk.wallclock += 61
    late = desk.asks(register(user="carol", headers=(("Authorization", f"Bearer {good}"),)), flow(1))
    assert late is not None
    assert late.code == 401


def test_a_password_for_a_while():
    desk = Desk(domain={"token_secret": SECRET})
    username = f"{int(desk.wallclock) + 60}:carol"
    password = timed_password(username, SECRET, DOMAIN)
    assert desk.registers(flow(1), register(user="carol"), username=username, password=password).code == 200
    assert desk.registers(flow(1), register(user="dave"), username=username, password=password).code == 403
    assert desk.registers(flow(1), register(user="carol"), username=username, password=password[:-1]).code == 401
    desk.wallclock += 60
    assert desk.registers(flow(1), register(user="carol"), username=username, password=password).code == 401
    assert desk.registers(flow(1)).code == 200  # others by their own


def test_tokens_mean_nothing_where_there_is_no_key():
    token = make_jwt("alice", "", DOMAIN, time.time() + 60)
    answer = Desk().asks(register(headers=(("Authorization", f"Bearer {token}"),)), flow(1))
    assert answer is not None
    assert answer.code == 401


# --- who asks ------------------------------------------------------------------------------------------------------------------------


def invite(sender: str = f'"Alice" <sip:alice@{DOMAIN}>', headers: tuple[tuple[str, str], ...] = ()) -> Request:
    return build_request(
        "INVITE", f"sip:bob@{DOMAIN}", from_=f"{sender};tag=a", to=f"<sip:bob@{DOMAIN}>", call_id="x", cseq=1, headers=headers
    )


def asker(desk: Desk, request: Request, by: Any) -> Identified:
    told: list[Identified] = []
    desk.registrar.identify(request, by, told.append)
    (one,) = told
    return one


def test_who_has_registered_by_a_connection_calls_by_it():
    desk = Desk()
    desk.registers(flow(1))
    who = asker(desk, invite(), flow(1))
    assert isinstance(who, Identity)
    assert (who.aor.to_text(), who.display_name, who.binding) == (f"sip:alice@{DOMAIN}", "Alice", next(iter(desk.bindings)))


@pytest.mark.parametrize(("by", "sender"), [(2, "alice"), (1, "bob")])
def test_others_are_asked_for_the_password(by: int, sender: str):
    desk = Desk(user("alice"), user("bob"))
    desk.registers(flow(1))
    request = invite(f"<sip:{sender}@{DOMAIN}>")
    who = asker(desk, request, flow(by))
    assert isinstance(who, Refusal)
    assert who.code == 407
    auth = Authenticator((Credentials(sender, secret="sesame"),), secrets.token_hex)
    again = with_credentials(request, auth, Response(407, "", Headers(who.headers)))
    known = asker(desk, again, flow(by))
    assert isinstance(known, Identity)
    assert (known.aor.user, known.binding) == (sender, None)
    spoofed = invite("<sip:carol@example.com>", [line for line in again.headers if line[0] == "Proxy-Authorization"])  # type: ignore[arg-type]
    refused = asker(desk, spoofed, flow(by))
    assert isinstance(refused, Refusal)


def test_every_call_is_challenged_where_that_is_wanted():
    desk = Desk(challenge_calls=True)
    desk.registers(flow(1))
    request = invite()
    who = asker(desk, request, flow(1))
    assert isinstance(who, Refusal)
    auth = Authenticator((Credentials("alice", secret="sesame"),), secrets.token_hex)
    known = asker(desk, with_credentials(request, auth, Response(407, "", Headers(who.headers))), flow(1))
    assert isinstance(known, Identity)
    assert known.binding is not None


def test_a_bearer_token_serves_for_calls_too():
    desk = Desk(challenge_calls=True, domain={"token_secret": SECRET})
    token = make_jwt("alice", SECRET, DOMAIN, desk.wallclock + 60)
    for name in ("Authorization", "Proxy-Authorization"):
        who = asker(desk, invite(headers=((name, f"bearer  {token}"),)), flow(1))
        assert isinstance(who, Identity)
        assert who.display_name == "Alice"


def test_an_anonymous_caller_is_who_has_registered():
    desk = Desk(user("alice"), user("bob"))
    desk.registers(flow(1))
    desk.registers(flow(1), register(contact("b", ""), user="bob"), username="bob")
    anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    preferred = (("P-Preferred-Identity", f"<sip:bob@{DOMAIN}>"), ("Privacy", "id"))
    for headers, name in (((), "alice"), (preferred, "bob")):
        who = asker(desk, invite(anonymous, headers), flow(1))
        assert isinstance(who, Identity)
        assert who.aor.user == name
