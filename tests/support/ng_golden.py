"""
Runs golden NG dialogues: files under tests/golden/ng_messages/<topic>/, each the commands of one call and the replies to them.

    # What it shows
    > offer                        a request: the command, then one line for each key
    ICE: remove
    flags: trust-address strict-source
    codec.strip: PCMA              members of a dictionary
                                   (an empty line)
    @telephone                     the SDP: here that of material/telephone.sdp
    < ok                           the reply: its result, then one line for each of its other keys
    warning: …
    b: interface=inner tos=184     what holds for a leg's transport where that is not the default (`LegOptions`)
                                   (an empty line)
    v=0 …                          the SDP of the reply

Values of keys that are lists are split at spaces; one that begins with `[` or `{` is JSON. Not written are `call-id: call`, `from-tag: ta`,
and in answers `to-tag: tb`. An SDP is written whole, or as `@name` and, after it, lines `this -> that` that are replaced in it (`this ->`
removes the line), and `+line` that are added to its end.

In replies what is ours and random has a name: the same value has the same name throughout the file, so PORT1 in two replies is a port that
stayed. PORT1+1 is the port after PORT1, SHARED the one of all browsers. What came in goes out under its own name.

A new case is a new file with requests only; `python -m tests.support.ng_golden [file …]` writes the replies. Read them before you commit.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boringsdp.call import Calls, CallSettings, LegOptions, Party
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import Latch, RelaySettings
from tests.support.engines import make_relay

ROOT = Path(__file__).parent.parent / "golden" / "ng_messages"
PORTS = (44000, 44399)
INTERFACES = {"default": ("127.0.0.1", "::1"), "inner": ("127.0.0.2",), "outer": ("127.0.0.3",), "public": ("127.0.0.1",)}
RELAY = RelaySettings(
    webrtc_hosts=("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"),
    plain_hosts=("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"),
    plain_ports=PORTS,
    advertised={"127.0.0.3": "203.0.113.9"},
    plain_advertised={"127.0.0.3": "203.0.113.9"},
    interfaces=INTERFACES,
    interface_advertised={"public": {"127.0.0.1": "203.0.113.7"}},
    port_rest_s=0.0,
)
NG = NgSettings(
    interfaces=INTERFACES,
    templates={"to-phone": "RTP/AVP ICE=remove rtcp-mux-demux", "to-browser": "WebRTC"},
    acl=("127.0.0.0/8",),
)

LISTS = frozenset({
    "flags", "replace", "rtcp-mux", "SDES", "OSRTP", "bundle", "supports", "sdp-media-remove", "direction", "received-from", "from-tags",
})  # fmt: skip


def cases() -> list[Path]:
    """Every case file."""
    return sorted(ROOT.glob("*/*.txt"))


@dataclass
class Request:
    """One request of a file: its text, and what it says."""

    text: str
    message: dict[str, Any]


def read_case(path: Path) -> tuple[str, list[Request]]:
    """Return the comment at the head of a file, and its requests."""
    head: list[str] = []
    blocks: list[list[str]] = []
    skipping = False
    for line in path.read_text().splitlines():
        if line.startswith("> "):
            blocks.append([])
            skipping = False
        elif line.startswith("< "):
            skipping = True
        if not skipping:
            (blocks[-1] if blocks else head).append(line)
    return "\n".join(head).strip() + "\n", [_request(block) for block in blocks]


def _request(lines: list[str]) -> Request:
    while lines and not lines[-1]:
        lines.pop()
    cut = lines.index("") if "" in lines else len(lines)
    command = lines[0][2:].strip()
    message: dict[str, Any] = {"command": command}
    if command not in ("ping", "list", "statistics"):
        message |= {"call-id": "call"}
    if command in ("offer", "answer"):
        message |= {"from-tag": "ta"}
    if command == "answer":
        message |= {"to-tag": "tb"}
    for line in lines[1:cut]:
        key, _, value = line.partition(":")
        _put(message, key, value.strip())
    if body := lines[cut + 1 :]:
        message["sdp"] = _sdp(body)
    return Request("\n".join(lines) + "\n", message)


def _put(message: dict[str, Any], key: str, value: str) -> None:
    if value[:1] in ("[", "{"):
        what: Any = json.loads(value)
    else:
        what = value.split() if key.replace(" ", "-") in LISTS or key.startswith(("codec.", "extmap.")) else value
    *path, last = key.split(".") if key.startswith(("codec.", "extmap.", "sdp-attr.")) else [key]
    place = message
    for step in path:
        place = place.setdefault(step, {})
    place[last] = what


def _sdp(lines: list[str]) -> str:
    if lines[0].startswith("@"):
        text = (ROOT / "material" / f"{lines[0][1:].strip()}.sdp").read_text()
        for line in lines[1:]:
            if line.startswith("+"):
                text += line[1:] + "\n"
            else:
                text = _replaced(text, line)
        lines = text.splitlines()
    return "".join(f"{line}\r\n" for line in lines)


def _replaced(text: str, line: str) -> str:
    before, arrow, after = (part.strip() for part in line.partition(" ->"))
    assert arrow, line
    assert before in text, f"{before!r} is not in the material"
    if after:
        return text.replace(before, after)
    return "".join(f"{each}\n" for each in text.splitlines() if before not in each)


# --- names for what is random ------------------------------------------------------------------------------------------------------------

_PLACES = (
    ("ORIGIN", re.compile(r"^o=(?:\S+) (\S+) (?:\S+) IN")),
    ("UFRAG", re.compile(r"^a=ice-ufrag:(\S+)")),
    ("PASSWORD", re.compile(r"^a=ice-pwd:(\S+)")),
    ("FINGERPRINT", re.compile(r"^a=fingerprint:\S+ (\S+)")),
    ("KEY", re.compile(r"^a=crypto:\d+ \S+ inline:([^|\s=]+)")),
    ("SSRC", re.compile(r"^a=ssrc:(\d+)")),
    ("SSRC", re.compile(r"^a=ssrc-group:\S+ (\d+)")),
    ("CNAME", re.compile(r"^a=ssrc:\S+ cname:(\S+)")),
    ("MSID", re.compile(r"^a=msid:([0-9a-f]{16} \S+)")),
    ("TLS-ID", re.compile(r"^a=tls-id:(\S+)")),
    ("MARK", re.compile(r"^a=boringsdp:(\S+)")),
    ("FOUNDATION", re.compile(r"^a=candidate:(\S{6,}) ")),
)
_PORTS = (
    re.compile(r"^m=\S+ (\d+)"),
    re.compile(r"^a=rtcp:(\d+)"),
    re.compile(r"^a=candidate:(?:\S+ ){5}(\d+)"),
    re.compile(r" rport (\d+)"),
)
_HOST = re.compile(r"(?m)^c=IN IP[46] (\S+)")


@dataclass
class Names:
    """Gives values that are not in any request stable names."""

    shared: tuple[int, ...]
    known: str = ""
    """All that came in so far."""
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    _host: str = ""
    """Of the m-line about to be renamed: two addresses of ours may have the same port."""

    def rename(self, text: str) -> str:
        session, *medias = re.split(r"(?m)^(?=m=)", text)
        hosts = [_HOST.search(part) for part in (session, *medias)]
        lines: list[str] = []
        for part, found in zip((session, *medias), hosts, strict=True):
            self._host = next((each[1] for each in (found, hosts[0]) if each is not None), "")
            lines += [self._line(line) + "\n" for line in part.splitlines()]
        return "".join(lines)

    def _line(self, line: str) -> str:
        if line.startswith("o="):
            line = self._version(line)
        for kind, pattern in _PLACES:
            if (found := pattern.search(line)) and not re.search(rf"(?<![\w+/]){re.escape(found[1])}(?![\w+/])", self.known):
                line = self._put(line, found, self._name(kind, found[1]))
        for pattern in _PORTS:
            if found := pattern.search(line):
                line = self._put(line, found, self._port(int(found[1])))
        return line

    @staticmethod
    def _put(line: str, found: re.Match[str], name: str) -> str:
        return line[: found.start(1)] + name + line[found.end(1) :]

    def _name(self, kind: str, value: str) -> str:
        if (kind, value) not in self.names:
            count = sum(each == kind for each, _ in self.names)
            self.names[kind, value] = f"{kind}{count + 1}"
        return self.names[kind, value]

    def _port(self, port: int) -> str:
        if port in self.shared:
            return "SHARED"
        if not PORTS[0] <= port <= PORTS[1]:
            return str(port)
        known = {kind_value[1]: name for kind_value, name in self.names.items() if kind_value[0] == "PORT"}
        for number, more in ((port, ""), (port - 1, "+1")) if port % 2 else ((port, ""),):
            if (name := known.get(f"{self._host} {number}")) is not None:
                return name + more
        if self._host in ("0.0.0.0", "::", ""):
            same = [name for place, name in known.items() if place.endswith(f" {port & ~1}")]
            if same:
                return same[0] + ("+1" if port % 2 else "")
        return self._name("PORT", f"{self._host} {port}")

    def _version(self, line: str) -> str:
        """A version that did not come in is told by how far it is from the first one seen with this session."""
        user, session, version, rest = line[2:].split(" ", 3)
        if f" {session} {version} IN" in self.known:
            return line
        first = self.versions.setdefault(session, int(version))
        above = int(version) - first
        return f"o={user} {session} VERSION{f'+{above}' if above else ''} {rest}"


# --- playing -----------------------------------------------------------------------------------------------------------------------------


def play(path: Path) -> str:
    """Return the file as it should be: its requests, each with the reply it gets."""
    return asyncio.run(_play(path))


async def _play(path: Path) -> str:
    head, requests = read_case(path)
    relay = make_relay(RELAY)
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NG)
    names = Names(relay.webrtc_ports)
    try:
        parts = [head]
        for request in requests:
            names.known += request.message.get("sdp", "")
            reply = front.execute(json.loads(json.dumps(request.message)), ("127.0.0.1", 5000))
            parts.append(request.text + _told(reply, calls, names))
        return "\n".join(parts)
    finally:
        calls.close()
        await front.close()
        await relay.close()


def _told(reply: dict[str, Any], calls: Calls, names: Names) -> str:
    lines = [f"< {reply['result']}"]
    lines += [f"{key}: {value}" for key, value in reply.items() if key not in ("result", "sdp", "created", "created_us", "last signal") and
              isinstance(value, str | int)]  # fmt: skip
    lines += _options(calls)
    text = "\n".join(lines) + "\n"
    if "sdp" in reply:
        sdp: str = reply["sdp"]
        assert sdp.endswith("\r\n"), "a line without CRLF at the end"
        assert sdp.count("\n") == sdp.count("\r\n") == sdp.count("\r"), "line ends are mixed"
        text += "\n" + names.rename(sdp)
    return text


def _options(calls: Calls) -> Iterator[str]:
    """What holds for each leg, where it is not the default."""
    for call in calls:
        for name, party, branch in (("a", Party.A, ""), *(("b", Party.B, branch) for branch in call.branches)):
            said = " ".join(_said(call.options(party, branch)))
            if said:
                yield f"{name}{f' {branch}' if len(call.branches) > 1 and branch else ''}: {said}"


def _said(options: LegOptions) -> Iterator[str]:
    for key, value in options.to_record().items():
        if value not in ("", None, False, "IP4", Latch.DELAYED.value) and (key, value) != ("interface", "default"):
            yield f"{key}={value}"


def main(paths: list[str]) -> None:
    for path in [Path(text) for text in paths] or cases():
        made = play(path)
        if path.read_text() != made:
            path.write_text(made)
            print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
