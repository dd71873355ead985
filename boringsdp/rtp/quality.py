"""How good a stream sounds, estimated from loss, delay and jitter: the simplified E-model (ITU-T G.107). Pure."""

from __future__ import annotations

from dataclasses import dataclass

R_MAX = 93.2
"""R of a clean narrowband connection with the default values of G.107."""


@dataclass(slots=True, frozen=True)
class Impairment:
    """A codec's equipment impairment factor and its robustness against loss (ITU-T G.113 appendix I)."""

    equipment: float
    robustness: float


IMPAIRMENTS = {
    "pcmu": Impairment(0, 25.1),
    "pcma": Impairment(0, 25.1),
    "g722": Impairment(0, 25.1),
    "g729": Impairment(11, 19),
    "gsm": Impairment(20, 10),
    "opus": Impairment(0, 30),
}
"""G.711 with concealment; for G.722 and Opus, which G.113 places on a wideband scale, the narrowband scale's best with alike robustness."""
UNKNOWN = Impairment(5, 15)


def r_factor(loss: float, delay_ms: float, impairment: Impairment = UNKNOWN) -> float:
    """
    Return the transmission rating R, 0..93.2 (G.107 §7, with random loss: BurstR = 1).

    `loss` is a fraction 0..1 after the jitter buffer, `delay_ms` one way from mouth to ear.
    """
    percent = 100 * min(1.0, max(0.0, loss))
    effective = impairment.equipment + (95 - impairment.equipment) * percent / (percent + impairment.robustness)
    delayed = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    return max(0.0, min(R_MAX, R_MAX - delayed - effective))


def mos_of(r: float) -> float:
    """Return the mean opinion score of R, 1..4.5 (G.107 annex B)."""
    if r <= 0:
        return 1.0
    return max(1.0, min(4.5, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6))


def estimate_mos(codec: str, loss: float, jitter_ms: float, round_trip_ms: float | None) -> float:
    """
    Return an estimated MOS, rounded to hundredths.

    The one-way delay is taken as half the round trip, plus a jitter buffer of twice the jitter, plus 30 ms for a frame and its codec.
    """
    delay_ms = (round_trip_ms or 0.0) / 2 + 2 * jitter_ms + 30
    return round(mos_of(r_factor(loss, delay_ms, IMPAIRMENTS.get(codec.lower(), UNKNOWN))), 2)


def round_trip_ms(arrival: int, last_report: int, delay: int) -> float | None:
    """
    Return the round trip in ms from a report block (RFC 3550 §6.4.1), None when the peer has had no sender report or its numbers lie.

    All three are the middle 32 bits of NTP time, 1/65536 s: when the block came, its LSR, its DLSR.
    """
    if last_report == 0:
        return None
    ticks = (arrival - last_report - delay) & 0xFFFFFFFF
    if ticks & 0x80000000:
        # A little below zero is clock rounding on a fast path; far below is nonsense.
        return 0.0 if 0x100000000 - ticks < 0x10000 // 20 else None
    milliseconds = ticks * 1000 / 65536
    return milliseconds if milliseconds < 60_000 else None
