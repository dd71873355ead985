"""Several workers: a call's transports share one, calls are spread, and a fault of the engine is told to the one leg that it hit."""

from __future__ import annotations

import logging

import pytest

from boringsdp.relay import Failed, Place, PlainTransport, RawTransport, Transport
from boringsdp.relay.engine import TransportFailed
from boringsdp.relay.places import Workers
from tests.relay.relay_bench import Bench


def workers_of(bench: Bench, transport: Transport | RawTransport) -> set[int]:
    """Whose ports a transport uses."""
    spec = bench.engine.specs[transport.id]
    ports = spec.ports if spec.rtcp_port is None else (*spec.ports, spec.rtcp_port)
    return {bench.engine.worker_of[port] for port in ports}


async def test_each_worker_has_a_port_for_browsers_and_candidates_name_that_of_the_leg() -> None:
    bench = await Bench(workers=3, webrtc_hosts=("127.0.0.1", "::1"), webrtc_port=8189).start()
    assert bench.relay.webrtc_ports == (8189, 8190, 8191)
    assert bench.relay.webrtc_port == 8189
    transports = [bench.relay.open_webrtc(bench.owner, place=Place()) for _ in range(3)]
    for number, transport in enumerate(transports):
        assert transport.addresses == (("127.0.0.1", 8189 + number), ("::1", 8189 + number))
        assert workers_of(bench, transport) == {number}
    await bench.relay.close()
    assert not bench.engine.ports


async def test_any_port_may_be_asked_for() -> None:
    bench = await Bench(workers=2).start()
    assert len(set(bench.relay.webrtc_ports)) == 2
    await bench.relay.close()


async def test_a_calls_transports_stay_with_the_worker_of_the_first_and_calls_go_to_the_idlest() -> None:
    bench = await Bench(workers=2, plain_ports=(20000, 20099)).start()
    relay, one, two = bench.relay, Place(), Place()
    first = [relay.open_webrtc(bench.owner, place=one), relay.open_plain(bench.owner, place=one), relay.open_raw(bench.owner, place=one)]
    assert [workers_of(bench, each) for each in first] == [{0}, {0}, {0}]
    second = relay.open_plain(bench.owner, place=two)
    assert workers_of(bench, second) == {1}
    assert workers_of(bench, relay.open_plain(bench.owner)) == {1}  # nobody's: where there is least
    first[0].close()
    assert workers_of(bench, relay.open_webrtc(bench.owner, place=one)) == {0}
    await relay.close()


async def test_a_call_that_has_let_go_of_everything_may_begin_elsewhere() -> None:
    bench = await Bench(workers=2, plain_ports=(20000, 20099)).start()
    relay, place = bench.relay, Place()
    transport = relay.open_plain(bench.owner, place=place)
    for _ in range(2):
        relay.open_plain(bench.owner)
    transport.close()
    relay.open_plain(bench.owner, place=place)
    assert (place.worker, place.transports) == (0, 1)
    await relay.close()
    assert place.transports == 0


def test_loads_are_counted() -> None:
    workers = Workers(2)
    place = Place()
    for number in range(4):
        workers.take(number, workers.choose(place if number % 2 else None), place if number % 2 else None)  # type: ignore[arg-type]
    assert workers.loads == [2, 2]
    for number in range(4):
        workers.leave(number)  # type: ignore[arg-type]
    assert workers.loads == [0, 0]


async def test_a_fault_of_the_engine_is_told_to_its_leg_alone(caplog: pytest.LogCaptureFixture) -> None:
    bench = await Bench().start()
    heard: dict[str, list[object]] = {"rtp": [], "raw": [], "other": []}
    rtp: PlainTransport = bench.relay.open_plain(heard["rtp"].append)
    raw = bench.relay.open_raw(heard["raw"].append)
    bench.relay.open_plain(heard["other"].append)
    with caplog.at_level(logging.ERROR):
        bench.engine.report(TransportFailed(rtp.id), TransportFailed(raw.id))
    assert heard == {"rtp": [Failed("engine-fault")], "raw": [Failed("engine-fault")], "other": []}
    assert [record.message for record in caplog.records] == ["engine fault", "engine fault"]
    await bench.relay.close()
