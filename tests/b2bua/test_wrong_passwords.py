"""Wrong passwords: so many in a minute, from so many sources."""

from __future__ import annotations

from boringsdp.b2bua.wrong_passwords import WrongPasswords


def test_so_many_in_a_minute():
    wrong = WrongPasswords(3)
    for second in range(3):
        assert wrong.wait("a", second) == 0
        wrong.note("a", second)
    assert wrong.wait("a", 3) == 57
    assert wrong.wait("b", 3) == 0
    assert wrong.wait("a", 60) == 0
    wrong.note("a", 60)
    assert wrong.wait("a", 61) == 0


def test_sources_are_bounded_and_none_is_no_limit():
    wrong = WrongPasswords(1, sources=10)
    for number in range(100):
        wrong.note(str(number), 0)
    assert len(wrong) == 10
    free = WrongPasswords(0)
    for _ in range(100):
        free.note("a", 0)
    assert free.wait("a", 0) == 0
