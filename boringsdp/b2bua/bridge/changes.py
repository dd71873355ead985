"""
Offers of an established call: from one side to the other, and the answer back. One at a time.

| state   | offer of a side        | answer of the other   | its refusal           | taken back by its side                      |
| ------- | ---------------------- | --------------------- | --------------------- | ------------------------------------------- |
| FREE    | sent on: OFFERED;      | -                     | -                     | -                                           |
|         | waits for the other's, |                       |                       |                                             |
|         | then crosses it (1)    |                       |                       |                                             |
|         | without SDP: WANTED    |                       |                       |                                             |
|         | the other side's ACK   |                       |                       |                                             |
|         | is awaited: HELD       |                       |                       |                                             |
| HELD    | 491                    | -                     | -                     | FREE                                        |
| OFFERED | crosses (1)            | sent back: FREE       | refused: FREE         | ORPHAN                                      |
| WANTED  | answered alone (1);    | -                     | our own offer: OWN    | ORPHAN                                      |
|         | the offer that was     |                       |                       |                                             |
|         | asked for: LATE        |                       |                       |                                             |
| LATE    | 491                    | sent back: FREE       | (the side's) 488 and  | -                                           |
|         |                        |                       | what is in force: OWN |                                             |
| OWN     | goes first (1), or     | taken: FREE           | left: FREE            | -                                           |
|         | waits                  |                       |                       |                                             |
| ORPHAN  | goes first (1), or     | left: OWN, so that it gets what is in force |                                             |
|         | waits                  |                       |                       |                                             |

(1) It comes from the side that has ours, and which takes none before its own is answered. Browsers' libraries neither take theirs back nor
try more than once again, so of two offers that cross one is answered at once, with what the other side has said before: the one that opens
no new stream, or else the later one. The other is then sent on, and at last who was not asked is told what holds (`renew`).
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
        self._offer: sip.OfferReceived | None = None
        """That of `source`."""
        self._waiting: tuple[Side, sip.OfferReceived] | None = None
        """Until this exchange is over."""
        self._behind: Side | None = None
        """Is to be told what holds."""

    # --- what sides say --------------------------------------------------------------------------------------------------------------

    def hear(self, side: Side, event: Any) -> None:
        """Take an event of offers and answers."""
        match event:
            case sip.OfferReceived(sdp, message, tag) if isinstance(message, Response):
                self._offer_came(side, sdp or b"", tag)
            case sip.OfferReceived():
                self._asked(side, event)
            case sip.AnswerReceived(sdp):
                self._answered(side, sdp)
            case sip.OfferRefused(code, reason, response):
                self._refused(side, code, reason, response)
            case sip.OfferWithdrawn() if self._waiting is not None and side is self._waiting[0]:
                self._waiting = None
            case sip.OfferWithdrawn() if side is self._source and self.turn is Turn.HELD:
                self._free()
            case sip.OfferWithdrawn() if side is self._source and self.turn in (Turn.OFFERED, Turn.WANTED):
                self._media_refused()
                self.turn = Turn.ORPHAN
        self._go_on()

    def confirmed(self) -> None:
        """The ACK of the first INVITE has come."""
        held, source = self._offer, self._source
        if self.turn is Turn.HELD and held is not None and source is not None:
            self._free()
            self._offered(source, held)

    def _asked(self, side: Side, event: sip.OfferReceived) -> None:
        """A re-INVITE or UPDATE."""
        other = self._bridge.other(side)
        match self.turn:
            case Turn.FREE if other is not None and other.session.state is State.ACCEPTED and self._bridge.talking:
                self._source, self._tag, self._offer, self.turn = side, event.tag, event, Turn.HELD
            case Turn.FREE if self._waiting is not None and self._waiting[0] is other and event.sdp and self._waiting[1].sdp:
                (self._source, self._offer), self._waiting = self._waiting, None
                self._cross(side, event)
            case Turn.OFFERED if side is self._target:
                self._cross(side, event)
            case Turn.WANTED if side is self._target and event.sdp is not None:
                self._answer_asked(side, event)
            case Turn.OWN | Turn.ORPHAN if side is self._target:
                self._media_refused()
                self._free()
                self._behind = side
                self._asked(side, event)
            case Turn.OWN | Turn.ORPHAN if self._waiting is None:
                self._waiting = (side, event)
            case _:
                self._offered(side, event)

    def _cross(self, side: Side, event: sip.OfferReceived) -> None:
        """The side that has the offer of the other makes one itself."""
        source, first, media = self._source, self._offer, self._bridge.media
        if source is None or first is None or first.sdp is None or event.sdp is None:
            self._offered(side, event)
            return
        self._media_refused()
        self._free()
        here, there = ((each.party, asked.sdp or b"", self._bridge.branch) for each, asked in ((side, event), (source, first)))
        if media.opens(*here) and not media.opens(*there):
            (source, first), (side, event) = (side, event), (source, first)
        log.info("offers have crossed", extra={"call": self._bridge.notes.id, "answered_alone": side.party.value})
        self._answer_asked(side, event)
        self._behind = source
        self._offered(source, first)

    def _answer_asked(self, side: Side, event: sip.OfferReceived) -> None:
        """Answer an offer with what the other side has said last."""
        try:
            text = self._bridge.media.answer_alone(side.party, event.sdp or b"", self._bridge.branch)
        except BoringError as error:
            side.session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=event.tag)
        else:
            side.session.answer(text, tag=event.tag)

    def _go_on(self) -> None:
        """Do what has waited for the end of an exchange."""
        if self.turn is Turn.FREE and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._offered(*waiting)
        if self.turn is Turn.FREE and self._behind is not None:
            behind, self._behind = self._behind, None
            if behind in self._bridge.sides and not self.renew(behind) and behind.session.state is State.CONFIRMED:
                self._behind = behind

    def _offered(self, side: Side, event: sip.OfferReceived) -> None:
        sdp, message, tag = event.sdp, event.message, event.tag
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
        self._source, self._target, self._tag, self._offer = side, other, tag, event
        self.turn = Turn.WANTED if sdp is None else Turn.OFFERED
        try:
            other.session.offer(text, lines, by="UPDATE" if quick else None)
        except BoringError as error:
            self._media_refused()
            self.turn = Turn.FREE
            if isinstance(error, WrongState) and other.session.state is State.CONFIRMED and self._waiting is None:
                self._waiting = (side, event)  # news of its own offer, or of the answer to ours, is on its way
                return
            log.info("an offer cannot be passed on now", extra={"call": bridge.notes.id, "reason": str(error)})
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
        if self._waiting is not None and self._waiting[0] is side:
            self._waiting = None
        if side is self._source and self.turn in (Turn.OFFERED, Turn.WANTED):
            self._media_refused()
            self.turn = Turn.ORPHAN
        elif self.turn not in (Turn.FREE, Turn.ORPHAN):
            self.give_up()

    def give_up(self) -> None:
        """Leave whatever is under way, for the call is about to become another: who made the offer is refused."""
        source, turn, waiting = self._source, self.turn, self._waiting
        self._waiting = self._behind = None
        self._media_refused()
        self._free()
        if source is not None and turn in (Turn.OFFERED, Turn.WANTED):
            self._refuse(source, REQUEST_PENDING, self._tag)
        if waiting is not None:
            self._refuse(waiting[0], REQUEST_PENDING, waiting[1].tag)

    def timed_out(self, branch: str) -> None:
        """Nobody has answered an offer within the time that offers have; the media is what it was."""
        if branch != self._bridge.branch or self.turn is Turn.FREE:
            return
        source, turn = self._source, self.turn
        self._free()
        if source is not None and turn in (Turn.OFFERED, Turn.WANTED):
            self._refuse(source, NOT_ACCEPTABLE, self._tag)
        self._go_on()

    def _refuse(self, side: Side, code: int, tag: str) -> None:
        try:
            side.session.refuse(code, tag=tag)
        except WrongState:
            log.info("an offer was taken back", extra={"call": self._bridge.notes.id})

    def _media_refused(self) -> None:
        self._bridge.media.refused(self._bridge.branch)

    def _free(self) -> None:
        self.turn = Turn.FREE
