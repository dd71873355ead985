"""
Changes of an established or early session: re-INVITE and UPDATE, ours and the peer's, one offer at a time (RFC 3261 §14, RFC 3311).

| turn           | our offer         | re-INVITE of the peer (UPDATE with offer: the same) | response to ours                              |
| -------------- | ----------------- | --------------------------------------------------- | --------------------------------------------- |
| FREE           | ASKING            | asks the owner                                      | -                                             |
| ASKING         | wrong; queued (1) | 491; a browser's re-INVITE is kept (2)              | 2xx, refusal: FREE; 491: WAITING;             |
|                |                   |                                                     | 422: ASKING again; 481, 408: the session ends |
| WAITING        | replaced          | asks the owner                                      | -                                             |
| UNACKNOWLEDGED | queued            | asks the owner; 491 while the ACK owes an answer    | - (ACK: FREE; none: the session ends)         |

(1) Behind a refresh of our own making. While the owner is asked (`peer.asked`) our offers are wrong, and the peer's get 500 with
Retry-After. A request of the peer that offers what holds already is answered at once, by what we said last.

(2) Until ours has its response, then it is asked like any other. Deviation: RFC 3261 §14.2 wants 491 at once, but JsSIP tries only once
more and ends the call over the second 491, and SIP.js does not try again. Its 491 to ours, if it gives one, lets its own go first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from boringsdp.errors import WrongState
from boringsdp.sip import build, headers
from boringsdp.sip.actions import Cancel
from boringsdp.sip.message import Request, Response
from boringsdp.sip.offer_answer import Meaning, same_sdp
from boringsdp.sip.reliable import ReliableOrder
from boringsdp.sip.session.asked import Asked
from boringsdp.sip.session.bodies import SDP, retry_after_of, sdp_of
from boringsdp.sip.session.core import Core, HeaderPairs
from boringsdp.sip.session.events import AnswerReceived, By, Ended, OfferRefused, OfferWithdrawn, Refreshed
from boringsdp.sip.session.repeated_ok import RepeatedOk
from boringsdp.sip.session.states import OVER, RINGS_HERE, State

if TYPE_CHECKING:
    from boringsdp.sip.session.peer import Peer

MAX_TRIES = 10
"""Of one offer that meets the peer's again and again."""
MAX_RETRY_AFTER = 30
"""Seconds for which an offer that got 500 waits for its next try."""
OWNER_LIMIT = 20
"""Times T1: how long our owner may take to answer an UPDATE or PRACK, whose sender does not wait as long as for INVITE (RFC 3311 §5.2)."""


class Turn(Enum):
    FREE = "free"
    ASKING = "asking"
    WAITING = "waiting"
    UNACKNOWLEDGED = "unacknowledged"


@dataclass(slots=True)
class Change:
    """One of ours. `sdp` None: an INVITE that asks for an offer, or an UPDATE that only refreshes."""

    method: str
    sdp: bytes | None
    lines: tuple[tuple[str, str], ...]
    refresh: bool = False
    tries: int = 0
    exchange: int = 0
    ack: Request | None = None


class Changes:
    """Those of one dialog."""

    def __init__(self, core: Core, peer: Peer) -> None:
        self._core = core
        self._peer = peer
        self.turn = Turn.FREE
        self._ours: Change | None = None
        """The last one: also after it is over, while its 2xx may come again."""
        self._queued: Change | None = None
        self._theirs: Request | None = None
        """The re-INVITE whose 2xx is not acknowledged."""
        self._repeated: RepeatedOk | None = None
        self._kept: tuple[Request, int] | None = None
        """A re-INVITE that has met ours, and its transaction."""

    def end(self) -> None:
        """The session is over, nothing is asked any more: let go of the peer."""
        del self._peer

    # --- ours ---------------------------------------------------------------------------------------------------------------------------

    def offer(self, method: str, sdp: bytes | None, lines: HeaderPairs, now: float) -> None:
        """Send an offer now, or as soon as a request that nobody asked for is over. Raises WrongState while another is open."""
        change = Change(method, sdp, tuple(lines))
        refreshing = self.turn is Turn.ASKING and self._ours is not None and self._ours.refresh
        if self._peer.asked is not None:
            raise WrongState("the peer's offer is open", "its answer first")
        match self.turn:
            case Turn.FREE if not self._peer.talk.open:
                self._ask(change, now)
            case Turn.WAITING:
                self._ours = change
            case Turn.UNACKNOWLEDGED:
                self._queued = change
            case Turn.ASKING if refreshing:
                self._queued = change
            case _:
                raise WrongState("our offer is open", "its answer first")

    def refresh(self, now: float) -> None:
        """Refresh the session (RFC 4028 §7.4): by UPDATE if the peer knows it, else by re-INVITE with what we said last."""
        if self.turn is not Turn.FREE or self._peer.asked is not None or self._peer.talk.open:
            self._core.session_timer.try_again(now)  # whatever is open refreshes too, if it succeeds
        elif "UPDATE" in self._peer.allows:
            self._ask(Change("UPDATE", None, (), refresh=True), now)
        else:
            self._ask(Change("INVITE", self._peer.talk.local, (), refresh=True), now)

    def _ask(self, change: Change, now: float) -> None:
        if self._ours is not None and self._ours is not change:
            self._core.forget(self._ours.exchange)
        peer, core = self._peer, self._core
        if change.sdp is not None:
            peer.talk.offer(change.sdp, by_invite=change.method == "INVITE")
        lines = [*core.capabilities(), *core.session_timer.of_request(), *change.lines]
        kind = SDP if change.sdp is not None else ""
        request = peer.dialog.request(change.method, lines, kind, change.sdp or b"", contact=core.contact)
        if change.method == "INVITE":
            peer.order = ReliableOrder()
        self.turn, self._ours = Turn.ASKING, change
        change.tries += 1
        change.exchange = core.ask(request, peer.dialog.sequence, lambda response, at: self._answered(change, response, at))
        if change.method == "INVITE" and core.settings.ring_limit:
            core.timers.set(f"limit {peer.tag}", now + core.settings.ring_limit, lambda at: core.act(Cancel(change.exchange)))

    def _answered(self, change: Change, response: Response, now: float) -> None:
        if response.code < 200:
            if change.method == "INVITE" and response.code > 100 and self.turn is Turn.ASKING and self._peer.is_new(response):
                self._early_answer(response, now)
            return
        if change is self._ours:
            self._core.timers.clear(f"limit {self._peer.tag}")
        if response.code < 300:
            self._success(change, response, now)
        elif self._core.state not in OVER and change is self._ours and self.turn is Turn.ASKING:
            self._refusal(change, response, now)

    def _early_answer(self, response: Response, now: float) -> None:
        if self._peer.read_provisional(response, now) is Meaning.ANSWER:
            self._core.tell(AnswerReceived(self._peer.talk.remote or b"", response, self._peer.tag))

    def _success(self, change: Change, response: Response, now: float) -> None:
        if change.ack is not None:
            self._core.acknowledge(change.exchange, change.ack)
            return
        if self._core.state in OVER or change is not self._ours:
            if change.method == "INVITE":
                self._acknowledge(change, response)
            return
        if self.turn is not Turn.ASKING or self._peer.asked is not None:
            return  # the same 2xx again, whose ACK waits for our owner
        self._peer.learn(response)
        self._peer.dialog.refresh_target(response)
        self._core.session_timer.answered(response, now)
        self._core.watch_session_timer()
        sdp = sdp_of(response)
        if change.method == "INVITE" and change.sdp is None and sdp is not None and not self._peer.talk.open:
            self._late_offer(change, response, sdp)
            return
        if change.method == "INVITE":
            self._acknowledge(change, response)
        self._settle(change, response, sdp)
        self._free(now)

    def _settle(self, change: Change, response: Response, sdp: bytes | None) -> None:
        """Take the answer of a 2xx to ours; one may have come before, reliably."""
        talk, before = self._peer.talk, self._peer.talk.remote
        if talk.awaits_answer and sdp is not None:
            talk.answered(sdp)
            if not change.refresh or not same_sdp(sdp, before):
                self._core.tell(AnswerReceived(sdp, response, self._peer.tag))
        elif talk.awaits_answer:
            talk.withdraw()
            if not change.refresh:
                self._core.tell(OfferRefused(488, "no answer in the 2xx", response, self._peer.tag))
        if change.refresh:
            self._core.tell(Refreshed(By.LOCAL, response))

    def _late_offer(self, change: Change, response: Response, sdp: bytes) -> None:
        """Our re-INVITE without offer has got one: the ACK has the answer."""

        def answer(ours: bytes, lines: HeaderPairs, now: float) -> None:
            self._peer.talk.answer(ours)
            self._acknowledge(change, response, ours, lines)
            self._free(now)

        def refuse(code: int, reason: str, lines: HeaderPairs, now: float) -> None:
            self._acknowledge(change, response)
            self._peer.bye(Ended(By.LOCAL, code, reason, response), now, lines)

        self._peer.talk.offered(sdp)
        self._peer.ask_owner(sdp, Asked(response, None, answer, refuse))

    def _acknowledge(self, change: Change, response: Response, sdp: bytes = b"", lines: HeaderPairs = ()) -> None:
        change.ack = self._peer.dialog.ack(headers.cseq(response).number, sdp, lines)
        self._core.acknowledge(change.exchange, change.ack)

    def _refusal(self, change: Change, response: Response, now: float) -> None:
        self._core.forget(change.exchange)
        self._peer.talk.withdraw()
        if self._peer.lost(response, now):
            return
        wait = self._wait_before_retry(response)
        if response.code == 422 and change.tries < MAX_TRIES and self._core.session_timer.too_brief(response):
            self._ask(change, now)
        elif wait is not None and change.tries < MAX_TRIES:
            self._wait(change, now + wait)
            self._take_kept(now)
        else:
            if change.refresh:
                self._core.session_timer.try_again(now)
                self._core.watch_session_timer()
            else:
                self._core.tell(OfferRefused(response.code, response.reason, response, self._peer.tag))
            self._free(now)

    def _wait_before_retry(self, response: Response) -> float | None:
        """Return the seconds to wait after 491 (RFC 3261 §14.1, in steps of 10 ms) or 500 with Retry-After (§14.2); None: no retry."""
        if response.code == 491:
            low, high = (2.1, 4.0) if self._core.caller else (0.0, 2.0)
            return low + round(self._core.random() * (high - low), 2)
        seconds = retry_after_of(response) if response.code == 500 else None
        return float(seconds) if seconds is not None and seconds <= MAX_RETRY_AFTER else None

    def _retry(self, now: float) -> None:
        change = self._ours
        if self.turn is not Turn.WAITING or change is None:
            return
        if self._peer.asked is not None or self._peer.talk.open:
            self._wait(change, now + self._core.settings.t1)
        else:
            self._ask(change, now)

    def _free(self, now: float) -> None:
        self.turn = Turn.FREE
        self._take_kept(now)
        if self.turn is not Turn.FREE:
            return  # that is answered already, and what is queued waits for its ACK
        change, self._queued = self._queued, None
        if change is None or self._core.state in OVER:
            return
        if self._peer.asked is not None or self._peer.talk.open:
            self._wait(change, now + self._core.settings.t1)  # an UPDATE came meanwhile
        else:
            self._ask(change, now)

    def _wait(self, change: Change, until: float) -> None:
        self.turn, self._ours = Turn.WAITING, change
        self._core.timers.set(f"retry {self._peer.tag}", until, self._retry)

    # --- the peer's ---------------------------------------------------------------------------------------------------------------------

    def receive_invite(self, request: Request, transaction: int, now: float) -> None:
        """Answer a re-INVITE, or ask our owner to."""
        if self._core.state in RINGS_HERE or (self._peer.asked is not None and self._peer.asked.transaction is not None):
            self._core.refuse(transaction, 500, headers=[("Retry-After", str(int(self._core.random() * 10)))])
            return
        if self._keeps(request, transaction, now):
            return
        if self._core.state is not State.CONFIRMED or self._peer.asked is not None or self._collides():
            self._core.refuse(transaction, 491)
            return
        if self._too_brief(request, transaction):
            return
        if self.turn is Turn.UNACKNOWLEDGED:
            self._acknowledged()  # its next request says that it has our 2xx
        sdp, talk = sdp_of(request), self._peer.talk

        def answer(ours: bytes | None, lines: HeaderPairs, now: float) -> None:
            if sdp is None and ours is not None:
                talk.offer(ours)
            elif ours is not None:
                talk.answer(ours)
            self._accept_invite(request, transaction, ours, lines, now)

        def refuse(code: int, reason: str, lines: HeaderPairs, now: float) -> None:
            self._core.refuse(transaction, code, reason, lines)

        if sdp is not None and same_sdp(sdp, talk.remote):
            talk.offered(sdp)
            answer(talk.local, (), now)
            self._core.tell(Refreshed(By.REMOTE, request))
            return
        if sdp is not None:
            talk.offered(sdp)
        self._peer.ask_owner(sdp, Asked(request, transaction, answer, refuse))

    def _collides(self) -> bool:
        return self.turn is Turn.ASKING or self._peer.talk.open

    def _keeps(self, request: Request, transaction: int, now: float) -> bool:
        """Whether a re-INVITE that meets ours waits until that is over."""
        limit, core = self._core.settings.keeps_crossing, self._core
        if not limit or self._kept is not None or core.state is not State.CONFIRMED or self.turn is not Turn.ASKING:
            return False
        self._kept = (request, transaction)
        core.timers.set(f"kept {self._peer.tag}", now + limit, lambda at: self._refuse_kept(491))
        return True

    def _take_kept(self, now: float) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._core.timers.clear(f"kept {self._peer.tag}")
            self.receive_invite(*kept, now)

    def _refuse_kept(self, code: int) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._core.refuse(kept[1], code)

    def _accept_invite(self, request: Request, transaction: int, sdp: bytes | None, lines: HeaderPairs, now: float) -> None:
        response = self._ok(request, sdp, lines, now)
        self._hold_retry()
        self.turn, self._theirs = Turn.UNACKNOWLEDGED, request
        self._repeated = RepeatedOk(self._core, transaction, response, self._unheard, now)

    def _hold_retry(self) -> None:
        """An offer of ours that waits for its retry waits for the ACK instead."""
        if self.turn is Turn.WAITING:
            self._core.timers.clear(f"retry {self._peer.tag}")
            self._queued, self._ours = self._ours, None

    def _ok(self, request: Request, sdp: bytes | None, lines: HeaderPairs, now: float) -> Response:
        core = self._core
        self._peer.dialog.refresh_target(request)
        made = [*core.contact_lines(), *core.capabilities(), *core.session_timer.of_answer(request, now), *lines]
        core.watch_session_timer()
        return build.response(200, headers=made, content_type=SDP if sdp else "", body=sdp or b"")

    def receive_ack(self, request: Request, now: float) -> None:
        """Take the ACK of our 2xx to a re-INVITE."""
        if self._theirs is None or headers.cseq(request).number != headers.cseq(self._theirs).number:
            return
        self._acknowledged()
        talk, sdp = self._peer.talk, sdp_of(request)
        if talk.awaits_answer and sdp is not None:
            talk.answered(sdp)
            self._core.tell(AnswerReceived(sdp, request, self._peer.tag))
        elif talk.awaits_answer:
            talk.withdraw()
            self._core.tell(OfferRefused(488, "no answer in the ACK", None, self._peer.tag))
        self._free(now)

    def _acknowledged(self) -> None:
        if self._repeated is not None:
            self._repeated.stop()
        self._repeated = self._theirs = None
        self.turn = Turn.FREE

    def _unheard(self, now: float) -> None:
        self._peer.bye(Ended(By.TIMER, 408, "no ACK"), now)

    def receive_update(self, request: Request, transaction: int, now: float) -> None:
        """Answer an UPDATE; one with a new SDP our owner has to answer (RFC 3311 §5.2)."""
        sdp, talk = sdp_of(request), self._peer.talk
        if sdp is not None and self._peer.asked is None and (talk.awaits_answer or self.turn is Turn.ASKING):
            self._core.refuse(transaction, 491)
        elif sdp is not None and (self._peer.asked is not None or talk.open):
            self._core.refuse(transaction, 500, headers=[("Retry-After", str(int(self._core.random() * 10)))])
        elif self._too_brief(request, transaction):
            return
        elif sdp is None or same_sdp(sdp, talk.remote):
            self._core.reply(transaction, self._ok(request, talk.local if sdp is not None else None, (), now))
            self._core.tell(Refreshed(By.REMOTE, request))
        else:
            talk.offered(sdp)
            self._peer.ask_owner(sdp, self.asked_quickly(request, transaction))

    def asked_quickly(self, request: Request, transaction: int) -> Asked:
        """What an UPDATE or PRACK with an offer asks; 504 when our owner takes too long."""
        name = f"owner {self._peer.tag}"

        def answer(ours: bytes, lines: HeaderPairs, now: float) -> None:
            self._core.timers.clear(name)
            self._peer.talk.answer(ours)
            if request.method == "UPDATE":
                self._core.reply(transaction, self._ok(request, ours, lines, now))
            else:
                self._core.reply(transaction, build.response(200, headers=lines, content_type=SDP, body=ours))

        def refuse(code: int, reason: str, lines: HeaderPairs, now: float) -> None:
            self._core.timers.clear(name)
            self._core.refuse(transaction, code, reason, lines)

        self._core.timers.set(name, self._core.now + OWNER_LIMIT * self._core.settings.t1, self._owner_is_slow)
        return Asked(request, transaction, answer, refuse)

    def _owner_is_slow(self, now: float) -> None:
        if (asked := self._peer.asked) is not None:
            self._peer.refuse(504, "", (), now)
            self._core.tell(OfferWithdrawn(asked.message, self._peer.tag))

    def _too_brief(self, request: Request, transaction: int) -> bool:
        """Refuse a session interval that is too small (RFC 4028 §9)."""
        least = self._core.session_timer.least(request)
        if least is not None:
            self._core.refuse(transaction, 422, headers=[("Min-SE", str(least))])
        return least is not None

    def receive_cancel(self, transaction: int, now: float) -> None:
        """The peer takes back its re-INVITE."""
        if self._kept is not None and self._kept[1] == transaction:
            self._refuse_kept(487)
            return
        asked = self._peer.asked
        if asked is not None and asked.transaction == transaction:
            self._peer.refuse(487, "", (), now)
            self._core.tell(OfferWithdrawn(asked.message, self._peer.tag))

    def stop(self) -> None:
        """Nothing more of either side."""
        if self._repeated is not None:
            self._repeated.stop()
        self._core.timers.clear(*(f"{name} {self._peer.tag}" for name in ("retry", "owner", "limit", "kept")))
        self._queued = None
        self._refuse_kept(487)
