"""The call: party A and the branches of party B. Offers and answers come in as text and go out as text for the other; media follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from boringsdp import logs
from boringsdp.call import handover, reporting, routes
from boringsdp.call.alarm import Alarm
from boringsdp.call.alone import Alone
from boringsdp.call.events import CallClosed, CallEvent, CallTimedOut, LegClosed, LegFailed, LegMediaTimeout, Party
from boringsdp.call.exchange import Branch, check_others
from boringsdp.call.fragments import translated
from boringsdp.call.joints import Joints
from boringsdp.call.leg import Leg
from boringsdp.call.legs import Legs
from boringsdp.call.negotiation import Negotiation, Shape, State
from boringsdp.call.options import UNCHANGED, Block, LegOptions, Timeouts
from boringsdp.call.patience import REASONS, Heard, Patience
from boringsdp.call.report import CallReport
from boringsdp.call.settings import CallSettings
from boringsdp.call.translator import Asked, Translator
from boringsdp.errors import BoringError, WrongState
from boringsdp.relay import Place, Relay
from boringsdp.sdp import DEFAULT_POLICY, OWN_TEXT, CodecPolicy, Description, Direction, LegStyle, Passing, media_plans, parse_fragment


class Call:
    """
    Made by `Calls.create`. The owner hears `CallEvent`s until `CallClosed`, which is the last.

    Party A has one leg, party B one for each branch (where a proxy forks the call; otherwise there is one, with an empty name). Where a
    command takes a `branch`, empty means the one whose media is in force, or before the first answer the one offered last.

    SDPs come as text, or as what `sdp.describe` made of it. Every command raises `SdpError` for an SDP that cannot be served, `WrongState`
    out of turn, `Exhausted` when ports or transports are used up, and then the call is what it was before. All work is done when a command
    returns; nothing waits.
    """

    def __init__(
        self,
        call_id: str,
        relay: Relay,
        settings: CallSettings,
        owner: Callable[[CallEvent], None],
        ended: Callable[[Call], None],
        timeouts: Timeouts | None = None,
        joints: Joints | None = None,
    ) -> None:
        self.id = call_id
        self.created = self.last_signal = time.time()
        """Wallclock seconds; `last_signal` is when the last SDP was taken."""
        self.timeouts = timeouts or settings.timeouts
        self._owner_decides = timeouts is not None
        """Whether the owner has said how patient to be; else the settings decide, in words of their own."""
        self._relay, self._place, self._joints = relay, Place(), joints or Joints()
        self._settings = settings
        self._owner, self._ended = owner, ended
        self._log = logs.bind("call", call=call_id)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._closed, self._answers, self._shape = False, 0, Shape.UNDECIDED
        self._legs = Legs(settings.max_branches)
        self._echo: Negotiation | None = None
        self._translator = Translator(settings, self._log)
        self._blocks = routes.Blocks()
        self._patience = Patience(self.timeouts, self._listen, self._began)
        self._alarm = Alarm(self._loop)
        self._arm()

    # --- state -------------------------------------------------------------------------------------------------------------------------

    @property
    def alone(self) -> Alone:
        """Exchanges with one party alone. Made when asked for: one that a call kept would keep the call."""
        return Alone(self._translator, self._legs, self._new_branch, self._answered, self._touch, self._join, self._meet)

    @property
    def state(self) -> State:
        """Of the branch whose media is in force, or before the first answer of the one offered last."""
        if self._closed:
            return State.CLOSED
        turn = self._echo or self._legs.find("")
        return State.IDLE if turn is None else turn.state

    @property
    def pending(self) -> Party | None:
        """Whose offer waits for an answer."""
        return self._legs.pending

    @property
    def branches(self) -> tuple[str, ...]:
        """The far legs (party B), in the order in which they came."""
        return tuple(self._legs.by_name)

    @property
    def current(self) -> str | None:
        """The branch whose media is in force; None before the first answer."""
        return None if (current := self._legs.current) is None else current.name

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that have answered the last offer of the current branch, in order; the last is in force."""
        return self._legs.tags

    def pending_of(self, branch: str) -> Party | None:
        """Whose offer waits for an answer between party A and this branch; None also for a branch that there is not."""
        known = self._legs.find(branch)
        return None if known is None else known.pending

    def style(self, party: Party, branch: str = "") -> LegStyle | None:
        """What `party` speaks, None when it has no leg yet."""
        leg = self._legs.leg(party, branch)
        return None if leg is None else leg.speaks

    def options(self, party: Party, branch: str = "") -> LegOptions:
        """The options in force of a leg."""
        leg = self._legs.leg(party, branch)
        return UNCHANGED if leg is None else leg.options

    def heard(self, party: Party, branch: str = "") -> Description | None:
        """The last SDP of `party`, None when it has sent none."""
        leg = self._legs.leg(party, branch)
        return None if leg is None else leg.memory.received

    def uses_sdes(self, party: Party, branch: str = "") -> bool:
        """True when the last SDP of `party` carried usable crypto lines."""
        received = self.heard(party, branch)
        return received is not None and any(media.cryptos for media in received.medias)

    def suite(self, party: Party, branch: str = "") -> str:
        """The SDES suite that `party` and we send with, empty when none is agreed."""
        leg = self._legs.leg(party, branch)
        return "" if leg is None else next((plan.local_crypto.suite for plan in leg.plans if plan.accepted and plan.local_crypto), "")

    # --- commands ----------------------------------------------------------------------------------------------------------------------

    def offer(
        self,
        party: Party,
        sdp: str | Description,
        to: LegStyle,
        policy: CodecPolicy = DEFAULT_POLICY,
        *,
        passing: Passing = OWN_TEXT,
        branch: str = "",
        here: LegOptions = UNCHANGED,
        there: LegOptions = UNCHANGED,
        tag: str = "",
    ) -> str:
        """
        Take an offer (or re-offer) of `party` and return the offer for the other party.

        `to` is what the other party speaks (`style` gives what it was). `here` is said about the leg of `party`, `there` about the other;
        `tag` names who offers, for reports. An offer that replaces a pending one of the same party takes that one back. Party A's SDP
        offered to a further branch is the same offer, and may be answered on each. Raises `WrongState` on glare.
        """
        turn = self._legs.find(branch) or self._new_branch(branch)
        near = self._legs.near or self._new_leg(Party.A)
        self._check_offer(party, turn)
        source, target = (near, turn.leg) if party is Party.A else (turn.leg, near)
        options = source.options, target.options
        source.options, target.options = here.over(source.options), there.over(target.options)
        try:
            text = self._translator.offer(party, sdp, turn, near, to, policy, passing)
        except BoringError:
            source.options, target.options = options
            target.transports.undo()
            for leg in {near, turn.leg}.difference(self._legs.all()):
                leg.close()
            raise
        source.tag = tag or source.tag
        self._shape, self._legs.near = Shape.PAIR, near
        self._legs.add(turn)
        self._touch(turn.negotiation.offer, party)
        return text

    def answer(
        self,
        party: Party,
        sdp: str | Description,
        *,
        branch: str = "",
        tag: str = "",
        passing: Passing = OWN_TEXT,
        policy: CodecPolicy | None = None,
        style: LegStyle | None = None,
        unheld: bool = False,
        here: LegOptions = UNCHANGED,
        there: LegOptions = UNCHANGED,
    ) -> str:
        """
        Take the answer of `party` to the other party's offer, put it into force and return the answer for the other party.

        A forked offer may be answered several times: on several branches, and on one under several `tag`s (To tags). The latest answer is
        in force. The same tag may answer again (183, then 200). A first answer that refuses every m-line is an `SdpError`, unless
        `passing` mirrors the source: tell the offerer no (SIP 488). `policy` None is that of the offer. `style` says how our answer is
        keyed; None lets the offer decide. `unheld`: the offerer is not told the answerer's direction, which may change without it.
        """
        turn = self._legs.find(branch)
        if turn is None or self._legs.near is None:
            raise WrongState(self.state.value, "an offer to answer")
        turn.negotiation.check_answer(party)
        check_others(self._legs, turn)
        answerer, offerer = (self._legs.near, turn.leg) if party is Party.A else (turn.leg, self._legs.near)
        options = answerer.options, offerer.options
        answerer.options, offerer.options = here.over(answerer.options), there.over(offerer.options)
        try:
            asked = Asked(tag=tag, passing=passing, policy=policy, style=style, unheld=unheld)
            agreed = self._translator.answer(party, sdp, turn, self._legs.near, asked)
        except BoringError:
            answerer.options, offerer.options = options
            offerer.transports.undo()
            raise
        answerer.tag = tag or answerer.tag
        self._touch(turn.negotiation.answer, party)
        agreed.put_into_force(self._relay, self._legs, turn)
        self._begin(turn)
        return agreed.text

    def reject(self, branch: str = "") -> None:
        """The pending offer was refused elsewhere (488, 491): what was in force before stays in force. Raises `WrongState` without one."""
        turn = self._legs.find(branch)
        if turn is None or self._legs.near is None:
            raise WrongState(self.state.value, "a pending offer")
        turn.negotiation.reject(self._loop.time())
        self._translator.take_back(turn, self._legs.near)
        self._arm()

    def drop_branch(self, branch: str) -> None:
        """
        Close a far leg. When its media was in force, that of the branch that answered last before it is now, if there is any.

        Party A's leg keeps its ports for the branch that may come. Raises `WrongState` when there is no such branch.
        """
        turn = self._legs.find(branch)
        if turn is None:
            raise WrongState("no such branch", "one of " + ", ".join(self._legs.by_name))
        self._legs.remove(turn)
        turn.leg.close()
        if self._legs.near is not None:
            self._translator.rounds.leave(turn, self._legs.near)
        self._blocks.forget(turn.name)
        if turn is self._legs.current:
            self._translator.fall_back(self._legs)
            self._join()
        self._patience.changed(self._loop.time())
        self._arm()

    def hand_over(self, party: Party, branch: str = "") -> Leg:
        """
        Take the leg of `party` out, for `take_over` of another call: ports, keys, ICE and DTLS, its o= line and what it agreed go along.

        The call stays as it is without it, until somebody takes its place or it is closed. Close a leg that no call takes. Raises
        `WrongState` when it has agreed on nothing, or an offer waits that it has to do with.
        """
        return handover.release(self._relay, self._legs, self._translator.rounds, party, branch)

    def take_over(self, party: Party, leg: Leg, *, echo: bool = False) -> None:
        """
        Take a leg of another call in as `party`. Media flows at once between it and who has agreed here, as far as their codecs are one;
        with `echo`, where it is party A and there is nobody else, from it to itself.

        `alone.offer` with `renewed` brings the two together. Raises `WrongState` when there is somebody in that place already.
        """
        self._check_open(shape := Shape.ECHO if echo else Shape.PAIR)
        if self._legs.leg(party) is not None:
            raise WrongState("taken", "a party that is not there")
        leg.move(party, "", self._hear, self._legs.all)
        self._shape, self._place = shape, self._place if self._place.transports else leg.transports.place
        turn = self._legs.current
        if party is Party.A:
            self._legs.near = leg
        else:
            turn = Branch("", leg, Negotiation.agreed(self.timeouts.answer_s))
            self._legs.add(turn)
        if echo:
            self._echo = Negotiation.agreed(self.timeouts.answer_s)
            self._begin()
        elif turn is not None:
            self._meet(turn)

    def echo(self, sdp: str | Description, policy: CodecPolicy = DEFAULT_POLICY) -> str:
        """Take an offer of party A and return the answer that sends it back its own media. First offer or re-offer."""
        self._check_open(Shape.ECHO)
        turn = self._echo or Negotiation(self.timeouts.answer_s)
        leg = self._legs.near or self._new_leg(Party.A)
        try:
            text = self._translator.echo(sdp, leg, leg.options, policy)
        except BoringError:
            leg.transports.undo()
            raise
        self._shape, self._legs.near, self._echo = Shape.ECHO, leg, turn
        self._touch(turn.offer, Party.A)
        self._touch(turn.answer, Party.B)
        leg.apply(media_plans(leg.memory))
        self._begin()
        return text

    def fragment(self, party: Party, sdpfrag: str, branch: str = "") -> str:
        """Take a trickle ICE fragment (RFC 8840) of `party` and return the one for the other side, empty when it needs none."""
        turn = self._legs.find(branch)
        if turn is None or self._legs.near is None:
            raise WrongState(self.state.value, "an offer before its candidates")
        source, target = (self._legs.near, turn.leg) if party is Party.A else (turn.leg, self._legs.near)
        return translated(parse_fragment(sdpfrag), source, target)

    def limit(self, party: Party, direction: Direction, branch: str = "") -> None:
        """Keep what our SDPs to `party` say from now on within `direction`: hold, or SENDRECV for its end. `alone.offer` makes it so."""
        if (leg := self._legs.leg(party, branch)) is not None:
            leg.limit = direction

    def set_direction(self, party: Party, *, audio: bool | None = None, video: bool | None = None) -> None:
        """Let media of `party` through (True) or hold it back (False), by kind, without touching the SDP; None leaves a kind as it is."""
        for kind, through in (("audio", audio), ("video", video)):
            if through is not None:
                self._blocks.set_kind(party, kind, not through)
        self._join()

    def block(self, party: Party, what: Block, on: bool, *, branch: str | None = None, towards: str | None = None) -> None:
        """
        Hold back (or let through again) what `party` sends, whatever is agreed.

        For party B `branch` limits it to one far leg, for party A `towards` to what goes to one; None: all of them, also later ones.
        """
        self._blocks.set(party, what, on, towards if party is Party.A else branch)
        self._join()

    def blocked(self, party: Party, what: Block, branch: str = "") -> bool:
        """Whether `what` of `party` is held back between party A and the branch."""
        known = self._legs.find(branch)
        return self._blocks.holds(party, what, branch if known is None else known.name)

    def request_key_frame(self, party: Party) -> None:
        """Ask `party` for a key frame of each of its video streams."""
        if (leg := self._legs.leg(party, "")) is not None:
            leg.request_key_frame()

    def send_dtmf(
        self, party: Party, digits: str, duration_ms: int = 100, gap_ms: int = 50, volume_dbm0: int = -10, branch: str = ""
    ) -> int:
        """Send digits to `party` as telephone-events of our own; returns how many were queued, 0 when it takes none."""
        leg = self._legs.leg(party, branch)
        return 0 if leg is None else leg.send_dtmf(digits, duration_ms, gap_ms, volume_dbm0)

    def retire(self) -> None:
        """The call is going to be closed unless another offer or answer comes: on a trunk's port another may have its peers' addresses."""
        for leg in self._legs.all():
            leg.retire()

    def close(self, reason: str = "closed") -> None:
        """End the call: ports go to rest, `CallClosed` is the last event. Closing twice is nothing."""
        if self._closed:
            return
        self._log.info("call ended", extra={"reason": reason, "seconds": round(self._loop.time() - self._began, 1)})
        self._closed = True
        self._patience.stop()
        for branch in self._legs:
            branch.negotiation.close(self._loop.time())
        self._arm()
        for leg in self._legs.all():
            leg.close()
        self._ended(self)
        self._owner(CallClosed(reason))

    # --- records -----------------------------------------------------------------------------------------------------------------------

    def report(self) -> CallReport:
        """What the call is and how it fares, for people, proxies and records. Ask before `close`: afterwards there are no figures."""
        names, times = (self.id, self.state.value), (self.created, self.last_signal)
        return reporting.report_of(names, times, self._legs.all(), self._legs.flowing(), self._relay, self._blocks)

    def all_heard(self) -> bool:
        """Whether media came from all between whom it flows, and none was dropped."""
        return reporting.all_heard(self._legs.flowing())

    def statistics(self) -> dict[str, Any]:
        """Plain values: states, and for each party its streams with packets, loss, jitter, round trip, level and MOS both ways."""
        legs = {party.value: leg.statistics() for party in Party if (leg := self._legs.leg(party, "")) is not None}
        return {"call_id": self.id, "state": self.state.value, "legs": legs}

    def record(self) -> dict[str, Any]:
        """The whole state of the call as plain values. A secret: it holds SDES keys and ICE passwords."""
        names = {"call_id": self.id, "state": self.state.value, "shape": self._shape.value, "current": self.current}
        times = {"created": self.created, "last_signal": self.last_signal}
        return reporting.record_of(names | times, self._blocks, self._legs.near, self._legs.by_name)

    # --- whose leg ---------------------------------------------------------------------------------------------------------------------

    def _new_branch(self, name: str) -> Branch:
        self._legs.check_room()
        leg = self._new_leg(Party.B, name)
        return Branch(name, leg, Negotiation(self.timeouts.answer_s))

    def _new_leg(self, party: Party, branch: str = "") -> Leg:
        return Leg(party, self._relay, self._settings, self._hear, self._place, self._joints, self._legs.all, branch)

    def _check_open(self, shape: Shape) -> None:
        if self._closed:
            raise WrongState(State.CLOSED.value, "an open call")
        if self._shape not in (Shape.UNDECIDED, shape):
            raise WrongState(f"joined as {self._shape.value}", shape.value)

    def _check_offer(self, party: Party, turn: Branch) -> None:
        """Raise `WrongState` when `party` may not offer now: party A's leg takes part in one exchange at a time, or offers to many."""
        self._check_open(Shape.PAIR)
        turn.negotiation.check_offer(party)
        check_others(self._legs, turn)
        self._translator.rounds.check(party, turn)

    def _answered(self, name: str) -> tuple[Branch, Leg]:
        """A branch that has been answered, and party A's leg. Raises `WrongState`."""
        turn = self._legs.find(name)
        if turn is None or self._legs.near is None or turn.near is None or self._closed:
            raise WrongState(self.state.value, "an answer in force")
        return turn, self._legs.near

    # --- media -------------------------------------------------------------------------------------------------------------------------

    def _meet(self, turn: Branch) -> None:
        """Party A and the branch have come together, each agreed with before: what fits is joined."""
        if handover.meet(self._relay, self._legs, turn):
            self._begin(turn)

    def _begin(self, turn: Branch | None = None) -> None:
        """An answer is in force; it is the branch's."""
        self._answers += 1
        if turn is not None:
            turn.rank = self._answers
        self._join()
        if self._answers == 1:
            protocols = {leg.party.value: leg.style.protocol.value for leg in self._legs.flowing()}
            self._log.info("call answered", extra={**protocols, "setup_ms": round((self._loop.time() - self._began) * 1e3)})

    def _join(self) -> None:
        """Route media as it is agreed and not held back."""
        if self._legs.near is None:
            return
        if self._echo is not None:
            routes.echo(self._relay, self._legs.near, self._blocks)
        elif (current := self._legs.current) is not None:
            routes.join(self._relay, self._legs.near, current.leg, self._blocks)
        if self._answers:
            self._patience.changed(self._loop.time())
            self._arm()

    def _listen(self) -> list[Heard]:
        """What patience is measured by: the two legs between whom media flows."""
        return [leg.listen(partial(self._blocks.stops, leg.party, branch=self.current or "")) for leg in self._legs.flowing()]

    # --- news and time -----------------------------------------------------------------------------------------------------------------

    def _hear(self, event: CallEvent) -> None:
        """Pass a leg's news to the owner; where that was agreed, a leg in force that is gone, or silent for too long, ends the call."""
        if self._closed:
            return
        self._owner(event)
        match event:
            case LegFailed(party, reason, branch) | LegClosed(party, reason, branch):
                if self.timeouts.end_on_failure and self._legs.in_force(party, branch):
                    self.close(reason)
            case LegMediaTimeout(party, _, branch):
                if not self._owner_decides and self._settings.close_on_media_timeout and self._legs.in_force(party, branch):
                    self.close("media-timeout")

    def _touch(self, move: Callable[[Party, float], None], party: Party) -> None:
        """Note a turn of the negotiation."""
        move(party, self._loop.time())
        self.last_signal = time.time()
        self._arm()

    def _arm(self) -> None:
        """Keep one timer for whatever is due first."""
        deadlines = [self._patience.deadline(), *[branch.negotiation.deadline() for branch in self._legs]]
        self._alarm.set(None if self._closed else min((at for at in deadlines if at is not None), default=None), self._wake)

    def _wake(self, at: float) -> None:
        now = max(at, self._loop.time())
        for turn in tuple(self._legs):
            for expired in turn.negotiation.tick(now):
                assert self._legs.near is not None
                self._translator.take_back(turn, self._legs.near)
                self._owner(CallTimedOut("answer", expired.after, turn.name))
                if not self._closed and self._legs.current is None and self.pending is None:
                    self.close(REASONS["answer"] if self._owner_decides else "no-answer")
        for gave_up in () if self._closed else self._patience.tick(now):
            self._owner(CallTimedOut(gave_up.waiting_for, gave_up.after))
            self.close(REASONS[gave_up.waiting_for])
        self._arm()
