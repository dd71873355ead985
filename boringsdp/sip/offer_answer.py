"""
Whose turn it is to speak SDP in a dialog (RFC 3264, RFC 6337): an offer at a time, and which body is an offer, an answer or neither.

Bodies are opaque. What is agreed outlives an offer that is refused.

| phase    | an SDP of ours | an SDP of the peer in a response to INVITE                           | in INVITE, UPDATE, PRACK |
| -------- | -------------- | -------------------------------------------------------------------- | ------------------------ |
| NOTHING  | offer          | offer, if the response is reliable or 2xx                            | offer                    |
| OFFERED  | -              | answer; preview, if the response is neither reliable nor 2xx         | glare                    |
| ASKED    | answer         | repeated                                                             | out of turn              |
| AGREED   | offer          | repeated                                                             | offer                    |
"""

from __future__ import annotations

from enum import Enum

from boringsdp.errors import WrongState


class Phase(Enum):
    NOTHING = "nothing agreed"
    OFFERED = "our offer is open"
    ASKED = "the peer's offer is open"
    AGREED = "agreed"


class Meaning(Enum):
    """What an SDP in a response to our INVITE is."""

    NONE = "none"
    OFFER = "offer"
    ANSWER = "answer"
    PREVIEW = "preview"
    """Of the answer that will come (RFC 3261 §13.2.1): good for early media only."""
    REPEATED = "repeated"
    """To be ignored: the answer was given before."""


def same_sdp(one: bytes | None, other: bytes | None) -> bool:
    """Whether two SDPs say the same, line for line: then the o= version is the same too, and nothing is offered (RFC 3264 §8)."""
    return one is not None and other is not None and one.split() == other.split()


class OfferAnswer:
    """Offers and answers of one dialog."""

    def __init__(self, offer: bytes | None = None) -> None:
        """`offer`: ours in the INVITE."""
        self.local: bytes | None = None
        """Our SDP that holds."""
        self.remote: bytes | None = None
        self.preview: bytes | None = None
        self._ours: bytes | None = offer
        self._theirs: bytes | None = None
        self._by_invite = offer is not None

    @property
    def phase(self) -> Phase:
        if self._ours is not None:
            return Phase.OFFERED
        if self._theirs is not None:
            return Phase.ASKED
        return Phase.NOTHING if self.local is None else Phase.AGREED

    @property
    def open(self) -> bool:
        return self._ours is not None or self._theirs is not None

    @property
    def awaits_answer(self) -> bool:
        """Whether the open offer is ours."""
        return self._ours is not None

    @property
    def awaits_invite_answer(self) -> bool:
        """Whether that offer went in an INVITE."""
        return self._ours is not None and self._by_invite

    # --- ours ---------------------------------------------------------------------------------------------------------------------

    def offer(self, sdp: bytes, *, by_invite: bool = False) -> None:
        """Note our offer; its answer comes in a response to INVITE, or else to UPDATE or PRACK, or in an ACK."""
        if self.open:
            raise WrongState(self.phase.value, "no open offer")
        self._ours, self._by_invite = sdp, by_invite

    def answer(self, sdp: bytes) -> None:
        """Note our answer to the peer's offer."""
        if self._theirs is None:
            raise WrongState(self.phase.value, "an open offer of the peer")
        self.local, self.remote, self._theirs = sdp, self._theirs, None

    # --- the peer's ---------------------------------------------------------------------------------------------------------------

    def offered(self, sdp: bytes) -> None:
        """Note an offer of the peer."""
        if self.open:
            raise WrongState(self.phase.value, "no open offer")
        self._theirs = sdp

    def answered(self, sdp: bytes) -> None:
        """Note the peer's answer to our offer."""
        if self._ours is None:
            raise WrongState(self.phase.value, "an open offer of ours")
        self.local, self.remote, self._ours = self._ours, sdp, None

    def read_response(self, sdp: bytes | None, *, binding: bool) -> Meaning:
        """Return what the SDP of a response to our INVITE is, and note it. `binding`: the response is reliable or 2xx."""
        if sdp is None:
            return Meaning.NONE
        match self.phase:
            case Phase.OFFERED if self._by_invite:
                if binding:
                    self.answered(sdp)
                    return Meaning.ANSWER
                self.preview = sdp
                return Meaning.PREVIEW
            case Phase.NOTHING if binding:
                self.offered(sdp)
                return Meaning.OFFER
            case Phase.NOTHING:
                return Meaning.NONE
        return Meaning.REPEATED

    def settle_by_preview(self) -> bytes | None:
        """
        Take the previewed answer for the answer, when the 2xx has none; None without one.

        Deviation: RFC 3261 §13.2.1 wants the answer in a reliable response; gateways that put it in a plain 183 alone are common.
        """
        if self._ours is not None and self._by_invite and self.preview is not None:
            self.answered(self.preview)
            return self.preview
        return None

    def withdraw(self) -> None:
        """Forget the open offer: it was refused, cancelled or never answered."""
        self._ours = self._theirs = None
