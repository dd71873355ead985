"""What the modes of all domains have in common."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from boringsdp import logs
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.seldom import Seldom
from boringsdp.errors import ConfigError, Forbidden
from boringsdp.net.networks import subscriber
from boringsdp.sip.account import AccountSettings, Hear

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding, BindingAction, Bindings
    from boringsdp.b2bua.registering import Registering
    from boringsdp.b2bua.settings import B2buaSettings, DomainSettings
    from boringsdp.b2bua.wrong_passwords import WrongPasswords
    from boringsdp.sip.facades import Account
    from boringsdp.sip.flow import Flow

OWN_HEADERS = (
    "Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Proxy-Authentication-Info",
    "Contact", "Path", "Max-Forwards", "Expires", "Min-Expires", "Date", "Supported", "Unsupported", "Retry-After", "Route",
)  # fmt: skip
"""What the accounts of this front write themselves, whatever an operator allows applications."""

LINES_PER_SOURCE = 10
"""In a minute."""
LONGEST_NAME = 64
log = logs.bind("b2bua")

HearPbx = Callable[["DomainSettings", "Binding | None", Any], None]
"""Takes the news of an account that a PBX knows: of a binding's (pass-through), or of a domain's (None)."""


class Stack(Protocol):
    """What is needed of `sip.endpoint.Endpoint`."""

    def account(self, settings: AccountSettings, hear: Hear) -> Account: ...
    def now(self) -> float: ...
    def keep(self, flow: Flow, seconds: float) -> None: ...
    def succeed(self, old: Flow, new: Flow) -> None: ...
    def blame(self, flow: Flow, cause: str) -> None: ...
    def is_open(self, flow: Flow) -> bool: ...


@dataclass(slots=True, frozen=True, kw_only=True)
class Shared:
    """Given to every mode."""

    settings: B2buaSettings
    stack: Stack
    bindings: Bindings
    wrong_passwords: WrongPasswords
    run: Callable[[Iterable[BindingAction]], None]
    """Performs what a command of `bindings` returned."""
    hear: HearPbx
    lines: Seldom = field(default_factory=lambda: Seldom(LINES_PER_SOURCE))
    """Of the log, about wrong passwords of an address."""

    def bind(self, asked: Registering, flow: Flow, account: Account | None = None) -> None:
        """Do what a REGISTER asks for that was checked; its connection may have ended since."""
        now = self.stack.now()
        self.run(self.bindings.register(asked, flow, now, account))
        if not self.stack.is_open(flow):
            self.bindings.lost(flow, now)

    def note_wrong(self, flow: Flow, user: str) -> None:
        """Take note of a wrong password, and who it was said to be."""
        now = self.stack.now()
        self.wrong_passwords.note(_source(self, flow), now)
        self.stack.blame(flow, "wrong password")
        left_out = self.lines.allows(subscriber(flow.remote[0]), now)
        if left_out is not None:
            facts = {"user": user[:LONGEST_NAME], "source": flow.remote[0]}
            log.warning("wrong password", extra=facts | ({"left_out": left_out} if left_out else {}))


def too_many_wrong(shared: Shared, flow: Flow) -> Refusal | None:
    """Return the refusal of who has guessed too often."""
    wait = shared.wrong_passwords.wait(_source(shared, flow), shared.stack.now())
    return Refusal(403, "Too Many Wrong Passwords", (("Retry-After", str(math.ceil(wait))),)) if wait > 0 else None


@contextlib.contextmanager
def pbx_allowed(domain: DomainSettings) -> Iterator[None]:
    """Where accounts at a PBX are made: raises ConfigError when the operator's policy has no place for it."""
    try:
        yield
    except Forbidden as error:
        raise ConfigError(f'b2bua.domains."{domain.name}".pbx', f"is not allowed by sip.registrars: {error}") from error


def _source(shared: Shared, flow: Flow) -> str:
    """
    Who guesses: an address. A user who is registered goes on by himself, with all his connections: many are behind one address, and one of
    them may be bad.
    """
    host = subscriber(flow.remote[0])
    bound = shared.bindings.by_flow(flow)
    return f"{host} {bound[0].key}" if bound else host
