"""
Which call and which leg a command means: call-id, tags and via-branch against what has been seen before. A core; it touches no call.

A dialog is one NG call: party A, who offered first, and a far leg for each via-branch that A's offer was forked to.

           call-id ─┬─ dialog: A {tags} ─┬─ far leg {via-branches, tags}      in force: who answered last
                    │                    └─ far leg {via-branches, tags}
                    └─ dialog: tags that neither side of the first one has (a call-id that was used again)

Tags find a leg before a via-branch does: Kamailio names the branch of each transaction, so a re-INVITE comes with one that was never
seen, while its tags were. Finding changes nothing. What was found is noted (`offered`, `answered`) only when the call took the SDP.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from boringsdp.call import Party
from boringsdp.errors import NgError
from boringsdp.ng.requests import Description, Identity
from boringsdp.ng.statistics import Figures
from boringsdp.sdp import DEFAULT_POLICY, CodecPolicy

MAX_DIALOGS = 8
"""Dialogs with the same call-id."""
MAX_LEGS = 32
"""Far legs of a dialog: more forks of one call are somebody's mistake."""
MAX_NAMES = 32
"""Tags of a party and via-branches of a leg that are kept; the oldest are forgotten first, a party's own first tag never."""
MAX_FAULTS = 8
SPARE_DELETIONS = 64
"""Deletions that no longer stand are forgotten when there are more of them than this and twice the dialogs."""

C = TypeVar("C")


@dataclass(slots=True, eq=False)
class FarLeg:
    """One far side of a dialog. `name` is what the call knows it by, and never changes."""

    name: str
    branches: list[str] = field(default_factory=list)
    """Via-branches, oldest first."""
    tags: list[str] = field(default_factory=list)
    """Tags that answered or offered from there; the last is the one in use."""
    label: str = ""
    answered: bool = False
    drop_at: float | None = None
    offer: Description | None = None
    """The last offer between A and this leg, without its SDP: what it said about the way back holds for the answer."""
    policy: CodecPolicy = DEFAULT_POLICY
    """That of the last offer."""
    final: Description | None = None
    """The final answer to that offer, whose to-tag stays: a provisional one under another tag takes no media from it."""
    no_ice: set[Party] = field(default_factory=set)
    """Who answered an offer of ours that had ICE without it; it is not offered to them again before a `reset`."""

    @property
    def tag(self) -> str:
        return self.tags[-1] if self.tags else ""

    @property
    def branch(self) -> str:
        return self.branches[0] if self.branches else ""

    def outdone(self, tag: str) -> bool:
        """Whether another tag has answered here since `tag` did."""
        return self.answered and tag in self.tags and tag != self.tag


@dataclass(slots=True, eq=False)
class Dialog(Generic[C]):
    """One call as the proxy knows it. `call` is whatever the front put in."""

    call_id: str
    call: C
    tags: list[str]
    """Party A's tags, the last is the one in use."""
    legs: dict[str, FarLeg] = field(default_factory=dict)
    label: str = ""
    metadata: str = ""
    began: float = 0.0
    """Monotonic seconds."""
    in_force: str | None = None
    """The name of the leg that answered last."""
    recent: str = ""
    """The name of the leg that was offered to last."""
    end_at: float | None = None
    callback: str = ""
    """Where its timeout is told; empty: as configured."""
    callback_named: bool = False
    """By a request."""
    dtmf_log: tuple[str, int] | None = None
    faults: list[str] = field(default_factory=list)
    """What went wrong with its media, oldest first."""
    waited_s: float = 0.0
    """What it waited for in vain, when it ends by a timeout."""
    figures: Figures = field(default_factory=Figures)
    """Taken before it ends."""

    @property
    def tag(self) -> str:
        return self.tags[-1]

    @property
    def leg(self) -> FarLeg | None:
        """The leg that is meant when none is named: in force, or offered to last."""
        return self.legs.get(self.in_force if self.in_force is not None else self.recent)

    def by_tag(self, tag: str) -> list[FarLeg]:
        return [leg for leg in self.legs.values() if tag and tag in leg.tags]

    def by_branch(self, branch: str) -> FarLeg | None:
        return next((leg for leg in self.legs.values() if branch and branch in leg.branches), None)

    def blame(self, fault: str) -> None:
        """Remember a fault; one that is known already moves to the end."""
        if fault in self.faults:
            self.faults.remove(fault)
        self.faults.append(fault)
        del self.faults[:-MAX_FAULTS]

    def absolve(self, who: str) -> None:
        """Forget the faults of a party: what it had is over."""
        self.faults[:] = [fault for fault in self.faults if not fault.startswith(f"{who}: ")]


@dataclass(slots=True, frozen=True)
class Place(Generic[C]):
    """Who a command is about: `party` sent the SDP (or is selected); `leg` None is a far leg that does not exist yet."""

    dialog: Dialog[C]
    party: Party
    leg: FarLeg | None
    name: str
    """Of the far leg, for the call."""
    tag: str
    """Of `party`."""


@dataclass(slots=True, frozen=True)
class Gone(Generic[C]):
    """The time of a deleted dialog, or of one `leg` of it, is over."""

    dialog: Dialog[C]
    leg: FarLeg | None


class Dialogs(Generic[C]):
    """All dialogs of a front. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._by_call: dict[str, list[Dialog[C]]] = {}
        self._count = 0
        self._deletions: list[tuple[float, int, Dialog[C], FarLeg | None]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Dialog[C]]:
        return (dialog for dialogs in tuple(self._by_call.values()) for dialog in tuple(dialogs))

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._by_call

    def call_ids(self) -> Iterator[str]:
        return iter(self._by_call)

    def of(self, call_id: str) -> tuple[Dialog[C], ...]:
        return tuple(self._by_call.get(call_id, ()))

    # --- finding -----------------------------------------------------------------------------------------------------------------------

    def for_offer(self, who: Identity, *, new_branch: bool = False) -> Place[C] | None:
        """Return whose offer it is and to which leg, None when it begins a dialog. Raises `NgError` when the call has too many already."""
        dialogs = self._by_call.get(who.call_id, ())
        for dialog in dialogs:
            if who.from_tag in dialog.tags:
                return self._offer_of_a(dialog, who, new_branch)
            if legs := dialog.by_tag(who.from_tag):
                leg = _preferred(legs, dialog.by_branch(who.via_branch), dialog.leg)
                return Place(dialog, Party.B, leg, leg.name, who.from_tag)
        for dialog in dialogs:  # an unknown tag talks to a known one: a party under a new name
            if who.to_tag in dialog.tags:
                near = dialog.by_branch(who.via_branch) or _untagged(dialog) or dialog.leg
                if near is not None:
                    return Place(dialog, Party.B, near, near.name, who.from_tag)
            if legs := dialog.by_tag(who.to_tag):
                leg = _preferred(legs, dialog.by_branch(who.via_branch), dialog.leg)
                return Place(dialog, Party.A, leg, leg.name, who.from_tag)
        if len(dialogs) >= MAX_DIALOGS:
            raise NgError("Too many dialogues with this call-id", "call-id")
        return None

    def _offer_of_a(self, dialog: Dialog[C], who: Identity, new_branch: bool) -> Place[C]:
        leg: FarLeg | None = None
        known = dialog.by_tag(who.to_tag)
        if known:
            leg = _preferred(known, dialog.by_branch(who.via_branch), dialog.leg)
        elif not new_branch:
            leg = dialog.by_branch(who.via_branch)
            if leg is None and (who.to_tag or not who.via_branch):
                leg = dialog.leg
        if leg is not None:
            return Place(dialog, Party.A, leg, leg.name, who.from_tag)
        if len(dialog.legs) >= MAX_LEGS:
            raise NgError("Too many branches", "via-branch")
        return Place(dialog, Party.A, None, self._fresh_name(dialog, who.via_branch), who.from_tag)

    def _fresh_name(self, dialog: Dialog[C], branch: str) -> str:
        name = first_name(branch)
        return name if name not in dialog.legs else f"{branch}#{next(self._numbers)}"

    def for_answer(self, who: Identity) -> Place[C]:
        """
        Return who answers. The from-tag is the offerer's, the to-tag that of who answers; turned round when only that makes sense.

        Raises `NgError` for an unknown call-id, and when no tag is known.
        """
        dialogs = self._by_call.get(who.call_id)
        if not dialogs:
            raise NgError("Unknown call-id", "call-id")
        for offerer, answerer in ((who.from_tag, who.to_tag), (who.to_tag, who.from_tag)):
            for dialog in dialogs:
                if offerer in dialog.tags:
                    leg = self._answering_leg(dialog, answerer, who.via_branch)
                    return Place(dialog, Party.B, leg, leg.name, answerer)
                if legs := dialog.by_tag(offerer):
                    leg = _preferred(legs, dialog.by_branch(who.via_branch), dialog.leg)
                    return Place(dialog, Party.A, leg, leg.name, answerer)
        raise NgError("Invalid dialogue association", "from-tag")

    def _answering_leg(self, dialog: Dialog[C], tag: str, branch: str) -> FarLeg:
        by_branch = dialog.by_branch(branch)
        if legs := dialog.by_tag(tag):
            return _preferred(legs, by_branch, dialog.leg)
        leg = by_branch or _untagged(dialog) or dialog.legs.get(dialog.recent) or dialog.leg
        if leg is None:
            raise NgError("Invalid dialogue association", "to-tag")
        return leg

    # --- noting ------------------------------------------------------------------------------------------------------------------------

    def add(self, who: Identity, call: C, now: float = 0.0) -> Place[C]:
        """Begin a dialog with its first offer, which the call has taken."""
        dialog = Dialog(who.call_id, call, [who.from_tag], began=now)
        self._by_call.setdefault(who.call_id, []).append(dialog)
        self._count += 1
        place = Place(dialog, Party.A, None, first_name(who.via_branch), who.from_tag)
        return replace(place, leg=self.offered(place, who))

    def offered(self, place: Place[C], who: Identity) -> FarLeg:
        """The call took the offer: remember the names it came with. A deletion that waits is off."""
        dialog, leg = place.dialog, place.leg
        if leg is None:
            leg = dialog.legs[place.name] = FarLeg(place.name)
        self._note(dialog, leg, place, who)
        if place.party is Party.A:
            _remember(leg.tags, who.to_tag)
            dialog.recent = leg.name
        leg.final = None
        return leg

    def answered(self, place: Place[C], who: Identity, answer: Description | None = None) -> bool:
        """
        The call took the answer: its leg is in force. The first final `answer` of a leg freezes its to-tag.

        True when the answer is a provisional one under another tag: what is frozen must be answered again, and has the media.
        """
        leg = place.leg
        assert leg is not None
        self._note(place.dialog, leg, place, who)
        leg.answered = True
        place.dialog.in_force = leg.name
        if answer is None or place.party is Party.A:
            return False
        if leg.final is None or place.tag == leg.final.identity.to_tag:
            leg.final = answer if answer.final else leg.final
            return False
        return answer.early

    def _note(self, dialog: Dialog[C], leg: FarLeg, place: Place[C], who: Identity) -> None:
        dialog.end_at = leg.drop_at = None
        _remember(leg.branches, who.via_branch)
        _remember(dialog.tags if place.party is Party.A else leg.tags, place.tag)
        if who.set_label:
            (dialog if place.party is Party.A else leg).label = who.set_label

    def drop(self, dialog: Dialog[C], leg: FarLeg) -> None:
        """Forget a leg."""
        dialog.legs.pop(leg.name, None)
        if dialog.in_force == leg.name:
            dialog.in_force = next((each.name for each in reversed(dialog.legs.values()) if each.answered), None)
        if dialog.recent == leg.name:
            dialog.recent = next(reversed(dialog.legs), "")

    def forget(self, dialog: Dialog[C]) -> None:
        """The call is over. Forgetting twice is nothing."""
        dialog.end_at = None
        for leg in dialog.legs.values():
            leg.drop_at = None
        dialogs = self._by_call.get(dialog.call_id, [])
        if dialog in dialogs:
            dialogs.remove(dialog)
            self._count -= 1
            if not dialogs:
                del self._by_call[dialog.call_id]

    # --- deleting ----------------------------------------------------------------------------------------------------------------------

    def leaves(self, who: Identity, *, honour_to_tag: bool = False) -> Place[C] | None:
        """
        One of several who answered on a leg says goodbye. Return who answered there finally before, and has the media again; None when
        nobody did. That one's own goodbye while another has the media is noted.
        """
        for dialog in self._by_call.get(who.call_id, ()):
            of_a = who.from_tag in dialog.tags
            tag = (who.to_tag if honour_to_tag else "") if of_a else who.from_tag
            for leg in dialog.by_tag(tag):
                frozen = "" if leg.final is None else leg.final.identity.to_tag
                if frozen and leg.outdone(frozen):
                    if tag == leg.tag:
                        return Place(dialog, Party.B, leg, leg.name, frozen)
                    if tag == frozen:
                        leg.final = None
        return None

    def to_delete(self, who: Identity, *, honour_to_tag: bool = False) -> list[tuple[Dialog[C], FarLeg | None]]:
        """
        Return what a delete means: whole dialogs (no leg), or one leg where others go on. Empty when nothing fits.

        A leg is meant by A's tag with its via-branch, or with its tag when `honour_to_tag`; and by its own tag when another one is in
        force. The last leg takes the dialog with it, and so does the leg in force when it says goodbye itself. Who answered on a leg before
        another did there has lost the fork, and its goodbye ends nothing.
        """
        dialogs = self._by_call.get(who.call_id, [])
        if not who.from_tag:
            found = [(dialog, leg) for dialog in dialogs if (leg := dialog.by_branch(who.via_branch)) is not None]
            return [_last_takes_all(*found[0])] if found else [(dialog, None) for dialog in dialogs]
        for dialog in dialogs:
            if who.from_tag in dialog.tags:
                leg = dialog.by_branch(who.via_branch)
                if honour_to_tag and who.to_tag:
                    named = dialog.by_tag(who.to_tag)
                    leg = _preferred(named, leg, dialog.leg) if named else None
                    if leg is None or leg.outdone(who.to_tag):
                        return []
                return [_last_takes_all(dialog, leg)]
            if legs := dialog.by_tag(who.from_tag):
                if honour_to_tag and who.to_tag and who.to_tag not in dialog.tags:
                    return []
                leg = _preferred(legs, dialog.by_branch(who.via_branch), dialog.leg)
                if leg.outdone(who.from_tag):
                    return []
                return [(dialog, None) if leg.name == dialog.in_force else _last_takes_all(dialog, leg)]
        return []

    def delete_at(self, dialog: Dialog[C], leg: FarLeg | None, at: float) -> None:
        """Let a dialog, or one leg, end at `at` unless an offer or answer comes before; an earlier time stands."""
        before = dialog.end_at if leg is None else leg.drop_at
        if before is not None and before <= at:
            return
        if leg is None:
            dialog.end_at = at
        else:
            leg.drop_at = at
        if len(self._deletions) > 2 * len(self) + SPARE_DELETIONS:
            self._deletions = [each for each in self._deletions if _waits(each)]
            heapq.heapify(self._deletions)
        heapq.heappush(self._deletions, (at, next(self._numbers), dialog, leg))

    def tick(self, now: float) -> list[Gone[C]]:
        """Return what has to end now; the caller ends it, then calls `drop` or `forget`."""
        gone: list[Gone[C]] = []
        while self._deletions and self._deletions[0][0] <= now:
            entry = heapq.heappop(self._deletions)
            if _waits(entry):
                gone.append(Gone(entry[2], entry[3]))
        return gone

    def deadline(self) -> float | None:
        """When `tick` is due. It may find that nothing has to end after all."""
        return self._deletions[0][0] if self._deletions else None

    # --- selecting ---------------------------------------------------------------------------------------------------------------------

    def parties(self, call_id: str) -> Iterator[Place[C]]:
        """Yield every party of every dialog with this call-id, A first."""
        for dialog in self.of(call_id):
            near = dialog.leg
            yield Place(dialog, Party.A, near, near.name if near is not None else "", dialog.tag)
            for leg in tuple(dialog.legs.values()):
                yield Place(dialog, Party.B, leg, leg.name, leg.tag)


def first_name(branch: str) -> str:
    """Return what the first far leg is called. Never empty: an empty name means the leg in force to a call."""
    return branch or "#"


def _preferred(legs: list[FarLeg], *wishes: FarLeg | None) -> FarLeg:
    """Return the first wish that is among `legs`, or the first of them."""
    return next((wish for wish in wishes if wish is not None and wish in legs), legs[0])


def _waits(entry: tuple[float, int, Dialog[C], FarLeg | None]) -> bool:
    """Whether a deletion still stands: it was not taken back, nor overtaken by an earlier one."""
    at, _, dialog, leg = entry
    return dialog.end_at == at if leg is None else leg.drop_at == at and leg.name in dialog.legs


def _untagged(dialog: Dialog[C]) -> FarLeg | None:
    """Return the leg whose party has no name yet: the one that was offered to last, else the oldest."""
    recent = dialog.legs.get(dialog.recent)
    if recent is not None and not recent.tags:
        return recent
    return next((leg for leg in dialog.legs.values() if not leg.tags), None)


def _last_takes_all(dialog: Dialog[C], leg: FarLeg | None) -> tuple[Dialog[C], FarLeg | None]:
    others = leg is not None and any(each is not leg and each.drop_at is None for each in dialog.legs.values())
    return dialog, leg if others else None


def _remember(names: list[str], name: str) -> None:
    """Make `name` the last of `names`, bounded; the first stays."""
    if not name or (names and names[-1] == name):
        return
    if name in names:
        names.remove(name)
    names.append(name)
    if len(names) > MAX_NAMES:
        del names[1]
