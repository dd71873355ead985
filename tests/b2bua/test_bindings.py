"""Bindings: RFC 3261 §10.3, RFC 5626 §6, lost connections, expiry."""

from __future__ import annotations

import random

import pytest

from boringsdp.b2bua.bindings import Bindings, Bound, Succeeded, Unbound
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registering import Registering, read_register
from boringsdp.sip.flow import Flow
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.b2bua.desk import contact, flow, register

ALICE = parse_sip_uri("sip:alice@example.com")


def asked(*contacts: str, **more: object) -> Registering:
    said = read_register(register(*contacts, **more), usual=600)  # type: ignore[arg-type]
    assert isinstance(said, Registering), said
    return said


def bound(bindings: Bindings, by: Flow, *contacts: str, now: float = 0.0, **more: object) -> list[object]:
    said = asked(*contacts, **more)
    assert bindings.check(said) is None
    return [*bindings.register(said, by, now)]


def test_a_refresh_moves_the_end():
    bindings = Bindings()
    bound(bindings, flow(1), now=0.0)
    (action,) = bound(bindings, flow(1), now=300.0)
    assert isinstance(action, Bound)
    assert not action.fresh
    assert action.binding.expires_at == 900.0
    assert bindings.deadline() == 900.0
    assert [type(action) for action in bindings.tick(900.0)] == [Unbound]
    assert len(bindings) == 0
    assert bindings.deadline() is None


def test_the_highest_q_comes_first_then_the_last_one():
    bindings = Bindings()
    for number, q in ((1, ""), (2, ";q=0.5"), (3, ""), (4, ";q=0.7")):
        bound(bindings, flow(number), contact(f"c{number}", str(number), more=q))
    assert [binding.uri[4:6] for binding in bindings.of(ALICE)] == ["c3", "c1", "c4", "c2"]


def test_users_are_compared_without_escapes_hosts_without_case():
    bindings = Bindings()
    bound(bindings, flow(1), user="%61lice")
    assert bindings.of(SipUri("sip", "alice", "EXAMPLE.com"))
    assert not bindings.of(SipUri("sip", "Alice", "example.com"))


@pytest.mark.parametrize(
    "again",
    [
        contact("other", "1", 1),  # the same instance and reg-id, whatever the URI (RFC 5626 §6)
        contact("k3j2h4g5", "2", 1),  # the same URI
        contact("k3j2h4g5", "", 0),
    ],
)
def test_the_same_browser_by_another_connection_is_a_succession(again: str):
    bindings = Bindings()
    bound(bindings, flow(1))
    actions = bound(bindings, flow(2), again)
    assert [type(action) for action in actions] == [Succeeded, Bound]
    assert actions[0][1:] == (flow(1), flow(2))  # type: ignore[index]
    assert not bindings.by_flow(flow(1))
    assert [binding.flow for binding in bindings.of(ALICE)] == [flow(2)]


def test_another_reg_id_of_an_instance_is_another_flow():
    bindings = Bindings()
    bound(bindings, flow(1), contact("a", "1", 1))
    bound(bindings, flow(2), contact("b", "1", 2))
    assert len(bindings.of(ALICE)) == 2


def test_an_instance_is_called_by_one_of_its_connections():
    bindings = Bindings()
    bound(bindings, flow(1), contact("a", "1", 1))
    bound(bindings, flow(2), contact("b", "1", 2))
    bound(bindings, flow(3), contact("c", "2", 1))
    bound(bindings, flow(4), contact("d", ""))
    bound(bindings, flow(5), contact("e", ""))
    assert [binding.uri[4] for binding in bindings.targets(ALICE)] == ["e", "d", "c", "b"]
    bindings.lost(flow(2), 0.0)
    bindings.lost(flow(3), 0.0)
    assert [binding.uri[4] for binding in bindings.targets(ALICE)] == ["e", "d", "c", "a"]


def test_a_cseq_that_is_not_higher_changes_nothing():
    bindings = Bindings()
    bound(bindings, flow(1), call_id="c", cseq=5)
    for cseq in (5, 4):
        refused = bindings.check(asked(call_id="c", cseq=cseq))
        assert isinstance(refused, Refusal)
        assert refused.code == 500
    assert bindings.check(asked(call_id="c", cseq=6)) is None
    assert bindings.check(asked(call_id="other", cseq=1)) is None  # a page that was loaded again counts anew


def test_a_star_takes_all_back_but_not_out_of_order():
    bindings = Bindings()
    bound(bindings, flow(1), contact("a", "1"), call_id="c", cseq=5)
    bound(bindings, flow(2), contact("b", "2"), call_id="d", cseq=5)
    assert bindings.check(asked("*", call_id="c", cseq=5, expires=0)) is not None
    actions = bound(bindings, flow(1), "*", call_id="e", cseq=1, expires=0)
    assert [(type(action), action.reason) for action in actions] == [(Unbound, "unregistered")] * 2  # type: ignore[attr-defined]
    assert len(bindings) == 0


def test_contacts_with_and_without_time_in_one_register():
    bindings = Bindings()
    bound(bindings, flow(1), contact("a", ""))
    actions = bound(bindings, flow(1), contact("a", "", more=";expires=0"), contact("b", "", more=";expires=60"))
    assert [type(action) for action in actions] == [Unbound, Bound]
    assert [binding.uri[4] for binding in bindings.of(ALICE)] == ["b"]


def test_there_are_so_many_of_a_user_and_lost_ones_make_room():
    bindings = Bindings(per_user=2)
    bound(bindings, flow(1), contact("a", "1"))
    bound(bindings, flow(2), contact("b", "2"))
    refused = bindings.check(asked(contact("c", "3")))
    assert isinstance(refused, Refusal)
    assert refused.code == 403
    bindings.lost(flow(1), 10.0)
    actions = bound(bindings, flow(3), contact("c", "3"), now=11.0)
    assert [type(action) for action in actions] == [Unbound, Bound]
    assert [binding.flow for binding in bindings.of(ALICE)] == [flow(3), flow(2)]


def test_there_are_so_many_in_all():
    bindings = Bindings(limit=1)
    bound(bindings, flow(1), user="alice")
    refused = bindings.check(asked(user="bob"))
    assert isinstance(refused, Refusal)
    assert refused.code == 503
    assert dict(refused.headers)["Retry-After"]
    assert bindings.check(asked(user="alice")) is None


def test_a_lost_browser_is_waited_for_and_then_gone():
    bindings = Bindings(grace_s=30)
    bound(bindings, flow(1))
    bindings.lost(flow(1), 100.0)
    (binding,) = bindings.of(ALICE)
    assert binding.reachable
    assert bindings.deadline() == 130.0
    heard: list[Flow | None] = []
    bindings.wait(binding, heard.append)
    assert heard == []
    (action,) = bindings.tick(130.0)
    assert (type(action), heard) == (Unbound, [None])
    assert not bindings.of(ALICE)


def test_those_who_wait_are_told_the_new_connection_unless_they_have_gone():
    bindings = Bindings()
    bound(bindings, flow(1))
    (binding,) = bindings.of(ALICE)
    heard: list[Flow | None] = []
    bindings.wait(binding, heard.append)  # it is there
    assert heard == [flow(1)]
    bindings.lost(flow(1), 1.0)
    stop = bindings.wait(binding, lambda flow: pytest.fail("told all the same"))
    bindings.wait(binding, heard.append)
    stop()
    stop()
    bound(bindings, flow(2), now=2.0)
    assert heard == [flow(1), flow(2)]


def test_a_browser_whose_call_came_back_is_back():
    bindings = Bindings()
    bound(bindings, flow(1))
    bindings.lost(flow(1), 1.0)
    bindings.move(flow(1), flow(2))
    (binding,) = bindings.by_flow(flow(2))
    assert (binding.flow, binding.waits_until) == (flow(2), None)
    assert bindings.deadline() == 600.0


def test_a_browser_that_a_pbx_knows_stays_until_it_expires():
    bindings = Bindings()
    bindings.register(asked(), flow(1), 0.0, account=object())  # type: ignore[arg-type]
    bindings.lost(flow(1), 1.0)
    assert bindings.abandoned(flow(1), 31.0) == []
    (binding,) = bindings.of(ALICE)
    assert not binding.reachable
    assert bindings.deadline() == 600.0
    assert [type(action) for action in bound(bindings, flow(2), now=40.0)] == [Bound]
    assert binding.reachable


def test_all_that_is_kept_goes_away():
    bindings = Bindings()
    for number in range(50):
        bound(bindings, flow(number), contact(f"c{number}", str(number)), user=f"user{number}")
        bindings.lost(flow(number), 1.0)
    bindings.tick(1000.0)
    assert (len(bindings), bindings._by_aor, bindings._by_flow, bindings.deadline()) == (0, {}, {}, None)


def consistent(bindings: Bindings, now: float) -> None:
    """Whether everything that is kept says the same."""
    everyone = [*bindings]
    assert sorted(binding.number for mine in bindings._by_aor.values() for binding in mine.values()) == sorted(bindings._all)
    by_flow = {binding.number: there for there, same in bindings._by_flow.items() for binding in same.values()}
    assert by_flow == {binding.number: binding.flow for binding in everyone if binding.flow is not None}
    assert all(bindings._by_flow.values())
    assert all(bindings._by_aor.values())
    ends = [min(binding.expires_at, binding.waits_until or binding.expires_at) for binding in everyone]
    assert bindings.deadline() == min(ends, default=None)
    assert all(end > now for end in ends)
    assert len(bindings) <= 6
    assert not any(binding.waiting for binding in everyone if binding.waits_until is None)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_all_that_is_kept_agrees(seed: int):
    dice = random.Random(seed)
    bindings, now, told, wanted = Bindings(limit=6, per_user=3, grace_s=30), 0.0, 0, 0

    def hear(_flow: Flow | None) -> None:
        nonlocal told
        told += 1

    for step in range(400):
        there, user = flow(dice.randrange(5)), dice.choice(("alice", "bob", "carol"))
        match dice.randrange(7):
            case 0 | 1 | 2:
                own = contact(f"c{dice.randrange(6)}", dice.choice(("", "1", "2", "3")), more=f";expires={dice.choice((0, 20, 60, 300))}")
                said = asked(own, user=user, cseq=step + 1)
                if bindings.check(said) is None:
                    bindings.register(said, there, now, object() if dice.random() < 0.3 else None)  # type: ignore[arg-type]
            case 3:
                bindings.lost(there, now)
            case 4:
                bindings.abandoned(there, now)
            case 5:
                bindings.move(there, flow(dice.randrange(5)))
            case 6:
                for binding in bindings.of(parse_sip_uri(f"sip:{user}@example.com")):
                    wanted += 1
                    bindings.wait(binding, hear)
        now += dice.choice((0.0, 1.0, 15.0))
        bindings.tick(now)
        consistent(bindings, now)
    for binding in bindings:
        bindings.remove(binding, "unregistered")
    consistent(bindings, now)
    assert told == wanted  # nobody waits for ever
