"""What a request names beside its dialog: the call that it replaces, the transfer or subscription that it is about."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.entries import Entry, Usage
from boringsdp.sip.inspect import told
from boringsdp.sip.line import Line
from boringsdp.sip.message import Request, Response
from boringsdp.sip.notifier import Notifier
from boringsdp.sip.refer import Referral, Referred
from boringsdp.sip.session import Session, State


class Refused(Exception):
    """Carries the response that refuses a request."""

    def __init__(self, refusal: Response) -> None:
        super().__init__(refusal.code)
        self.response = refusal


def replaced_by(request: Request, line: Line, session_of: Callable[[str, str], Entry | None]) -> Entry | None:
    """
    Return the session that Replaces names, None without the header (RFC 3891 §3). Raises Refused.

    With `AccountSettings.passes_replaces` it may be a session of any account here, and None too where it is nobody's.
    """
    try:
        wanted = views.replaces(request)
    except SipError as problem:
        raise Refused(told(400, problem.header, problem.reason)) from None
    if wanted is None:
        return None
    entry = session_of(wanted.call_id, wanted.to_tag)
    passes = line.settings.passes_replaces
    if entry is None or (entry.line is not line and not passes) or not isinstance(entry.usage, Session):
        if passes:
            return None
        raise Refused(told(481, "Replaces", "no such dialog"))
    session = entry.usage
    if session.state is State.ENDED:
        raise Refused(told(603, "Replaces", "the dialog has ended"))
    if wanted.from_tag not in session.remote_tags:
        raise Refused(told(481, "Replaces", "no such dialog"))
    if session.state in (State.INCOMING, State.EARLY):
        raise Refused(told(481, "Replaces", "an early dialog that we did not begin"))
    if wanted.early_only and session.state is not State.PROCEEDING:
        raise Refused(told(486, "Replaces", "the dialog is not early"))
    return entry


def is_about(usage: Usage, request: Request) -> bool:
    """Whether a NOTIFY or SUBSCRIBE in a session's dialog belongs to a usage beside that."""
    if isinstance(usage, Referral):
        return usage.is_mine(request)
    if request.method != "SUBSCRIBE":
        return False
    if isinstance(usage, Referred):
        return _package(request) == "refer"
    return isinstance(usage, Notifier) and (request.headers.get("Event") or "") == usage.event


def tags_of(usage: Usage) -> tuple[str, ...]:
    """Return the peer's tags of the dialogs of a session or a subscription with us."""
    if isinstance(usage, Session):
        return usage.remote_tags
    return (usage.dialog.id.remote_tag,) if isinstance(usage, Notifier) else ()


def _package(request: Request) -> str:
    try:
        event = views.event(request)
    except SipError:
        return ""
    return event.package if event else ""
