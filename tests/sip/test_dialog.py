"""Dialogs (RFC 3261 §12)."""

from __future__ import annotations

import pytest

from boringsdp.errors import SipError
from boringsdp.sip import build
from boringsdp.sip import headers as views
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.message import Request, Response


def invite(*lines: tuple[str, str]) -> Request:
    return build.request(
        "INVITE",
        "sip:bob@example.org",
        from_='"Alice, A." <sip:alice@example.com>;tag=a',
        to="<sip:bob@example.org>",
        call_id="c",
        cseq=5,
        headers=lines,
    )


def answer(request: Request, *lines: tuple[str, str], tag: str = "b") -> Response:
    return build.response_to(request, 200, tag=tag, headers=lines)


LOOSE = [("Record-Route", "<sip:p2.example.org;lr>, <sip:p1.example.org;lr;x=y>"), ("Record-Route", "<sip:p0.example.org;lr>")]
BOB = ("Contact", '"Bob" <sip:bob@192.0.2.2;transport=tcp>;+sip.instance="<urn:uuid:1>"')


def test_the_caller_goes_through_the_route_set_backwards():
    request = invite()
    dialog = Dialog.of_response(request, answer(request, *LOOSE, BOB))
    made = dialog.request("BYE")
    assert made.uri == "sip:bob@192.0.2.2;transport=tcp"
    assert made.headers.all("Route") == ["<sip:p0.example.org;lr>", "<sip:p1.example.org;lr;x=y>", "<sip:p2.example.org;lr>"]
    assert made.headers.get("From") == '"Alice, A." <sip:alice@example.com>;tag=a'
    assert views.to(made).tag == "b"
    assert views.cseq(made).number == 6
    assert dialog.id == ("c", "a", "b")


def test_the_callee_goes_through_it_as_it_came():
    dialog = Dialog.of_request(invite(*LOOSE, ("Contact", "<sip:alice@192.0.2.1>")), "b")
    made = dialog.request("INFO", [("X", "y")], "text/plain", b"hello")
    assert [value.partition(">")[0] for value in made.headers.all("Route")] == [
        "<sip:p2.example.org;lr",
        "<sip:p1.example.org;lr;x=y",
        "<sip:p0.example.org;lr",
    ]
    assert made.uri == "sip:alice@192.0.2.1"
    assert (views.from_(made).tag, views.to(made).tag) == ("b", "a")
    assert (made.headers.get("X"), made.headers.get("Content-Type"), made.body) == ("y", "text/plain", b"hello")
    assert views.cseq(made).number == 1


def test_a_strict_router_gets_the_request_uri():
    routes = ("Record-Route", "<sip:loose.example.org;lr>, <sip:strict.example.org;transport=tcp?Subject=x>")
    request = invite()
    made = Dialog.of_response(request, answer(request, routes, BOB)).request("BYE")
    assert made.uri == "sip:strict.example.org;transport=tcp"
    assert made.headers.all("Route") == ["<sip:loose.example.org;lr>", "<sip:bob@192.0.2.2;transport=tcp>"]


def test_the_ack_has_the_number_of_its_invite_and_leaves_the_sequence():
    request = invite()
    dialog = Dialog.of_response(request, answer(request, *LOOSE, BOB))
    dialog.request("INFO")
    ack = dialog.ack(5, b"v=0")
    assert (ack.method, views.cseq(ack).number, views.cseq(ack).method) == ("ACK", 5, "ACK")
    assert (len(ack.headers.all("Route")), ack.headers.get("Content-Type")) == (3, "application/sdp")
    assert views.cseq(dialog.request("BYE")).number == 7


def test_numbers_that_do_not_rise_are_out_of_order():
    dialog = Dialog.of_request(invite(("Contact", "<sip:alice@192.0.2.1>")), "b")

    def numbered(number: int) -> Request:
        return build.request("INFO", "sip:b", from_="<sip:a@b>;tag=a", to="<sip:b@b>;tag=b", call_id="c", cseq=number)

    assert [dialog.in_order(numbered(number)) for number in (5, 4, 6, 6, 900, 7)] == [False, False, True, False, True, False]


def test_the_first_request_of_the_callee_may_have_any_number():
    request = invite()
    dialog = Dialog.of_response(request, answer(request, BOB))
    bye = build.request("BYE", "sip:a", from_="<sip:b@b>;tag=b", to="<sip:a@b>;tag=a", call_id="c", cseq=0)
    assert dialog.in_order(bye)


def test_a_response_without_contact_leaves_the_request_uri():
    request = invite()
    dialog = Dialog.of_response(request, answer(request))
    assert dialog.remote_target == "sip:bob@example.org"
    assert dialog.refresh_target(answer(request, BOB))
    assert dialog.remote_target == "sip:bob@192.0.2.2;transport=tcp"
    assert not dialog.refresh_target(answer(request, BOB))
    assert dialog.refresh_target(answer(request, ("Contact", "<sip:b@192.0.2.3;method=BYE;ob?Route=x>")))
    assert dialog.remote_target == "sip:b@192.0.2.3;ob"
    for bad in ("", "nonsense", "*", "<sip:open", "<tel:+123>", "<sip:b@bad host>", "<sip:b@[::>"):
        assert not dialog.refresh_target(answer(request, ("Contact", bad)))


@pytest.mark.parametrize("lines", [[], [("Contact", "nonsense")], [("Contact", "*")]])
def test_a_request_without_a_contact_makes_no_dialog(lines):
    with pytest.raises(SipError) as caught:
        Dialog.of_request(invite(*lines), "b")
    assert caught.value.header == "Contact"


def test_a_record_route_that_cannot_be_read_is_a_sip_error():
    with pytest.raises(SipError):
        Dialog.of_request(invite(("Record-Route", '<sip:a;lr>, "open'), ("Contact", "<sip:alice@192.0.2.1>")), "b")


def test_the_headers_of_a_contact_are_left_out_of_the_request_uri():
    dialog = Dialog.of_request(invite(("Contact", "<sip:alice@192.0.2.1;ob?Replaces=x&Subject=y>")), "b")
    assert dialog.request("BYE").uri == "sip:alice@192.0.2.1;ob"


@pytest.mark.parametrize("contact", ["<tel:+12015550123>", "<sip:a@b:x>", "*"])
def test_a_contact_nobody_can_send_to_makes_no_dialog(contact):
    with pytest.raises(SipError, match="Contact"):
        Dialog.of_request(invite(("Contact", contact)), "b")
