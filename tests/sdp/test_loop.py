"""The mark of a text that has been here before."""

from __future__ import annotations

from dataclasses import replace

from boringsdp.sdp import PLAIN, THEIR_TEXT, LegMemory, describe, loop_marks
from tests.sdp.material import CAPTURED
from tests.sdp.test_mirror import offer


def test_every_gateway_leaves_its_mark_once() -> None:
    text = CAPTURED["baresip-offer-plain"]
    assert loop_marks(describe(text)) == frozenset()
    for marks in ({"000000000001"}, {"000000000001", "abcdefabcdef"}, {"000000000001", "abcdefabcdef"}):
        mark = max(marks)
        _, _, text = offer(LegMemory(session_id=1), LegMemory(session_id=2), text, PLAIN, replace(THEIR_TEXT, loop_mark=mark))
        assert loop_marks(describe(text)) == marks
        assert text.count("a=boringsdp:") == len(marks)


def test_other_values_are_no_marks() -> None:
    text = "v=0\r\na=boringsdp:short\r\na=boringsdp:000000000001x\r\na=boringsdp\r\na=boringsdp:ABCDEFABCDEF\r\n"
    assert loop_marks(describe(text)) == frozenset()
