"""What a server notes in the topmost Via of a request: where it really came from (RFC 3261 §18.2.1, RFC 3581 §4)."""

from __future__ import annotations

import re

from boringsdp.net.address import parse_ip
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.transport.settings import split_host_port

_SPLIT = re.compile(r'"(?:[^"\\]|\\.)*("?)|[;,]', re.DOTALL)
"""Quoted strings, so that nothing in them counts, and what ends a parameter or a value."""


def note_source(request: Request, flow: Flow) -> None:
    """
    Put `received`, and the value of `rport` where it is asked for, into the topmost Via.

    To be called before anybody else reads the request: `views` are not looked after. What of a Via cannot be read stays as it is.
    """
    line = request.headers.get("Via")
    if line is None:
        return
    parts, rest = _parts(line)
    if not parts:
        return
    names = [part.partition("=")[0].strip().lower() for part in parts]
    asked = "rport" in names[1:]
    host, port = flow.remote
    if not asked and "received" not in names[1:] and _sent_from(parts[0], host):
        return
    kept = [part for part, name in zip(parts[1:], names[1:], strict=True) if name not in ("received", "rport")]
    noted = [*kept, f"received={host}"] + ([f"rport={port}"] if asked else [])
    lines = request.headers.all("Via")
    request.headers.set("Via", ";".join([parts[0], *noted]) + rest, *lines[1:])


def _parts(line: str) -> tuple[list[str], str]:
    """Return the first value of a line cut at its semicolons (nothing when a quote is open), and the rest of the line from its comma on."""
    parts, begin = [], 0
    for found in _SPLIT.finditer(line):
        if found[0] in (";", ","):
            parts.append(line[begin : found.start()])
            begin = found.end()
            if found[0] == ",":
                return parts, line[found.start() :]
        elif not found[1]:
            return [], ""
    return [*parts, line[begin:]], ""


def _sent_from(sent: str, host: str) -> bool:
    """Whether the sent-by in front of the parameters names this address."""
    words = sent.split(None, 1)
    named = split_host_port(words[1].replace(" ", "").replace("\t", ""))[0] if len(words) == 2 else ""
    if named == host:
        return True
    try:
        return parse_ip(named.strip("[]")) == parse_ip(host)
    except ValueError:
        return False
