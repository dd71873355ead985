"""What proxies ask for is the same from call to call but for the call that it is about: the rest of a message is read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boringsdp.ng.parse import NO_TEMPLATES, parse_request
from boringsdp.ng.read_description import readable
from boringsdp.ng.requests import Description, Request
from boringsdp.ng.values import host_of
from boringsdp.values import replace

_OF_ONE_CALL = frozenset({"sdp", "call-id", "from-tag", "to-tag", "via-branch", "metadata", "received-from"})
"""Keys whose value is one field of the request and concerns nothing else."""
MOST = 64
"""Messages remembered; then all are forgotten."""
LONGEST = 2000
"""Characters of one, without what is of one call."""

Key = tuple[tuple[str, ...], str]


class RequestReader:
    """`read` returns and raises what `parse_request` does with these templates, and is quicker at offers and answers like earlier ones."""

    def __init__(self, templates: Mapping[str, str] = NO_TEMPLATES) -> None:
        self._templates = templates
        self._known: dict[Key, Description] = {}

    def read(self, message: Mapping[str, Any]) -> Request:
        if message.get("command") not in ("offer", "answer"):
            return parse_request(message, self._templates)
        own: dict[str, Any] = {}
        others = []
        for key, value in message.items():
            if value and key in _OF_ONE_CALL and (type(value) is str or key == "received-from"):
                own[key] = value
            else:
                others.append((key, value))
        source = host_of(own["received-from"]) if "received-from" in own else ""
        if "received-from" in own and not source:
            return parse_request(message, self._templates)  # which warns of it
        kind = tuple(own), repr(others)
        known = self._known.get(kind)
        if known is not None:
            return _about(known, own, source)
        request = parse_request(message, self._templates)
        self._remember(kind, request, message, own)
        return request

    def _remember(self, kind: Key, request: Request, message: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Keep a request if another call's, asked for in the same words, differs from it as we think that it does."""
        if not isinstance(request, Description) or "sdp" not in own or len(kind[1]) > LONGEST:
            return  # an SDP may come in other types and under other names, too
        other = {key: value if key == "received-from" else f"{value}'" for key, value in own.items()}
        if parse_request({**message, **other}, self._templates) != _about(request, other, request.received_from):
            return
        if len(self._known) >= MOST:
            self._known.clear()
        nobody = dict.fromkeys(_OF_ONE_CALL, "")
        self._known[kind] = _about(request, nobody, "")


def _about(request: Description, own: Mapping[str, Any], source: str) -> Description:
    """The same request about another call."""
    identity = replace(
        request.identity,
        call_id=own.get("call-id", ""),
        from_tag=own.get("from-tag", ""),
        to_tag=own.get("to-tag", ""),
        via_branch=own.get("via-branch", ""),
    )
    return replace(request, identity=identity, sdp=readable(own["sdp"]), metadata=own.get("metadata", ""), received_from=source)
