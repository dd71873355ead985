"""The retransmission cache, in virtual time."""

from __future__ import annotations

from boringsdp.ng.cookies import CookieCache, New, Pending, Reply


def answered(cache: CookieCache[str], cookie: bytes, reply: bytes, now: float) -> None:
    assert cache.begin(cookie, "first", now) == New()
    assert cache.finish(cookie, reply, now) == ["first"]


def test_the_same_cookie_has_the_same_reply():
    cache: CookieCache[str] = CookieCache()
    answered(cache, b"c", b"reply", 0.0)
    assert cache.begin(b"c", "second", 1.0) == Reply(b"reply")
    assert cache.begin(b"d", "other", 1.0) == New()
    assert (len(cache), cache.size, cache.pending) == (1, 6, 1)


def test_one_execution_while_the_first_is_under_way():
    cache: CookieCache[str] = CookieCache(waiters=3)
    assert cache.begin(b"c", "first", 0.0) == New()
    assert cache.begin(b"c", "second", 0.5) == Pending()
    assert cache.begin(b"c", "third", 0.6) == Pending()
    assert cache.begin(b"c", "fourth", 0.7) == Pending(heard=False)
    assert cache.finish(b"c", b"reply", 1.0) == ["first", "second", "third"]
    assert cache.begin(b"c", "fifth", 1.1) == Reply(b"reply")


def test_an_abandoned_request_is_executed_when_it_comes_again():
    cache: CookieCache[str] = CookieCache()
    cache.begin(b"c", "first", 0.0)
    assert cache.abandon(b"c") == ["first"]
    assert cache.begin(b"c", "second", 1.0) == New()


def test_replies_are_kept_for_30_to_60_seconds():
    cache: CookieCache[str] = CookieCache()
    answered(cache, b"early", b"1", 0.0)
    answered(cache, b"late", b"2", 29.9)
    assert cache.deadline() == 30.0
    for now in (30.0, 59.9):
        assert cache.begin(b"early", "again", now) == Reply(b"1")
        assert cache.begin(b"late", "again", now) == Reply(b"2")
    assert cache.deadline() == 60.0
    assert cache.begin(b"early", "again", 60.0) == New()
    assert cache.begin(b"late", "again", 60.0) == New()


def test_a_reply_lives_at_least_30_seconds_whenever_it_came():
    for tenth in range(0, 1200, 7):
        cache: CookieCache[str] = CookieCache()
        answered(cache, b"earlier", b"", 0.0)
        answered(cache, b"c", b"reply", tenth / 10)
        assert cache.begin(b"c", "again", tenth / 10 + 29.9) == Reply(b"reply")
        assert cache.begin(b"c", "again", tenth / 10 + 60.1) == New()


def test_an_idle_cache_forgets_everything_and_arms_no_timer():
    cache: CookieCache[str] = CookieCache()
    assert cache.deadline() is None
    answered(cache, b"c", b"reply", 5.0)
    assert cache.deadline() == 35.0
    cache.tick(35.0)
    assert cache.deadline() == 65.0
    cache.tick(65.0)
    assert (cache.deadline(), len(cache), cache.size) == (None, 0, 0)


def test_after_a_long_pause_all_is_forgotten_at_once():
    cache: CookieCache[str] = CookieCache()
    answered(cache, b"c", b"reply", 0.0)
    assert cache.begin(b"c", "again", 1000.0) == New()
    assert cache.deadline() is None


def test_entries_and_octets_are_bounded():
    cache: CookieCache[str] = CookieCache(entries=10, size=100)
    for number in range(100):
        answered(cache, b"%03d" % number, b"x" * 5, number / 100)
        assert len(cache) <= 20
        assert cache.size <= 200
    assert cache.begin(b"099", "again", 1.0) == Reply(b"x" * 5)
    answered(cache, b"large", b"x" * 101, 1.0)
    assert cache.begin(b"large", "again", 1.0) == New()
    answered(cache, b"fits", b"x" * 96, 1.0)
    assert cache.size <= 200
