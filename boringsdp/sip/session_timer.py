"""Session timers (RFC 4028): how long a dialog lives without a refresh, and who sends that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from boringsdp.errors import SipError
from boringsdp.sip import headers
from boringsdp.sip.message import Request, Response

SMALLEST_MIN_SE = 90
"""Seconds (RFC 4028 §5)."""
MARGIN = 32.0
"""Seconds before the end, or a third of the interval if that is less, at which the session is given up (§10)."""
MIN_RETRY = 5.0
"""Seconds between two tries of a refresh."""
MAX_INTERVAL = 2**31 - 1

Lines = list[tuple[str, str]]


class Due(Enum):
    REFRESH = "refresh"
    EXPIRED = "expired"


class SessionTimer:
    """
    The timer of one session. `wanted` and `min_se` in seconds; `wanted` 0: only what the peer asks for.

    No timer runs while `interval` is 0. `smallest` is what no interval and no Min-SE is below.
    """

    def __init__(self, wanted: int = 1800, min_se: int = SMALLEST_MIN_SE, smallest: int = SMALLEST_MIN_SE) -> None:
        self._wanted = max(wanted, min_se) if wanted else 0
        self._min_se = max(min_se, smallest)
        self._smallest = smallest
        self.interval = 0
        self.ours = False
        """Whether we are the refresher."""
        self._refresh_at = self._expires_at = 0.0

    # --- as client ----------------------------------------------------------------------------------------------------------------

    def of_request(self) -> Lines:
        """Return the headers of an INVITE or UPDATE of ours. While a timer runs the refresher stays who it is (§7.4)."""
        interval = self.interval or self._wanted
        if not interval:
            return []
        role = "" if not self.interval else ";refresher=uac" if self.ours else ";refresher=uas"
        lines = [("Session-Expires", f"{max(interval, self._min_se)}{role}")]
        if self._min_se > self._smallest:
            lines.append(("Min-SE", str(self._min_se)))
        return lines

    def too_brief(self, response: Response) -> bool:
        """Take the Min-SE of a 422; False when it asks for nothing new, so that trying again would be in vain."""
        least = _number_of(headers.min_se, response) or 0
        if not self._min_se < least <= MAX_INTERVAL:
            return False
        self._min_se = least
        self._wanted = max(self._wanted, least)
        return True

    def answered(self, response: Response, now: float) -> None:
        """Take the 2xx to an INVITE or UPDATE of ours. One without Session-Expires ends the timer (§7.2); Require need not be there."""
        asked = _asked(response)
        if asked is None:
            self.interval = 0
            return
        seconds, refresher = asked
        self._run(max(seconds, self._smallest), refresher != "uas", now)

    # --- as server ----------------------------------------------------------------------------------------------------------------

    def least(self, request: Request) -> int | None:
        """Return the Min-SE to refuse a request with by 422, None when it is fine, or the peer would not understand (§9)."""
        asked = _asked(request)
        if asked is None or asked[0] >= self._min_se or not supports(request, "timer"):
            return None
        return self._min_se

    def of_answer(self, request: Request, now: float) -> Lines:
        """Start the timer, and return the headers of our 2xx to an INVITE or UPDATE (§9)."""
        asked = _asked(request)
        understood = supports(request, "timer")
        if asked is None and not (understood and (self._wanted or self.interval)):
            self.interval = 0
            return []
        least = max(self._min_se, _number_of(headers.min_se, request) or 0)
        seconds = asked[0] if asked else self.interval or self._wanted
        if self._wanted:
            seconds = min(seconds, max(self._wanted, least))
        refresher = asked[1] if asked else ""
        if refresher not in ("uac", "uas") or not understood:
            stays = "uas" if self.ours else "uac"
            refresher = "uas" if not understood or not self.interval else stays
        self._run(max(seconds, least), refresher == "uas", now)
        lines = [("Session-Expires", f"{self.interval};refresher={refresher}")]
        if understood:
            lines.append(("Require", "timer"))
        return lines

    # --- time ---------------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> Due | None:
        """Return what is due; a refresh once for each interval."""
        if not self.interval:
            return None
        if now >= self._expires_at:
            self.interval = 0
            return Due.EXPIRED
        if self.ours and now >= self._refresh_at:
            self._refresh_at = self._expires_at
            return Due.REFRESH
        return None

    def try_again(self, now: float) -> None:
        """The refresh could not be sent or was refused: it is due again in half of the time that is left."""
        self._refresh_at = now + max(MIN_RETRY, (self._expires_at - now) / 2)

    def stop(self) -> None:
        self.interval = 0

    def deadline(self) -> float | None:
        if not self.interval:
            return None
        return min(self._refresh_at, self._expires_at) if self.ours else self._expires_at

    def _run(self, interval: int, ours: bool, now: float) -> None:
        self.interval = min(interval, MAX_INTERVAL)
        self.ours = ours
        self._refresh_at = now + self.interval / 2
        self._expires_at = now + self.interval - min(MARGIN, self.interval / 3)


def supports(message: Request | Response, option: str) -> bool:
    """Whether Supported or Require names an option tag."""
    return option in options_of(message)


def options_of(message: Request | Response) -> frozenset[str]:
    """The option tags of Supported and Require; none of a header that cannot be read."""
    found: set[str] = set()
    for name in ("Supported", "Require"):
        with suppress(SipError):
            found.update(headers.tokens(message, name))
    return frozenset(found)


def _asked(message: Request | Response) -> tuple[int, str] | None:
    """The interval and the refresher that Session-Expires asks for; one that cannot be read asks for nothing."""
    try:
        found = headers.session_expires(message)
    except SipError:
        return None
    return None if found is None else (found.seconds, found.refresher or "")


def _number_of(read: Callable[[Response | Request], int | None], message: Request | Response) -> int | None:
    try:
        return read(message)
    except SipError:
        return None
