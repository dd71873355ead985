"""A domain whose users the PBX knows: REGISTER and credentials go through to it, each browser by an account of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.b2bua.identity import Done, Identity
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import Shared
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.sip.facades import Account, Incoming


class PassThrough:
    """One domain; `Domain`."""

    def __init__(self, settings: DomainSettings, shared: Shared) -> None:
        self.settings = settings
        self._shared = shared

    async def start(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    def register(self, incoming: Incoming, flow: Flow) -> None:
        raise NotImplementedError

    def identify(self, request: Request, flow: Flow, done: Done) -> None:
        raise NotImplementedError

    def account_for(self, identity: Identity | None) -> Account:
        raise NotImplementedError

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        return identity.aor, identity.display_name

    def knows(self, aor: SipUri) -> bool:
        return False
