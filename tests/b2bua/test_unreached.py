"""A PBX that is not there, told apart from one that says no; and what records keep of calls that nobody has answered."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.b2bua.headers import unreached
from boringsdp.b2bua.policy import Asked, DefaultRouting, Route, ToPbx
from boringsdp.sip.message import Headers, Response
from boringsdp.sip.session.events import Failed
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import DOMAIN, House
from tests.b2bua.test_pass_through import NOBODY, Page, world
from tests.b2bua.test_requests import asks
from tests.support.sip_browser import browser


def lines(caplog: pytest.LogCaptureFixture, text: str) -> list[Any]:
    return [line for line in caplog.records if line.getMessage() == text]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (None, ""),
        (Response(503, "Service Unavailable", Headers([("Warning", '399 pbx "full"')])), ""),
        (
            Response(503, "Service Unavailable", Headers([("Warning", '399 localhost "Connection refused"')]), local=True),
            "Connection refused",
        ),
        (Response(408, "Request Timeout", local=True), "Request Timeout"),
    ],
)
def test_why_nobody_has_responded(response: Response | None, why: str):
    assert unreached(response) == why


class TestCalls:
    @pytest.fixture
    def domain_settings(self) -> dict[str, Any]:
        return {"pbx": (NOBODY,)}

    @pytest.fixture(params=["", ";transport=tcp"])
    def make_routing(self, request: pytest.FixtureRequest) -> Any:
        class There(DefaultRouting):
            def from_browser(self, asked: Asked) -> Any:
                return Route(groups=((ToPbx(asked.called, parse_sip_uri(f"sip:127.0.0.1:9{request.param}")),),))

        return There

    async def test_the_record_and_the_log_say_so(self, house: House, caplog: pytest.LogCaptureFixture):
        alice = await house.phone("alice")
        alice.calls(f"sip:bob@{DOMAIN}")
        failed = await alice.hears(Failed)
        assert failed.code == 500
        assert failed.response is not None
        assert failed.response.headers.get("Warning") is None  # where the PBX is, is not for browsers
        record = await house.record()
        assert (record.ended_by, record.code) == ("gateway", 500)
        assert record.reason.startswith("not reached: 127.0.0.1:9")
        assert "refused" in record.reason
        assert (record.attempts[0].code, record.attempts[0].reason) == (503, record.reason)
        (line,) = lines(caplog, "PBX out of service")
        assert (line.at.partition(";")[0], line.why) == ("127.0.0.1:9", record.reason)

    async def test_a_flood_of_calls_is_no_flood_of_lines(self, house: House, caplog: pytest.LogCaptureFixture):
        alice = await house.phone("alice")
        for _ in range(15):
            alice.calls(f"sip:bob@{DOMAIN}")
            await alice.hears(Failed)
        assert len(lines(caplog, "PBX out of service")) == 10


async def test_a_503_that_was_said_is_of_the_pbx(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    (await bob.rings()).session.reject(503)
    await alice.hears(Failed)
    record = await house.record()
    assert (record.ended_by, record.reason) == ("callee", "refused: Service Unavailable")


async def test_a_failed_call_has_the_ladders_of_both_dialogs_and_the_leg_of_its_caller(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    (await bob.rings()).session.reject(404)
    await alice.hears(Failed)
    record = await house.record()
    assert record.call_ids[1:] == (record.attempts[0].call_id,)
    assert ["404 INVITE" in ladder for ladder in record.ladders] == [True, True]
    assert [leg.protocol for leg in record.legs] == ["UDP/TLS/RTP/SAVPF"]


async def test_a_call_from_the_pbx_that_all_browsers_refuse(house: House):
    tabs, bob = [await house.phone("alice") for _ in range(2)], house.telephone("bob")
    bob.calls(house.number("alice"))
    for tab in tabs:
        await tab.rings()
    for tab in tabs:
        tab.call.reject(486)
    await bob.hears(Failed)
    record = await house.record()
    assert len(record.ladders) == len(set(record.call_ids)) == 3
    assert [leg.protocol for leg in record.legs] == ["RTP/AVP"]


async def test_a_register_that_no_pbx_answers_is_told(caplog: pytest.LogCaptureFixture):
    async with world(NOBODY) as made, browser(made.here) as phone:
        assert (await Page(phone).registers()).code == 200
    (line,) = lines(caplog, "REGISTER not answered by the PBX")
    assert (line.user, line.at) == (f"alice@{DOMAIN}", "sip:127.0.0.1:9")
    assert "refused" in line.why


async def test_a_register_that_the_pbx_refuses_is_told(caplog: pytest.LogCaptureFixture):
    async with world() as made, browser(made.here) as phone:
        for code in (401, 403, 404):
            made.pbx.refuse.append((code, []))
            assert (await Page(phone).asks()).code == code
    assert [line.why.partition(" ")[0] for line in lines(caplog, "REGISTER refused by the PBX")] == ["403", "404"]


async def test_wrong_passwords_have_a_line_with_user_and_address(house: House, caplog: pytest.LogCaptureFixture):
    async with browser(house.here) as phone:
        for _ in range(12):
            assert (await Page(phone, password="wrong").registers()).code == 401
        assert (await Page(phone, user="mallory").registers()).code == 401
    found = lines(caplog, "wrong password")
    assert [(line.user, line.source) for line in found] == [(f"alice@{DOMAIN}", "127.0.0.1")] * 10


async def test_wrong_passwords_that_a_pbx_hears_have_theirs(caplog: pytest.LogCaptureFixture):
    async with world() as made, browser(made.here) as phone:
        assert (await Page(phone, password="wrong").registers()).code == 401
    (line,) = lines(caplog, "wrong password")
    assert (line.user, line.source) == (f"alice@{DOMAIN}", "127.0.0.1")


class TestMessages:
    @pytest.fixture
    def domain_settings(self) -> dict[str, Any]:
        return {"pbx": (NOBODY,)}

    async def test_a_message_that_no_pbx_answers_is_told(self, house: House, caplog: pytest.LogCaptureFixture):
        alice = await house.phone("alice")
        assert (await asks(alice, "MESSAGE", f"sip:bob@{DOMAIN}", body=b"x", content_type="text/plain")).response.code == 503
        (line,) = lines(caplog, "PBX out of service")
        assert (line.at, "refused" in line.why) == ("127.0.0.1:9", True)
