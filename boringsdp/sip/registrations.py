"""What ties accounts to their registrations: states, Service-Route, flows kept alive. A core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boringsdp.errors import WrongState
from boringsdp.sip import outgoing
from boringsdp.sip.account import AccountSettings, AccountState
from boringsdp.sip.flow import Destination, Flow, Target
from boringsdp.sip.line import Line
from boringsdp.sip.register import Registered, Registration, RegistrationFailed, Unregistered
from boringsdp.sip.ua import ShellAction, UserAgent


class Registrations:
    """All of a user agent. `keep_alive(to, on)` keeps a flow open."""

    def __init__(self, ua: UserAgent, keep_alive: Callable[[Destination, bool], None]) -> None:
        self._ua = ua
        self._keep_alive = keep_alive
        self._kept: dict[int, Target] = {}
        """By line: where to."""
        self._lines: dict[tuple[str, int], set[int]] = {}
        """Lines by host and port of the registrar, for flows that close."""

    def refresh(self, line: Line, now: float) -> list[ShellAction] | None:
        """Register again by the registration that there is; None when there is none."""
        usage = self._usage(line)
        entry = self._ua.entry(line.registration or 0)
        if usage is None or entry is None:
            return None
        if line.state is not AccountState.REGISTERED:
            line.state = AccountState.REGISTERING
        return self._ua.run(entry, usage.start(now), now)

    def start(self, line: Line, to: Target, now: float) -> list[ShellAction]:
        """Begin a registration with whoever is reached there."""
        entry, usage = outgoing.registration(self._ua, line, to)
        line.registration = entry.number
        line.state = AccountState.REGISTERING
        entry.intercept = lambda event, now: self._heard(line, to, event)
        return self._ua.run(entry, usage.start(now), now)

    def stop(self, line: Line, headers: tuple[tuple[str, str], ...], now: float) -> list[ShellAction]:
        """Unregister. Raises WrongState without a registration."""
        usage, entry = self._usage(line), self._ua.entry(line.registration or 0)
        if usage is None or entry is None:
            raise WrongState(line.state.value, AccountState.REGISTERED.value)
        if line.state is not AccountState.CLOSED:
            line.state = AccountState.UNREGISTERING
        return self._ua.run(entry, usage.stop(now, headers), now)

    def replace(self, line: Line, settings: AccountSettings, now: float) -> list[ShellAction]:
        """
        Give up the registration there is, for other settings; a new one is begun by whoever changes them.

        At the same registrar the new one takes the old one's place: to unregister that as well might undo it.
        """
        usage, entry = self._usage(line), self._ua.entry(line.registration or 0)
        old = line.settings
        line.registration, line.service_route = None, ()
        if line.state is not AccountState.CLOSED:
            line.state = AccountState.UNREGISTERED
        self._drop(line)
        if usage is None or entry is None:
            return []
        if (old.identity, old.registrar) == (settings.identity, settings.registrar):
            self._ua.drop(entry)
            return []
        entry.intercept = _silence
        return self._ua.run(entry, usage.stop(now), now)

    def flow_closed(self, flow: Flow, now: float) -> list[ShellAction]:
        """Register all accounts again whose registrar was reached over a connection that has closed."""
        actions: list[ShellAction] = []
        for number in tuple(self._lines.get(flow.remote, ())):
            line = self._ua.lines.get(number)
            usage = None if line is None else self._usage(line)
            entry = None if line is None else self._ua.entry(line.registration or 0)
            if usage is not None and entry is not None:
                actions += self._ua.run(entry, usage.flow_closed(flow, now), now)
        return actions

    def _usage(self, line: Line) -> Registration | None:
        entry = self._ua.entry(line.registration or 0)
        return entry.usage if entry is not None and isinstance(entry.usage, Registration) else None

    def _heard(self, line: Line, to: Target, event: Any) -> bool:
        closed = line.state is AccountState.CLOSED
        match event:
            case Registered():
                usage = self._usage(line)
                line.service_route = usage.service_route if usage else ()
                if usage is not None and usage.settings.learn:
                    line.note_seen(to, usage.settings.contact)
                line.state = line.state if closed else AccountState.REGISTERED
                self._keep(line, line.asked if isinstance(line.asked, Target) else to)
            case RegistrationFailed(retry_in=retry_in):
                line.state = line.state if closed else AccountState.FAILED if retry_in is None else AccountState.RETRYING
                if retry_in is None:
                    self._over(line)
            case Unregistered():
                line.state = line.state if closed else AccountState.UNREGISTERED
                self._over(line)
        return closed

    def _over(self, line: Line) -> None:
        line.registration, line.service_route = None, ()
        self._drop(line)

    def _keep(self, line: Line, to: Target) -> None:
        if self._kept.get(line.number) != to:
            self._drop(line)
            self._kept[line.number] = to
            self._lines.setdefault((to.host, to.port), set()).add(line.number)
            self._keep_alive(to, True)

    def _drop(self, line: Line) -> None:
        to = self._kept.pop(line.number, None)
        if to is not None:
            self._keep_alive(to, False)
            same = self._lines.get((to.host, to.port), set())
            same.discard(line.number)
            if not same:
                self._lines.pop((to.host, to.port), None)


def _silence(_event: Any, _now: float) -> bool:
    return True
