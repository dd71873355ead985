"""One gateway with calls through it: set them up, let media run, count what that cost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from bench import gateways
from bench.field import Field
from bench.load_program import LoadProgram
from bench.signalling import Call, Front
from bench.webrtc_client import Client, direct_plan, plain_addresses
from boringsdp.dtls import Identity
from boringsdp.rtp.keys import Profile
from tests.support.gateway import Gateway

AT_A_TIME = 16
PROFILES = {
    "AEAD_AES_128_GCM": (b"SRTP_AEAD_AES_128_GCM", Profile.AEAD_AES_128_GCM),
    "AES128_CM_SHA1_80": (b"SRTP_AES128_CM_SHA1_80", Profile.AES128_CM_SHA1_80),
    "AEAD_AES_256_GCM": (b"SRTP_AEAD_AES_256_GCM", Profile.AEAD_AES_256_GCM),
}
HALF_OPEN_FROM = 30_000
"""Such clients have addresses far from the others'."""
LATE_SHARE = 0.01
"""More late ticks than this, and the load program did not keep its pace."""


@dataclass(slots=True, frozen=True)
class Window:
    """What a run of media came to, in microseconds; `packet_us`, `user_us` and `system_us` are the gateway's CPU per relayed packet."""

    calls: int
    packets: int
    packet_us: float
    user_us: float
    system_us: float
    core: float
    """Share of one CPU that the gateway took."""
    lost: int
    bad: int
    duplicates: int
    median_us: float
    p95_us: float
    p99_us: float
    max_us: float
    load_core: float
    """Share of its CPU that the load program needed."""
    late: float
    """Share of its ticks that were more than a millisecond late."""
    raw: dict[str, Any]

    @property
    def valid(self) -> bool:
        """Whether the load program kept its pace and lost nothing itself."""
        return self.late <= LATE_SHARE and not self.raw["overflowed"] and not self.raw["not_sent"]

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "valid": self.valid}


class Trial:
    """A gateway and the parties of its calls; made by `on_trial`. Calls are added, never replaced, until `end_all`."""

    def __init__(self, field: Field, gateway: Gateway, front: Front, load: LoadProgram, profile: str) -> None:
        self.gateway = gateway
        self._field, self._front, self._load = field, front, load
        self._identity = Identity()
        self._identity.context.set_tlsext_use_srtp(PROFILES[profile][0])
        self._profile = PROFILES[profile][1].value
        self._calls: list[tuple[Call, Client]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._calls)

    async def grow(self, calls: int) -> float:
        """Set calls up until there are so many, `AT_A_TIME` at once; returns the gateway's CPU seconds per new call."""
        fresh = calls - len(self)
        if fresh <= 0:
            return 0.0
        self._field.drain()
        self._field.resume()
        before = gateways.cpu_s(self.gateway)
        room = asyncio.Semaphore(AT_A_TIME)
        done = await asyncio.gather(*(self._one(len(self) + at, room) for at in range(fresh)))
        spent = gateways.cpu_s(self.gateway) - before
        self._field.pause()
        self._calls += [(call, client) for call, client, _ in done]
        plans = [plan for _, _, plan in done]
        wrong = {plan["profile"] for plan in plans} - {self._profile}
        if wrong:
            raise RuntimeError(f"the gateway chose {wrong} where only {self._profile} was offered")
        self._load.add(plans)
        return spent / fresh

    async def media(self, seconds: float, **settings: Any) -> Window:
        """Let media run; `settings` are the load program's."""
        tick_us = 50.0 if len(self) <= 500 else 200.0
        settings = {"tick_us": tick_us, "pid": self.gateway.pid, **settings}
        return window(await asyncio.to_thread(self._load.run, seconds=seconds, **settings))

    async def half_open(self, legs: int) -> None:
        """Place calls whose clients reach the gateway, begin a handshake and leave it; they are never ended."""
        self._field.resume()
        for at in range(legs):
            self._number += 1
            client = Client(self._field, len(self) + HALF_OPEN_FROM + at, self._identity)
            _, answer, _ = await self._front.place(self._number, client)
            await client.reach(answer)
            client.hello()
        await asyncio.sleep(0.5)
        self._field.pause()

    async def end_all(self) -> None:
        """End every call, and wait until the gateway has answered that."""
        self._field.resume()
        self._load.clear()
        for at in range(0, len(self._calls), AT_A_TIME):
            some = self._calls[at : at + AT_A_TIME]
            await asyncio.gather(*(self._front.end(call) for call, _ in some))
            for _, client in some:
                client.close()
        self._calls.clear()
        self._field.pause()

    async def _one(self, place: int, room: asyncio.Semaphore) -> tuple[Call, Client, dict[str, Any]]:
        async with room:
            client = Client(self._field, place, self._identity)
            self._number += 1
            call, answer, offered = await self._front.place(self._number, client)
            await client.connect(answer)
            return call, client, client.plan(*plain_addresses(offered))


@contextlib.asynccontextmanager
async def on_trial(kind: gateways.Kind, profile: str, *flags: str, cpus: frozenset[int] = frozenset({0})) -> AsyncIterator[Trial]:
    """Start a gateway and all that is needed to load it; end everything with the block."""
    field = Field()
    try:
        with gateways.running(kind, *flags, cpus=cpus) as gateway, LoadProgram(field, gateways.LOAD_CPU) as load:
            async with gateways.front(kind, gateway) as front:
                yield Trial(field, gateway, front, load, profile)
    finally:
        field.close()


def floor(calls: int, seconds: float, **settings: Any) -> Window:
    """The same media without a gateway, from one side of the load program to the other: what it adds itself."""
    field = Field()
    try:
        with LoadProgram(field, gateways.LOAD_CPU) as load:
            load.add([direct_plan(field, number) for number in range(calls)])
            return window(load.run(seconds=seconds, **{"tick_us": 50.0 if calls <= 500 else 200.0, **settings}))
    finally:
        field.close()


def window(raw: dict[str, Any]) -> Window:
    sent, cpu = raw["sent"], raw["gateway_cpu_s"]
    user, system = raw["gateway_user_ticks"], raw["gateway_system_ticks"]
    per_packet = cpu / sent * 1e6
    delays = raw["delay_us"]
    return Window(
        calls=raw["calls"],
        packets=sent,
        packet_us=per_packet,
        user_us=per_packet * user / max(1, user + system),
        system_us=per_packet * system / max(1, user + system),
        core=cpu / raw["seconds"],
        lost=sent - raw["received"],
        bad=sum(raw[side]["bad"] for side in ("to_peer", "to_client")) + raw["bad_rtcp"],
        duplicates=sum(raw[side]["duplicates"] for side in ("to_peer", "to_client")),
        median_us=delays["p50"],
        p95_us=delays["p95"],
        p99_us=delays["p99"],
        max_us=delays["max"],
        load_core=raw["busy_s"] / raw["seconds"],
        late=raw["late_ticks"] / max(1, raw["ticks"]),
        raw=raw,
    )
