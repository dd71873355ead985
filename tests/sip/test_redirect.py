"""Where a 3xx leads."""

from __future__ import annotations

from boringsdp.sip.build import response
from boringsdp.sip.redirect import Redirects


def test_the_best_contacts_come_first_and_none_twice() -> None:
    redirects = Redirects(5, lambda uri: uri.host != "evil.test")
    moved = response(302, headers=[("Contact", "<sip:a@b.test>;q=0.2, <sip:c@d.test>"), ("Contact", "<sip:e@evil.test>, <tel:+1>")])
    redirects.add(moved)
    redirects.add(moved)
    assert [redirects.next() for _ in range(3)] == ["sip:c@d.test", "sip:a@b.test", None]


def test_who_calls_sips_is_not_led_to_sip() -> None:
    redirects = Redirects(5, lambda uri: True)
    redirects.add(response(302, headers=[("Contact", "<sip:a@b.test>, <sips:c@d.test>")]), secure=True)
    assert [redirects.next(), redirects.next()] == ["sips:c@d.test", None]
