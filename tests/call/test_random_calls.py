"""Random commands on random calls: what is refused changes nothing, what ends leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from boringsdp.call import Block, Call, CallSettings, LegOptions, Party
from boringsdp.errors import Exhausted, SdpError, WrongState
from boringsdp.relay import RelaySettings
from boringsdp.sdp import OWN_TEXT, PLAIN, SDES_MANDATORY, SDES_OPTIONAL, THEIR_TEXT, WEBRTC, LegStyle, Protocol, Sdes, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, fax, plain
from tests.fuzz.oracles import answer_of

STYLES = (
    PLAIN,
    SDES_OPTIONAL,
    SDES_MANDATORY,
    WEBRTC,
    LegStyle(protocol=Protocol.DTLS_SAVPF, dtls=True),
    LegStyle(protocol=Protocol.SAVPF, dtls=True, sdes=Sdes.MANDATORY, ice=True),
    LegStyle(protocol=Protocol.AVP, ice=True),
)
VIDEO = "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
BRANCHES = ("", "b1", "b2", "b3")
OPTIONS = (LegOptions(), LegOptions(relatch=True), LegOptions(announce="203.0.113.1"), LegOptions(source_address="127.0.0.9"))


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(plain_ports=(42000, 42015), port_rest_s=0.0)


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8, answer_timeout_s=60.0)


class Play:
    """One call and what its parties could say next."""

    def __init__(self, call: Call, rng: random.Random) -> None:
        self.call = call
        self.rng = rng
        self.passing = rng.choice((OWN_TEXT, THEIR_TEXT))
        self.told: dict[tuple[Party, str], str] = {}
        self.version = 1

    def offered(self) -> str:
        self.version += 1
        pick = self.rng.randrange(9)
        if pick == 0:
            return CHROMIUM
        if pick == 1:
            return fax(9000, self.version)
        if pick == 2:
            return plain(9000, version=self.version) + VIDEO
        if pick == 3:
            return plain(9000, formats="18", version=self.version)
        if pick == 4:
            return plain(0, version=self.version)
        return plain(9000, direction=self.rng.choice(("sendrecv", "sendonly", "inactive")), version=self.version % 3)

    def answered(self, party: Party, branch: str) -> str:
        told = self.told.get((party, branch))
        if told is None or self.rng.random() < 0.2:
            return self.rng.choice((plain(9002), plain(9002, formats="18"), "nonsense", fax(9002)))
        if describe(told).medias[0].kind == "image":
            return fax(9002)
        return answer_of(told)

    def commands(self) -> list[Callable[[], object]]:
        return [self.offer] * 5 + [self.answer] * 8 + [self.reject, self.drop, self.block, self.report]

    def offer(self) -> None:
        party, branch = self.rng.choice(list(Party)), self.rng.choice(BRANCHES)
        here, there = self.rng.choice(OPTIONS), self.rng.choice(OPTIONS)
        sdp, to = self.offered(), self.rng.choice(STYLES)
        text = self.call.offer(party, sdp, to, passing=self.passing, branch=branch, here=here, there=there)
        self.told[party.other, branch] = text

    def answer(self) -> None:
        party, branch = self.rng.choice(list(Party)), self.rng.choice(BRANCHES)
        tag = self.rng.choice(("", "one", "two"))
        self.call.answer(party, self.answered(party, branch), branch=branch, tag=tag, passing=self.passing)

    def reject(self) -> None:
        self.call.reject(self.rng.choice(BRANCHES))

    def drop(self) -> None:
        self.call.drop_branch(self.rng.choice(BRANCHES))

    def block(self) -> None:
        what, on = self.rng.choice(list(Block)), self.rng.random() < 0.6
        self.call.block(self.rng.choice(list(Party)), what, on, branch=self.rng.choice((None, "b1")), towards=self.rng.choice((None, "b2")))

    def report(self) -> None:
        self.call.report()
        self.call.statistics()


def without_times(record: object) -> object:
    """A record without what the clock changes."""
    if isinstance(record, dict):
        return {name: without_times(value) for name, value in record.items() if name not in ("created", "last_signal", "quality")}
    return record


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_refused_changes_nothing(bench: Bench, seed: int):
    rng = random.Random(seed)
    done: dict[str, int] = {}
    for _ in range(60):
        play = Play(bench.calls.create(bench.news.append), rng)
        for _ in range(20):
            command = rng.choice(play.commands())
            before, used = without_times(play.call.record()), bench.relay.statistics()["ports_used"]
            try:
                command()
                done[command.__name__] = done.get(command.__name__, 0) + 1
            except (SdpError, WrongState, Exhausted):
                assert without_times(play.call.record()) == before
                assert bench.relay.statistics()["ports_used"] == used
        play.call.close()
        figures = bench.relay.statistics()
        assert (figures["ports_used"], figures["transports"], figures["streams"]) == (0, 0, 0)
    assert min(done.get(name, 0) for name in ("offer", "answer", "reject", "drop")) > 5, done
