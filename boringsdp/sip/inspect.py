"""What a user agent server checks before it serves a request (RFC 3261 §8.2)."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.build import response
from boringsdp.sip.message import Request, Response
from boringsdp.sip.params import quote
from boringsdp.sip.parse import Defect
from boringsdp.sip.session import Prack, SessionSettings

KNOWN = frozenset(("REGISTER", "PUBLISH"))
"""Methods that we know and do not serve: 405. What nobody knows gets 501."""
SDP_METHODS = frozenset(("INVITE", "UPDATE", "PRACK"))
PACKAGES = ("refer",)
"""Event packages of which we notify ourselves."""


class Inspector:
    """Checks against what a session's settings allow and support."""

    def __init__(self, settings: SessionSettings, methods: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> None:
        """`methods` and `options` are served and supported besides."""
        self.allow = (*settings.allow, *methods)
        timers = ("timer",)
        prack = () if settings.prack is Prack.OFF else ("100rel",)
        self.supported = (*settings.supported, *timers, *prack, *options)

    def check(self, request: Request) -> Response | None:
        """Return the response that refuses a request, None when nothing speaks against it."""
        if request.method not in self.allow:
            code = 405 if request.method in KNOWN else 501
            return response(code, headers=[("Allow", ", ".join(self.allow))])
        try:
            unknown = [tag for tag in views.tokens(request, "Require") if tag not in self.supported]
            if unknown:
                return response(420, headers=[("Unsupported", ", ".join(unknown))])
            return self._check_body(request)
        except SipError as problem:
            return told(400, problem.header, problem.reason)

    def _check_body(self, request: Request) -> Response | None:
        if not request.body:
            return None
        encoding = request.headers.get("Content-Encoding")
        if encoding is not None and encoding.lower() != "identity":
            return response(415, headers=[("Accept-Encoding", "identity"), warning("Content-Encoding", "not understood")])
        if request.method not in SDP_METHODS:
            return None
        kind = views.content_type(request)
        if kind is not None and (kind.type == "application/sdp" or kind.type.startswith("multipart/")):
            return None
        disposition = views.content_disposition(request)
        if disposition is not None and (disposition.params.get("handling") or "").lower() == "optional":
            return None
        return response(415, headers=[("Accept", "application/sdp"), warning("Content-Type", "not understood")])

    def options(self) -> Response:
        """Say what we can (RFC 3261 §11.2)."""
        return response(
            200,
            headers=[
                ("Allow", ", ".join(self.allow)),
                ("Accept", "application/sdp, multipart/mixed"),
                ("Accept-Encoding", "identity"),
                ("Accept-Language", "en"),
                ("Supported", ", ".join(self.supported)),
                ("Allow-Events", ", ".join(PACKAGES)),
            ],
        )


def told(code: int, header: str, text: str, reason: str | None = None) -> Response:
    """Return a refusal that names the header it is about."""
    return response(code, reason, headers=[warning(header, text)])


def warning(header: str, text: str) -> tuple[str, str]:
    """Return a Warning header line (RFC 3261 §20.43)."""
    return ("Warning", f"399 BoringSDP {quote(f'{header}: {text}' if header else text)}")


def refusal(defects: Iterable[Defect]) -> Response:
    """Return the response to a request that cannot be read."""
    first = next(iter(defects))
    return told(first.code, first.header, first.text)
