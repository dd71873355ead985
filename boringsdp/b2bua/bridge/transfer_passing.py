"""A REFER that is passed on: the one who stays calls the target itself, and who asked hears what it tells of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boringsdp.b2bua import headers
from boringsdp.b2bua.plan import Kind
from boringsdp.errors import BoringError, SipError
from boringsdp.sip.account import ReferAccepted, ReferEnded, ReferFailed, ReferProgress
from boringsdp.sip.uri import parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.b2bua.bridge.transfer import Transfers
    from boringsdp.sip.facades import Refer, Session, Subscription

UNKNOWN = 408
"""What is told when nothing more was heard of a transfer."""


class Passing:
    """One REFER. `across` is the dialog on the far side that its Replaces is about; None: it goes as it came."""

    def __init__(self, home: Transfers, bridge: Bridge, side: Side, stays: Side, refer: Refer, across: Session | None) -> None:
        self._home = home
        self._bridge = bridge
        self._side = side
        self._stays = stays
        self._refer = refer
        self._across = across
        self._subscription: Subscription | None = None
        self._over = False

    def start(self) -> None:
        refer, request = self._refer, self._refer.request
        target = self._shown(refer.refer_to if self._across is None else refer.target)
        lines = headers.passed(request, self._bridge.desk.settings.headers)
        if self._side.passes_challenges:
            lines += headers.named(request, *headers.CREDENTIALS)
        try:
            self._subscription = self._stays.session.refer(
                target, hear=self._bridge.guard(self._hear), replaces=self._across, headers=lines
            )
        except BoringError as error:
            self._over = True
            refer.reject(416 if isinstance(error, SipError) else 480)
            self._home.done(self._bridge, self)

    def _shown(self, target: str) -> str:
        """A browser calls whom the PBX names by the domain's name."""
        topology = self._home.topology(self._bridge)
        if self._stays.kind is not Kind.BROWSER or self._side.kind is Kind.BROWSER or topology is None:
            return target
        try:
            return topology.hidden(parse_sip_uri(target)).to_text()
        except SipError:
            return target

    def stop(self) -> None:
        """The call is over. What becomes of the transfer is still told, if who asked can be told."""

    called = ()

    def lost(self, side: Side) -> bool:
        return False

    def _hear(self, event: Any) -> None:
        refer = self._refer
        match event:
            case _ if self._over:
                return
            case ReferAccepted(subscribed=subscribed):
                refer.accept()
                if not subscribed:
                    refer.notify(200)
                    self._end()
            case ReferFailed(code, reason, response) if code in (401, 407):
                if self._side.passes_challenges:
                    refer.reject(code, reason, headers.challenges(response))
                else:
                    refer.reject(403)
                self._end()
            case ReferFailed(code, reason):
                refer.reject(code, reason)
                self._end()
            case ReferProgress(code, reason, final=final):
                if code > 100 and not refer.over:  # that it is tried was told with the acceptance
                    refer.notify(code, reason)
                if final:
                    self._end()
            case ReferEnded():
                self._end()

    def _end(self) -> None:
        self._over = True
        if not self._refer.over:
            self._refer.reject(UNKNOWN)
        self._home.done(self._bridge, self)
