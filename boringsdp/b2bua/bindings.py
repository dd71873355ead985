"""
Who is registered and by which connection: the bindings of all domains (RFC 3261 §10.3, RFC 5626 §6). A core.

    register -> Bound, Succeeded, Unbound        lost, abandoned -> Unbound        tick -> Unbound
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registering import Contact, Registering, aor_key, contact_text
from boringsdp.errors import SipError
from boringsdp.sip.flow import Flow
from boringsdp.sip.timers import Timers
from boringsdp.sip.uri import SipUri, parse_uri, same_uri

if TYPE_CHECKING:
    from boringsdp.sip.facades import Account

MAX_WAITING = 64
"""Who may wait for one binding's browser at a time."""
Back = Callable[[Flow | None], None]


@dataclass(slots=True, eq=False)
class Binding:
    """A browser, registered under an address of record."""

    number: int
    aor: SipUri
    uri: str
    """Its Contact: Request-URI of what is sent to it. Its host is often `.invalid` and never looked up."""
    params: tuple[tuple[str, str | None], ...]
    """Of the Contact header."""
    flow: Flow | None
    """The connection; None while nobody is there: kept over a restart, or given up after it was lost."""
    instance: str
    reg_id: int
    q: float
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str = ""
    account: Account | None = None
    """In pass-through mode: what the PBX knows it by."""
    waits_until: float | None = None
    """Its connection is lost (or it is from before a restart) and until then it is waited for; None: it is there, or has been given up."""
    waiting: list[Back] = field(default_factory=list)

    @property
    def key(self) -> str:
        return aor_key(self.aor)

    @property
    def reachable(self) -> bool:
        """Whether a call to it makes sense: it is there, or may come back."""
        return self.flow is not None or self.waits_until is not None

    def contact_text(self, now: float) -> str:
        """The value of Contact in the answer to a REGISTER."""
        return contact_text(self.uri, self.params, max(0, round(self.expires_at - now)))


class Bound(NamedTuple):
    """A binding is there or has been refreshed."""

    binding: Binding
    fresh: bool


class Succeeded(NamedTuple):
    """A browser has come back by another connection: `endpoint.succeed(old, new)`."""

    binding: Binding
    old: Flow
    new: Flow


class Unbound(NamedTuple):
    """A binding is no more. `reason`: `unregistered`, `expired`, `lost`, `replaced`."""

    binding: Binding
    reason: str


BindingAction = Bound | Succeeded | Unbound


class Bindings:
    """
    All of a gateway, at most `limit`, of one address of record at most `per_user`.

    A binding whose connection is lost is kept for `grace_s`: calls to it wait. One of before a restart likewise.
    """

    def __init__(self, *, limit: int = 20_000, per_user: int = 10, grace_s: float = 30.0) -> None:
        self._limit = limit
        self._per_user = per_user
        self._grace_s = grace_s
        self._all: dict[int, Binding] = {}
        self._by_aor: dict[str, dict[int, Binding]] = {}
        self._by_flow: dict[Flow, dict[int, Binding]] = {}
        self._timers: Timers[int] = Timers()
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Binding]:
        return iter(tuple(self._all.values()))

    # --- who is there ---------------------------------------------------------------------------------------------------------------

    def of(self, aor: SipUri) -> list[Binding]:
        """Those of an address of record: the highest q first, then the one that registered last."""
        found = self._by_aor.get(aor_key(aor), {}).values()
        return sorted(found, key=lambda binding: (-binding.q, -binding.number))

    def targets(self, aor: SipUri) -> list[Binding]:
        """Whom to call: those that are there or waited for, of an instance with several connections one alone (RFC 5626 §5.1)."""
        there = [binding for binding in self.of(aor) if binding.reachable]
        there.sort(key=lambda binding: binding.waits_until is not None)
        chosen: dict[object, Binding] = {}
        for binding in there:
            chosen.setdefault(binding.instance or binding.number, binding)
        return sorted(chosen.values(), key=lambda binding: (-binding.q, -binding.number))

    def by_flow(self, flow: Flow) -> list[Binding]:
        """Those whose browser has this connection."""
        return [*self._by_flow.get(flow, {}).values()]

    def find(self, aor: SipUri, contact: Contact) -> Binding | None:
        """Return the binding that a Contact refreshes: the same instance and reg-id (RFC 5626 §6), else the same URI."""
        mine = self._by_aor.get(aor_key(aor), {}).values()
        if contact.instance:
            for binding in mine:
                if binding.instance == contact.instance and binding.reg_id == contact.reg_id:
                    return binding
        return next((binding for binding in mine if _same(binding.uri, contact.uri)), None)

    def wait(self, binding: Binding, hear: Back) -> Callable[[], None]:
        """
        Have `hear` told the connection as soon as a lost browser is back, or None when it is given up; returns what takes that back.

        Told at once where there is nothing to wait for.
        """
        if binding.waits_until is None or len(binding.waiting) >= MAX_WAITING:
            hear(binding.flow)
            return _nothing
        binding.waiting.append(hear)

        def stop() -> None:
            with suppress(ValueError):
                binding.waiting.remove(hear)

        return stop

    # --- commands -------------------------------------------------------------------------------------------------------------------

    def check(self, asked: Registering) -> Refusal | None:
        """Return why a REGISTER must not change anything (RFC 3261 §10.3 steps 6 and 7); None: `register` may."""
        mine = self._by_aor.get(aor_key(asked.aor), {}).values()
        if asked.all_gone:
            if any(binding.call_id == asked.call_id and binding.cseq >= asked.cseq for binding in mine):
                return Refusal(500, "CSeq Out Of Order")
            return None
        added = 0
        for contact in asked.contacts:
            binding = self.find(asked.aor, contact)
            if binding is not None and binding.call_id == asked.call_id and binding.cseq >= asked.cseq:
                return Refusal(500, "CSeq Out Of Order")
            added += binding is None and contact.expires > 0
        present = sum(1 for binding in mine if binding.flow is not None and binding.waits_until is None)
        if added and present + added > self._per_user:
            return Refusal(403, "Too Many Registrations")
        if added and len(self._all) + added > self._limit:
            return Refusal(503, headers=(("Retry-After", "60"),))
        return None

    def register(self, asked: Registering, flow: Flow, now: float, account: Account | None = None) -> list[BindingAction]:
        """Do what a REGISTER asks for that was checked, all of it; `expires` of its contacts is what is granted by now."""
        actions: list[BindingAction] = []
        if asked.all_gone:
            for gone in self.of(asked.aor):
                actions += self.remove(gone, "unregistered")
            return actions
        for contact in asked.contacts:
            binding = self.find(asked.aor, contact)
            if contact.expires == 0:
                actions += self.remove(binding, "unregistered") if binding is not None else []
            elif binding is None:
                actions += self._make_room(asked.aor)
                actions.append(Bound(self._add(asked, contact, flow, now, account), fresh=True))
            else:
                actions += self._refresh(binding, asked, contact, flow, now, account)
        return actions

    def remove(self, binding: Binding, reason: str) -> list[BindingAction]:
        """Drop a binding."""
        if self._all.pop(binding.number, None) is None:
            return []
        self._unlink(binding)
        mine = self._by_aor[binding.key]
        del mine[binding.number]
        if not mine:
            del self._by_aor[binding.key]
        self._timers.set(binding.number, None)
        self._tell(binding, None)
        return [Unbound(binding, reason)]

    def restore(self, binding: Binding, now: float) -> bool:
        """Take in one of before a restart (`flow` None): it waits for its browser as long as it would have after a loss."""
        if len(self._all) >= self._limit or binding.expires_at <= now:
            return False
        binding.number = next(self._numbers)
        binding.waits_until = now + self._grace_s
        self._link(binding)
        return True

    def lost(self, flow: Flow, now: float) -> None:
        """Note that a connection has ended: its bindings wait for the browser."""
        for binding in self.by_flow(flow):
            if binding.waits_until is None:
                binding.waits_until = now + self._grace_s
                self._arm(binding)

    def move(self, old: Flow, new: Flow) -> None:
        """Note that a browser is back by another connection, without having registered anew."""
        for binding in self.by_flow(old):
            self._unlink(binding)
            binding.flow, binding.waits_until = new, None
            self._link(binding)
            self._tell(binding, new)

    def abandoned(self, flow: Flow, now: float) -> list[BindingAction]:
        """Give up those who have not come back."""
        actions: list[BindingAction] = []
        for binding in self.by_flow(flow):
            actions += self._give_up(binding)
        return actions

    def tick(self, now: float) -> list[BindingAction]:
        actions: list[BindingAction] = []
        while (number := self._timers.next_due(now)) is not None:
            binding = self._all[number]
            if binding.expires_at <= now:
                actions += self.remove(binding, "expired")
            elif binding.waits_until is not None and binding.waits_until <= now:
                actions += self._give_up(binding)
            else:
                self._arm(binding)
        return actions

    def deadline(self) -> float | None:
        return self._timers.deadline()

    # --- inside ---------------------------------------------------------------------------------------------------------------------

    def _add(self, asked: Registering, contact: Contact, flow: Flow, now: float, account: Account | None) -> Binding:
        binding = Binding(
            number=next(self._numbers),
            aor=asked.aor,
            uri=contact.uri,
            params=contact.params,
            flow=flow,
            instance=contact.instance,
            reg_id=contact.reg_id,
            q=contact.q,
            expires_at=now + contact.expires,
            call_id=asked.call_id,
            cseq=asked.cseq,
            user_agent=asked.user_agent,
            account=account,
        )
        self._link(binding)
        return binding

    def _refresh(
        self, binding: Binding, asked: Registering, contact: Contact, flow: Flow, now: float, account: Account | None
    ) -> list[BindingAction]:
        actions: list[BindingAction] = []
        if binding.flow is not None and binding.flow != flow:
            actions.append(Succeeded(binding, binding.flow, flow))
        self._unlink(binding)
        binding.uri, binding.params, binding.q = contact.uri, contact.params, contact.q
        binding.instance, binding.reg_id = contact.instance, contact.reg_id
        binding.expires_at, binding.call_id, binding.cseq = now + contact.expires, asked.call_id, asked.cseq
        binding.user_agent, binding.flow, binding.waits_until = asked.user_agent, flow, None
        binding.account = account or binding.account
        self._link(binding)
        self._tell(binding, flow)
        return [*actions, Bound(binding, fresh=False)]

    def _make_room(self, aor: SipUri) -> list[BindingAction]:
        """A page that is loaded again is another browser to us: the lost ones make room for it."""
        mine = self.of(aor)
        lost = [binding for binding in mine if binding.flow is None or binding.waits_until is not None]
        actions: list[BindingAction] = []
        while len(mine) - len(actions) >= self._per_user and lost:
            actions += self.remove(lost.pop(), "replaced")
        return actions

    def _give_up(self, binding: Binding) -> list[BindingAction]:
        """The PBX goes on sending to one that it knows, until it expires; of the others nothing is left."""
        if binding.account is None:
            return self.remove(binding, "lost")
        self._unlink(binding)
        binding.flow = binding.waits_until = None
        self._arm(binding)
        self._tell(binding, None)
        return []

    def _link(self, binding: Binding) -> None:
        self._all[binding.number] = binding
        self._by_aor.setdefault(binding.key, {})[binding.number] = binding
        if binding.flow is not None:
            self._by_flow.setdefault(binding.flow, {})[binding.number] = binding
        self._arm(binding)

    def _unlink(self, binding: Binding) -> None:
        """From its connection."""
        if binding.flow is None:
            return
        same = self._by_flow.get(binding.flow, {})
        same.pop(binding.number, None)
        if not same:
            self._by_flow.pop(binding.flow, None)

    def _arm(self, binding: Binding) -> None:
        at = binding.expires_at if binding.waits_until is None else min(binding.expires_at, binding.waits_until)
        self._timers.set(binding.number, at)

    def _tell(self, binding: Binding, flow: Flow | None) -> None:
        waiting, binding.waiting = binding.waiting, []
        for hear in waiting:
            hear(flow)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return same_uri(parse_uri(one), parse_uri(other))
    except SipError:
        return False


def _nothing() -> None:
    """What there is to take back of nothing."""
