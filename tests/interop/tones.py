"""Finds tone bursts in samples: the same measure for what a browser heard and what the plain peer heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.04
STEP_SECONDS = 0.01
QUIET = 0.02
"""Root mean square, of full scale 1, under which a window counts as silence."""


@dataclass(frozen=True)
class Burst:
    """A steady tone: its frequency in Hz, when it began and how long it lasted in seconds."""

    frequency: float
    start: float
    seconds: float


def samples_of(data: bytes) -> NDArray[np.float64]:
    """16-bit little-endian samples as -1 to 1."""
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64) / 32768


def peak(window: NDArray[Any], rate: int) -> tuple[float, float]:
    """Frequency of the strongest component and the share of the energy that lies around it."""
    size = 4096
    spectrum = np.abs(np.fft.rfft((window - window.mean()) * np.hanning(len(window)), size)) ** 2
    at = int(spectrum.argmax())
    width = round(3 * size / len(window))
    share = spectrum[max(0, at - width) : at + width + 1].sum() / max(spectrum.sum(), 1e-12)
    return at * rate / size, float(share)


def bursts(samples: NDArray[Any], rate: int, *, least: float = 0.08) -> list[Burst]:
    """The tone bursts of at least `least` seconds, in order; a gap under 60 ms or a change under 3 % does not split one."""
    window, step = int(WINDOW_SECONDS * rate), int(STEP_SECONDS * rate)
    runs: list[list[tuple[float, float]]] = []
    for start in range(0, len(samples) - window + 1, step):
        piece = samples[start : start + window]
        if np.sqrt(np.mean(piece**2)) < QUIET:
            continue
        frequency, share = peak(piece, rate)
        if share < 0.7 or frequency < 100:
            continue
        at = start / rate
        last = runs[-1][-1] if runs else None
        if last is not None and at - last[0] <= 0.06 and abs(frequency - np.median([one[1] for one in runs[-1]])) <= 0.03 * frequency:
            runs[-1].append((at, frequency))
        else:
            runs.append([(at, frequency)])
    # A window is loud as soon as its louder part is the tone: half a window too much on each side, taken off again.
    found = [
        Burst(float(np.median([f for _, f in run])), run[0][0] + WINDOW_SECONDS / 2, run[-1][0] - run[0][0] + STEP_SECONDS) for run in runs
    ]
    return [burst for burst in found if burst.seconds >= least]
