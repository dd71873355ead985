"""Two descriptions beside each other."""

import pytest

from boringsdp.comparison import Change, compare

BEFORE = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\na=sendrecv\r\n"
AFTER = "v=0\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\na=sendonly\r\n"


def test_lines_are_kept_changed_removed_and_added():
    rows = [(row.change, row.before, row.after) for row in compare(BEFORE, AFTER)]
    assert rows == [
        (Change.KEPT, "v=0", "v=0"),
        (Change.KEPT, "s=-", "s=-"),
        (Change.ADDED, "", "c=IN IP4 192.0.2.1"),
        (Change.CHANGED, "m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=audio 4000 RTP/AVP 96 0"),
        (Change.CHANGED, "a=rtpmap:111 opus/48000/2", "a=rtpmap:96 opus/48000/2"),
        (Change.REMOVED, "a=mid:0", ""),
        (Change.CHANGED, "a=sendrecv", "a=sendonly"),
    ]
    assert all(row.reason for row in compare(BEFORE, AFTER) if row.change is not Change.KEPT)


def test_what_is_equal_is_kept_once():
    assert {row.change for row in compare(BEFORE, BEFORE)} == {Change.KEPT}
    doubled = compare("a=x\na=x\n", "a=x\n")
    assert [row.change for row in doubled] == [Change.KEPT, Change.REMOVED]


@pytest.mark.parametrize("text", ["", "\n\n", "m=", "a=rtpmap:", "nonsense\nmore"])
def test_any_text_can_be_compared(text: str):
    rows = compare(text, AFTER) + compare(AFTER, text)
    assert sum(1 for row in rows if row.after) >= len(AFTER.splitlines())


def test_every_line_of_both_stands_in_exactly_one_row():
    rows = compare(BEFORE, AFTER)
    assert sorted(row.before for row in rows if row.before) == sorted(BEFORE.splitlines())
    assert sorted(row.after for row in rows if row.after) == sorted(AFTER.splitlines())
