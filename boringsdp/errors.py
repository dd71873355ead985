"""
Every exception the gateway raises on purpose.

An exception says whose fault it is and carries facts, not prose for a wire: each front has one table from these types to its own codes.
"""

from __future__ import annotations

import re

_SECRETS = re.compile(r"(\binline:|\bice-pwd:|^k=)[^\r\n;| ]*", re.IGNORECASE | re.MULTILINE)


LONGEST_QUOTE = 60
"""Characters of a bad line that an error shows: enough to find it, and a log stays readable."""


def without_keys(sdp: str) -> str:
    """Return SDP text for people to read: keys and passwords (a=crypto, a=ice-pwd, k=) are masked."""
    return _SECRETS.sub(r"\1********", sdp)


class BoringError(Exception):
    """The root: anything the gateway raises on purpose."""


class LocalError(BoringError):
    """Our caller asked out of turn, or for what we lack."""


class WrongState(LocalError):
    """A command that the present `state` does not allow; `wanted` names the state or the step that would."""

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(f"in state {state}, wanted {wanted}")
        self.state = state
        self.wanted = wanted


class ConfigError(LocalError):
    """A configuration value that cannot be used; `key` is its full dotted name."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class Exhausted(LocalError):
    """A bounded resource is used up; `what` names it: ports, calls, sessions, memory."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no {what} left")
        self.what = what


class Forbidden(LocalError):
    """What our caller asked for is against the configured policy; `what` names its kind (registrar, target, header), `value` the thing."""

    def __init__(self, what: str, value: str) -> None:
        super().__init__(f"{what} {value[:LONGEST_QUOTE]!a} is not allowed")
        self.what = what
        self.value = value


class PeerError(BoringError):
    """The other side's bytes or behaviour."""


class SdpError(PeerError):
    """An SDP that cannot be read or served; `line` is the offending line (empty when a line is missing), `number` counts from 1 or is 0."""

    def __init__(self, reason: str, line: str = "", number: int = 0) -> None:
        where = f"line {number}: " if number else ""
        shown = f" ({without_keys(line)[:LONGEST_QUOTE]!a})" if line else ""
        super().__init__(f"{where}{reason}{shown}")
        self.reason = reason
        self.line = line
        self.number = number


class SipError(PeerError):
    """A SIP message, or a URI, that cannot be read; `header` is the header it is about (may be empty)."""

    def __init__(self, reason: str, header: str = "") -> None:
        super().__init__(f"{header}: {reason}" if header else reason)
        self.reason = reason
        self.header = header


class JanusError(PeerError):
    """A Janus API request that is refused: `code` from the Janus error table, `element` is the field it is about (may be empty)."""

    def __init__(self, code: int, reason: str, element: str = "") -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.element = element


class NgError(PeerError):
    """An NG request that is refused. `reason` is the error-reason word for word; `key` is the key it is about (may be empty)."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


class StunError(PeerError):
    """Bytes that are not a STUN message we can use (RFC 8489)."""


class DtlsError(PeerError):
    """A DTLS handshake that failed or a record that cannot be one."""


class SrtpError(PeerError):
    """An SRTP or SRTCP packet that does not verify, is replayed, or cannot be protected."""


class RtpError(PeerError):
    """Bytes that are not an RTP or RTCP packet (RFC 3550)."""


class PeerTimeout(PeerError):
    """The peer stayed silent; `after` is how long we waited, in seconds, and `waiting_for` what we waited for."""

    def __init__(self, waiting_for: str, after: float) -> None:
        super().__init__(f"no {waiting_for} within {after:g} s")
        self.waiting_for = waiting_for
        self.after = after
