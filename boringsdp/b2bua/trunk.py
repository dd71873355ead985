"""The one account by which a domain whose users we know stands with its PBX: registered there, or known by our address."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import OWN_HEADERS, Shared
from boringsdp.errors import WrongState
from boringsdp.sip.account import AccountSettings, Registered, RegistrationFailed, TrunkSettings
from boringsdp.sip.digest import Credentials
from boringsdp.sip.uri import SipUri, escape_user

if TYPE_CHECKING:
    from boringsdp.b2bua.identity import Identity
    from boringsdp.sip.facades import Account

log = logs.bind("b2bua")


class Trunk:
    """Calls to the PBX go out by `account`; what comes from the PBX is told to `shared.hear`."""

    def __init__(self, settings: DomainSettings, shared: Shared) -> None:
        self._settings = settings
        self._shared = shared
        self._account: Account | None = None
        self._registered = False

    @property
    def account(self) -> Account:
        if self._account is None:
            raise WrongState("closed", "a domain that has been started")
        return self._account

    def start(self) -> None:
        self._account = self._shared.stack.account(account_settings(self._settings, self._shared.settings.headers), self._hear)
        if self._settings.trunk is not None and self._settings.trunk.register:
            self._account.register()

    def close(self) -> None:
        if self._account is not None:
            self._account.close()
            self._account = None

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        """Return From towards the PBX: by the rule of the trunk's account, or the user as it is."""
        trunk = self._settings.trunk
        if trunk is None or not trunk.caller:
            return identity.aor, identity.display_name
        return called_back(trunk.caller, identity.aor, trunk.identity), identity.display_name

    def _hear(self, event: Any) -> None:
        about = {"domain": self._settings.name}
        match event:
            case Registered(expires=expires) if not self._registered:
                self._registered = True
                log.info("trunk registered", extra={**about, "expires": expires})
            case RegistrationFailed(code=code, reason=reason, retry_in=retry_in):
                self._registered = False
                log.warning("trunk not registered", extra={**about, "code": code, "why": reason, "retry_in": retry_in})
        self._shared.hear(self._settings, None, event)


def called_back(rule: str, aor: SipUri, own: SipUri) -> SipUri:
    """Return who calls by a rule such as `+4930{user}`, at the domain of our account."""
    user = rule.replace("{user}", aor.user_name)
    return SipUri("sip", escape_user(user), own.host, own.port)


def account_settings(domain: DomainSettings, headers: tuple[str, ...] = ()) -> AccountSettings:
    """Return the account of a domain: everything from its PBX is for it. `headers` are those that are passed from side to side."""
    own_headers = (*OWN_HEADERS, *headers)
    networks = tuple(uri.host for uri in domain.pbx if _is_address(uri.host))
    trunk = domain.trunk
    own = TrunkSettings(sources=(*domain.sources, *networks))
    if trunk is None:
        return AccountSettings(
            identity=SipUri("sip", None, domain.name), trunk=own, own_headers=own_headers, passes_replaces=True, follow_redirects=False
        )
    credentials = (Credentials(trunk.username or trunk.identity.user_name, secret=trunk.password),) if trunk.password else ()
    registrar = domain.pbx[0] if domain.pbx else None
    return AccountSettings(
        identity=trunk.identity,
        credentials=credentials,
        registrar=registrar,
        trunk=own,
        own_headers=own_headers,
        passes_replaces=True,
        follow_redirects=False,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
