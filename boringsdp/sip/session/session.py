"""A session: one call as SIP sees it (RFC 3261 §13 to §15), from INVITE to BYE, a usage as `actions.py` describes it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from boringsdp.sip.actions import UsageAction
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.session.settings import SessionSettings
from boringsdp.sip.session.states import State

HeaderLines = Sequence[tuple[str, str]]


class SessionFacts(NamedTuple):
    """What a front shows of a session. The peer's side is empty before a dialog exists."""

    call_id: str
    local_uri: str
    remote_uri: str
    local_tag: str
    remote_tag: str
    remote_target: str
    state: State
    peer_allows: frozenset[str]
    peer_supports: frozenset[str]


class Session:
    """
    Commands return actions and raise `WrongState`. Make one by `outgoing` or `incoming`, then `start` it.

    Requests belong to it whose Call-ID and To tag are `call_id` and `local_tag`; one with a From tag it does not know it answers by 481.
    """

    @classmethod
    def outgoing(
        cls,
        uri: str,
        *,
        local: str,
        remote: str = "",
        contact: str = "",
        sdp: bytes | None,
        headers: HeaderLines = (),
        routes: Sequence[str] = (),
        call_id: str | None = None,
        flow: Flow | None = None,
        settings: SessionSettings | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> Session:
        """
        Return a call to `uri` that `start` sends.

        `local` is the value of From without a tag, `remote` that of To (default: `<uri>`), `contact` the value of Contact; empty: the
        user agent
        adds one. `routes` are values of Route. `sdp` None: an INVITE without offer.
        """
        raise NotImplementedError

    @classmethod
    def incoming(
        cls,
        request: Request,
        transaction: int,
        *,
        contact: str = "",
        flow: Flow | None = None,
        settings: SessionSettings | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> Session:
        """
        Return the call that an INVITE without To tag asks for.

        `start` may refuse it at once (422), its state is then ENDED; else it is for the owner to tell whoever is called. `sdp` is its
        offer.
        Require, Accept and Replaces have been seen to before.
        """
        raise NotImplementedError

    call_id: str
    local_tag: str
    sdp: bytes | None
    """Of an incoming call: the offer of its INVITE."""
    invite: Request
    """The INVITE that began it."""
    state: State

    @property
    def facts(self) -> SessionFacts:
        raise NotImplementedError

    @property
    def remote_tags(self) -> tuple[str, ...]:
        """The peer's tags of all dialogs that there are: one once the call is up, several while forks ring."""
        raise NotImplementedError

    # --- commands -----------------------------------------------------------------------------------------------------------------

    def start(self, *, now: float) -> list[UsageAction]:
        """Send the INVITE; or take an incoming one, or refuse it."""
        raise NotImplementedError

    def ring(self, headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Send 180 without SDP."""
        raise NotImplementedError

    def progress(
        self, sdp: bytes | None = None, code: int = 183, headers: HeaderLines = (), *, reliable: bool | None = None, now: float
    ) -> list[UsageAction]:
        """
        Send a provisional response with early media.

        `reliable` None: when the peer requires it, or supports it and there is an SDP. With an INVITE without offer, `sdp` is an offer
        and can
        only go reliably: WrongState if the peer cannot.
        """
        raise NotImplementedError

    def accept(self, sdp: bytes | None = None, headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Send 200. `sdp` may be None when a reliable provisional response had it; it is an offer when the INVITE had none."""
        raise NotImplementedError

    def reject(self, code: int, reason: str = "", headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Refuse the incoming call, 300..699; `Ended` is told."""
        raise NotImplementedError

    def offer(self, sdp: bytes | None, headers: HeaderLines = (), *, by: str | None = None, tag: str = "", now: float) -> list[UsageAction]:
        """
        Offer a new SDP by "INVITE" or "UPDATE"; None: re-INVITE when the call is up, UPDATE before that. `sdp` None: re-INVITE without
        offer.

        One at a time: WrongState while another offer of either side is open, except that one waiting for its retry after 491 is replaced.
        """
        raise NotImplementedError

    def answer(self, sdp: bytes, headers: HeaderLines = (), *, tag: str = "", now: float) -> list[UsageAction]:
        """Answer the `OfferReceived` that is open: in a 200, an ACK or a PRACK, as that offer asks for."""
        raise NotImplementedError

    def refuse(self, code: int = 488, reason: str = "", headers: HeaderLines = (), *, tag: str = "", now: float) -> list[UsageAction]:
        """Refuse the `OfferReceived` that is open. One that came in a response cannot be refused: the call is ended then."""
        raise NotImplementedError

    def request(
        self, method: str, headers: HeaderLines = (), content_type: str = "", body: bytes = b"", *, now: float
    ) -> tuple[int, list[UsageAction]]:
        """Send INFO, MESSAGE, REFER, NOTIFY or the like in the dialog; `RequestAnswered` will name the number."""
        raise NotImplementedError

    def hang_up(self, headers: HeaderLines = (), *, code: int = 603, now: float) -> list[UsageAction]:
        """BYE, CANCEL or, for an incoming call that is not accepted, a refusal with `code`. Never WrongState; nothing when it is over."""
        raise NotImplementedError

    # --- as a usage ---------------------------------------------------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        """Any response, a 2xx to the INVITE after the first one too."""
        raise NotImplementedError

    def receive_cancel(self, transaction: int, cancel: Request, now: float) -> list[UsageAction]:
        """The peer's CANCEL of its INVITE; the CANCEL has been answered."""
        raise NotImplementedError

    def tick(self, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def deadline(self) -> float | None:
        raise NotImplementedError
