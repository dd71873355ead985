"""ICE candidates and DTLS fingerprints as SDP writes them (RFC 8839 §5.1, RFC 8122 §5)."""

from __future__ import annotations

import re

from boringsdp.values import Value


class Candidate(Value, frozen=True):
    """One candidate; `host` may be a name (mDNS). Text fields stay text: a foundation `0012` is not a number."""

    foundation: str
    component: int
    transport: str
    priority: int
    host: str
    port: int
    kind: str = "host"
    extensions: str = ""
    """Everything after the type, as written: raddr, rport, tcptype, generation, …"""

    @classmethod
    def local(cls, host: str, port: int, *, component: int = 1, preference: int = 65535) -> Candidate:
        """Return our own UDP host candidate; the highest `preference` (16 bit) is tried first (RFC 8445 §5.1.2.1)."""
        priority = (126 << 24) | (preference << 8) | (256 - component)
        return cls(f"{65536 - preference}", component, "udp", priority, host, port)

    def __str__(self) -> str:
        """Return the value as it is written after `a=candidate:`."""
        tail = f" {self.extensions}" if self.extensions else ""
        return f"{self.foundation} {self.component} {self.transport} {self.priority} {self.host} {self.port} typ {self.kind}{tail}"


def parse_candidate(value: str) -> Candidate | None:
    """
    Return the candidate in the text after `a=candidate:`, or None when it is not one (it is then to be ignored, RFC 8839 §5.1).

    A leading `candidate:` or `a=candidate:`, as trickled candidates have it, is dropped.
    """
    text = value.strip().removeprefix("a=").removeprefix("candidate:")
    parts = text.split(None, 8)
    if len(parts) < 8 or parts[6] != "typ" or len(text) > 2048:
        return None
    component, priority, port = parts[1], parts[3], parts[5]
    if not all(0 < len(number) <= 10 and number.isascii() and number.isdigit() for number in (component, priority, port)):
        return None
    if int(port) > 65535 or not 1 <= int(component) <= 256:
        return None
    return Candidate(parts[0], int(component), parts[2], int(priority), parts[4], int(port), parts[7], parts[8] if len(parts) > 8 else "")


class Fingerprint(Value, frozen=True):
    """A certificate's hash: `hash` in lower case (`sha-256`), `value` in upper-case hex with colons, so that equality is plain."""

    hash: str
    value: str

    def __str__(self) -> str:
        return f"{self.hash} {self.value}"


def parse_fingerprint(value: str) -> Fingerprint | None:
    """Return the fingerprint in the text after `a=fingerprint:`, or None when it is not one."""
    parts = value.split()
    if len(parts) != 2:
        return None
    value = parts[1].upper()
    return Fingerprint(parts[0].lower(), value) if _OCTETS.fullmatch(value) else None


_OCTETS = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){0,63}")
