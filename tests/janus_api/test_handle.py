"""Call events in the API's own words."""

from __future__ import annotations

import pytest

from boringsdp.call.events import (
    CallClosed,
    CallTimedOut,
    LegClosed,
    LegConnected,
    LegConsentLost,
    LegDtmf,
    LegFailed,
    LegMediaTimeout,
    LegReceiving,
    LegSlow,
    Party,
)
from tests.janus_api.build import ANSWER, OFFER, World, world

A, B = Party.A, Party.B


class Negotiated:
    """A handle with a PeerConnection, and what the client is told of it."""

    def __init__(self, api: World) -> None:
        self.api = api
        self.session_id = api.create()
        self.handle_id, self.puppet = api.attach(self.session_id)
        self.send({"answer": "v=0"}, OFFER)

    def send(self, body, jsep):
        return self.api.ask("message", session_id=self.session_id, handle_id=self.handle_id, body=body, jsep=jsep)

    def publish(self, event, party=A):
        """Returns what `publish` did, and the events without their ids."""
        served = self.puppet.handle.publish(event, party)
        self.api.flush()
        events = self.api.take()
        for told in events:
            assert told.pop("session_id") == self.session_id
            assert told.pop("sender") == self.handle_id
        return served, events


@pytest.fixture
def handle():
    return Negotiated(World())


def test_webrtcup_once_for_a_peer_connection(handle):
    assert handle.publish(LegConnected(A)) == (True, [{"janus": "webrtcup"}])
    assert handle.publish(LegConnected(A)) == (True, [])
    handle.send({"answer": "v=0"}, OFFER)
    assert handle.publish(LegConnected(A)) == (True, [])
    handle.puppet.handle.close_pc()
    handle.api.flush()
    handle.api.take()
    handle.send({"answer": "v=0"}, OFFER)
    assert handle.publish(LegConnected(A)) == (True, [{"janus": "webrtcup"}])


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (LegReceiving(A, "0", "audio", True, 0), {"janus": "media", "mid": "0", "type": "audio", "receiving": True}),
        (LegReceiving(A, "v", "video", False, 1), {"janus": "media", "mid": "v", "type": "video", "receiving": False}),
        (LegReceiving(A, "0", "audio", False, 5), {"janus": "media", "mid": "0", "type": "audio", "receiving": False, "seconds": 5}),
        (LegSlow(A, "0", "audio", True, 9), {"janus": "slowlink", "mid": "0", "media": "audio", "uplink": True, "lost": 9}),
        (LegConsentLost(A), {"janus": "ice-failed"}),
        (LegClosed(A, "close_notify"), {"janus": "hangup", "reason": "DTLS alert"}),
        (LegFailed(A, "dtls-timeout"), {"janus": "hangup", "reason": "DTLS timeout"}),
        (LegFailed(A, "dtls-error"), {"janus": "hangup", "reason": "DTLS error"}),
        (LegFailed(A, "fingerprint"), {"janus": "hangup", "reason": "DTLS error"}),
        (LegFailed(A, "ice-failed"), {"janus": "hangup", "reason": "ICE failed"}),
        (CallClosed("over"), {"janus": "hangup", "reason": "Close PC"}),
    ],
)
def test_events(handle, event, told):
    assert handle.publish(event) == (True, [told])


def test_events_that_are_not_the_browsers(handle):
    for event in (LegConnected(B), LegFailed(B, "x"), LegReceiving(B, "0", "audio", True, 0), LegDtmf(A, "1", 100)):
        assert handle.publish(event) == (False, [])
    for event in (LegMediaTimeout(A, 30), CallTimedOut("answer", 30), LegReceiving(A, "0", "text", True, 0)):
        assert handle.publish(event) == (False, [])
    assert handle.publish(LegConnected(B), B) == (True, [{"janus": "webrtcup"}])


def test_hangup_is_told_once(handle):
    assert handle.publish(LegFailed(A, "ice-failed"))[1] == [{"janus": "hangup", "reason": "ICE failed"}]
    assert handle.puppet.hangups == ["ICE failed"]
    assert handle.publish(CallClosed("over")) == (True, [])
    assert handle.publish(LegReceiving(A, "0", "audio", False, 1)) == (True, [])
    assert handle.puppet.hangups == ["ICE failed"]


def test_hangup_on_failed():
    handle = Negotiated(world(hangup_on_failed=True))
    assert handle.publish(LegConsentLost(A))[1] == [{"janus": "ice-failed"}, {"janus": "hangup", "reason": "ICE failed"}]


def test_a_plugin_that_fails_in_hangup_costs_nothing(handle):
    handle.puppet.fails["hangup"] = RuntimeError()
    assert handle.publish(LegClosed(A, ""))[1] == [{"janus": "hangup", "reason": "DTLS alert"}]
    assert not handle.puppet.handle.has_peer_connection


def test_declined_descriptions_leave_the_negotiation_as_it_was():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)

    def send(body, **jsep):
        return api.ask("message", session_id=session_id, handle_id=handle_id, body=body, **jsep)

    send({}, jsep=OFFER)
    puppet.handle.decline()
    assert not puppet.handle.has_peer_connection
    send({"offer": "v=0"})
    send({}, jsep=ANSWER)
    puppet.handle.decline()
    assert puppet.handle.awaits_answer
    send({}, jsep=ANSWER)
    send({})
    puppet.handle.decline()
    assert puppet.handle.has_peer_connection
    assert not puppet.handle.awaits_answer
