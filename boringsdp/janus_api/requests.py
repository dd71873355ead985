"""From JSON text to typed requests: nothing untyped goes further inward than a plugin's own `body`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from boringsdp.errors import JanusError
from boringsdp.janus_api.elements import MISSING_ELEMENT, Elements
from boringsdp.janus_api.plugin import EndOfCandidates, Jsep, JsepType, LayerHint, RemoteCandidate, Trickled
from boringsdp.values import Value

INVALID_JSON = 454
NOT_AN_OBJECT = 455
WRONG_PATH = 457
UNKNOWN_JSEP = 464

MAX_LAYER_HINTS = 32
MAX_CANDIDATES = 256

_decode = msgspec.json.Decoder().decode


@dataclass(slots=True, frozen=True)
class Path:
    """What a transport knows of a request besides its text: the ids in an HTTP path."""

    session_id: int | None = None
    handle_id: int | None = None


NO_PATH = Path()


class Envelope(Value, frozen=True):
    """What every request has. `verb` is in lower case; `members` is the whole object, for what the verb needs besides."""

    verb: str
    transaction: str
    session_id: int | None
    handle_id: int | None
    members: Mapping[str, Any]

    @property
    def elements(self) -> Elements:
        return Elements(self.members)


class Refused(Exception):
    """A request that has no envelope: the error, and what of it could be read for the reply."""

    def __init__(self, error: JanusError, transaction: str | None = None, session_id: int | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.transaction = transaction
        self.session_id = session_id


def parse_envelope(text: str | bytes, path: Path = NO_PATH) -> Envelope:
    """Read a request as far as all requests are alike. Raises `Refused` and nothing else, whatever the text."""
    try:
        root = _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise Refused(JanusError(INVALID_JSON, f"Invalid JSON ({problem})"[:200]), session_id=path.session_id) from None
    if not isinstance(root, dict):
        raise Refused(JanusError(NOT_AN_OBJECT, "Invalid request (the JSON is not an object)"), session_id=path.session_id)
    elements = Elements(root)
    transaction: str | None = None
    session_id: int | None = path.session_id
    try:
        transaction = elements.required_text("transaction")
        session_id = _identify("session_id", elements, path.session_id)
        verb = elements.required_text("janus").lower()
        handle_id = _identify("handle_id", elements, path.handle_id)
    except JanusError as error:
        raise Refused(error, transaction, session_id) from None
    return Envelope(verb, transaction, session_id, handle_id, root)


def _identify(name: str, elements: Elements, in_path: int | None) -> int | None:
    """The id given in the body or in the path; both may, when they agree."""
    in_body = elements.identifier(name)
    if in_body is not None and in_path is not None and in_body != in_path:
        raise JanusError(WRONG_PATH, f"Invalid path (the {name} in the path is not the one in the request)", name)
    return in_path if in_body is None else in_body


@dataclass(slots=True, frozen=True)
class Create:
    """Make a session, with an id of the client's choice or any."""

    wanted_id: int | None


@dataclass(slots=True, frozen=True)
class Attach:
    """Make a handle."""

    package: str
    opaque_id: str | None
    token: str | None


class Message(Value, frozen=True):
    """For the plugin. `jsep.update` is not known yet."""

    body: Mapping[str, Any]
    jsep: Jsep | None


@dataclass(slots=True, frozen=True)
class Trickle:
    """Candidates; those that cannot be read are left out."""

    candidates: tuple[Trickled, ...]


def parse_create(envelope: Envelope) -> Create:
    """Raises `JanusError`, as the other parsers here."""
    return Create(envelope.elements.identifier("id"))


def parse_attach(envelope: Envelope) -> Attach:
    elements = envelope.elements
    package = elements.required_text("plugin")
    opaque_id = elements.text("opaque_id")
    elements.integer("loop_index")  # which thread to run on: we have one, so it is only checked
    return Attach(package, opaque_id, elements.text("token"))


def parse_message(envelope: Envelope) -> Message:
    elements = envelope.elements
    body = elements.required_members("body")
    jsep = elements.members("jsep")
    return Message(body, None if jsep is None else _parse_jsep(Elements(jsep)))


def _parse_jsep(elements: Elements) -> Jsep:
    kind = elements.required_text("type")
    try:
        jsep_type = JsepType(kind.lower())
    except ValueError:
        raise JanusError(UNKNOWN_JSEP, f"Unknown JSEP type ({kind[:40]}; only offer and answer are served)", "type") from None
    return Jsep(
        jsep_type,
        elements.required_text("sdp"),
        e2ee=elements.flag("e2ee", False),
        trickle=elements.flag("trickle", True),
        rid_order=elements.choice("rid_order", "hml", "lmh"),
        force_relay=elements.flag("force_relay", False),
        svc=_parse_layer_hints(elements),
    )


def _parse_layer_hints(elements: Elements) -> tuple[LayerHint, ...]:
    hints: list[LayerHint] = []
    for item in elements.items("svc") or ():
        if not isinstance(item, dict) or len(hints) == MAX_LAYER_HINTS:
            raise elements.refuse("svc", f"an array of at most {MAX_LAYER_HINTS} objects")
        hint = Elements(item)
        hints.append(LayerHint(svc=hint.required_text("svc"), mid=hint.text("mid"), mindex=hint.integer("mindex", most=65535)))
    return tuple(hints)


def parse_trickle(envelope: Envelope) -> Trickle:
    # A null candidate means the end of candidates, so here "given" is "named", other than everywhere else.
    members = envelope.members
    if "candidate" in members and "candidates" in members:
        raise JanusError(INVALID_JSON, "Invalid request (either candidate or candidates, not both)", "candidates")
    if "candidate" in members:
        return Trickle((_parse_candidate(members["candidate"]),))
    if "candidates" not in members:
        raise JanusError(MISSING_ELEMENT, "Missing mandatory element (candidate or candidates)", "candidate")
    items = envelope.elements.items("candidates")
    if items is None or len(items) > MAX_CANDIDATES:
        raise envelope.elements.refuse("candidates", f"an array of at most {MAX_CANDIDATES} candidates")
    candidates: list[Trickled] = []
    for item in items:
        try:
            candidates.append(_parse_candidate(item))
        except JanusError:
            continue  # one that is wrong costs the others nothing
    return Trickle(tuple(candidates))


def _parse_candidate(value: Any) -> Trickled:
    if not isinstance(value, dict) or "completed" in value:
        return EndOfCandidates()
    elements = Elements(value)
    mid = elements.text("sdpMid")
    mline_index = elements.integer("sdpMLineIndex", most=65535)
    if mid is None and mline_index is None:
        raise JanusError(MISSING_ELEMENT, "Missing mandatory element (sdpMid or sdpMLineIndex)", "sdpMid")
    return RemoteCandidate(elements.required_text("candidate"), mid, mline_index)
