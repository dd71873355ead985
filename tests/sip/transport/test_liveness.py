"""How long connections live, in virtual time."""

from __future__ import annotations

from boringsdp.sip.transport.liveness import Liveness, Verdict
from boringsdp.sip.transport.settings import Limits

LIMITS = Limits(first_message_s=60, half_message_s=15, idle_s=600, pong_s=10)


def connection(accepted: bool = False) -> Liveness:
    return Liveness(LIMITS, 90.0, accepted, 0.0)


def when(core: Liveness, since: float = 0.0, until: float = 2000.0) -> list[tuple[float, Verdict]]:
    """What a tick every second brings, up to the end of the connection."""
    found = []
    now = since
    while now < until:
        if (verdict := core.tick(now)) is not None:
            found.append((now, verdict))
            if verdict is not Verdict.PING:
                break
        now += 1.0
    return found


def test_an_unused_connection_ends() -> None:
    assert when(connection()) == [(600.0, Verdict.IDLE)]
    used = connection()
    used.message(100.0)
    assert when(used) == [(700.0, Verdict.IDLE)]


def test_pings_of_the_peer_keep_a_connection_but_are_no_message() -> None:
    pinged = connection()
    pinged.ping(500.0)
    assert when(pinged) == [(1100.0, Verdict.IDLE)]
    stranger = connection(accepted=True)
    stranger.ping(50.0)
    assert when(stranger) == [(60.0, Verdict.SILENT)]


def test_a_connection_that_is_watched_is_never_idle() -> None:
    watched = connection()
    watched.watched = True
    assert when(watched) == []


def test_whoever_connects_has_to_say_something() -> None:
    assert when(connection(accepted=True)) == [(60.0, Verdict.SILENT)]
    speaks = connection(accepted=True)
    speaks.heard()
    assert when(speaks) == [(600.0, Verdict.IDLE)]


def test_half_a_message_has_little_time_however_it_trickles() -> None:
    slow = connection(accepted=True)
    for now in range(5, 30, 2):
        slow.received(float(now), half=True)
    assert when(slow, 19.0) == [(20.0, Verdict.HALF)]
    slow.received(19.0, half=False)
    assert when(slow, 19.0) == [(60.0, Verdict.SILENT)]


def test_a_kept_connection_is_pinged_and_never_idle() -> None:
    kept = connection()
    kept.keep(True, 0.0)
    assert when(kept, until=700.0) == [(90.0 * number, Verdict.PING) for number in range(1, 8)]


def test_messages_are_as_good_as_pings() -> None:
    kept = connection()
    kept.keep(True, 0.0)
    kept.message(80.0)
    assert when(kept, until=200.0) == [(170.0, Verdict.PING)]


def test_a_peer_that_has_answered_once_is_expected_to() -> None:
    kept = connection()
    kept.keep(True, 0.0)
    assert when(kept, until=91.0) == [(90.0, Verdict.PING)]
    assert kept.awaits_pong
    kept.pong()
    assert not kept.awaits_pong
    assert when(kept, 91.0) == [(180.0, Verdict.PING), (190.0, Verdict.DEAD)]


def test_every_keeper_lets_go_for_itself() -> None:
    kept = connection()
    kept.keep(True, 0.0)
    kept.keep(True, 0.0)
    kept.keep(False, 0.0)
    assert (90.0, Verdict.PING) in when(kept, until=100.0)
    kept.keep(False, 100.0)
    kept.message(100.0)
    assert when(kept, 100.0) == [(700.0, Verdict.IDLE)]


def test_closing_takes_no_longer_than_a_moment() -> None:
    closing = connection()
    closing.closing(10.0)
    assert when(closing, 10.0) == [(15.0, Verdict.LINGERING)]
