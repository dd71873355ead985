"""
Questions to one gateway at a time: `python -m bench.engine_trials soak`, or churn, hostile, latency, cores, sizes.

`--gateways` names those of `bench.engines`; every trial ends with status 1 when a call lost a packet that it should not have lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bench import gateways, namespace
from bench.engines import say
from bench.engines_report import describe
from bench.gateways import KINDS, Kind
from bench.trial import PROFILES, Trial, Window, floor, on_trial
from boringsdp.dtls import Association, Identity, Transmit

Options = argparse.Namespace
HOSTILE = ("random", "stun", "hello", "replay", "forged", "forged_rtcp")
HALF_OPEN = 100
"""Legs that begin a handshake and leave it; as many as that wait for theirs at a time."""
SIZES = ((160, 50.0, 200), (500, 50.0, 200), (1100, 50.0, 200), (1100, 400.0, 25))
"""Octets of payload, packets a second of each flow, calls: the last are few large streams, as video is."""
PERCENTILES = {"median": "p50", "95th": "p95", "99th": "p99", "worst": "max"}
FORGOTTEN_S = 65.0
AT_ONCE = 200
"""Calls that stand at a time when calls come and go."""


class MemoryWatch:
    """Resident memory of a process, taken every second while the block runs."""

    def __init__(self, trial: Trial) -> None:
        self._gateway = trial.gateway
        self._over = threading.Event()
        self.samples: list[int] = []

    def __enter__(self) -> MemoryWatch:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self.samples.append(self._gateway.memory())


async def soak(kind: Kind, options: Options) -> bool:
    """A minute of media: nothing lost, no more memory at the end than at the beginning."""
    async with on_trial(kind, options.profile) as trial:
        await trial.grow(options.calls or 1000)
        await trial.media(5.0)
        before = gateways.memory(trial.gateway)
        files = trial.gateway.open_files()
        with MemoryWatch(trial) as watch:
            window = await trial.media(options.seconds or 60.0)
        after = gateways.memory(trial.gateway)
        say(f"{kind.name}: {len(trial)} calls, {window.packets} packets: {describe(window)}")
        third = len(watch.samples) // 3 or 1
        first, last = (sum(part) / len(part) for part in (watch.samples[:third], watch.samples[-third:]))
        grown, end = (after - before) / len(trial), trial.gateway.open_files()
        say(f"{kind.name}: memory {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after, {grown:+.0f} octets a call")
        say(f"{kind.name}: {first / 1e6:.1f} MB in the first third, {last / 1e6:.1f} MB in the last; files {files}, then {end}")
        return not window.lost and not window.bad


async def churn(kind: Kind, options: Options) -> bool:
    """
    Calls come and go: no descriptor, port, thread or memory is left of them.

    In two halves: the first fills heap and caches, the second must not add to them.
    """
    half = (options.calls or 10_000) // 2
    async with on_trial(kind, options.profile) as trial:
        lost = await come_and_go(trial, AT_ONCE)
        held = [await leftovers(trial)]
        for _ in range(2):
            done, began, cpu = 0, time.monotonic(), gateways.cpu_s(trial.gateway)
            while done < half:
                lost += await come_and_go(trial, AT_ONCE)
                done += AT_ONCE
            took, spent = time.monotonic() - began, gateways.cpu_s(trial.gateway) - cpu
            say(
                f"{kind.name}: {done} calls in {took:.0f} s, {spent / done * 1e3:.2f} ms of CPU for a call and its end, {lost} packets lost"
            )
            held.append(await leftovers(trial))
        for name in held[-1]:
            say(f"{kind.name}: {name} {', then '.join(f'{each.get(name, 0):,.0f}' for each in held)}")
        growth = (held[2]["memory"] - held[1]["memory"]) / half
        say(f"{kind.name}: memory by {growth:+.0f} octets for each call of the second half")
        return not lost and all(held[2][name] <= held[0].get(name, 0) for name in held[2] if name != "memory")


async def come_and_go(trial: Trial, calls: int) -> int:
    """Set calls up, let each carry some packets, end them; returns the packets lost."""
    await trial.grow(calls)
    window = await trial.media(0.2, warm_s=0.1)
    await trial.end_all()
    return window.lost + window.bad


async def leftovers(trial: Trial) -> dict[str, float]:
    """What the gateway holds once it has forgotten what it keeps for a while: replies to NG requests, for those that are repeated."""
    await asyncio.sleep(FORGOTTEN_S if trial.gateway.http else 5.0)
    held = {
        "memory": float(gateways.memory(trial.gateway)),
        "files": float(trial.gateway.open_files()),
        "threads": float(gateways.threads(trial.gateway)),
    }
    if trial.gateway.http:
        wanted = ("_active", "_handles", "_sessions", "_transports", "_streams", "_ports_used", "_under_way", "_tasks", "_kept")
        held |= {name: value for name, value in gateways.metrics(trial.gateway).items() if name.endswith(wanted)}
    return held


async def hostile(kind: Kind, options: Options) -> bool:
    """Calls beside a flood: they lose nothing, memory stays bounded, and each refusal is counted by its cause."""
    good = True
    async with on_trial(kind, options.profile) as trial:
        await trial.grow(options.calls or 200)
        alone = await trial.media(3.0)
        say(f"{kind.name}: without a flood {describe(alone)}")
        await half_open(kind, trial, HALF_OPEN)
        hello = client_hello()
        for kinds in (*((each,) for each in HOSTILE), HOSTILE):
            before, memory = drops(trial), gateways.memory(trial.gateway)
            window = await trial.media(options.seconds or 5.0, flood=options.flood, flood_kinds=kinds, hello=hello)
            counted = {name: count - before.get(name, 0) for name, count in drops(trial).items() if count > before.get(name, 0)}
            good &= not window.lost and not window.bad
            flood = window.raw["flood"]
            say(f"{kind.name}: {'+'.join(kinds)}, {flood} hostile datagrams, {window.raw['strays']} answered: {describe(window)}")
            say(f"{kind.name}:   memory {(gateways.memory(trial.gateway) - memory) / 1e3:+.0f} kB, counted {text_of(counted)}")
        say(f"{kind.name}: afterwards {describe(await trial.media(3.0))}")
    return good


async def half_open(kind: Kind, trial: Trial, legs: int) -> None:
    """Place calls whose clients begin a handshake and leave it."""
    memory = gateways.memory(trial.gateway)
    await trial.half_open(legs)
    say(f"{kind.name}: {legs} handshakes begun and left, memory {(gateways.memory(trial.gateway) - memory) / legs / 1e3:+.0f} kB each")


def client_hello() -> str:
    """A ClientHello that nothing follows, hexadecimal."""
    actions = Association(Identity(), client=True).start(0.0)
    return next(action.datagram for action in actions if isinstance(action, Transmit)).hex()


def drops(trial: Trial) -> dict[str, float]:
    """What BoringSDP has counted of what it refused, by cause."""
    if not trial.gateway.http:
        return {}
    marks = ("_drops", "_refused")
    return {name: value for name, value in gateways.metrics(trial.gateway).items() if any(mark in name for mark in marks)}


def text_of(counted: Mapping[str, float]) -> str:
    names = {name: name.partition('kind="')[2].rstrip('"}') or name for name in counted}
    return ", ".join(f"{names[name]} {count:,.0f}" for name, count in counted.items()) or "nothing"


async def latency(kind: Kind, options: Options) -> bool:
    """How long packets take, at 500 calls unless told otherwise."""
    calls = options.calls or 500
    own = await asyncio.to_thread(floor, calls, 3.0)
    async with on_trial(kind, options.profile) as trial:
        await trial.grow(calls)
        window = await trial.media(options.seconds or 10.0)
    for way in ("to_peer", "to_client"):
        delay = window.raw[way]["delay_us"]
        parts = ", ".join(
            f"{name} {delay[key]:.0f}" for name, key in (("median", "p50"), ("95th", "p95"), ("99th", "p99"), ("worst", "max"))
        )
        say(f"{kind.name}: {way} {parts} us")
    added = max(0.0, window.median_us - own.median_us)
    say(f"{kind.name}: adds {added:.0f} us at the median of {calls} calls (load program alone {own.median_us:.0f} us); {describe(window)}")
    return not window.lost


async def cores(kind: Kind, options: Options) -> bool:
    """One worker and two, the second on the load program's CPU when there are no more: cost per packet, not speed."""
    lost = 0
    for workers in (1, 2):
        cpus = frozenset({gateways.GATEWAY_CPU} if workers == 1 else {gateways.GATEWAY_CPU, gateways.LOAD_CPU})
        async with on_trial(kind, options.profile, f"--engine.workers={workers}", cpus=cpus) as trial:
            for calls in (200, 500, 1000):
                await trial.grow(calls)
                window = await trial.media(options.seconds or 5.0)
                lost += window.lost
                say(f"{kind.name}: {workers} worker(s) on {len(cpus)} CPU(s), {calls} calls: {describe(window)}")
    return not lost


async def sizes(kind: Kind, options: Options) -> bool:
    """Cost by size of packet."""
    lost = 0
    for payload, pps, calls in SIZES:
        async with on_trial(kind, options.profile) as trial:
            await trial.grow(calls)
            window: Window = await trial.media(options.seconds or 5.0, payload=payload, pps=pps)
            lost += window.lost
            say(f"{kind.name}: {calls} calls, {payload} octets, {pps:.0f} a second each way: {describe(window)}")
    return not lost


@dataclass(slots=True, frozen=True)
class Question:
    ask: Callable[[Kind, Options], Awaitable[bool]]
    gateways: tuple[str, ...]
    """Whom to ask when nobody is named."""


NATIVE = ("native-steered-held", "native-per-call-held")
QUESTIONS = {
    "soak": Question(soak, NATIVE[:1]),
    "churn": Question(churn, NATIVE),
    "hostile": Question(hostile, NATIVE),
    "latency": Question(latency, tuple(KINDS)[:6]),
    "cores": Question(cores, ("native-steered", "native-steered-held")),
    "sizes": Question(sizes, ("native-steered", "native-steered-held", "asyncio", "rtpengine")),
}


async def ask(question: Question, kinds: tuple[Kind, ...], options: Options) -> bool:
    good = True
    for kind in kinds:
        if why := gateways.missing(kind):
            say(f"{kind.name} is left out: {why}")
            continue
        good &= await question.ask(kind, options)
    return good


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine_trials", description=__doc__)
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--gateways", default="", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--profile", choices=tuple(PROFILES), default=next(iter(PROFILES)))
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--flood", type=float, default=50_000.0, help="hostile datagrams a second")
    options = parser.parse_args(arguments)
    question = QUESTIONS[options.question]
    names = options.gateways.split(",") if options.gateways else question.gateways
    if unknown := set(names) - set(KINDS):
        parser.error(f"no {', '.join(sorted(unknown))}")
    namespace.enter("bench.engine_trials", arguments)
    os.sched_setaffinity(0, {gateways.LOAD_CPU})
    return 0 if asyncio.run(ask(question, tuple(KINDS[name] for name in names), options)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
