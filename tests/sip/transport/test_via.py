"""received and rport in the topmost Via."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Headers, Request
from boringsdp.sip.transport.via import note_source

FROM = ("192.0.2.7", 4711)


def noted(*lines: str, remote: tuple[str, int] = FROM) -> list[str]:
    request = Request("OPTIONS", "sip:a", Headers([("To", "x"), *(("v", line) for line in lines), ("From", "y")]))
    note_source(request, Flow(Protocol.UDP, ("192.0.2.1", 5060), remote))
    assert [line for line in request.headers if line[0] in ("To", "From")] == [("To", "x"), ("From", "y")]
    return request.headers.all("Via")


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1"),
        ("SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK1;received=192.0.2.7"),
        ("SIP/2.0/UDP pc.example.com:5060", "SIP/2.0/UDP pc.example.com:5060;received=192.0.2.7"),
        ("SIP/2.0/UDP 192.0.2.7;rport;branch=b", "SIP/2.0/UDP 192.0.2.7;branch=b;received=192.0.2.7;rport=4711"),
        ("SIP/2.0/UDP h;rport=9;received=1.1.1.1", "SIP/2.0/UDP h;received=192.0.2.7;rport=4711"),
        ("SIP/2.0/UDP 192.0.2.7;received=1.1.1.1", "SIP/2.0/UDP 192.0.2.7;received=192.0.2.7"),
        ('SIP/2.0/UDP h;x="a;rport,\\"", SIP/2.0/UDP i;rport', 'SIP/2.0/UDP h;x="a;rport,\\"";received=192.0.2.7, SIP/2.0/UDP i;rport'),
        ("SIP / 2.0 / UDP", "SIP / 2.0 / UDP;received=192.0.2.7"),
        ("", ";received=192.0.2.7"),
        ('SIP/2.0/UDP h;x="a;rport', 'SIP/2.0/UDP h;x="a;rport'),
    ],
)
def test_notes_where_the_request_came_from(line: str, after: str) -> None:
    assert noted(line, "SIP/2.0/TCP below;rport") == [after, "SIP/2.0/TCP below;rport"]


def test_ipv6_is_compared_as_an_address() -> None:
    line = "SIP/2.0/TCP [2001:DB8:0::1]:5060;branch=z9hG4bK1"
    assert noted(line, remote=("2001:db8::1", 5060)) == [line]
    assert noted(line, remote=("2001:db8::2", 5060)) == [line + ";received=2001:db8::2"]


def test_without_a_via_nothing_happens() -> None:
    assert noted() == []


@given(st.text(alphabet='S/2.0UDP h:5;,="\\\t[]rportecivd\udc80\n', max_size=60))
def test_any_line_is_noted_once(line: str) -> None:
    once = noted(line)
    assert noted(*once) == once


@pytest.mark.parametrize("unit", [";a", ";rport", '";', ",", '\\"', '"\\', "; "])
def test_time_is_linear_in_the_length_of_a_line(unit: str) -> None:
    def seconds(count: int) -> float:
        best = 9.0
        for _ in range(5):
            began = time.perf_counter()
            noted("SIP/2.0/UDP h" + unit * count)
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(20_000) < 5 * seconds(10_000) + 0.001
