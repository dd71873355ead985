from __future__ import annotations

import pytest

from boringsdp.call.events import CallClosed, LegConnected, LegFailed, LegSlow, Party
from boringsdp.echotest_plugin import EchoTestPlugin
from boringsdp.errors import Exhausted, SdpError
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.sdp import CodecPolicy
from tests.janus_api.build import OFFER, World, code

ANSWER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"


class FakeCall:
    def __init__(self, owner) -> None:
        self.id = "call"
        self.owner = owner
        self.offers = []
        self.directions = []
        self.key_frames = 0
        self.closed = None

    def echo(self, text, policy):
        if FakeCalls.fails is not None:
            raise FakeCalls.fails
        self.offers.append((text, policy))
        return FakeCalls.answer

    def set_direction(self, party, *, audio, video):
        assert party is Party.A
        self.directions.append((audio, video))

    def request_key_frame(self, party):
        self.key_frames += 1

    def statistics(self):
        return {"state": "x"}

    def close(self, reason):
        self.closed = reason
        self.owner(CallClosed(reason))


class FakeCalls:
    fails: Exception | None = None
    answer = ANSWER

    def __init__(self) -> None:
        self.made = []

    def create(self, owner, call_id=None):
        self.made.append(FakeCall(owner))
        return self.made[-1]


class Echo:
    """A client with a handle of the echo test."""

    def __init__(self) -> None:
        FakeCalls.fails = None
        self.calls = FakeCalls()
        self.api = World()
        plugin = EchoTestPlugin(PluginContext(calls=self.calls))
        self.api.plugins[plugin.package] = plugin
        self.session_id = self.api.create()
        (reply,) = self.api.ask("attach", session_id=self.session_id, plugin=plugin.package)
        self.handle_id = reply["data"]["id"]

    def send(self, jsep=None, **body):
        """Returns the event that answers; what follows stays to be taken."""
        more = {} if jsep is None else {"jsep": jsep}
        ack, event = self.api.ask("message", session_id=self.session_id, handle_id=self.handle_id, body=body, **more)
        assert ack["hint"] == "I'm taking my time!"
        assert event["transaction"] == "t"
        return event

    def events(self):
        self.api.flush()
        return self.api.take()


@pytest.fixture
def echo():
    return Echo()


def data(event):
    return event["plugindata"]["data"]


def test_an_offer_is_answered_in_the_ok(echo):
    event = echo.send(OFFER, audio=True, video=True)
    assert data(event) == {"echotest": "event", "result": "ok"}
    assert event["jsep"] == {"type": "answer", "sdp": ANSWER}
    assert echo.calls.made[0].offers == [(OFFER["sdp"], CodecPolicy())]
    assert echo.calls.made[0].directions == [(True, True)]


def test_a_new_offer_goes_to_the_same_call(echo):
    echo.send(OFFER)
    echo.send(OFFER | {"e2ee": True})
    (call,) = echo.calls.made
    assert len(call.offers) == 2
    assert call.closed is None


def test_e2ee_is_passed_on(echo):
    assert echo.send(OFFER | {"e2ee": True})["jsep"]["e2ee"] is True


def test_everything_may_be_left_out(echo):
    assert data(echo.send()) == {"echotest": "event", "result": "ok"}
    assert echo.calls.made == []


def test_media_are_held_back_and_let_through(echo):
    echo.send(audio=False)
    echo.send(OFFER)
    echo.send(video=False)
    echo.send(bitrate=128_000)
    (call,) = echo.calls.made
    assert call.directions == [(False, None), (False, False), (False, False)]
    assert call.key_frames == 0
    echo.send(video=True)
    echo.send(video=True)
    assert call.directions[-1] == (False, True)
    assert call.key_frames == 1


def test_codecs_are_for_the_next_offer(echo):
    echo.send(OFFER, audiocodec="pcmu", videocodec="VP8")
    assert echo.calls.made[0].offers[0][1] == CodecPolicy(prefer=("pcmu", "VP8"), single=True)


def test_recording_is_not_there_and_fails_nothing(echo):
    assert data(echo.send(OFFER, record=True, filename="/tmp/x")) == {
        "echotest": "event",
        "result": "ok",
        "recording": "not available",
    }
    assert "recording" not in data(echo.send(record=False))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio", 1),
        ("video", "yes"),
        ("bitrate", -1),
        ("bitrate", True),
        ("record", 0),
        ("filename", 7),
        ("substream", 3),
        ("temporal", "1"),
        ("fallback", 1.5),
        ("svc", "x"),
        ("spatial_layer", -1),
        ("temporal_layer", []),
        ("audiocodec", "mp3"),
        ("videocodec", 8),
        ("videoprofile", {}),
        ("opusred", "no"),
        ("min_delay", "0"),
        ("max_delay", 1e9),
    ],
)
def test_wrong_elements(echo, name, value):
    event = echo.send(OFFER, **{name: value})
    assert data(event)["echotest"] == "event"
    assert data(event)["error_code"] == 413
    assert name in data(event)["error"]
    assert echo.calls.made == []


def test_all_right_elements_are_taken(echo):
    event = echo.send(
        audio=True, video=False, bitrate=0, record=False, filename="x", substream=2, temporal=0, fallback=250_000, svc=True,
        spatial_layer=1, temporal_layer=2, audiocodec="opus", videocodec="h264", videoprofile="42e01f", opusred=True, min_delay=0,
        max_delay=40_950,
    )  # fmt: skip
    assert data(event)["result"] == "ok"


def test_an_sdp_that_cannot_be_served(echo):
    FakeCalls.fails = SdpError("nothing to echo", "m=x", 5)
    event = echo.send(OFFER)
    assert data(event)["error_code"] == 414
    assert "line 5" in data(event)["error"]
    assert echo.calls.made[0].closed == "refused"
    FakeCalls.fails = None
    assert data(echo.send(OFFER))["result"] == "ok"
    FakeCalls.fails = SdpError("nothing to echo")
    assert data(echo.send(OFFER))["error_code"] == 414
    assert echo.calls.made[1].closed is None
    assert data(echo.send(audio=True))["result"] == "ok"


def test_nothing_to_echo(echo):
    FakeCalls.answer = ANSWER.replace("audio 9", "audio 0")
    try:
        assert data(echo.send(OFFER))["error_code"] == 414
        assert echo.calls.made[0].closed == "refused"
    finally:
        FakeCalls.answer = ANSWER


def test_no_ports_left(echo):
    FakeCalls.fails = Exhausted("ports")
    assert code(echo.api.ask("message", session_id=echo.session_id, handle_id=echo.handle_id, body={}, jsep=OFFER)) == 462


def test_the_end_of_the_peer_connection(echo):
    echo.send(OFFER, audio=False)
    (call,) = echo.calls.made
    call.owner(LegConnected(Party.A))
    assert [event["janus"] for event in echo.events()] == ["webrtcup"]
    call.owner(LegFailed(Party.A, "ice-failed"))
    hangup, done = echo.events()
    assert hangup["reason"] == "ICE failed"
    assert data(done) == {"echotest": "event", "result": "done"}
    assert call.closed == "ICE failed"
    echo.send(OFFER)
    assert echo.calls.made[1].directions == [(None, None)]


def test_hangup_request(echo):
    echo.send(OFFER)
    reply, hangup, done = echo.api.ask("hangup", session_id=echo.session_id, handle_id=echo.handle_id)
    assert (reply["janus"], hangup["reason"], data(done)["result"]) == ("success", "Janus API", "done")


def test_the_call_ends_by_itself(echo):
    echo.send(OFFER)
    echo.calls.made[0].close("shutdown")
    hangup, done = echo.events()
    assert hangup["reason"] == "Close PC"
    assert data(done)["result"] == "done"


def test_detach_closes_the_call(echo):
    echo.send(OFFER)
    names = [event["janus"] for event in echo.api.ask("detach", session_id=echo.session_id, handle_id=echo.handle_id)]
    assert names == ["success", "hangup", "event", "detached"]
    assert echo.calls.made[0].closed == "Detach"


def test_slow_links(echo):
    echo.send(OFFER, bitrate=64_000)
    (call,) = echo.calls.made
    call.owner(LegSlow(Party.A, "0", "audio", False, 9))
    call.owner(LegSlow(Party.A, "1", "video", False, 9))
    call.owner(LegSlow(Party.A, "1", "video", True, 9))
    events = echo.events()
    assert [event["janus"] for event in events] == ["slowlink", "event", "slowlink", "event", "slowlink"]
    assert data(events[1]) == {"echotest": "event", "event": "slow_link", "media": "audio"}
    assert data(events[3]) == {"echotest": "event", "event": "slow_link", "media": "video", "current-bitrate": 64_000}
    echo.send(audio=False)
    call.owner(LegSlow(Party.A, "0", "audio", False, 9))
    assert [event["janus"] for event in echo.events()] == ["slowlink"]


def test_record(echo):
    echo.send(OFFER, audio=False)
    handles = echo.api.core.record()[str(echo.session_id)]["handles"]
    (record,) = handles.values()
    assert record["audio_active"] is False
    assert record["call"] == {"state": "x"}
