"""A burst, then a steady rate, and what was refused is counted."""

from __future__ import annotations

from boringsdp.net.limit import RateLimit


def test_a_burst_then_a_rate_and_nothing_uncounted():
    limit = RateLimit(per_second=2.0, burst=3)
    assert [limit.allow(100.0) for _ in range(5)] == [0, 0, 0, None, None]
    assert [limit.allow(100.5), limit.allow(100.5)] == [2, None]
    assert [limit.allow(1000.0) for _ in range(4)] == [1, 0, 0, None]
