"""
One message of a torture test: what is odd about it, its octets, and what a user agent server may answer.

The messages are of our own making: the facts are the RFC's, names and addresses ours. Before they are sent anywhere, `HERE` becomes the
host and port that answers are to reach (sent-by of the top Via), and `US` the user and host they are for.
"""

from __future__ import annotations

from dataclasses import dataclass

HERE, US = "@HERE@", "@US@"

NEVER_READ = frozenset((400, 413, 414, 416, 505, 513))
"""Answers of a server that does not get beyond the message itself; the parser's defects carry these."""

TAKEN_UP = frozenset(range(100, 700)) - NEVER_READ - {500, 503}
"""Any answer of a server that has understood the message: which one depends on whom it is for."""

BAD = frozenset((400,))
UNKNOWN_METHOD = frozenset((405, 501))
EITHER = BAD | TAKEN_UP
NO_ANSWER: frozenset[int] = frozenset()


@dataclass(slots=True, frozen=True)
class Case:
    name: str
    """The RFC's name of the message."""
    section: str
    odd: str
    """What is odd about it."""
    text: str
    """Head and body; what is not UTF-8 by `surrogateescape`."""
    answers: frozenset[int]
    """Final codes that may answer it; none: it must stay without an answer (responses, and what is no message)."""

    def octets(self, here: str = "192.0.2.10:5060", us: str = "ahab@pequod.example") -> bytes:
        return self.text.replace(HERE, here).replace(US, us).encode("utf-8", "surrogateescape")

    @property
    def is_defect(self) -> bool | None:
        """Whether the parser must find a defect; None: as it likes."""
        if self.answers and self.answers <= NEVER_READ:
            return True
        return None if self.answers & NEVER_READ else False


def lines(start: str, *head: str, body: str = "", length: int | None = None) -> str:
    """A message of these lines and a Content-Length: the body's, or another one."""
    size = len(body.encode("utf-8", "surrogateescape")) if length is None else length
    return "\r\n".join([start, *head, f"Content-Length: {size}", "", ""]) + body


def ordinary(start: str, *head: str, body: str = "", leave: str = "", top: str = f"SIP/2.0/UDP {HERE};branch=@B@", call: str = "") -> str:
    """A message with everything that every message has, but the names in `leave`, and `head` as well."""
    method = start.split()[0] if not start.startswith("SIP/") else "OPTIONS"
    every = {
        "Via": top.replace("@B@", f"z9hG4bK-{call}"),
        "Max-Forwards": "70",
        "From": "<sip:ishmael@nantucket.example>;tag=whale-1",
        "To": f"<sip:{US}>",
        "Call-ID": f"{call}@nantucket.example",
        "CSeq": f"51 {method}",
    }
    if "INVITE" in method:
        every["Contact"] = "<sip:ishmael@harbour.nantucket.example>"
    return lines(start, *(f"{name}: {value}" for name, value in every.items() if name not in leave.split()), *head, body=body)


SDP = (
    "v=0\r\no=ishmael 1851 1851 IN IP4 192.0.2.21\r\ns=-\r\nc=IN IP4 192.0.2.21\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
)
WITH_SDP = "Content-Type: application/sdp"
