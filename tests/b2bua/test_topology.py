"""Browsers see a PBX by the domain's name, whatever it writes, and reach it by that."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.b2bua.settings import DomainSettings, Mode, Refer, TrunkAccount
from boringsdp.b2bua.topology import topology_of
from boringsdp.sip.account import IncomingMessage, IncomingRefer, ReferReceived
from boringsdp.sip.build import request
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.session.events import Ended
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import DOMAIN, House, talk
from tests.support.sip_endpoints import at

SETTINGS = DomainSettings(
    name=DOMAIN,
    mode=Mode.TRUNK,
    pbx=(parse_sip_uri("sip:pbx.inner:5070;transport=tcp"), parse_sip_uri("sip:[2001:DB8::1]")),
    sources=("10.1.0.0/16",),
    trunk=TrunkAccount(identity=parse_sip_uri("sip:gw@carrier.example")),
)
CALL = request(
    "INVITE",
    "sip:alice@192.0.2.7:5080",
    from_="<sip:1001@x>;tag=a",
    to="<sip:alice@x>",
    call_id="c",
    cseq=1,
    headers=[("Via", "SIP/2.0/UDP inside.lan:5070;branch=z9hG4bKa;received=172.16.0.9")],
)
TOPOLOGY = topology_of(SETTINGS, lambda host: host in (DOMAIN, "second.example"), CALL)


@pytest.mark.parametrize("host", ["PBX.inner", "pbx.inner.", "[2001:db8:0::1]", "10.1.2.3", "carrier.example", "192.0.2.7", "inside.lan",
                                  "172.16.0.9"])  # fmt: skip
def test_hosts_of_the_pbx_and_ours_become_the_domain(host: str):
    assert str(TOPOLOGY.hidden(parse_sip_uri(f"sip:+49%2030@{host}:5070;transport=tcp;user=phone;maddr=10.1.1.1"))) == (
        f"sip:+49%2030@{DOMAIN};user=phone"
    )


@pytest.mark.parametrize("text", ["sip:x@other.example:5070;transport=tcp", "sip:x@second.example", "sip:x@10.2.0.1", f"sips:x@{DOMAIN}"])
def test_others_stay_as_they_are(text: str):
    assert str(TOPOLOGY.hidden(parse_sip_uri(text))) == text


def test_what_is_known_without_a_request_is_configured():
    topology = topology_of(SETTINGS, lambda host: False)
    assert topology.hidden(parse_sip_uri("sip:x@pbx.inner")).host == DOMAIN
    assert topology.hidden(parse_sip_uri("sip:x@172.16.0.9")).host == "172.16.0.9"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"Bob, B" <sip:bob@10.1.2.3:5070>, <tel:+4930>', f'"Bob, B" <sip:bob@{DOMAIN}>, <tel:+4930>'),
        ("<sip:hunt@pbx.inner?Reason=SIP%3Bcause%3D302>;index=1", f"<sip:hunt@{DOMAIN}?Reason=SIP%3Bcause%3D302>;index=1"),
        ("sip:hunt@pbx.inner:5070;reason=no-answer", f"sip:hunt@{DOMAIN};reason=no-answer"),
        ("Bob <SIP:bob@pbx.inner>;party=calling", f"Bob <sip:bob@{DOMAIN}>;party=calling"),
        ("<sip:x@other.example>;reason=user-busy", "<sip:x@other.example>;reason=user-busy"),
        ("id", "id"),
        ("<sip:b d@pbx.inner>", None),
    ],
)
def test_header_lines(value: str, shown: str | None):
    assert TOPOLOGY.hidden_lines((("P-Asserted-Identity", value),)) == ((("P-Asserted-Identity", shown),) if shown is not None else ())


def sender(message: Any) -> str:
    return parse_name_address(message.headers.get("From") or "").uri_text


async def test_a_browser_calls_back_by_what_it_sees(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    inner = at(house.pbx, "bob")
    lines = [("P-Asserted-Identity", f"<{inner}>"), ("Diversion", f"<{inner}>;reason=no-answer")]
    await talk(bob, alice, house.number("alice"))
    bob.call.hang_up()
    await alice.hears(Ended)
    bob.calls(house.number("alice"), headers=lines)
    came = await alice.rings()
    assert sender(came.request) == f"sip:bob@{DOMAIN}"
    assert came.request.headers.get("P-Asserted-Identity") == f"<sip:bob@{DOMAIN}>"
    assert came.request.headers.get("Diversion") == f"<sip:bob@{DOMAIN}>;reason=no-answer"
    assert "127.0.0.1" not in "".join(value for name, value in came.request.headers if name not in ("Via", "Contact", "Record-Route"))
    came.session.reject(486)
    alice.calls(sender(came.request))
    back = await bob.takes()
    assert parse_sip_uri(back.request.uri).user == "bob"
    assert sender(back.request) == alice.uri


async def test_messages_of_the_pbx_too(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.account.request("MESSAGE", house.number("alice"), content_type="text/plain", body=b"hello")
    assert sender((await alice.ear.hears(IncomingMessage)).request) == f"sip:bob@{DOMAIN}"


async def test_who_is_transferred_to_a_browser_is_seen_by_the_domain(house: House):
    alice, carol, bob = await house.phone("alice"), await house.phone("carol"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    alice.call.refer(carol.uri, hear=lambda event: None)
    assert sender((await carol.rings()).request) == f"sip:bob@{DOMAIN}"


class TestPassed:
    @pytest.fixture
    def front_settings(self) -> dict[str, Any]:
        return {"refer": Refer.PASS}

    async def test_whom_the_pbx_wants_called_is_named_by_the_domain(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        bob.calls(house.number("alice"))
        await alice.takes()
        await bob.until(lambda ear: bob.call.dialog is not None)
        bob.call.refer(at(house.pbx, "dora"), hear=lambda event: None)
        refer = (await alice.hears(ReferReceived)).refer
        assert refer.target == f"sip:dora@{DOMAIN}"
        refer.reject()


async def test_outside_of_a_call_as_well(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.account.request("REFER", house.number("alice"), headers=[("Refer-To", f"<{at(house.pbx, 'dora')}>")])
    came = await alice.ear.hears(IncomingRefer)
    assert came.refer.target == f"sip:dora@{DOMAIN}"
    came.refer.reject()
