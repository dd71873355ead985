"""Requests within a call's dialogs: digits from INFO to the media and back, everything else from one side to the other."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.plan import Kind
from boringsdp.call import LegDtmf
from boringsdp.call.digits import RELAY, Digit, Echoes, InfoQueue, read_digit, takes_events, wants_picture
from boringsdp.errors import BoringError
from boringsdp.sip import account as told
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.sip.facades import Session

Inside = told.InfoReceived | told.MessageReceived | told.NotifyReceivedInDialog | told.IncomingSubscribe
log = logs.bind("b2bua")


class Within:
    """A part of a bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge: Bridge = weakref.proxy(bridge)
        self._echoes: dict[str, Echoes] = {}
        self._queues: dict[Session, InfoQueue] = {}
        self._infos: dict[tuple[Session, int], InfoQueue] = {}

    def hear(self, side: Side, event: Inside) -> None:
        """Take a request of one side; what is not for us goes on to the other."""
        other = self._bridge.across(side)
        if isinstance(event, told.InfoReceived) and self._info(side, other, event):
            return
        if other is None:
            event.incoming.answer(480)
            return
        lines = headers.passed(event.request, self._bridge.desk.settings.headers)
        self._bridge.desk.messages.relay_inside(event.incoming, other.session, lines)

    def _info(self, side: Side, other: Side | None, event: told.InfoReceived) -> bool:
        """Whether an INFO was about the media; it is answered by 200 then."""
        kind = (event.request.headers.get("Content-Type") or "").strip()
        text = event.request.body.decode("utf-8", "replace")
        call = self._bridge.call
        if wants_picture(kind, text):
            call.request_key_frame(side.party.other)
            return True
        digit = read_digit(kind, text)
        if digit is None:
            return False
        if not self._new(side, digit.key, "info"):
            return True
        branch = side.branch or ("" if other is None else other.branch)
        if other is None or other.kind is Kind.BROWSER:  # a page is told of INFO, and of nothing in the media
            return False
        if not takes_events(call.heard(other.party, branch)):
            return False
        return bool(call.send_dtmf(other.party, digit.key, digit.duration_ms, branch=branch))

    def pressed(self, event: LegDtmf) -> None:
        """A digit in the media of one side: the relay has sent it on, if the other side takes such; else it goes by INFO."""
        bridge = self._bridge
        side = next((each for each in (bridge.caller, bridge.callee) if each is not None and each.party is event.party), None)
        other = None if side is None else bridge.other(side)
        if side is None or other is None or event.branch not in ("", bridge.branch) or not self._new(side, event.digit, "media"):
            return
        if bridge.talking and not takes_events(bridge.call.heard(other.party, bridge.branch)):
            queue = self._queues.setdefault(other.session, InfoQueue())
            self._send(other.session, queue, queue.add([Digit(event.digit, event.duration_ms)]))

    def _new(self, side: Side, key: str, way: str) -> bool:
        """Whether a digit has not come the other way already: some send each twice."""
        return self._echoes.setdefault(side.party.value, Echoes()).new(key, way, asyncio.get_running_loop().time())

    def _send(self, session: Session, queue: InfoQueue, digit: Digit | None) -> None:
        if digit is None:
            return
        try:
            number = session.send("INFO", (), content_type=RELAY, body=digit.body)
        except BoringError as error:
            log.info("a digit has no call to go to", extra={"call": self._bridge.notes.id, "reason": str(error)})
            return
        self._infos[session, number] = queue

    def answered(self, side: Side, event: sip.RequestAnswered) -> None:
        """The response to an INFO of ours, or to what was sent on."""
        queue = self._infos.pop((side.session, event.number), None)
        if queue is not None:
            self._send(side.session, queue, queue.answered(event.response.code))
        else:
            self._bridge.desk.messages.answered(side.session, event)
