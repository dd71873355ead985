"""By what a PBX knows each browser in pass-through mode: an account, and the REGISTERs that go out by it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from boringsdp.b2bua.headers import CREDENTIALS, passed
from boringsdp.b2bua.registering import Contact, Registering, aor_key
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import OWN_HEADERS, Shared
from boringsdp.errors import Exhausted, SipError, WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings, Hear, IncomingCall
from boringsdp.sip.message import Request, Response
from boringsdp.sip.name_address import name_address_text
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.sip.facades import Account

MAX_PENDING = 2000
"""Browsers that have asked and not got in; more make the oldest start anew."""
IDLE_S = 60.0
"""After which nothing is kept of them."""
OURS = frozenset(("+sip.instance", "reg-id", "pub-gruu", "temp-gruu", "expires", "received", "+sip.ice"))
"""Parameters of a browser's Contact that are between it and us."""
Key = tuple[str, str, int]


class Way:
    """One browser's. Its Call-ID and CSeq towards the PBX are its own: the PBX sees one user agent that registers again and again."""

    def __init__(self, domain: DomainSettings, shared: Shared, key: Key, aor: SipUri, at: int) -> None:
        self.key = key
        self.at = at
        """Which address of the PBX it uses."""
        self.asking = 0
        """REGISTERs under way."""
        self.used_at = 0.0
        self.binding: Binding | None = None
        self._domain = domain
        self._shared = shared
        self._aor = aor
        self._cseq = 0
        self.account = shared.stack.account(self._settings(), self._heard)
        self._call_id = f"{self.account.contact_user}-r"

    def send(self, request: Request, said: Registering, hear: Hear, now: float) -> int:
        """Send a browser's REGISTER on in our words; the number that its answer has."""
        self._cseq += 1
        self.used_at = now
        headers = [*credentials_of(request), *passed(request, self._shared.settings.headers)]
        contact = None
        if said.all_gone:
            headers += [("Contact", "*"), ("Expires", "0")]
        elif said.contacts:
            one = said.contacts[0]
            kept = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in one.params if name not in OURS)
            contact = f"{kept};expires={one.expires}"
            headers.append(("Expires", str(one.expires)))
        asker = views.from_(request)
        return self.account.request(
            "REGISTER",
            request.uri,
            headers=headers,
            from_=name_address_text(asker.uri_text, asker.display),
            to=name_address_text(views.to(request).uri_text),
            call_id=self._call_id,
            cseq=self._cseq,
            contact=contact,
            hear=hear,
        )

    @property
    def place(self) -> str:
        """The address of the PBX that it uses, for people."""
        pbx = self._domain.pbx
        return pbx[self.at % len(pbx)].to_text() if pbx else self._domain.name

    def turn(self) -> None:
        """Use the next address of the PBX."""
        self.at = (self.at + 1) % max(1, len(self._domain.pbx))
        self.account.change(self._settings())

    def _settings(self) -> AccountSettings:
        pbx = self._domain.pbx
        return AccountSettings(
            identity=self._aor,
            outbound_proxy=pbx[self.at % len(pbx)] if pbx else None,
            own_headers=(*OWN_HEADERS, *self._shared.settings.headers),
            passes_replaces=True,
            follow_redirects=False,
        )

    def _heard(self, event: Any) -> None:
        if self.binding is not None and self.binding.reachable:
            self._shared.hear(self._domain, self.binding, event)
        elif isinstance(event, IncomingCall):
            event.session.reject(480)


class Ways:
    """All of a domain: those of bindings, those that wait to become some, and those that are over but for calls."""

    def __init__(self, domain: DomainSettings, shared: Shared) -> None:
        self._domain = domain
        self._shared = shared
        self._pending: OrderedDict[Key, Way] = OrderedDict()
        self._bound: dict[Key, Way] = {}
        self._by_account: dict[Account, Way] = {}
        """Those that are bound."""
        self._retired: list[Account] = []
        self._own: Account | None = None

    @property
    def own(self) -> Account:
        """That of the gateway itself."""
        if self._own is None:
            raise WrongState("closed", "a domain that has been started")
        return self._own

    def start(self) -> None:
        pbx = self._domain.pbx
        settings = AccountSettings(
            identity=SipUri("sip", None, self._domain.name),
            outbound_proxy=pbx[0] if pbx else None,
            own_headers=(*OWN_HEADERS, *self._shared.settings.headers),
            passes_replaces=True,
            follow_redirects=False,
        )
        self._own = self._shared.stack.account(settings, lambda event: self._shared.hear(self._domain, None, event))

    def close(self) -> None:
        for way in (*self._pending.values(), *self._bound.values()):
            way.account.close()
        for account in (*self._retired, *((self._own,) if self._own else ())):
            account.close()
        self._pending.clear()
        self._bound.clear()
        self._by_account.clear()
        self._retired.clear()
        self._own = None

    def of(self, aor: SipUri, contact: Contact | None, at: int) -> Way:
        """Return the way of a browser, one of its own or that of any other who asks for nothing; made when it is new. Raises Exhausted."""
        found = self._shared.bindings.find(aor, contact) if contact is not None else None
        if found is not None and found.account in self._by_account:
            return self._by_account[found.account]
        key = (aor_key(aor), (contact.instance or contact.uri) if contact else "", contact.reg_id if contact else 0)
        way = self._bound.get(key) or self._pending.get(key)
        if way is None:
            self._make_room()
            way = self._pending[key] = Way(self._domain, self._shared, key, aor, at)
        elif key in self._pending:
            self._pending.move_to_end(key)
        return way

    def settle(self, way: Way, said: Registering) -> None:
        """Take note that the PBX has granted something by a way, or taken it back."""
        binding = next((one for one in self._shared.bindings.of(said.aor) if one.account is way.account), None)
        way.binding = binding
        if binding is not None:
            self._pending.pop(way.key, None)
            self._bound[way.key] = self._by_account[way.account] = way

    def retire(self, binding: Binding) -> None:
        """Forget a browser; its calls go on."""
        way = None if binding.account is None else self._by_account.pop(binding.account, None)
        if way is not None:
            self._bound.pop(way.key, None)
            way.binding = None
            self._retired.append(way.account)

    def sweep(self, now: float) -> bool:
        """Close what is not needed any more; whether there is more to come."""
        for key, way in tuple(self._pending.items()):
            if not way.asking and way.used_at + IDLE_S <= now:
                del self._pending[key]
                way.account.close()
        for account in tuple(self._retired):
            if not account.sessions:
                self._retired.remove(account)
                account.close()
        return bool(self._pending or self._retired)

    def _make_room(self) -> None:
        if len(self._pending) < MAX_PENDING:
            return
        oldest = next((way for way in self._pending.values() if not way.asking), None)
        if oldest is None:
            raise Exhausted("registrations under way")
        del self._pending[oldest.key]
        oldest.account.close()


def credentials_of(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the credentials of a request, as they came."""
    return tuple((name, value) for name in CREDENTIALS for value in request.headers.all(name))


def granted_seconds(response: Response, account: Account, wanted: int) -> int:
    """Return for how long a 2xx binds our Contact: what that says, else Expires, else what was asked for."""
    if not wanted:
        return 0
    try:
        ours = [one for one in views.contacts(response) if isinstance(one.uri, SipUri) and one.uri.user == account.contact_user]
        general = views.expires(response)
    except SipError:
        return wanted
    text = ours[0].params.get("expires") if ours else None
    if text is not None and text.isascii() and text.isdigit() and len(text) < 11:
        return int(text)
    return wanted if general is None else general
