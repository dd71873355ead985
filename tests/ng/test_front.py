"""Commands and their replies, over calls that only write down what they are told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from boringsdp.call import CallTimedOut, LegConnected, LegFailed, Party
from boringsdp.errors import Exhausted, SdpError, WrongState
from boringsdp.metrics import Metrics
from boringsdp.ng.front import NgFront
from boringsdp.ng.requests import Learning
from boringsdp.ng.settings import NgSettings
from boringsdp.ng.statistics import Figures, Statistics
from boringsdp.relay import Latch
from tests.ng.conftest import FakeCall, FakeCalls, Proxy, plain_sdp

OK = {"result": "ok"}


def error(reason: str) -> dict[str, Any]:
    return {"result": "error", "error-reason": reason}


def test_ping(proxy: Proxy):
    assert proxy.send("ping") == {"result": "pong"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, 'Dictionary contains no key "command"'),
        ({"command": "dance"}, "Unrecognized command"),
        ({"command": "offer", "sdp": "v=0", "from-tag": "a"}, "No call-id in message"),
        ({"command": "offer", "call-id": "c", "sdp": plain_sdp()}, "No from-tag in message"),
        ({"command": "offer", "call-id": "c", "from-tag": "a"}, "No SDP body in message"),
        ({"command": "offer", "call-id": "c", "from-tag": "a", "sdp": "junk"}, "Failed to parse SDP"),
        ({"command": "answer", "call-id": "c", "from-tag": "a", "sdp": plain_sdp()}, "No to-tag in message"),
        ({"command": "answer", "call-id": "c", "from-tag": "a", "to-tag": "b", "sdp": plain_sdp()}, "Unknown call-id"),
        ({"command": "query", "call-id": "c"}, "Unknown call-id"),
        ({"command": "block media", "call-id": "c"}, "Unknown call-ID"),
        ({"command": "play DTMF", "call-id": "c", "from-tag": "a", "code": "5"}, "Unknown call-ID"),
        ({"command": "delete", "call-id": "c", "flags": ["fatal"]}, "Call-ID not found or tags didn't match"),
        ({"command": "offer", "call-id": "c" * 2000, "from-tag": "a", "sdp": plain_sdp()}, "call-id is longer than 1024 characters"),
    ],
)
def test_what_is_wrong_has_the_words_that_callers_know(front: NgFront, message: dict[str, Any], reason: str):
    reply = front.execute(message)
    assert {key: reply[key] for key in ("result", "error-reason")} == error(reason)


def test_media_without_an_address_is_an_incomplete_sdp(proxy: Proxy):
    """Not to be taken for a peer whose address is to be learned: anyone could be the first to send."""
    incomplete = "".join(line for line in plain_sdp(9000).splitlines(keepends=True) if not line.startswith("c="))
    assert proxy.offer("ta", sdp=plain_sdp(9000))["result"] == "ok"
    for reply in (proxy.answer("ta", "tb", sdp=incomplete), proxy.offer("ta", "tb", sdp=incomplete)):
        assert reply["error-reason"] == "Incomplete SDP specification"
        assert "c=" in reply["warning"]
    assert proxy.answer("ta", "tb", sdp=incomplete.replace("m=audio 9000", "m=audio 0"))["result"] == "ok"


def test_a_bad_sdp_is_explained_in_the_warning(proxy: Proxy):
    reply = proxy.offer("ta", sdp="v=0\r\nnonsense\r\n")
    assert reply["error-reason"] == "Failed to parse SDP"
    assert "nonsense" in reply["warning"] or "line" in reply["warning"]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (SdpError("no usable codec", "m=audio"), "Error rewriting SDP"),
        (Exhausted("ports"), "Ran out of ports"),
        (WrongState("closed", "an open call"), "Invalid dialogue association"),
        (RuntimeError("boom"), "Internal error"),
    ],
)
def test_a_refused_first_offer_leaves_nothing(proxy: Proxy, calls: FakeCalls, raised: Exception, reason: str):
    calls.fail = raised
    assert proxy.offer("ta")["error-reason"] == reason
    assert (len(calls), proxy.send("list")) == (0, {"calls": [], "result": "ok"})


def test_an_unexpected_fault_is_logged_and_counted(calls: FakeCalls, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    async def run() -> bytes:
        metrics = Metrics()
        front = NgFront(calls, NgSettings(), metrics=metrics)  # type: ignore[arg-type]
        calls.fail = RuntimeError("boom")
        Proxy(front).offer("ta")
        await front.close()
        return metrics.expose()

    monkeypatch.setattr(logging.getLogger("boringsdp"), "propagate", True)
    assert b"boringsdp_ng_faults_total 1.0" in asyncio.run(run())
    assert "command failed" in caplog.text


def test_offer_and_answer_reach_the_call(proxy: Proxy, calls: FakeCalls):
    reply = proxy.offer("ta", via_branch="b1", label="caller", metadata="x=1")
    assert (reply["result"], reply["sdp"]) == ("ok", plain_sdp())
    call = calls.calls["c1"]
    told = call.last("offer")
    assert (told["party"], told["branch"], told["tag"]) == (Party.A, "b1", "ta")
    assert proxy.answer("ta", "tb", "b1", label="callee")["result"] == "ok"
    told = call.last("answer")
    assert (told["party"], told["branch"], told["tag"]) == (Party.B, "b1", "tb")
    tags = proxy.send("query")["tags"]
    assert {tag: (facts.get("label"), facts.get("via-branch")) for tag, facts in tags.items()} == {
        "ta": ("caller", None),
        "tb": ("callee", "b1"),
    }
    assert tags["ta"]["subscriptions"] == [{"tag": "tb", "type": "offer/answer"}]


def test_timeouts_come_from_the_settings(calls: FakeCalls):
    async def run() -> None:
        settings = NgSettings(offer_timeout_s=1, media_timeout_s=2, silent_timeout_s=3, final_timeout_s=4)
        Proxy(NgFront(calls, settings)).offer("ta")  # type: ignore[arg-type]

    asyncio.run(run())
    timeouts = calls.timeouts
    assert (timeouts.answer_s, timeouts.media_s, timeouts.silent_s, timeouts.final_s) == (1, 2, 3, 4)
    assert not timeouts.each_leg


def test_legs_begin_with_what_is_configured(calls: FakeCalls):
    async def run() -> None:
        proxy = Proxy(NgFront(calls, NgSettings(learning=Learning.HEURISTIC, tos=184)))  # type: ignore[arg-type]
        proxy.offer("ta", via_branch="b1", flags=["asymmetric"], TOS="96")
        proxy.offer("ta", via_branch="b2")
        proxy.offer("ta", via_branch="b2")

    asyncio.run(run())
    first, fork, again = [facts for _, facts in calls.calls["c1"].told]
    assert [(each["here"].latch, each["here"].tos) for each in (first, fork, again)] == [(Latch.ASYMMETRIC, 96), (None, None), (None, None)]
    assert [each["there"].latch for each in (first, fork, again)] == [Latch.HEURISTIC, Latch.HEURISTIC, None]
    assert [each["there"].tos for each in (first, fork, again)] == [96, 184, None]


def test_the_first_interface_is_for_legs_without_a_name(calls: FakeCalls):
    async def run() -> None:
        settings = NgSettings(interfaces={"outer": ("127.0.0.1",), "inner": ("127.0.0.2",)})
        proxy = Proxy(NgFront(calls, settings))  # type: ignore[arg-type]
        proxy.offer("ta", via_branch="b1")
        proxy.offer("ta", via_branch="b2", direction=["outer", "inner"])
        proxy.offer("ta", via_branch="b3", direction=["nowhere", "nowhere"])
        proxy.offer("ta", via_branch="b3", direction=["inner", "inner"])

    asyncio.run(run())
    told = [(facts["here"].interface, facts["there"].interface) for _, facts in calls.calls["c1"].told]
    assert told == [("outer", "outer"), ("outer", "inner"), ("", "outer"), ("inner", "inner")]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"inbound_peer": "127.0.0.9"}, ("inner", "outer")),
        ({"peer": "127.0.0.9"}, ("inner", "outer")),
        ({"outbound_peer": "::1"}, ("outer", "six")),
        ({"outbound_peer": "127.0.0.9", "inbound_peer": ["IP4", "127.0.0.9"]}, ("inner", "inner")),
        ({"inbound_peer": "127.0.0.9", "direction": ["outer", "outer"]}, ("outer", "outer")),
        ({"inbound_peer": "a-name", "to_interface": "inner"}, ("outer", "inner")),
        ({"flags": ["outbound-peer=127.0.0.9"]}, ("outer", "inner")),
    ],
)
def test_a_peer_names_the_interface_that_leads_to_it(calls: FakeCalls, keys: dict[str, object], found: tuple[str, str]):
    async def run() -> None:
        settings = NgSettings(interfaces={"outer": ("127.0.0.3",), "inner": ("127.0.0.1",), "six": ("::1",), "again": ("127.0.0.1",)})
        warning = Proxy(NgFront(calls, settings)).offer("ta", **keys).get("warning", "")  # type: ignore[arg-type]
        assert warning == ("inbound-peer=a-name is not known" if "a-name" in keys.values() else "")

    asyncio.run(run())
    told = calls.calls["c1"].last("offer")
    assert (told["here"].interface, told["there"].interface) == found


def test_an_offer_of_the_other_side_takes_the_pending_one_back(proxy: Proxy, calls: FakeCalls):
    proxy.offer("ta")
    proxy.answer("ta", "tb")
    proxy.offer("ta", "tb")
    assert proxy.offer("tb", "ta")["result"] == "ok"
    assert [what for what, _ in calls.calls["c1"].told][-2:] == ["reject", "offer"]


def test_a_refused_reoffer_changes_nothing(proxy: Proxy, calls: FakeCalls):
    proxy.offer("ta", via_branch="b1")
    calls.calls["c1"].refuse = SdpError("no")
    assert proxy.offer("ta", via_branch="b2")["result"] == "error"
    assert len(proxy.send("query")["tags"]) == 2


class TestDelete:
    def test_unknown(self, proxy: Proxy):
        assert proxy.send("delete") == {"warning": "Call-ID not found or tags didn't match", "result": "ok"}
        proxy.offer("ta")
        assert "warning" in proxy.send("delete", from_tag="tz")
        assert proxy.send("delete", from_tag="tz", flags=["fatal"])["result"] == "error"
        assert proxy.send("list")["calls"] == ["c1"]

    def test_at_once_with_statistics(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta")
        call = calls.calls["c1"]
        reply = proxy.send("delete", from_tag="ta")
        assert {"created", "created_us", "last signal", "SSRC", "tags", "totals", "result"} <= reply.keys()
        assert (call.closed, proxy.send("list")["calls"]) == ("deleted", [])

    def test_fast_has_no_statistics(self, proxy: Proxy):
        proxy.offer("ta")
        assert proxy.send("delete", flags=["fast"]) == OK

    async def test_a_branch(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta", via_branch="b1")
        proxy.offer("ta", via_branch="b2")
        assert "tags" in proxy.send("delete", from_tag="ta", via_branch="b1")
        call = calls.calls["c1"]
        assert (call.last("drop"), call.closed) == ({"branch": "b1"}, "")
        proxy.send("delete", from_tag="ta", via_branch="b2")
        assert call.closed == "deleted"

    @pytest.mark.parametrize("key", ["delete-delay", "delete delay"])
    def test_the_delay_may_be_text(self, proxy: Proxy, calls: FakeCalls, key: str):
        proxy.offer("ta")
        proxy.front.execute({"command": "delete", "call-id": "c1", key: "1"})
        assert (calls.calls["c1"].closed, proxy.send("list")["calls"], proxy.send("query")["result"]) == ("", ["c1"], "ok")

    def test_a_second_delete_may_be_at_once(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta")
        proxy.send("delete", delete_delay=30)
        proxy.send("delete", delete_delay=0)
        assert len(calls) == 0


class TestDelay:
    @pytest.fixture
    def settings(self) -> NgSettings:
        return NgSettings(delete_delay_s=0.05)

    async def test_the_call_ends_after_it(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta")
        call = calls.calls["c1"]
        proxy.send("delete")
        assert call.closed == ""
        await asyncio.sleep(0.1)
        assert call.closed == "deleted"

    async def test_an_offer_revives_the_call(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta")
        proxy.answer("ta", "tb")
        proxy.send("delete")
        proxy.offer("ta", "tb")
        await asyncio.sleep(0.1)
        assert calls.calls["c1"].closed == ""

    async def test_a_deletion_that_fails_does_not_stop_the_others(self, front: NgFront, calls: FakeCalls, monkeypatch: pytest.MonkeyPatch):
        for name in ("c1", "c2"):
            Proxy(front, name).offer("ta")
            Proxy(front, name).send("delete")
        monkeypatch.setattr(calls.calls["c1"], "close", lambda _reason: 1 / 0)
        second = calls.calls["c2"]
        await asyncio.sleep(0.1)
        assert second.closed == "deleted"


class TestRoom:
    @pytest.fixture
    def settings(self) -> NgSettings:
        return NgSettings(max_sessions=1)

    def test_only_new_calls_are_refused(self, front: NgFront):
        first, second = Proxy(front, "c1"), Proxy(front, "c2")
        assert first.offer("ta")["result"] == "ok"
        assert second.offer("ta") == error("Parallel session limit reached")
        assert second.offer("ta", supports=["load limit"]) == {"result": "load limit", "message": "Parallel session limit reached"}
        assert first.offer("ta")["result"] == "ok"

    def test_draining_is_the_same(self, front: NgFront):
        front.drain()
        assert Proxy(front).offer("ta") == error("Parallel session limit reached")
        assert Proxy(front).offer("ta", supports=["load limit"])["result"] == "load limit"

    def test_the_gateways_own_limit_counts_too(self, front: NgFront, calls: FakeCalls):
        calls.room = 0
        assert Proxy(front).offer("ta") == error("Parallel session limit reached")
        assert Proxy(front).offer("ta", supports=["load limit"])["result"] == "load limit"


class TestControl:
    @pytest.fixture
    def call(self, proxy: Proxy, calls: FakeCalls) -> FakeCall:
        proxy.offer("ta", via_branch="b1", label="caller")
        proxy.answer("ta", "tb", "b1", label="callee")
        return calls.calls["c1"]

    def blocked(self, call: FakeCall) -> list[tuple[Party, str, bool, str]]:
        found = [facts for what, facts in call.told if what == "block"]
        return [(f["party"], f["what"], f["on"], f.get("branch") or f.get("towards") or "") for f in found]

    @pytest.mark.parametrize(("command", "what", "on"), [
        ("block media", "media", True), ("unblock media", "media", False), ("block DTMF", "dtmf", True), ("unblock DTMF", "dtmf", False),
        ("silence media", "silence", True), ("unsilence media", "silence", False),
    ])  # fmt: skip
    def test_both_sides_unless_one_is_named(self, proxy: Proxy, call: FakeCall, command: str, what: str, on: bool):
        assert proxy.send(command, from_tag="ta") == OK
        assert self.blocked(call) == [(Party.A, what, on, ""), (Party.B, what, on, "b1")]

    @pytest.mark.parametrize(
        ("keys", "blocked"),
        [
            ({"from_tag": "ta", "flags": ["directional"]}, [(Party.A, "")]),
            ({"from_tag": "tb", "flags": ["directional"]}, [(Party.B, "b1")]),
            ({"label": "callee"}, [(Party.B, "b1")]),
            ({"label": "caller"}, [(Party.A, "")]),
            ({"from_tag": "ta", "flags": ["directional", "all"]}, [(Party.A, ""), (Party.B, "b1")]),
            ({"from_tag": "ta", "to_tag": "tb", "flags": ["directional"]}, [(Party.A, "b1")]),
            ({"label": "caller", "to_label": "callee"}, [(Party.A, "b1")]),
            ({"label": "caller", "to_label": "callee", "all": "none"}, [(Party.A, "b1")]),
            ({"label": "caller", "to_label": "callee", "all": "nonsense"}, [(Party.A, "b1")]),
            ({"label": "caller", "to_label": "callee", "all": "offer-answer"}, [(Party.A, "")]),
            ({"from_tag": "ta", "to_tag": "tb", "all": "flows", "flags": ["directional"]}, [(Party.A, "")]),
        ],
    )
    def test_selection(self, proxy: Proxy, call: FakeCall, keys: dict[str, Any], blocked: list[tuple[Party, str]]):
        warning = {"warning": "all=nonsense is not known"} if keys.get("all") == "nonsense" else {}
        assert proxy.send("block media", **keys) == {**OK, **warning}
        assert [(party, where) for party, _, _, where in self.blocked(call)] == blocked

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            ({"from_tag": "tz", "flags": ["directional"]}, "Unknown from-tag"),
            ({"label": "nobody"}, 'No party has the label "nobody"'),
            ({"address": "192.0.2.1"}, "No party has the address 192.0.2.1"),
            ({"label": "caller", "to_tag": "tz", "flags": ["directional"]}, "Unknown to-tag"),
        ],
    )
    def test_who_is_not_there(self, proxy: Proxy, call: FakeCall, keys: dict[str, Any], reason: str):
        assert proxy.send("block media", **keys) == error(reason)
        assert self.blocked(call) == []

    def test_there_are_no_flows_beside_offer_and_answer(self, proxy: Proxy, call: FakeCall):
        reply = proxy.send("block media", all="except-offer-answer")
        assert (reply["result"], reply["warning"][:23], self.blocked(call)) == ("ok", "all=except-offer-answer", [])

    def test_digits_go_to_the_other_side(self, proxy: Proxy, call: FakeCall):
        assert proxy.send("play DTMF", from_tag="ta", code="5", duration="300") == OK
        assert call.last("dtmf") == {"party": Party.B, "digits": "5", "duration_ms": 300}
        assert proxy.send("play DTMF", from_tag="tb", digit="#") == OK
        assert call.last("dtmf")["party"] is Party.A
        assert proxy.send("play DTMF", code="5") == error("No party selected")
        call.digits = 0
        assert proxy.send("play DTMF", from_tag="ta", code="5") == error("The other side has not agreed to telephone-event")

    def test_dtmf_may_be_blocked_from_the_start(self, proxy: Proxy, calls: FakeCalls):
        proxy.offer("ta", flags=["block DTMF"])
        assert calls.calls["c1"].last("block") == {"party": Party.A, "what": "dtmf", "on": True, "branch": None}


def test_faults_are_told_by_query(proxy: Proxy, calls: FakeCalls):
    proxy.offer("ta")
    proxy.answer("ta", "tb")
    calls.calls["c1"].owner(LegFailed(Party.B, "dtls-timeout", "#"))
    reply = proxy.send("query")
    assert (reply["last error"], reply["errors"]) == ("tb: dtls-timeout", ["tb: dtls-timeout"])
    calls.calls["c1"].owner(LegConnected(Party.B, "#"))
    assert "errors" not in proxy.send("query")


def test_a_call_that_ends_by_itself_is_forgotten_and_counted(proxy: Proxy, calls: FakeCalls):
    proxy.offer("ta")
    call = calls.calls["c1"]
    call.owner(CallTimedOut("answer", 60.0))
    call.close("offer-timeout")
    assert proxy.send("query")["error-reason"] == "Unknown call-id"
    totals = proxy.send("statistics")["statistics"]["totalstatistics"]
    assert (totals["managedsessions"], totals["offertimeoutsessions"], totals["regularterminatedsessions"]) == (1, 1, 0)


def test_statistics_have_the_known_shape(proxy: Proxy):
    proxy.offer("ta")
    proxy.offer("ta", sdp="junk")
    statistics = proxy.send("statistics")["statistics"]
    assert statistics["currentstatistics"]["sessionstotal"] == 1
    assert statistics["controlstatistics"]["totaloffercount"] == 2
    (client,) = statistics["controlstatistics"]["proxies"]
    assert (client["proxy"], client["offercount"], client["errorcount"]) == ("127.0.0.1", 2, 1)


def test_list_is_limited(front: NgFront):
    for number in range(40):
        Proxy(front, f"c{number}").offer("ta")
    assert len(Proxy(front).send("list")["calls"]) == 32
    assert len(Proxy(front).send("list", limit="3")["calls"]) == 3


def test_statistics_of_calls_that_ended():
    statistics = Statistics(100.0, lambda: {"packets_received": 5, "bytes_received": 50, "ports_used": 2, "ports_total": 8, "streams": 4})
    for seconds in (10.0, 20.0):
        statistics.began()
        statistics.ended("deleted", seconds, Figures(packets=100, octets=1000, ratings=(4.0, 3.0), silent=1))
    statistics.ended("shutdown", 30.0, Figures(one_way=1))
    told = statistics.tell(1, 160.0)
    totals, now = told["totalstatistics"], told["currentstatistics"]
    assert (totals["uptime"], totals["regularterminatedsessions"], totals["forcedterminatedsessions"]) == ("60", 2, 1)
    assert (totals["zerowaystreams"], totals["onewaystreams"]) == (2, 1)
    assert (totals["avgcallduration"], totals["totalcallsduration"]) == ("20.000000", "60.000000")
    assert (totals["relayedpackets"], totals["relayedbytes"], now["packetrate"], now["media_userspace"]) == (205, 2050, 3, 4)
    assert (told["mos"]["mos_average"], told["mos"]["mos_stddev"], told["mos"]["mos_samples_total"]) == ("3.500000", "0.500000", 4)
    assert told["interfaces"] == [{"name": "default", "ports": {"used": 2, "used_pct": "25.00", "free": 6, "totals": 8}}]
