"""Rates and bans of sources, in virtual time."""

from __future__ import annotations

from boringsdp.sip.transport.gate import SPARED_S, Gate
from boringsdp.sip.transport.settings import GateSettings

A, B = "192.0.2.1", "2001:db8::1"


def test_by_default_everybody_is_heard_and_nothing_is_remembered() -> None:
    gate = Gate(GateSettings())
    assert {gate.admits(A, 1.0) for _ in range(10_000)} == {""}
    assert not any(gate.blame(A, 1.0) for _ in range(100))
    assert gate.admits(A, 1.0) == ""
    assert not gate._sources


def test_a_source_has_a_burst_and_a_rate() -> None:
    gate = Gate(GateSettings(per_second=2.0, burst=3, trusted=("198.51.100.0/24",)))
    assert [gate.admits(A, 10.0) for _ in range(4)] == ["", "", "", "too often"]
    assert gate.admits(B, 10.0) == ""
    assert [gate.admits(A, 10.5) for _ in range(2)] == ["", "too often"]
    assert {gate.admits("198.51.100.9", 10.0) for _ in range(100)} == {""}


def test_bad_messages_ban_a_source_for_a_while() -> None:
    gate = Gate(GateSettings(ban_after=3, ban_s=60.0, trusted=("2001:db8::/32",)))
    assert [gate.blame(A, 1.0), gate.blame(A, 2.0), gate.blame(A, 3.0)] == [False, False, True]
    assert gate.admits(A, 62.9) == "banned"
    assert gate.admits(A, 63.0) == ""
    assert not any(gate.blame(B, 1.0) for _ in range(9))
    assert gate.admits(B, 1.0) == ""


def test_bad_messages_long_ago_do_not_count() -> None:
    gate = Gate(GateSettings(ban_after=2, ban_s=60.0))
    assert not gate.blame(A, 0.0)
    assert not gate.blame(A, 61.0)
    assert gate.blame(A, 62.0)


def test_what_is_remembered_is_bounded() -> None:
    gate = Gate(GateSettings(per_second=1.0, sources=10))
    for number in range(100):
        gate.admits(f"192.0.2.{number}", 1.0)
    assert len(gate._sources) == 10


def test_whom_we_depend_on_is_not_banned() -> None:
    asked: list[str] = []

    def spares(host: str) -> bool:
        asked.append(host)
        return host == A

    gate = Gate(GateSettings(ban_after=3, ban_s=60.0), spares)
    assert not any(gate.blame(A, 1.0) for _ in range(9))
    assert gate.admits(A, 2.0) == ""
    assert len(asked) == 1, "there may be many accounts to look at"
    assert [gate.blame(B, 1.0) for _ in range(3)] == [False, False, True]


def test_whom_we_depend_on_is_not_limited() -> None:
    depended: set[str] = set()
    gate = Gate(GateSettings(per_second=1.0, burst=2), depended.__contains__)
    assert [gate.admits(A, 1.0) for _ in range(3)] == ["", "", "too often"]
    depended.add(A)
    assert gate.admits(A, 2.5) == ""
    assert [gate.admits(A, 6.0 + SPARED_S) for _ in range(50)] == [""] * 50


def test_a_source_of_ipv6_is_its_64() -> None:
    gate = Gate(GateSettings(per_second=1.0, burst=2, ban_after=3, ban_s=60.0))
    assert [gate.admits(f"2001:db8::{number}", 1.0) for number in range(1, 4)] == ["", "", "too often"]
    assert gate.admits("2001:db8:0:1::1", 1.0) == ""
    assert [gate.blame(f"2001:db8::{number}", 1.0) for number in range(1, 4)] == [False, False, True]
    assert (gate.admits("2001:db8::ffff", 2.0), gate.admits("2001:db8:0:1::1", 2.0)) == ("banned", "")


def test_who_is_trusted_or_needed_does_not_suffer_for_a_neighbour() -> None:
    gate = Gate(
        GateSettings(per_second=1.0, burst=1, ban_after=1, ban_s=60.0, trusted=("2001:db8::7",)), lambda host: host == "2001:db8::5"
    )
    assert gate.blame(B, 1.0)
    assert {gate.admits("2001:db8::7", 1.0) for _ in range(9)} == {""}
    assert {gate.admits("2001:db8::5", 1.0) for _ in range(9)} == {""}
    assert gate.admits("2001:db8::6", 1.0) == "banned"


def test_any_number_of_addresses_asks_little_of_us() -> None:
    asked: list[str] = []

    def spares(host: str) -> bool:
        asked.append(host)
        return host == "2001:db8::5"

    gate = Gate(GateSettings(ban_after=1, ban_s=60.0), spares)
    assert gate.blame(B, 1.0)
    assert gate.admits("2001:db8::5", 1.0) == ""
    for number in range(1000):
        assert gate.admits(f"2001:db8::1:{number:x}", 1.0) == "banned"
    assert len(asked) <= 100
    assert gate.admits("2001:db8::5", 1.0 + SPARED_S) == ""
    assert len(gate._not_spared) <= 256
