"""Where requests go, asked of a DNS that is a dictionary."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from boringsdp.net.records import AAAA, NAPTR, SRV, A, Naptr, Question, Record, Records, Srv
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Penalties, Place, locating

UDP, TCP, TLS, WS, WSS = Protocol.UDP, Protocol.TCP, Protocol.TLS, Protocol.WS, Protocol.WSS
ALL = (UDP, TCP, TLS, WS, WSS)

Zone = dict[tuple[str, str], list[Record]]

EXAMPLE: Zone = {
    ("example.com", NAPTR): [
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(90, 50, "S", "SIP+D2T", "_sip._tcp.example.com"),
        Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.udp.example.com"),
        Naptr(10, 50, "u", "E2U+sip", ""),
        Naptr(20, 50, "s", "SIP+D2S", "_sip._sctp.example.com"),
    ],
    ("_sips._tcp.example.com", SRV): [Srv(1, 0, 5061, "a.example.com")],
    ("_sip._tcp.example.com", SRV): [Srv(2, 0, 5060, "b.example.com"), Srv(1, 0, 5070, "a.example.com")],
    ("_sip._udp.udp.example.com", SRV): [Srv(1, 0, 5080, "b.example.com")],
    ("a.example.com", A): ["192.0.2.1", "192.0.2.2"],
    ("a.example.com", AAAA): ["2001:db8::1"],
    ("b.example.com", A): ["192.0.2.3"],
}


def found(place: Place, zone: Zone = EXAMPLE, *, want: Protocol | None = None, protocols: tuple[Protocol, ...] = (UDP, TCP, TLS),
          families: tuple[int, ...] = (4, 6), asked: list[Question] | None = None) -> list[str]:  # fmt: skip
    """The targets as text; what was asked goes into `asked`."""
    steps = locating(place, want=want, protocols=protocols, families=families, uniform=random.Random(1).random)
    answers: dict[Question, Records] | None = None
    try:
        while True:
            questions = steps.send(answers)  # type: ignore[arg-type]
            assert questions
            if asked is not None:
                asked += questions
            answers = {question: tuple(zone.get((question.name, question.kind), ())) for question in questions}
    except StopIteration as end:
        targets: list[Target] = end.value
    assert {target.name for target in targets} <= {place.host.strip("[]").rstrip(".").lower()}
    return [f"{target.protocol.value} {target.host} {target.port}" for target in targets]


def test_naptr_then_srv_then_addresses_of_both_families_by_turns() -> None:
    assert found(Place("Example.COM.")) == [
        "TLS 192.0.2.1 5061", "TLS 2001:db8::1 5061", "TLS 192.0.2.2 5061",
        "TCP 192.0.2.1 5070", "TCP 2001:db8::1 5070", "TCP 192.0.2.2 5070", "TCP 192.0.2.3 5060",
        "UDP 192.0.2.3 5080",
    ]  # fmt: skip


def test_only_transports_and_families_that_are_spoken() -> None:
    assert found(Place("example.com"), protocols=(UDP,)) == ["UDP 192.0.2.3 5080"]
    assert found(Place("example.com"), protocols=(TLS,), families=(6,)) == ["TLS 2001:db8::1 5061"]
    assert found(Place("example.com"), protocols=(TLS,), families=(6, 4))[0] == "TLS 2001:db8::1 5061"


def test_sips_takes_secure_transports_only() -> None:
    assert {line.split()[0] for line in found(Place("example.com", secure=True))} == {"TLS"}
    assert found(Place("a.example.com", secure=True))[0] == "TLS 192.0.2.1 5061"
    assert found(Place("a.example.com", 5999, secure=True, transport="tcp"))[0] == "TLS 192.0.2.1 5999"
    assert found(Place("example.com", transport="udp", secure=True)) == []


def test_without_naptr_the_services_are_asked_for_in_our_order() -> None:
    zone = {key: value for key, value in EXAMPLE.items() if key[1] != NAPTR}
    asked: list[Question] = []
    assert [line.split()[0] for line in found(Place("example.com"), zone, asked=asked)] == ["TCP"] * 4 + ["TLS"] * 3
    assert Question("_sip._udp.example.com", SRV) in asked
    assert found(Place("example.com"), zone, protocols=(TLS, TCP))[0] == "TLS 192.0.2.1 5061"


def test_without_srv_the_host_itself_over_udp() -> None:
    assert found(Place("b.example.com")) == ["UDP 192.0.2.3 5060"]
    assert found(Place("nowhere.example.com")) == []


def test_a_transport_or_a_wish_needs_no_naptr() -> None:
    asked: list[Question] = []
    assert found(Place("example.com", transport="tcp"), asked=asked)[0] == "TCP 192.0.2.1 5070"
    assert NAPTR not in {question.kind for question in asked}
    assert found(Place("example.com"), want=TCP)[0] == "TCP 192.0.2.1 5070"
    assert found(Place("b.example.com"), want=TLS) == ["TLS 192.0.2.3 5061"]
    assert found(Place("b.example.com", transport="tls")) == ["TLS 192.0.2.3 5061"]
    assert found(Place("b.example.com", transport="ws"), protocols=ALL) == ["WS 192.0.2.3 80"]
    assert found(Place("b.example.com", transport="ws", secure=True), protocols=ALL) == ["WSS 192.0.2.3 443"]
    assert found(Place("b.example.com", secure=True), want=TCP) == ["TLS 192.0.2.3 5061"]


@pytest.mark.parametrize(
    ("place", "want"),
    [
        (Place("b.example.com", transport="udp"), TCP),
        (Place("b.example.com", transport="sctp"), None),
        (Place("b.example.com", secure=True), UDP),
    ],
)
def test_wishes_that_exclude_each_other(place: Place, want: Protocol | None) -> None:
    assert found(place, want=want) == []


def test_a_port_needs_no_srv() -> None:
    asked: list[Question] = []
    assert found(Place("example.com", 5090), asked=asked) == []
    assert {question.kind for question in asked} == {A, AAAA}
    assert found(Place("b.example.com", 5090, "tcp")) == ["TCP 192.0.2.3 5090"]


@pytest.mark.parametrize(
    ("place", "target"),
    [
        (Place("192.0.2.9"), "UDP 192.0.2.9 5060"),
        (Place("[2001:db8::9]", 5070, "tcp"), "TCP 2001:db8::9 5070"),
        (Place("192.0.2.9", secure=True), "TLS 192.0.2.9 5061"),
        (Place("192.0.2.9", transport="wss"), "WSS 192.0.2.9 443"),
    ],
)
def test_addresses_need_no_dns(place: Place, target: str) -> None:
    asked: list[Question] = []
    assert found(place, asked=asked) == [target]
    assert asked == []
    assert found(place, families=(4 if ":" in target else 6,)) == []


@pytest.mark.parametrize("host", ["df7jal23ls0d.invalid", "INVALID", "x.invalid.", ""])
def test_nobody_is_asked_about_the_hosts_of_browsers(host: str) -> None:
    asked: list[Question] = []
    assert found(Place(host), asked=asked) == []
    assert asked == []


def test_a_service_that_is_decidedly_not_there() -> None:
    assert found(Place("b.example.com", transport="udp"), {**EXAMPLE, ("_sip._udp.b.example.com", SRV): [Srv(0, 0, 0, "")]}) == []


def test_weights_share_and_priorities_order() -> None:
    records: list[Record] = [Srv(2, 0, 4, "192.0.2.4"), Srv(1, 30, 1, "192.0.2.1"), Srv(1, 0, 3, "192.0.2.3"), Srv(1, 10, 2, "192.0.2.2")]
    zone: Zone = {("_sip._udp.w.example.com", SRV): records}
    rng = random.Random(7)
    first: Counter[int] = Counter()
    for _ in range(2000):
        steps = locating(Place("w.example.com", transport="udp"), uniform=rng.random)
        question = next(steps)[0]
        with pytest.raises(StopIteration) as end:
            steps.send({question: tuple(zone[question.name, SRV])})
        ports = [target.port for target in end.value.value]
        assert sorted(ports) == [1, 2, 3, 4]
        assert ports[-1] == 4
        first[ports[0]] += 1
    assert 1400 < first[1] < 1600
    assert 400 < first[2] < 600
    assert first[3] < 10


def test_a_hostile_zone_is_bounded() -> None:
    zone: Zone = {
        ("_sip._udp.big.example.com", SRV): [Srv(1, 1, port, f"h{port}.example.com") for port in range(1000)],
        **{(f"h{port}.example.com", A): [f"192.0.2.{last}" for last in range(64)] for port in range(1000)},
    }
    asked: list[Question] = []
    assert len(found(Place("big.example.com", transport="udp"), zone, asked=asked)) == 64
    assert len(asked) == 1 + 2 * 32


ONE, TWO = Target(UDP, "192.0.2.1", 5060), Target(UDP, "192.0.2.2", 5060)


def test_what_has_failed_is_tried_last_for_a_while() -> None:
    box = Penalties()
    assert box.order([ONE, TWO], 0.0) == [ONE, TWO]
    box.failed(ONE, 0.0)
    assert box.order([ONE, TWO], 59.0) == [TWO, ONE]
    assert box.order([ONE, TWO], 60.0) == [ONE, TWO]
    box.failed(ONE, 60.0)
    assert box.order([ONE, TWO], 179.0) == [TWO, ONE]
    assert box.order([ONE, TWO], 180.0) == [ONE, TWO]
    box.failed(ONE, 180.0)
    box.worked(ONE)
    assert box.order([ONE, TWO], 181.0) == [ONE, TWO]


def test_a_failure_long_after_the_last_counts_as_the_first() -> None:
    box = Penalties()
    box.failed(ONE, 0.0)
    box.failed(ONE, 30.0)  # several requests fail together: no doubling
    assert box.order([ONE, TWO], 91.0) == [ONE, TWO]
    box.failed(ONE, 1000.0)
    assert box.order([ONE, TWO], 1059.0) == [TWO, ONE]
    assert box.order([ONE, TWO], 1061.0) == [ONE, TWO]


def test_the_box_is_bounded() -> None:
    box = Penalties()
    for port in range(10_000):
        box.failed(Target(UDP, "192.0.2.1", port), 0.0)
    assert len(box._box) == 4096
