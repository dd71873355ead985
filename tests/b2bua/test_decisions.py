"""What policies return: a target by itself is a route, and for what is no decision there is an answer, a line in the log and a record."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from boringsdp.b2bua.decision import decision_of
from boringsdp.b2bua.policy import Asked, DefaultRouting, Refusal, Route, ToEcho, ToPbx, ToUser
from boringsdp.sip.account import ReferFailed
from boringsdp.sip.session.events import Answered, Failed
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import DOMAIN, House, talk
from tests.b2bua.test_requests import asks
from tests.b2bua.test_transfers import refers

BOB = parse_sip_uri("sip:bob@example.com")
FLAT: Any = (ToEcho(),)
WORD: Any = "403"
ODD = {"none": None, "true": True, "flat": Route(groups=FLAT), "code": Refusal(WORD), "ok": Refusal(200), "text": Route(groups=WORD)}


class Routing(DefaultRouting):
    """Does as the name that is called says."""

    def from_browser(self, asked: Asked) -> Any:
        if asked.called.user == "echo":
            return ToEcho()
        return ODD[asked.called.user_name] if asked.called.user in ODD else self.later(asked)

    async def later(self, asked: Asked) -> Any:
        return None if asked.called.user == "late" else super().from_browser(asked)


@pytest.fixture
def make_routing() -> Any:
    return Routing


@pytest.mark.parametrize("to", [ToEcho(), ToUser(BOB), ToPbx(BOB)])
def test_a_target_is_a_route(to: Any):
    assert decision_of(to) == Route(groups=((to,),))


def test_lists_do_as_well_as_tuples():
    groups: Any = [[ToEcho()]]
    assert decision_of(Route(groups=groups, headers=[("X-Queue", "sales")])) == Route(
        groups=((ToEcho(),),), headers=(("X-Queue", "sales"),)
    )


@pytest.mark.parametrize(("returned", "named"), [(None, "None"), ("sip:bob@example.com", "str"), (Route(groups=FLAT), "ToEcho")])
def test_what_came_is_named(returned: Any, named: str):
    with pytest.raises(TypeError, match=named):
        decision_of(returned)


def test_headers_are_pairs():
    with pytest.raises(TypeError, match="headers"):
        decision_of(Refusal(403, "", FLAT))


async def test_the_echo_by_itself(house: House):
    alice = await house.phone("alice")
    alice.calls(f"sip:echo@{DOMAIN}")
    await alice.hears(Answered)


@pytest.mark.parametrize("name", [*ODD, "late"])
async def test_a_call_is_refused_logged_and_recorded(house: House, name: str, caplog: pytest.LogCaptureFixture):
    alice = await house.phone("alice")
    alice.calls(f"sip:{name}@{DOMAIN}")
    assert (await alice.hears(Failed)).code == 500
    record = await house.record()
    assert (record.result, record.code, record.ended_by) == ("failed", 500, "gateway")
    (line,) = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert (line.getMessage(), line.called) == ("no decision", f"sip:{name}@{DOMAIN}")  # type: ignore[attr-defined]
    assert line.by.endswith("from_browser")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["none", "late"])
async def test_a_message_gets_an_answer(house: House, name: str):
    alice = await house.phone("alice")
    assert (await asks(alice, "MESSAGE", f"sip:{name}@{DOMAIN}", body=b"x", content_type="text/plain")).response.code == 500
    assert (await asks(alice, "REFER", f"sip:{name}@{DOMAIN}", headers=[("Refer-To", "<sip:bob@example.com>")])).response.code == 500


@pytest.mark.parametrize("name", ["none", "late", "flat"])
async def test_a_transfer_gets_an_answer_and_the_call_goes_on(house: House, name: str):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    assert (await refers(alice, f"sip:{name}@{DOMAIN}").hears(ReferFailed)).code == 500
    assert len(house.front.transfers) == 0
    assert not alice.call.over
