"""Whom a request outside of dialogs is for, and what is answered whoever it is for. A core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.inspect import Inspector
from boringsdp.sip.line import Line
from boringsdp.sip.message import Request, Response
from boringsdp.sip.routing import Lines
from boringsdp.sip.session import Prack, SessionSettings

SERVED = frozenset(("INVITE", "MESSAGE", "NOTIFY", "SUBSCRIBE", "REFER"))
"""What there may be outside of dialogs."""
OF_BROWSERS = ("REGISTER", "PUBLISH")
"""What browsers may ask besides, and OPTIONS."""
SUPPORTED = ("outbound", "path", "gruu")
"""Options that those may require besides."""
KEEPS_CROSSING_S = 4.0
"""How long a re-INVITE of a browser waits for its answer to ours."""


class Doorway:
    """`accepted` says whether a connection was made by its peer."""

    def __init__(self, lines: Lines, inspector: Inspector, settings: SessionSettings, accepted: Callable[[Flow], bool]) -> None:
        self.browsers: Line | None = None
        """The account of what browsers ask; None: they are strangers like others."""
        self._lines = lines
        self._accepted = accepted
        self._inspector = inspector
        self._of_browsers = Inspector(settings, OF_BROWSERS, SUPPORTED)
        self._session = settings
        prack = Prack.SUPPORTED if settings.prack is Prack.REQUIRED else settings.prack
        self._session_of_browsers = replace(settings, prack=prack, keeps_crossing=KEEPS_CROSSING_S)

    def way_by(self, flow: Flow) -> Flow | None:
        """Return the flow when it is the only way back to who asks by it: a WebSocket that it has made (RFC 7118). None otherwise."""
        return flow if flow.protocol in (Protocol.WS, Protocol.WSS) and self._accepted(flow) else None

    def serves(self, flow: Flow) -> bool:
        """Whether somebody here takes what comes by it as a browser's."""
        return self.browsers is not None and self.way_by(flow) is not None

    def session(self, flow: Flow) -> SessionSettings:
        """How a call is to behave that comes by a flow: of browsers 100rel is not required, and what crosses waits a little."""
        return self._session_of_browsers if self.serves(flow) else self._session

    def line_of(self, request: Request, flow: Flow) -> tuple[Line, int] | None:
        """Return whom a request is for, and the claim (0: none)."""
        if self.browsers is not None and self.way_by(flow) is not None:
            return self.browsers, 0
        found = self._lines.find(request, flow.remote[0])
        return None if found is None or found[0] is self.browsers else found

    def general(self, request: Request, flow: Flow) -> tuple[Response | None, bool]:
        """
        Return the answer that a request gets whoever it is for, None when somebody is to be asked; and whether its method is served here.

        What a browser asks goes on to somebody else, who is a hop away (RFC 7332), but for OPTIONS.
        """
        serves = self.serves(flow)
        inspector = self._of_browsers if serves else self._inspector
        refused = inspector.check(request)
        if refused is not None:
            return refused, refused.code not in (405, 501)
        method = request.method
        if method == "OPTIONS":
            return (None if serves else inspector.options()), True
        if method not in SERVED and not (serves and method in OF_BROWSERS):
            return response(481), True
        return (response(483) if serves and (request.headers.get("Max-Forwards") or "").strip() == "0" else None), True
