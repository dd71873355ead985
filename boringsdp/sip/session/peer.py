"""One dialog of a session: with who is called, or with each of those that ring; and the offers and answers in it."""

from __future__ import annotations

from boringsdp.sip import headers
from boringsdp.sip.build import reason_of as phrase_of
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.offer_answer import Meaning, OfferAnswer
from boringsdp.sip.reliable import Order, ReliableOrder
from boringsdp.sip.session.asked import Answer, Asked, Refuse
from boringsdp.sip.session.bodies import SDP, reliable_number, sdp_of, words_of
from boringsdp.sip.session.changes import Changes
from boringsdp.sip.session.core import Core, HeaderPairs
from boringsdp.sip.session.events import AnswerReceived, By, Cancelled, Ended, Failed, OfferReceived, OfferRefused
from boringsdp.sip.session.states import State


class Peer:
    """A dialog, what is agreed in it, and what its other side can do."""

    def __init__(self, core: Core, dialog: Dialog, offer: bytes | None = None) -> None:
        """`offer`: that of our INVITE."""
        self.core = core
        self.dialog = dialog
        self.talk = OfferAnswer(offer)
        self.order = ReliableOrder()
        self.allows: frozenset[str] = frozenset()
        self.supports: frozenset[str] = frozenset()
        self.asked: Asked | None = None
        self.changes = Changes(core, self)
        core.ends.append(self.changes.end)
        self._for_prack: tuple[bytes, HeaderPairs] | None = None

    @property
    def tag(self) -> str:
        return self.dialog.id.remote_tag

    def learn(self, message: Message) -> None:
        """Take note of what the peer can do."""
        if "allow" in message.headers:
            self.allows = words_of(message, "Allow")
        if "supported" in message.headers:
            self.supports = words_of(message, "Supported")

    # --- offers of the peer -------------------------------------------------------------------------------------------------------------

    def ask_owner(self, sdp: bytes | None, asked: Asked) -> None:
        self.asked = asked
        self.core.tell(OfferReceived(sdp, asked.message, self.tag))

    def answer(self, sdp: bytes, lines: HeaderPairs, now: float) -> None:
        """Answer what is asked."""
        asked, self.asked = self.asked, None
        if asked is not None:
            asked.answer(sdp, lines, now)

    def refuse(self, code: int, reason: str, lines: HeaderPairs, now: float) -> None:
        asked, self.asked = self.asked, None
        if asked is not None:
            self.talk.withdraw()
            asked.refuse(code, reason, lines, now)

    # --- provisional responses to our INVITE, and their PRACK -----------------------------------------------------------------------------

    def is_new(self, response: Response) -> bool:
        """Whether a provisional response is to be used: not a reliable one again, nor one before its turn."""
        number = reliable_number(response)
        return number is None or self.order.take(number) is Order.NEXT

    def read_provisional(self, response: Response, now: float) -> Meaning:
        """Use the SDP of a new provisional response; the PRACK goes out, unless it has to wait for our owner's answer."""
        reliable = reliable_number(response) is not None
        sdp = sdp_of(response)
        meaning = self.talk.read_response(sdp, binding=reliable)
        if meaning is Meaning.OFFER and self.core.state is not State.CANCELLING:
            self.ask_owner(sdp, Asked(response, None, *self._prack_answers(response)))
        elif reliable:
            self._prack(response)
        return meaning

    def offer_by_prack(self, sdp: bytes, lines: HeaderPairs) -> None:
        """Offer in the PRACK of the next reliable provisional response."""
        self._for_prack = (sdp, lines)

    def _prack_answers(self, response: Response) -> tuple[Answer, Refuse]:
        def answer(sdp: bytes, lines: HeaderPairs, now: float) -> None:
            self.talk.answer(sdp)
            self._prack(response, sdp, lines)

        def refuse(code: int, reason: str, lines: HeaderPairs, now: float) -> None:
            self._prack(response)

        return answer, refuse

    def _prack(self, response: Response, sdp: bytes = b"", lines: HeaderPairs = ()) -> None:
        offers = False
        if not sdp and self._for_prack is not None and not self.talk.open:
            (sdp, lines), self._for_prack, offers = self._for_prack, None, True
            self.talk.offer(sdp)
        cseq = headers.cseq(response)
        rack = ("RAck", f"{headers.rseq(response)} {cseq.number} {cseq.method}")
        request = self.dialog.request("PRACK", [rack, *lines], SDP if sdp else "", sdp)
        self.core.ask(request, self.dialog.sequence, self._prack_answered if offers else _ignore)

    def _prack_answered(self, response: Response, now: float) -> None:
        if response.code < 200:
            return
        sdp = sdp_of(response)
        if response.code < 300 and sdp is not None:
            self.talk.answered(sdp)
            self.core.tell(AnswerReceived(sdp, response, self.tag))
        else:
            self.talk.withdraw()
            self.core.tell(OfferRefused(response.code, response.reason, response, self.tag))

    # --- the end --------------------------------------------------------------------------------------------------------------------------

    def bye(self, event: Ended | Failed | Cancelled, now: float, lines: HeaderPairs = ()) -> None:
        """Send BYE; for us the session is over with that (RFC 3261 §15.1.1)."""
        self.stop(now)
        request = self.dialog.request("BYE", lines)
        self.core.ask(request, self.dialog.sequence, self._bye_answered)
        self.core.end(event, now, bye_is_out=True)

    def lost(self, response: Response, now: float) -> bool:
        """End the session when a response in the dialog says that the peer has none, or is gone (RFC 3261 §12.2.1.2)."""
        if self.core.state is not State.CONFIRMED or response.code not in (408, 481):
            return False
        if response.code == 481:
            self.stop(now)
            self.core.end(Ended(By.REMOTE, 481, response.reason, response), now)
        else:
            self.bye(Ended(By.TIMER, 408, response.reason, response), now)
        return True

    def stop(self, now: float) -> None:
        """Nothing more in this dialog: whatever the peer has asked gets 487 (RFC 3261 §15.1.2)."""
        asked, self.asked = self.asked, None
        if asked is not None and asked.transaction is not None:
            self.core.refuse(asked.transaction, 487, phrase_of(487))
        self.changes.stop()

    def _bye_answered(self, response: Response, now: float) -> None:
        if response.code >= 200 and self.core.state is State.ENDING:
            self.core.finish(now)

    # --- PRACK, UPDATE and re-INVITE that carry offers of the peer -----------------------------------------------------------------------

    def answer_prack(self, request: Request, transaction: int) -> None:
        """Answer a PRACK that acknowledged something: its SDP answers our offer, or is an offer (RFC 3262 §5)."""
        sdp = sdp_of(request)
        if sdp is None or self.talk.open:
            if sdp is not None:
                self._take_prack_answer(sdp, request)
            self.core.refuse(transaction, 200)
            return
        self.talk.offered(sdp)
        self.ask_owner(sdp, self.changes.asked_quickly(request, transaction))

    def _take_prack_answer(self, sdp: bytes, request: Request) -> None:
        if self.talk.awaits_answer:
            self.talk.answered(sdp)
            self.core.tell(AnswerReceived(sdp, request, self.tag))


def _ignore(response: Response, now: float) -> None:
    """Of a PRACK nothing but its going out matters."""
