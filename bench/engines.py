"""
The engines beside rtpengine and Janus: WebRTC clients (ICE, DTLS, SRTP) to plain RTP peers, through each of them in turn.

`python -m bench engines` takes about 20 minutes, `python -m bench engines --quick` seven. Both print the table and leave it, all figures
and a picture in bench/results; `--publish` puts table and picture into docs. For other questions see `python -m bench.engine_trials`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from dataclasses import field as of
from typing import Any

from bench import engines_report as report
from bench import gateways, namespace
from bench.gateways import KINDS, Kind
from bench.trial import PROFILES, Trial, Window, floor, on_trial

CALLS = (50, 200, 500, 1000)
QUICK = ("native-steered", "native-steered-held", "asyncio", "rtpengine")
MEDIAN_LIMIT_US = 1000.0
LOSS_SHARE = 0.001
"""Beyond this a gateway is over its limit, and is not given more calls."""
FULL_CORE = 0.96
GROWTH = 1.1
MOST_CALLS = 5000


@dataclass(slots=True)
class Round:
    """One gateway, once: windows by number of calls."""

    gateway: str
    profile: str
    windows: dict[int, Window] = of(default_factory=dict)
    setup_ms: float = 0.0
    """The gateway's CPU time per call, mean of all that were set up."""
    call_kb: float = 0.0
    """Memory per call, between the smallest and the largest number of calls."""
    problem: str = ""


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    machine: dict[str, Any]
    calls: tuple[int, ...]
    floors: dict[int, Window] = of(default_factory=dict)
    rounds: list[Round] = of(default_factory=list)
    most: dict[tuple[str, str], int] = of(default_factory=dict)
    """By gateway and profile: the last number of calls whose median added latency stays under the limit, nothing being lost."""

    def of(self, gateway: str, profile: str) -> list[Round]:
        return [each for each in self.rounds if (each.gateway, each.profile) == (gateway, profile)]

    def added_us(self, window: Window) -> float:
        """Median latency less what the load program itself takes for so many calls, or the nearest number it was tried with."""
        nearest = min(self.floors, key=lambda calls: abs(calls - window.calls))
        return max(0.0, window.median_us - self.floors[nearest].median_us)

    def record(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "floors": {calls: window.record() for calls, window in self.floors.items()},
            "rounds": [
                {
                    "gateway": each.gateway, "profile": each.profile, "setup_ms": each.setup_ms, "call_kb": each.call_kb,
                    "problem": each.problem, "windows": {calls: window.record() for calls, window in each.windows.items()},
                }
                for each in self.rounds
            ],
            "most": [{"gateway": name, "profile": profile, "calls": calls} for (name, profile), calls in self.most.items()],
        }  # fmt: skip


async def measure(kind: Kind, profile: str, calls: tuple[int, ...], seconds: float) -> Round:
    """Start the gateway, grow to each number of calls in turn and let media run; stops at the first that is too much."""
    done = Round(kind.name, profile)
    cpu_s, memory = 0.0, {}
    try:
        async with on_trial(kind, profile) as trial:
            for number in (number for number in calls if number <= kind.most):
                fresh = number - len(trial)
                cpu_s += await trial.grow(number) * fresh
                window = await valid_window(trial, seconds)
                memory[number] = gateways.memory(trial.gateway)
                done.windows[number] = window
                if window.lost > window.packets * LOSS_SHARE or window.core > FULL_CORE:
                    break
            done.setup_ms = cpu_s / len(trial) * 1e3
            first, last = min(memory), max(memory)
            if last > first:
                done.call_kb = (memory[last] - memory[first]) / (last - first) / 1e3
    except (RuntimeError, TimeoutError, AssertionError, OSError) as error:
        done.problem = f"{type(error).__name__}: {error}"
    return done


async def valid_window(trial: Trial, seconds: float) -> Window:
    """A window in which the load program kept its pace; the last of three if there is none."""
    for _ in range(3):
        window = await trial.media(seconds)
        if window.valid:
            break
    return window


async def ramp(kind: Kind, profile: str, results: Results, seconds: float) -> int:
    """Return the largest number of calls that is carried in time, tried in steps of a tenth from the largest good one of the table on."""
    good = 0
    tables = results.of(kind.name, profile)
    for number in results.calls:
        windows = [each.windows[number] for each in tables if number in each.windows]
        if (
            windows
            and statistics.median(results.added_us(window) for window in windows) < MEDIAN_LIMIT_US
            and not any(window.lost > window.packets * LOSS_SHARE for window in windows)
        ):
            good = number
    if not good or (kind.janus and good >= kind.most):
        return good
    async with on_trial(kind, profile) as trial:
        number = good
        while number < MOST_CALLS:
            number = int(number * GROWTH)
            try:
                await trial.grow(number)
            except (RuntimeError, TimeoutError):
                return good
            windows = []
            for _ in range(2):
                windows.append(await valid_window(trial, seconds))
                if results.added_us(windows[-1]) < MEDIAN_LIMIT_US and not windows[-1].lost:
                    good = number
                    break
            else:
                return good
    return good


async def run(options: argparse.Namespace) -> Results:
    results = Results(report.machine(), options.calls)
    for number in options.calls:
        results.floors[number] = await asyncio.to_thread(floor, number, options.seconds)
        say(f"load program alone, {number} calls: {report.describe(results.floors[number])}")
    kinds = [KINDS[name] for name in options.gateways]
    for kind in list(kinds):
        if why := gateways.missing(kind):
            say(f"{kind.name} is left out: {why}")
            kinds.remove(kind)
    for turn in range(options.repeat):
        for profile in options.profiles:
            for kind in kinds:
                done = await measure(kind, profile, options.calls, options.seconds)
                results.rounds.append(done)
                say(f"{turn + 1}/{options.repeat} {profile} {kind.name}: {report.describe_round(done)}")
    for profile in options.profiles[: 1 if options.ramp == "first" else None] if options.ramp != "none" else ():
        for kind in kinds:
            results.most[kind.name, profile] = await ramp(kind, profile, results, min(2.0, options.seconds))
            say(f"{profile} {kind.name}: {results.most[kind.name, profile]} calls in time")
    return results


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    namespace.enter("bench.engines", arguments)
    os.sched_setaffinity(0, {gateways.LOAD_CPU})
    results = asyncio.run(run(options))
    print()
    print(report.table(results))
    report.RESULTS.mkdir(exist_ok=True)
    (report.RESULTS / "last.json").write_text(json.dumps(results.record(), indent=1) + "\n")
    (report.RESULTS / "last.md").write_text(report.table(results) + "\n")
    (report.RESULTS / report.PICTURE.name).write_text(report.picture(results))
    if options.publish:
        report.publish(results)
    return int(any(each.problem for each in results.rounds))


def parse(arguments: list[str]) -> argparse.Namespace:
    def names(known: Any) -> Any:
        def read(text: str) -> tuple[str, ...]:
            wanted = tuple(text.split(","))
            if unknown := set(wanted) - set(known):
                raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
            return wanted

        return read

    parser = argparse.ArgumentParser(prog="python -m bench engines", description="CPU per relayed packet, latency, memory and set-up cost.")
    parser.add_argument("--calls", type=lambda text: tuple(sorted(map(int, text.split(",")))), default=CALLS, help="numbers of calls")
    parser.add_argument("--gateways", type=names(KINDS), default=tuple(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--profiles", type=names(PROFILES), default=tuple(PROFILES)[:2], help=f"of {', '.join(PROFILES)}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which medians are taken; the gateways take turns")
    parser.add_argument("--seconds", type=float, default=2.5, help="media that is measured, for each number of calls")
    parser.add_argument("--ramp", choices=("first", "all", "none"), default="first", help="look for the most calls: with which profiles")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, and only the first profile")
    parser.add_argument("--publish", action="store_true", help="put the table and the picture into docs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.gateways, options.profiles = QUICK, options.profiles[:1]
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
