"""The results of `bench.engines` as a table and as a picture."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.gateways import KINDS
from bench.trial import Window

if TYPE_CHECKING:
    from bench.engines import Results, Round

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
PICTURE = DOCS / "img" / "cost-per-packet.svg"
BEGIN, END = "<!-- bench engines -->\n", "<!-- end of bench engines -->\n"
"""The table in docs/performance.md stands between these."""
FULL_CORE = 0.96


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.processor(), "cpus": os.cpu_count(), "kernel": platform.release(),
        "python": platform.python_version(),
    }  # fmt: skip


def describe(window: Window) -> str:
    """One window in a line for whoever waits."""
    doubt = "" if window.valid else f", NOT VALID: the load program was late in {window.late:.1%} of its ticks"
    if window.raw["overflowed"] or window.raw["not_sent"]:
        doubt += f", lost {window.raw['overflowed']} itself and could not send {window.raw['not_sent']}"
    return (
        f"{window.packet_us:.1f} us/packet ({window.user_us:.1f} user), core {window.core:.0%}, lost {window.lost}, bad {window.bad}, "
        f"latency {window.median_us:.0f}/{window.p99_us:.0f}/{window.max_us:.0f} us, load program {window.load_core:.0%}{doubt}"
    )


def describe_round(done: Round) -> str:
    costs = ", ".join(f"{calls}: {window.packet_us:.1f}{'' if window.valid else '?'}" for calls, window in done.windows.items())
    lost = sum(window.lost for window in done.windows.values())
    return f"us/packet at {costs}; {done.call_kb:.0f} kB and {done.setup_ms:.2f} ms a call; {lost} lost {done.problem}"


def publish(results: Results) -> None:
    """Put the table into docs/performance.md and the picture beside it."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(results))
    page = DOCS / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    about = results.machine
    rounds = max(len(results.of(each.gateway, each.profile)) for each in results.rounds)
    machine = f"{about['cpus']} CPUs, {about['cpu']}, Linux {about['kernel']}, CPython {about['python']}; medians of {rounds} rounds."
    page.write_text(f"{before}{BEGIN}\n{machine}\n\n{table(results)}\n{END}{after}")


def table(results: Results) -> str:
    """Markdown: what the packets cost, then their latency, for each profile. Medians of the rounds; `?` where the load program was late."""
    parts = []
    for profile in dict.fromkeys(each.profile for each in results.rounds):
        names = [name for name in KINDS if results.of(name, profile)]
        calls = [f"{number:,} calls" for number in results.calls]
        parts.append(f"{profile}: CPU microseconds per relayed packet\n")
        parts.append(_row("", *calls, "memory per call", "set-up CPU per call", "calls in time"))
        parts.append(_row(*["---"] * (len(calls) + 4)))
        parts += [_cost_row(results, name, profile) for name in names]
        parts.append(f"\n{profile}: latency added, microseconds, median / 99th percentile; packets lost while the core was not full\n")
        parts.append(_row("", *calls, "lost", "wrong"))
        parts.append(_row(*["---"] * (len(calls) + 3)))
        parts += [_latency_row(results, name, profile) for name in names]
        parts.append("")
    return "\n".join(parts)


def _cost_row(results: Results, name: str, profile: str) -> str:
    rounds = results.of(name, profile)
    cells = []
    for calls in results.calls:
        windows = _windows(rounds, calls)
        cells.append(f"{_cost(windows):.1f}{_doubts(windows)}" if windows else "-")
    whole = [each for each in rounds if each.windows]
    most = results.most.get((name, profile))
    return _row(
        KINDS[name].title,
        *cells,
        f"{_median(each.call_kb for each in whole):.0f} kB",
        f"{_median(each.setup_ms for each in whole):.2f} ms",
        "-" if most is None else f"{most:,}",
    )


def _latency_row(results: Results, name: str, profile: str) -> str:
    rounds = results.of(name, profile)
    cells = []
    for calls in results.calls:
        windows = _windows(rounds, calls)
        own = results.floors[calls].median_us
        added = _median(results.added_us(window) for window in windows)
        cells.append(f"{added:.0f} / {_median(max(0.0, window.p99_us - own) for window in windows):.0f}" if windows else "-")
    every = [window for each in rounds for window in each.windows.values() if window.core < FULL_CORE]
    return _row(KINDS[name].title, *cells, f"{sum(window.lost for window in every):,}", f"{sum(window.bad for window in every):,}")


def _windows(rounds: list[Round], calls: int) -> list[Window]:
    """Those in which the load program kept its pace, or all if there is none."""
    found = [each.windows[calls] for each in rounds if calls in each.windows]
    return [window for window in found if window.valid] or found


def _cost(windows: list[Window]) -> float:
    return _median(window.packet_us for window in windows)


def _doubts(windows: list[Window]) -> str:
    full = " (core full)" if _median(window.core for window in windows) > FULL_CORE else ""
    return full + ("" if all(window.valid for window in windows) else " ?")


def _median(values: Iterable[float]) -> float:
    every = list(values)
    return statistics.median(every) if every else 0.0


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


# --- the picture -------------------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 215, 40, 50
COLOURS = ("#2f7ed8", "#0d9f6e", "#8a4fd3", "#1ba3b8", "#d9822b", "#d64550", "#5b6b8c", "#b0862a", "#8f8f8f")
STYLE = """
svg { background: #fff; font: 13px sans-serif } text { fill: #222 } .grid { stroke: #ddd } .axis { stroke: #888 }
@media (prefers-color-scheme: dark) { svg { background: #16181d } text { fill: #e4e4e4 } .grid { stroke: #333842 } }
"""


def picture(results: Results) -> str:
    """An SVG: microseconds per packet over the number of calls, the latter on a logarithmic scale; the first profile measured."""
    profile = results.rounds[0].profile
    lines = {}
    for name in KINDS:
        rounds = results.of(name, profile)
        points = [(calls, _cost(windows)) for calls in results.calls if (windows := _windows(rounds, calls))]
        if points:
            lines[name] = points
    top = _round_up(max((cost for points in lines.values() for _, cost in points), default=1.0))
    low, high = math.log(min(results.calls)), math.log(max(results.calls))
    across = WIDTH - LEFT - RIGHT

    def at_x(calls: int) -> float:
        return LEFT + (across * (math.log(calls) - low) / (high - low) if high > low else across / 2)

    def at_y(cost: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * cost / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        f'<title id="title">CPU microseconds per relayed packet over the number of calls, {profile}</title>',
        f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="22" font-weight="bold">CPU microseconds per relayed packet ({profile})</text>',
        *_axes(results.calls, top, at_x, at_y),
    ]
    labels = _apart([at_y(points[-1][1]) for points in lines.values()])
    for (name, points), label in zip(lines.items(), labels, strict=True):
        colour = COLOURS[list(KINDS).index(name) % len(COLOURS)]
        path = " ".join(f"{at_x(calls):.1f},{at_y(cost):.1f}" for calls, cost in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{at_x(calls):.1f}" cy="{at_y(cost):.1f}" r="3.5" fill="{colour}"/>' for calls, cost in points]
        end = WIDTH - RIGHT + 14
        parts.append(f'<line x1="{end}" x2="{end + 16}" y1="{label:.1f}" y2="{label:.1f}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{end + 22}" y="{label + 4:.1f}">{KINDS[name].title}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(calls: tuple[int, ...], top: float, at_x: Callable[[int], float], at_y: Callable[[float], float]) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for step in range(6):
        cost = top * step / 5
        y = at_y(cost)
        parts.append(f'<line class="{"grid" if step else "axis"}" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{cost:g}</text>')
    for number in calls:
        parts.append(f'<line class="axis" x1="{at_x(number):.1f}" x2="{at_x(number):.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(f'<text x="{at_x(number):.1f}" y="{bottom + 20}" text-anchor="middle">{number:,}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">calls, 50 packets a second each way</text>')
    return parts


def _apart(wanted: list[float]) -> list[float]:
    """Heights near those wanted, and no two within a line of text."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [0.0] * len(wanted)
    above = TOP - 18.0
    for index in order:
        placed[index] = above = max(wanted[index], above + 18.0)
    return placed


def _round_up(value: float) -> float:
    return next(step for step in (5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 500, 1000, 10_000) if step >= value)
