"""What a Contact becomes by the note of a server in our Via."""

from __future__ import annotations

import pytest

from boringsdp.sip.build import response
from boringsdp.sip.seen import seen_contact

CONTACT = "<sip:x7@10.0.0.5:5060>;q=0.5"


@pytest.mark.parametrize(
    ("contact", "via", "wanted"),
    [
        (CONTACT, "UDP 10.0.0.5:5060;received=198.51.100.7;rport=40000", "<sip:x7@198.51.100.7:40000>;q=0.5"),
        (CONTACT, "UDP 10.0.0.5:5060;received=198.51.100.7;rport", "<sip:x7@198.51.100.7:5060>;q=0.5"),
        (CONTACT, "UDP 10.0.0.5:5060;rport=40000", "<sip:x7@10.0.0.5:40000>;q=0.5"),
        ("<sip:x7@10.0.0.5;transport=tcp>", "TCP 10.0.0.5:5060;received=198.51.100.7;rport=1", "<sip:x7@198.51.100.7:1;transport=tcp>"),
        ("<sip:x7@10.0.0.5:5061>", "TLS 10.0.0.5:5061;received=[2001:db8::7];rport=9", "<sip:x7@[2001:db8::7]:9>"),
    ],
)
def test_the_address_is_taken(contact: str, via: str, wanted: str) -> None:
    assert seen_contact(contact, response(200, headers=[("Via", f"SIP/2.0/{via};branch=z9hG4bK1")])) == wanted


@pytest.mark.parametrize(
    ("contact", "via"),
    [
        (CONTACT, "UDP 10.0.0.5:5060"),
        (CONTACT, "UDP 10.0.0.5:5060;received=10.0.0.5;rport=5060"),
        ("<sip:x7@10.0.0.5>", "UDP 10.0.0.5;received=10.0.0.5;rport=5060"),
        ("<sip:x7@[2001:DB8::7]:5060>", "UDP [2001:db8::7];received=2001:db8::7;rport=5060"),
        (CONTACT, "UDP 10.0.0.5:5060;received=evil.example;rport=1"),
        ("<sip:x7@abc.invalid;transport=ws>", "WS abc.invalid;received=198.51.100.7;rport=40000"),
        ("<tel:+49>", "UDP 10.0.0.5:5060;received=198.51.100.7;rport=40000"),
    ],
)
def test_it_stays_as_it_is(contact: str, via: str) -> None:
    assert seen_contact(contact, response(200, headers=[("Via", f"SIP/2.0/{via};branch=z9hG4bK1")])) == contact


def test_without_a_via_it_stays_as_it_is() -> None:
    assert seen_contact(CONTACT, response(200)) == CONTACT
