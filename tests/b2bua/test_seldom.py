"""Lines of a log that are not to be a flood."""

from __future__ import annotations

from boringsdp.b2bua import seldom
from boringsdp.b2bua.seldom import Seldom


def test_some_a_minute_about_each_thing_and_how_many_were_left_out():
    lines = Seldom(2)
    assert [lines.allows("one", 0.0) for _ in range(4)] == [0, 0, None, None]
    assert lines.allows("other", 1.0) == 0
    assert [lines.allows("one", 61.0) for _ in range(3)] == [2, 0, None]


def test_it_forgets_the_oldest():
    lines = Seldom(1)
    for number in range(seldom.MAX_KEYS + 1):
        lines.allows(str(number), 0.0)
    assert lines.allows("0", 0.0) == 0
    assert lines.allows(str(seldom.MAX_KEYS), 0.0) is None
