from __future__ import annotations

import random

import pytest

from boringsdp.rtp.reception import DUPLICATE, JUMPED, WINDOW, Reception


def receive(reception: Reception, *sequences: int) -> list[int]:
    return [reception.receive(sequence & 0xFFFF, sequence * 160, sequence * 0.02) for sequence in sequences]


def fresh(sequence: int, *, trusted: bool = False) -> Reception:
    return Reception(sequence & 0xFFFF, sequence * 160, sequence * 0.02, 8000, trusted=trusted)


def test_extends_over_wraps() -> None:
    reception = fresh(65534)
    assert receive(reception, 65534, 65535, 65536, 65537) == [65534, 65535, 65536, 65537]
    assert (reception.lost, reception.packets) == (0, 4)


def test_counts_loss_and_takes_late_packets_back() -> None:
    reception = fresh(10)
    receive(reception, 10, 11, 15)
    assert reception.lost == 3
    assert receive(reception, 13) == [13]
    assert (reception.lost, reception.reordered) == (2, 1)
    assert receive(reception, 13) == [DUPLICATE]
    assert (reception.lost, reception.duplicates, reception.packets) == (2, 1, 4)


def test_a_packet_before_the_first_widens_the_range() -> None:
    reception = fresh(100)
    receive(reception, 100, 98)
    assert (reception.base, reception.lost, reception.packets) == (98, 1, 2)


def test_an_untrusted_jump_needs_a_second_packet() -> None:
    reception = fresh(10)
    receive(reception, 10, 11)
    assert receive(reception, 30000) == [JUMPED]
    assert receive(reception, 12, 40000) == [12, JUMPED]
    first, second = receive(reception, 40001, 40002)
    assert second == first + 1 > 65536
    assert (reception.packets, reception.lost) == (5, 0)


def test_a_trusted_jump_is_believed() -> None:
    reception = fresh(10, trusted=True)
    receive(reception, 10)
    assert receive(reception, 20010) == [20010]
    assert reception.lost == 19999
    assert receive(reception, 20009 - WINDOW) == [DUPLICATE]


def test_a_restart_close_behind_is_told_from_duplicates_by_its_time() -> None:
    reception = fresh(500)
    receive(reception, *range(500, 600))
    later = 10_000_000
    verdicts = [reception.receive(550 + index, later + index * 160, 30 + index * 0.02) for index in range(3)]
    assert verdicts[0] == JUMPED
    assert verdicts[2] == verdicts[1] + 1 > 600
    assert receive(fresh(1), 1, 1) == [1, DUPLICATE]


def test_resuming_takes_nothing_twice() -> None:
    reception = fresh(0, trusted=True)
    reception.resume(65536 + 40)
    assert receive(reception, 65536 + 40, 65536 - 100) == [DUPLICATE, DUPLICATE]
    assert receive(reception, 65536 + 41) == [65536 + 41]
    assert reception.lost == 0


def test_jitter_of_rfc_3550() -> None:
    reception = Reception(0, 0, 0.0, 8000)
    reception.receive(0, 0, 0.0)
    reception.receive(1, 160, 0.03)                         # 10 ms late: 80 ticks
    assert reception.jitter == pytest.approx(80 / 16)
    reception.receive(2, 320, 0.04)
    assert reception.jitter == pytest.approx(5 + (80 - 5) / 16)
    reception.set_clock(48000, 100, 0.06)
    assert reception.jitter == pytest.approx(6 * (5 + 75 / 16))


def test_jitter_survives_the_wrap_of_the_timestamp() -> None:
    reception = Reception(0, 2**32 - 160, 0.0, 8000)
    for index in range(4):
        reception.receive(index, (2**32 - 160 + index * 160) & 0xFFFFFFFF, index * 0.02)
    assert reception.jitter == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_exact_under_any_disorder(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.randrange(65536)
    sent = list(range(start, start + 3000))
    arriving = [(index + rng.random() * 30, sequence) for index, sequence in enumerate(sent) if rng.random() > 0.1]
    copies = [(at + rng.random() * 30, sequence) for at, sequence in arriving if rng.random() < 0.1]
    order = [sequence for _, sequence in sorted(arriving + copies)]
    reception = fresh(order[0])
    receive(reception, *order)
    unique = set(order)
    assert reception.packets == len(unique)
    assert reception.duplicates == len(order) - len(unique)
    assert reception.lost == max(unique) - min(unique) + 1 - len(unique)
