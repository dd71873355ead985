"""INFO for the media: digits between RFC 4733 and INFO, which is to be sent when, and what was heard already; key frames. Cores."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from boringsdp.sdp import Description

KEYS = "0123456789*#ABCD"
DEFAULT_MS = 160
LONGEST_MS = 5_000
RELAY = "application/dtmf-relay"
TYPES = (RELAY, "application/dtmf")


class DtmfMode(enum.Enum):
    """How digits go to the SIP peer."""

    AUTO = "auto"
    """In the media when the peer took telephone-event, else by INFO."""
    RFC4733 = "rfc4733"
    INFO = "info"


@dataclass(slots=True, frozen=True)
class Digit:
    """One key, for so many milliseconds."""

    key: str
    duration_ms: int = DEFAULT_MS

    @property
    def body(self) -> bytes:
        """As application/dtmf-relay."""
        return f"Signal={self.key}\r\nDuration={self.duration_ms}\r\n".encode()


def read_digit(content_type: str, body: str) -> Digit | None:
    """
    Return the digit of an INFO, None when it is about something else.

    `Signal=5`, `Signal= *`, `signal = 11` (10 and 11 are * and #, 12 to 15 A to D, as RFC 4733 numbers them), or nothing but the digit.
    """
    if content_type.partition(";")[0].strip().lower() not in TYPES:
        return None
    lines = [line.strip() for line in body[:256].splitlines() if line.strip()]
    pairs = {name.strip().lower(): value.strip() for name, equals, value in (line.partition("=") for line in lines) if equals}
    said = pairs.get("signal", lines[0] if lines and not pairs else "").upper()
    if said.isascii() and said.isdigit() and len(said) == 2 and int(said) < len(KEYS):
        said = KEYS[int(said)]
    if len(said) != 1 or said not in KEYS:
        return None
    duration = pairs.get("duration", "")
    plain = duration.isascii() and duration.isdigit() and len(duration) <= 6
    return Digit(said, min(max(int(duration), 1), LONGEST_MS) if plain else DEFAULT_MS)


def wants_picture(content_type: str, body: str) -> bool:
    """Whether an INFO asks for a key frame (RFC 5168): of video telephones without RTCP feedback."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/media_control+xml" and "picture_fast_update" in body


def takes_events(description: Description | None) -> bool:
    """Whether the peer's SDP has telephone-event on an audio m-line."""
    medias = description.medias if description is not None else ()
    return any(f.codec.is_event for media in medias if media.kind == "audio" and not media.rejected for f in media.formats)


class Echoes:
    """
    Some peers send each digit twice, in the media and by INFO: `new` says which of what came is news.

    A digit that came by one way is not heard again by the other within `WINDOW_S`.
    """

    WINDOW_S = 2.0
    LIMIT = 32

    def __init__(self) -> None:
        self._heard: deque[tuple[float, str, str]] = deque(maxlen=self.LIMIT)

    def new(self, key: str, way: str, now: float) -> bool:
        """Note a digit that came by `way`. `now` is monotonic seconds."""
        while self._heard and self._heard[0][0] < now - self.WINDOW_S:
            self._heard.popleft()
        twin = next((each for each in self._heard if each[1] == key and each[2] != way), None)
        if twin is not None:
            self._heard.remove(twin)
            return False
        self._heard.append((now, key, way))
        return True


class InfoQueue:
    """Digits on their way to the peer, one INFO at a time: over UDP the next could overtake. Each method returns what to send now."""

    LIMIT = 64

    def __init__(self) -> None:
        self._waiting: deque[Digit] = deque()
        self._sending = False

    def add(self, digits: list[Digit]) -> Digit | None:
        """Digits to send; those over `LIMIT` are dropped."""
        self._waiting.extend(digits[: self.LIMIT - len(self._waiting)])
        return None if self._sending else self._next()

    def answered(self, code: int) -> Digit | None:
        """The final response to the last. A peer that knows no INFO, or has no call any more, gets no further ones."""
        self._sending = False
        if code >= 300:
            self._waiting.clear()
        return self._next()

    def _next(self) -> Digit | None:
        if not self._waiting:
            return None
        self._sending = True
        return self._waiting.popleft()
