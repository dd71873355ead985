"""From one party's SDP to the other's: reads what came, keeps the legs' memories, and has ready what the text names."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from boringsdp.call.destinations import trusting
from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch, Exchange, Round, Rounds
from boringsdp.call.leg import Leg
from boringsdp.call.legs import Legs
from boringsdp.call.negotiation import State
from boringsdp.call.options import LegOptions
from boringsdp.call.routes import part
from boringsdp.call.settings import CallSettings
from boringsdp.dtls import usable_fingerprints
from boringsdp.errors import DtlsError, SdpError, WrongState, without_keys
from boringsdp.relay import Relay
from boringsdp.sdp import (
    CodecPolicy,
    Description,
    Direction,
    LegMemory,
    LegStyle,
    Media,
    MediaPlan,
    Passing,
    Sheet,
    accept_answer,
    accept_offer,
    completed,
    describe,
    draft_answer,
    draft_offer,
    linked,
    media_plans,
    withdraw,
)
from boringsdp.sdp import Exchange as ExchangeState


@dataclass(slots=True, frozen=True)
class Agreement:
    """The text of an answer of ours, and what both legs have agreed by it."""

    text: str
    near: tuple[MediaPlan, ...]
    far: tuple[MediaPlan, ...]

    def put_into_force(self, relay: Relay, legs: Legs, turn: Branch) -> None:
        """The branch's answer is the latest: its media, and no other's, is to go to and from party A."""
        near, former = legs.near, legs.current
        if near is not None and former is not None and former is not turn:
            part(relay, near, former.leg)
        legs.current = turn
        turn.leg.apply(self.far)
        if near is not None:
            near.apply(self.near)


@dataclass(slots=True, frozen=True, kw_only=True)
class Asked:
    """How an answer is to be taken, and ours written, as `Call.answer` says."""

    tag: str
    passing: Passing
    policy: CodecPolicy | None
    style: LegStyle | None
    unheld: bool


class Translator:
    """
    Each command changes nothing before all has gone well but what the written leg's `transports` have made ready: the caller undoes that
    when it raises.
    """

    def __init__(self, settings: CallSettings, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self.rounds = Rounds()
        self._settings = settings
        self._log = log

    def offer(
        self, party: Party, sdp: str | Description, turn: Branch, near: Leg, to: LegStyle, policy: CodecPolicy, passing: Passing
    ) -> str:
        """Return the offer for the other party. Raises `SdpError`, `Exhausted`."""
        source, target = (near, turn.leg) if party is Party.A else (turn.leg, near)
        near_before, far_before = self.rounds.settled(near), turn.settled()
        (source_memory, source_style), (target_memory, _) = (near_before, far_before) if party is Party.A else (far_before, near_before)
        received = self.read(sdp, source.options, mirrored=source_memory if passing.mirror else None)
        source.check_families(received)
        shared = self.rounds.shared(party, received, turn.name)
        style = received.style if source_memory.exchange is ExchangeState.NEW else source_style
        heard = shared.offered if shared else accept_offer(source_memory, received, None if passing.mirror else source.demands(style))
        if party is Party.B:
            target_memory = linked(target_memory, heard)
        draft = draft_offer(target_memory, to, heard, policy, passing)
        limited(draft.sheet, target.limit)
        written = draft.write(target.prepare(draft.needs, target_memory, to))
        target.transports.keep()
        near_after, turn.leg.memory = (heard, written.memory) if party is Party.A else (written.memory, heard)
        source.style, target.style = style, to
        if turn.exchange is not None:
            turn.exchange.round.branches.discard(turn.name)
        if shared is None:
            near.memory = near_after
            shared = self.rounds.last = Round(party, received.text, *near_before, near_after)
        shared.branches.add(turn.name)
        turn.exchange = Exchange(shared, *far_before, turn.leg.memory, policy)
        self._show("offer", party, received, written.text)
        return written.text

    def answer(
        self,
        party: Party,
        sdp: str | Description,
        turn: Branch,
        near: Leg,
        how: Asked,
    ) -> Agreement:
        """Return the answer for the other party. Raises `SdpError`, `Exhausted`, and `WrongState` when the offer was taken back."""
        tag, passing, policy, style = how.tag, how.passing, how.policy, how.style
        started = turn.asked(party, near.memory)
        if started is None:
            raise WrongState(turn.state.value, "an offer to answer")
        exchange, offered, asked = started
        answerer, offerer = (near, turn.leg) if party is Party.A else (turn.leg, near)
        received = self.read(sdp, answerer.options, ice=answerer.style.ice, mirrored=offered if passing.mirror else None)
        answerer.check_families(received, answer=True)
        heard = accept_answer(exchange.answers.get(tag, offered), received, asked if passing.mirror else None)
        if turn.state is State.OFFERED and not passing.mirror and not any(slot.live for slot in heard.slots):
            refused = received.medias[0]
            raise SdpError("the answer accepts no m-line of the offer, the call would be silent", refused.line, refused.line_number)
        if turn.pending is None:
            heard = answerer.carried(heard)
        demands = style or (None if passing.mirror else offerer.demands(offerer.style))
        draft = draft_answer(asked, heard, policy or exchange.policy, demands, passing)
        if how.unheld and asked.received is not None:
            _unhold(draft.sheet, asked.received)
        limited(draft.sheet, offerer.limit)
        written = draft.write(offerer.prepare(draft.needs, asked, style or offerer.style, "" if style is None else style.setup))
        theirs, ours = (media_plans(each, strays=passing.mirror) for each in (heard, written.memory))
        answerer.check_plans(theirs)
        offerer.check_plans(ours)
        offerer.transports.keep()
        turn.leg.memory, turn.near = (written.memory, heard) if party is Party.A else (heard, written.memory)
        exchange.take(tag, heard)
        self.rounds.agree(near, turn.near, exchange.round)
        self._show("answer", party, received, written.text)
        return Agreement(written.text, theirs, ours) if party is Party.A else Agreement(written.text, ours, theirs)

    def echo(self, sdp: str | Description, leg: Leg, options: LegOptions, policy: CodecPolicy) -> str:
        """Return the answer that sends the leg back its own media. Raises `SdpError`, `Exhausted`."""
        received = self.read(sdp, options)
        leg.check_families(received)
        style = received.style if leg.memory.exchange is ExchangeState.NEW else leg.style
        draft = draft_answer(accept_offer(leg.memory, received, leg.demands(style)), None, policy, leg.demands(style))
        written = draft.write(leg.prepare(draft.needs, draft.memory, style))
        leg.transports.keep()
        leg.memory, leg.style = written.memory, style
        self._show("offer", Party.A, received, written.text)
        return written.text

    def take_back(self, turn: Branch, near: Leg) -> None:
        """Undo the branch's exchange that found no answer."""
        own, turn.own = turn.own, None
        if own is not None:
            leg = near if own.party is Party.A else turn.leg
            leg.memory, leg.style = withdraw(own.before, leg.memory), own.before_style
            leg.prune()
            return
        turn.leg.memory, turn.leg.style = turn.leg_before()
        turn.leg.prune()
        self.rounds.leave(turn, near)
        turn.exchange = None

    def fall_back(self, legs: Legs) -> None:
        """The current branch is gone: the one that answered last before it is in force, as it was agreed with it."""
        near, current = legs.near, legs.fall_back()
        if near is None or current is None or current.near is None:
            return
        memory = near.carried(current.near)
        self.rounds.agree(near, memory)
        waiting = any(branch.pending is Party.B for branch in legs)
        strays = any(plan.stray_send or plan.stray_receive for plan in current.leg.plans)
        near.apply(media_plans(memory, strays=strays), settle=not waiting)

    def forget(self, turn: Branch) -> None:
        """The branch's last exchange is over: no further answer to it can come."""
        if turn.exchange is not None:
            turn.exchange.round.branches.discard(turn.name)
            turn.exchange = None

    def read(self, sdp: str | Description, options: LegOptions, *, ice: bool = True, mirrored: LegMemory | None = None) -> Description:
        """
        Return the typed view of what a party sent, if the gateway may send where it points. `ice`: it may be served by ICE. `mirrored`: the
        party's memory where its text goes on line by line, with media that is no RTP.
        """
        received = describe(sdp) if isinstance(sdp, str) else sdp
        received = received if mirrored is None else completed(received, mirrored)
        if options.source_address:
            received = trusting(received, options.source_address, ice=ice)
        self._settings.destinations.check(received, ice=ice, raw=mirrored is not None)
        for media in received.medias:
            if media.fingerprints:
                _check_fingerprints(media)
        return received

    def _show(self, what: str, party: Party, received: Description, written: str) -> None:
        """Log at debug what came and what we wrote for it, keys masked."""
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug(what, extra={"party": party.value, "received": without_keys(received.text), "written": without_keys(written)})


def limited(sheet: Sheet, limit: Direction) -> None:
    """Keep what is about to be written within a direction."""
    if limit is not Direction.SENDRECV:
        for outline in sheet.outlines:
            outline.direction = outline.direction.intersect(limit)


def _unhold(sheet: Sheet, offer: Description) -> None:
    """Answer each m-line with all that its offer allows, whatever the other party's direction."""
    for outline in sheet.outlines:
        if outline.accepted:
            outline.direction = offer.medias[outline.slot].direction.reversed()


def _check_fingerprints(media: Media) -> None:
    """Raise `SdpError` when none of the m-line's fingerprints can identify a peer (RFC 8122 §5)."""
    try:
        usable_fingerprints((each.hash, each.value) for each in media.fingerprints)
    except DtlsError as error:
        raise SdpError(f"m={media.kind}: {error}", f"a=fingerprint:{media.fingerprints[0]}") from error
