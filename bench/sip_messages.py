"""
CPU time of SIP messages, in microseconds: parse one with the headers that every call looks at, write one.

    python -m bench sip_messages
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from bench.sdp_translate import cpu_us
from boringsdp.sip import headers, parse
from boringsdp.sip.build import response_to
from boringsdp.sip.message import Message

SDP = (
    b"v=0\r\no=- 3873 3873 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
)
INVITE = (
    "INVITE sip:+441632960083@gateway.example.com;user=phone SIP/2.0\r\n"
    "Record-Route: <sip:192.0.2.4;transport=tcp;r2=on;lr;ftag=9fxced76sl>\r\n"
    "Record-Route: <sip:192.0.2.4;r2=on;lr;ftag=9fxced76sl>\r\n"
    "Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK2d4f.7ac1a5e3000000000000000000000000.0\r\n"
    "Via: SIP/2.0/TCP 192.0.2.10:5062;received=192.0.2.10;rport=37912;branch=z9hG4bKnashds8;alias\r\n"
    "Max-Forwards: 69\r\n"
    'From: "Alice Example" <sip:alice@example.com>;tag=9fxced76sl\r\n'
    "To: <sip:+441632960083@example.com;user=phone>\r\n"
    "Call-ID: 3848276298220188511@192.0.2.10\r\n"
    "CSeq: 2 INVITE\r\n"
    'Contact: <sip:alice@192.0.2.10:5062;transport=tcp;ob>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"\r\n'
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, MESSAGE, UPDATE, REFER, NOTIFY, INFO\r\n"
    "Supported: replaces, timer, 100rel, norefersub, outbound, path\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Min-SE: 90\r\n"
    "User-Agent: Example/1.0\r\n"
    "Content-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n"
).encode() + SDP


def read() -> Message:
    """Parse, with Via, From, To, CSeq, Call-ID, Contact and Record-Route typed, their URIs too."""
    parsed = parse.parse(INVITE)
    message = parsed.message
    assert message is not None
    assert not parsed.defects
    assert headers.request_uri(message)
    assert headers.via(message).branch
    assert headers.from_(message).uri
    assert headers.to(message).uri
    assert headers.cseq(message).number == 2
    assert headers.call_id(message)
    assert headers.contacts(message)[0].uri
    assert headers.record_routes(message)[1].uri
    return message


def main() -> None:
    gc.collect()
    gc.freeze()
    message = read()
    lines = INVITE.count(b"\r\n", 0, INVITE.index(b"\r\n\r\n")) + 1
    jobs: tuple[tuple[str, Callable[[], object], str], ...] = (
        ("parse an INVITE", lambda: parse.parse(INVITE), ""),
        ("parse an INVITE, seven typed headers", read, "30"),
        ("serialise an INVITE", message.to_bytes, "6"),
        ("make the 200 to an INVITE", lambda: response_to(message, 200, tag="8f2c11d0"), ""),
        ("make and serialise it", lambda: response_to(message, 200, tag="8f2c11d0").to_bytes(), ""),
    )
    print(f"{'SIP messages':<58} {'lines':>6} {'CPU µs':>8}   target")
    for name, job, target in jobs:
        print(f"{name:<58} {lines:>6} {cpu_us(job):>8.1f}   {target}")


if __name__ == "__main__":
    main()
