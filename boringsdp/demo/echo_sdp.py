"""The echo peer's SDP: offer/answer for one audio stream, written apart from the gateway's so that neither hides the other's faults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from boringsdp.errors import SdpError

SUPPORTED = {"pcmu": 8000, "pcma": 8000, "g722": 8000, "opus": 48000}
STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}
SUITE = "AES_CM_128_HMAC_SHA1_80"
REVERSED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(slots=True, frozen=True)
class RemoteAudio:
    """What the other side said about its audio; `key` is its SDES key (base64), `event_type` the payload type of its telephone-event."""

    rtp: tuple[str, int]
    rtcp: tuple[str, int]
    payload_type: int
    codec: str
    clock_rate: int
    event_type: int | None
    event_clock: int
    direction: str
    rtcp_mux: bool
    protocol: str
    key: str = field(default="", repr=False)
    key_tag: str = ""
    section: int = 0
    m_lines: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class LocalAudio:
    """Where we listen, and our SDES key (base64) when the stream is secured."""

    host: str
    rtp_port: int
    rtcp_port: int
    session: int
    version: int
    key: str = field(default="", repr=False)


def parse(text: str, prefer: str = "") -> RemoteAudio:
    """Return the first audio stream we can speak, with codec `prefer` if it is there. Raises SdpError."""
    sections = re.split(r"(?m)^(?=m=)", text.replace("\r\n", "\n"))
    m_lines = tuple(section.partition("\n")[0] for section in sections[1:])
    for index, section in enumerate(sections[1:]):
        found = re.match(r"m=audio (\d{1,5})(?:/\d+)? ([A-Z/]+) ([\d ]+)\n", section + "\n")
        if found and found[1] != "0":
            return _audio(sections[0], section, index, m_lines, found, prefer)
    raise SdpError("no audio to echo")


def _audio(session: str, section: str, index: int, m_lines: tuple[str, ...], found: re.Match[str], prefer: str) -> RemoteAudio:
    connection = re.search(r"(?m)^c=IN IP[46] ([^\s/]+)", section) or re.search(r"(?m)^c=IN IP[46] ([^\s/]+)", session)
    if connection is None:
        raise SdpError("no address", "c=")
    rtpmap = dict(STATIC)
    rtpmap.update(
        {int(number): (name, int(clock)) for number, name, clock in re.findall(r"(?m)^a=rtpmap:(\d{1,3}) ([^/\s]+)/(\d{1,6})", section)}
    )
    offered = [int(number) for number in found[3].split()]
    known = [number for number in offered if number in rtpmap and rtpmap[number][0].lower() in SUPPORTED]
    if not known:
        raise SdpError("no codec that can be echoed (PCMU, PCMA, G722, opus)", found[0].strip())
    chosen = next((number for number in known if rtpmap[number][0].lower() == prefer.lower()), known[0])
    codec, clock = rtpmap[chosen]
    events = [number for number in offered if rtpmap.get(number, ("", 0))[0].lower() == "telephone-event"]
    event = next((number for number in events if rtpmap[number][1] == clock), events[0] if events else None)
    port = int(found[1])
    mux = bool(re.search(r"(?m)^a=rtcp-mux\s*$", section))
    rtcp = re.search(r"(?m)^a=rtcp:(\d{1,5})(?: IN IP[46] (\S+))?", section)
    crypto = re.search(rf"(?m)^a=crypto:(\d+) {SUITE} inline:([A-Za-z0-9+/=]+)", section)
    direction = re.search(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)\s*$", section + session)
    if "SAVP" in found[2] and crypto is None:
        raise SdpError(f"no crypto line with {SUITE}", found[0].strip())
    rtcp_port = port if mux else int(rtcp[1]) if rtcp else port + 1
    return RemoteAudio(
        rtp=(connection[1], port),
        rtcp=(rtcp[2] or connection[1] if rtcp else connection[1], rtcp_port),
        payload_type=chosen,
        codec=codec,
        clock_rate=clock,
        event_type=event,
        event_clock=rtpmap[event][1] if event is not None else clock,
        direction=direction[1] if direction else "sendrecv",
        rtcp_mux=mux,
        protocol=found[2],
        key=crypto[2] if crypto else "",
        key_tag=crypto[1] if crypto else "",
        section=index,
        m_lines=m_lines,
    )


def answer(remote: RemoteAudio, local: LocalAudio) -> str:
    """Return our answer: the chosen codec and telephone-event, other m-lines refused by port 0."""
    lines = _session(local)
    for index, m_line in enumerate(remote.m_lines):
        if index != remote.section:
            kind, _, protocol, *formats = m_line[2:].split()
            lines.append(f"m={kind} 0 {protocol} {formats[0] if formats else 0}")
            continue
        formats = [str(remote.payload_type)] + ([str(remote.event_type)] if remote.event_type is not None else [])
        channels = "/2" if remote.codec.lower() == "opus" else ""
        lines.append(f"m=audio {local.rtp_port} {remote.protocol} {' '.join(formats)}")
        lines.append(f"a=rtpmap:{remote.payload_type} {remote.codec}/{remote.clock_rate}{channels}")
        if remote.event_type is not None:
            lines += [f"a=rtpmap:{remote.event_type} telephone-event/{remote.event_clock}", f"a=fmtp:{remote.event_type} 0-15"]
        lines += ["a=rtcp-mux"] if remote.rtcp_mux else [f"a=rtcp:{local.rtcp_port}"]
        if remote.key:
            lines.append(f"a=crypto:{remote.key_tag} {SUITE} inline:{local.key}")
        lines += ["a=ptime:20", f"a={REVERSED[remote.direction]}"]
    return "\r\n".join(lines) + "\r\n"


def offer(local: LocalAudio, codecs: tuple[str, ...], *, secured: bool = False) -> str:
    """Return an offer of our own with `codecs` (encoding names) in order; `secured`: SRTP with our SDES key."""
    numbers = {"pcmu": 0, "pcma": 8, "g722": 9, "opus": 96}
    names = [name for name in codecs if name.lower() in numbers] or ["opus", "PCMU"]
    opus = any(name.lower() == "opus" for name in names)
    events = [101] + ([100] if opus else [])
    lines = _session(local)
    formats = [numbers[name.lower()] for name in names] + events
    lines.append(f"m=audio {local.rtp_port} RTP/{'SAVP' if secured else 'AVP'} {' '.join(map(str, formats))}")
    for name in names:
        number = numbers[name.lower()]
        lines.append(f"a=rtpmap:{number} {name}/{SUPPORTED[name.lower()]}{'/2' if number == 96 else ''}")
    for number in events:
        lines += [f"a=rtpmap:{number} telephone-event/{48000 if number == 100 else 8000}", f"a=fmtp:{number} 0-15"]
    lines += [f"a=crypto:1 {SUITE} inline:{local.key}"] if secured else []
    lines += [f"a=rtcp:{local.rtcp_port}", "a=ptime:20", "a=sendrecv"]
    return "\r\n".join(lines) + "\r\n"


def _session(local: LocalAudio) -> list[str]:
    family = "IP6" if ":" in local.host else "IP4"
    return [
        "v=0",
        f"o=echo {local.session} {local.version} IN {family} {local.host}",
        "s=echo",
        f"c=IN {family} {local.host}",
        "t=0 0",
    ]
