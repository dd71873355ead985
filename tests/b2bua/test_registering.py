"""What a REGISTER asks for, whatever is in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registering import Contact, Registering, aor_key, canonical, contact_text, read_register
from boringsdp.sip.message import Headers, Request
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.desk import contact, register

PIECES = st.sampled_from(
    [
        "*",
        "<sip:a@b>",
        "sip:a@b",
        ",",
        ";",
        "expires=",
        "5",
        "-1",
        "q=",
        "0.5",
        "nan",
        "reg-id=",
        "+sip.instance=",
        '"',
        "<urn:x>",
        "x",
        " ",
    ]
)


def only(request: Request) -> Contact:
    said = read_register(request, usual=600)
    assert isinstance(said, Registering)
    return said.contacts[0]


def test_times_come_from_the_contact_then_from_expires_then_from_us():
    assert only(register(contact(more=";expires=5"), expires=7)).expires == 5
    assert only(register(expires=7)).expires == 7
    assert only(register(expires=None)).expires == 600
    assert only(register(contact(more=";expires=soon"), expires=7)).expires == 3600  # RFC 3261 §10.2.1.1
    assert only(register(contact(more=f";expires={2**40}"))).expires == 3600


def test_a_contact_is_told_as_it_was_written():
    text = contact(more=';+sip.ice;q=0.25;methods="INVITE, BYE"')
    found = only(register(f"{text};expires=60"))
    assert contact_text(found.uri, found.params, 60) == f"{text};expires=60"
    assert (found.instance, found.reg_id, found.q) == ("<urn:uuid:1>", 1, 0.25)


def test_q_is_between_0_and_1():
    assert [only(register(contact(more=f";q={q}"))).q for q in ("0", "1.5", "-3", "nan", "x", "inf")] == [0.0, 1.0, 0.0, 1.0, 1.0, 1.0]


def test_an_address_of_record_has_no_port_and_no_parameters():
    uri = parse_sip_uri("sips:%61lice:pw@Example.COM:5061;transport=tls?x=y")
    assert canonical(uri).to_text() == "sip:%61lice@example.com"
    assert aor_key(uri) == "alice@example.com"


@given(st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=4), st.text(max_size=30))
def test_any_register_is_read_or_refused(pieces: list[str], to: list[str], text: str):
    request = register()
    for name, value in (("Contact", "".join(pieces)), ("To", "".join(to)), ("Expires", text), ("Require", text), ("Supported", text)):
        changed = Request(request.method, request.uri, Headers(request.headers))
        changed.headers.set(name, value)
        said = read_register(changed, usual=600)
        assert isinstance(said, Registering | Refusal)
        for found in said.contacts if isinstance(said, Registering) else ():
            assert 0 <= found.q <= 1
            assert found.expires >= 0
            parse_name_address(contact_text(found.uri, found.params, 1))
