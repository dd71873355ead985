"""NG dictionaries at the door: a typed request, or `NgError` with the words that callers of rtpengine know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boringsdp.errors import NgError
from boringsdp.ng.gathering import Gathered
from boringsdp.ng.read_description import read_description, read_identity
from boringsdp.ng.requests import Blocking, Delete, Identity, ListCalls, Ping, PlayDtmf, Query, Request, SetBlocking, Statistics
from boringsdp.ng.values import number_of, text_of
from boringsdp.ng.vocabulary import COMMANDS_NOT_BUILT, NEGATIVE_LIMIT, NO_CALL_ID, NO_COMMAND, OUT_OF_RANGE_CODE, UNKNOWN_COMMAND

NO_TEMPLATES: Mapping[str, str] = {}
DEFAULT_TEMPLATE = "default"

_BLOCKING: Mapping[str, tuple[Blocking, bool]] = {
    "block DTMF": (Blocking.DTMF, True),
    "unblock DTMF": (Blocking.DTMF, False),
    "block media": (Blocking.MEDIA, True),
    "unblock media": (Blocking.MEDIA, False),
    "silence media": (Blocking.SILENCE, True),
    "unsilence media": (Blocking.SILENCE, False),
}

_DIGITS = "0123456789*#ABCD"
"""By RFC 4733 event code."""

DTMF_LEAST_MS, DTMF_MOST_MS = 100, 5000


def parse_request(message: Mapping[str, Any], templates: Mapping[str, str] = NO_TEMPLATES) -> Request:
    """
    Return what a command dictionary asks for.

    `templates` are flag strings by name: `default` goes before every message, one named as the command (`offer`, `answer`, …) after it,
    then the one the message names; what the message says itself counts more. Keys may be written with spaces, hyphens or underscores;
    numbers may be strings and strings numbers. Unknown keys and flags are ignored. Raises `NgError`, whose reason is the reply's
    `error-reason`. Linear in the message.
    """
    command = message.get("command")
    if not isinstance(command, str):
        raise NgError(NO_COMMAND, "command")
    if command == "ping":
        return Ping()
    if command in COMMANDS_NOT_BUILT:
        raise NgError(f'Command "{command}" is not available', "command")
    if command not in _SERVED:
        raise NgError(UNKNOWN_COMMAND, "command")
    return _read(command, gather(command, message, templates))


_SERVED = frozenset({"offer", "answer", "delete", "query", "list", "statistics", "play DTMF", *_BLOCKING})


def gather(command: str, message: Mapping[str, Any], templates: Mapping[str, str]) -> Gathered:
    """Return all that a message and the templates that apply to it say."""
    gathered = Gathered()
    for name in (DEFAULT_TEMPLATE, command, _named_template(message, gathered)):
        if name in templates:
            gathered.take_string(templates[name])
    gathered.take_message(message)
    named = gathered.text("template")
    if named and named not in templates:
        gathered.warn(f'there is no template "{named}"')
    return gathered


def _named_template(message: Mapping[str, Any], gathered: Gathered) -> str:
    """The template that the message names, also from within its flag string."""
    direct = text_of(message.get("template"))
    if direct:
        return direct
    string = text_of(message.get("rtpp-flags") or message.get("rtpp_flags"))
    if "template=" not in string:
        return ""
    seen = Gathered()
    seen.take_string(string)
    return seen.text("template")


def _read(command: str, said: Gathered) -> Request:
    if command in {"offer", "answer"}:
        return read_description(said, answer=command == "answer")
    if command == "list":
        limit = said.number("limit")
        if limit is not None and limit < 0:
            raise NgError(NEGATIVE_LIMIT, "limit")
        warnings = tuple(said.warnings)
        return ListCalls(warnings=warnings) if limit is None else ListCalls(limit=limit, warnings=warnings)
    if command == "statistics":
        return Statistics()
    identity = _selecting(said)
    if command == "query":
        return Query(identity=identity)
    if command == "delete":
        return _delete(identity, said)
    if command == "play DTMF":
        return _play_dtmf(identity, said)
    what, on = _BLOCKING[command]
    return SetBlocking(identity=identity, what=what, on=on, warnings=tuple(said.warnings), ignored=tuple(said.ignored))


def _selecting(said: Gathered) -> Identity:
    """Who a command is about; a call-id must be there."""
    identity = read_identity(said, selecting=True)
    if not identity.call_id:
        raise NgError(NO_CALL_ID, "call-id")
    return identity


def _delete(identity: Identity, said: Gathered) -> Delete:
    delay = said.number("delete-delay")
    return Delete(
        identity=identity,
        delay_s=None if delay is None or delay < 0 else float(delay),
        honour_to_tag="to-tag" in said.flags,
        fatal="fatal" in said.flags,
        fast="fast" in said.flags,
        warnings=tuple(said.warnings),
    )


def _play_dtmf(identity: Identity, said: Gathered) -> PlayDtmf:
    """`code` is an event code, a digit, or the digit's ASCII code; times in ms are brought into what a tone may last."""
    duration, pause, volume = said.number("duration"), said.number("pause"), said.number("volume")
    return PlayDtmf(
        identity=identity,
        digits=_digit(said),
        duration_ms=250 if duration is None else min(max(duration, DTMF_LEAST_MS), DTMF_MOST_MS),
        pause_ms=100 if pause is None else min(max(pause, DTMF_LEAST_MS), DTMF_MOST_MS),
        volume_dbm0=-8 if volume is None else -min(abs(volume), 63),
    )


def _digit(said: Gathered) -> str:
    text = said.text("digit").strip().upper()
    if len(text) == 1 and text in _DIGITS:
        return text
    code = number_of(text)
    if code is not None and 0 <= code < len(_DIGITS):
        return _DIGITS[code]
    if code is not None and 0 < code < 128 and chr(code) in _DIGITS:
        return chr(code)
    raise NgError(OUT_OF_RANGE_CODE, "code")
