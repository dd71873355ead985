from __future__ import annotations

import random

import pytest

from boringsdp.errors import Exhausted
from boringsdp.net.port_pool import PortPool


def test_pairs_are_even_and_odd_inside_the_range() -> None:
    pool = PortPool(10001, 10010, randomness=random.Random(1))
    pairs = [pool.take(0.0) for _ in range(pool.capacity)]
    assert sorted(pairs) == [(10002, 10003), (10004, 10005), (10006, 10007), (10008, 10009)]
    with pytest.raises(Exhausted):
        pool.take(0.0)


def test_a_released_pair_rests() -> None:
    pool = PortPool(10000, 10001, rest_s=30.0)
    port, _ = pool.take(0.0)
    pool.give_back(port, 5.0)
    assert (pool.used, pool.resting) == (0, 1)
    with pytest.raises(Exhausted):
        pool.take(34.9)
    assert pool.take(35.0) == (10000, 10001)


def test_the_longest_unused_comes_first() -> None:
    pool = PortPool(10000, 10007, rest_s=1.0)
    first = [pool.take(0.0)[0] for _ in range(4)]
    for port in first:
        pool.give_back(port, 0.0)
    assert [pool.take(2.0)[0] for _ in range(4)] == first


def test_giving_back_twice_is_harmless() -> None:
    pool = PortPool(10000, 10003, rest_s=0.0)
    port, _ = pool.take(0.0)
    pool.give_back(port, 0.0)
    pool.give_back(port, 0.0)
    assert {pool.take(0.0)[0], pool.take(0.0)[0]} == {10000, 10002}


@pytest.mark.parametrize(("first", "last"), [(0, 10), (20, 10), (60000, 65536)])
def test_impossible_ranges(first: int, last: int) -> None:
    with pytest.raises(ValueError):
        PortPool(first, last)
