"""
Offers of an established call: from one side to the other, and the answer back. One at a time; what crosses gets 491.

| state   | offer of a side        | answer of the other   | its refusal           | taken back by its side                      |
| ------- | ---------------------- | --------------------- | --------------------- | ------------------------------------------- |
| FREE    | sent on: OFFERED       | -                     | -                     | -                                           |
|         | without SDP: WANTED    |                       |                       |                                             |
|         | the other side's ACK   |                       |                       |                                             |
|         | is awaited: HELD       |                       |                       |                                             |
| HELD    | 491                    | -                     | -                     | FREE                                        |
| OFFERED | 491                    | sent back: FREE       | refused: FREE         | ORPHAN                                      |
| WANTED  | the offer that was     | -                     | our own offer: OWN    | ORPHAN                                      |
|         | asked for: LATE        |                       |                       |                                             |
| LATE    | 491                    | sent back: FREE       | (the side's) 488 and  | -                                           |
|         |                        |                       | what is in force: OWN |                                             |
| OWN     | 491                    | taken: FREE           | left: FREE            | -                                           |
| ORPHAN  | 491                    | left: OWN, so that it gets what is in force |                                             |
"""

from __future__ import annotations

import enum
import weakref
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.answering import family_of
from boringsdp.errors import BoringError, WrongState
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.session import State
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side

REQUEST_PENDING = 491
NOT_ACCEPTABLE = 488
log = logs.bind("b2bua")


class Turn(enum.Enum):
    FREE = "free"
    HELD = "held"
    """An offer of `source` came before the ACK of `target`, to whom none can go until then."""
    OFFERED = "offered"
    """An offer of `source` is with `target`."""
    WANTED = "wanted"
    """`source` wants an offer, which `target` is asked for."""
    LATE = "late"
    """The offer that `target` made is with `source`."""
    OWN = "own"
    """What is in force is with `target` as an offer of ours."""
    ORPHAN = "orphan"
    """`source` has taken its offer back, which `target` has not answered yet."""


class Changes:
    """A part of a bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge: Bridge = weakref.proxy(bridge)
        self.turn = Turn.FREE
        self._source: Side | None = None
        self._target: Side | None = None
        self._tag = ""
        self._late_tag = ""
        self._held: sip.OfferReceived | None = None

    # --- what sides say --------------------------------------------------------------------------------------------------------------

    def hear(self, side: Side, event: Any) -> None:
        """Take an event of offers and answers."""
        match event:
            case sip.OfferReceived(sdp, message, tag) if isinstance(message, Response):
                self._offer_came(side, sdp or b"", tag)
            case sip.OfferReceived(sdp, message, tag):
                other = self._bridge.other(side)
                if self.turn is Turn.FREE and other is not None and other.session.state is State.ACCEPTED and self._bridge.talking:
                    self._source, self._tag, self._held, self.turn = side, tag, event, Turn.HELD
                else:
                    self._offered(side, sdp, message, tag)
            case sip.AnswerReceived(sdp):
                self._answered(side, sdp)
            case sip.OfferRefused(code, reason, response):
                self._refused(side, code, reason, response)
            case sip.OfferWithdrawn() if side is self._source and self.turn is Turn.HELD:
                self._free()
            case sip.OfferWithdrawn() if side is self._source and self.turn in (Turn.OFFERED, Turn.WANTED):
                self._media_refused()
                self.turn = Turn.ORPHAN

    def confirmed(self) -> None:
        """The ACK of the first INVITE has come."""
        held, self._held, source = self._held, None, self._source
        if self.turn is Turn.HELD and held is not None and source is not None:
            self._free()
            self._offered(source, held.sdp, held.message, held.tag)

    def _offered(self, side: Side, sdp: bytes | None, message: Message, tag: str) -> None:
        """A re-INVITE or UPDATE."""
        bridge, other = self._bridge, self._bridge.other(side)
        if other is None or self.turn is not Turn.FREE or not bridge.talking:
            side.session.refuse(REQUEST_PENDING, tag=tag)
            return
        lines = headers.passed(message, bridge.desk.settings.headers) + self._credentials(side, message)
        quick = isinstance(message, Request) and message.method == "UPDATE" and "UPDATE" in other.session.facts.peer_allows
        try:
            text = None if sdp is None else bridge.media.offer(side.party, sdp, other.style, branch=bridge.branch)
        except WrongState:
            side.session.refuse(REQUEST_PENDING, tag=tag)
            return
        except BoringError as error:
            side.session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=tag)
            return
        self._source, self._target, self._tag = side, other, tag
        self.turn = Turn.WANTED if sdp is None else Turn.OFFERED
        try:
            other.session.offer(text, lines, by="UPDATE" if quick else None)
        except BoringError as error:
            log.info("an offer cannot be passed on now", extra={"call": bridge.notes.id, "reason": str(error)})
            self._media_refused()
            self.turn = Turn.FREE
            side.session.refuse(REQUEST_PENDING, tag=tag)

    def _credentials(self, side: Side, message: Message) -> headers.Lines:
        return headers.named(message, *headers.CREDENTIALS) if side.passes_challenges else ()

    def _offer_came(self, side: Side, sdp: bytes, tag: str) -> None:
        """The offer that was asked for, in a 2xx."""
        bridge, source = self._bridge, self._source
        if side is not self._target or source is None or self.turn is not Turn.WANTED:
            # Nobody waits for it any more: it is answered with what the other side has said last.
            self._free()
            self._answer_alone(side, sdp, tag)
            return
        try:
            text = bridge.media.offer(side.party, sdp, source.style, branch=bridge.branch, family=family_of(source.session))
            source.session.answer(text, tag=self._tag)
        except BoringError as error:
            self._media_refused()
            self.turn = Turn.FREE
            log.info("a late offer cannot be passed on", extra={"call": bridge.notes.id, "reason": str(error)})
            self._offer_own(source)
            self._answer_alone(side, sdp, tag)
            return
        self._late_tag, self.turn = tag, Turn.LATE

    def _answer_alone(self, side: Side, sdp: bytes, tag: str) -> None:
        try:
            side.session.answer(self._bridge.media.answer_alone(side.party, sdp, self._bridge.branch), tag=tag)
        except BoringError as error:
            self._bridge.fail(side, error)

    def _answered(self, side: Side, sdp: bytes) -> None:
        bridge, source, target = self._bridge, self._source, self._target
        match self.turn:
            case Turn.OFFERED if side is target and source is not None:
                try:
                    text = bridge.media.answer(side.party, sdp, branch=bridge.branch)
                except BoringError as error:
                    self._media_refused()
                    self._free()
                    source.session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=self._tag)
                    self.renew(side)
                    return
                self._free()
                source.session.answer(text, tag=self._tag)
            case Turn.LATE if side is source and target is not None:
                try:
                    text = bridge.media.answer(side.party, sdp, branch=bridge.branch)
                    self._free()
                    target.session.answer(text, tag=self._late_tag)
                except BoringError as error:
                    self._media_refused()
                    self._free()
                    bridge.fail(side, error)
            case Turn.OWN if side is target:
                self._free()
                try:
                    bridge.media.settle(side.party, sdp, bridge.branch)
                except BoringError as error:
                    self._media_refused()
                    log.info("the answer to an offer of ours cannot be served", extra={"call": bridge.notes.id, "reason": str(error)})
            case Turn.ORPHAN if side is target:
                self._free()
                self.renew(side)

    def _refused(self, side: Side, code: int, reason: str, response: Response | None) -> None:
        source, turn = self._source, self.turn
        if side is self._target and turn is Turn.WANTED and source is not None:
            self._free()
            self._offer_own(source)
            return
        if (side is self._target and turn in (Turn.OFFERED, Turn.OWN, Turn.ORPHAN)) or (side is source and turn is Turn.LATE):
            self._media_refused()
            self._free()
        if turn is Turn.OFFERED and side is not source and source is not None:
            lines = headers.passed(response, self._bridge.desk.settings.headers) + headers.reasons_of(response)
            if code in (401, 407) and source.passes_challenges:
                lines += headers.challenges(response)
            elif code in (401, 407) or code < 300:
                code, reason = NOT_ACCEPTABLE, ""
            source.session.refuse(code, reason, lines, tag=self._tag)

    # --- offers of our own -----------------------------------------------------------------------------------------------------------

    def renew(self, side: Side) -> bool:
        """Offer a side what is in force, for it knows something else. Returns whether that could be asked now."""
        bridge = self._bridge
        if self.turn is not Turn.FREE:
            return False
        try:
            side.session.offer(bridge.media.offer_alone(side.party, bridge.branch))
        except BoringError as error:
            self._media_refused()
            log.info("a side cannot be told what holds now", extra={"call": bridge.notes.id, "reason": str(error)})
            return False
        self._source, self._target, self.turn = None, side, Turn.OWN
        return True

    def _offer_own(self, source: Side) -> None:
        """A side wants an offer that the other does not make: it gets what is in force."""
        bridge = self._bridge
        try:
            text = bridge.media.offer_alone(source.party, bridge.branch)
            source.session.answer(text, tag=self._tag)
        except BoringError as error:
            self._media_refused()
            source.session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=self._tag)
            return
        self._source, self._target, self.turn = None, source, Turn.OWN

    def left(self, side: Side) -> None:
        """A side has hung up, and the call goes on: what it has offered is taken back, what it was offered is refused."""
        if side is self._source and self.turn in (Turn.OFFERED, Turn.WANTED):
            self._media_refused()
            self.turn = Turn.ORPHAN
        elif self.turn not in (Turn.FREE, Turn.ORPHAN):
            self.give_up()

    def give_up(self) -> None:
        """Leave whatever is under way, for the call is about to become another: who made the offer is refused."""
        source, turn = self._source, self.turn
        self._media_refused()
        self._free()
        if source is not None and turn in (Turn.OFFERED, Turn.WANTED):
            try:
                source.session.refuse(REQUEST_PENDING, tag=self._tag)
            except WrongState:
                log.info("an offer was taken back", extra={"call": self._bridge.notes.id})

    def timed_out(self, branch: str) -> None:
        """Nobody has answered an offer within the time that offers have; the media is what it was."""
        if branch != self._bridge.branch or self.turn is Turn.FREE:
            return
        source, turn = self._source, self.turn
        self._free()
        if source is not None and turn in (Turn.OFFERED, Turn.WANTED):
            try:
                source.session.refuse(NOT_ACCEPTABLE, tag=self._tag)
            except WrongState:
                log.info("an offer was taken back", extra={"call": self._bridge.notes.id})

    def _media_refused(self) -> None:
        self._bridge.media.refused(self._bridge.branch)

    def _free(self) -> None:
        self.turn = Turn.FREE
