"""
SIPp scenarios in a few lines: what a scripted telephone gets and sends, step by step, made into SIPp's XML.

    Callee("it rings and takes the call").recv("INVITE").send(180).send(200, sdp=True).recv("ACK").recv("BYE").send(200)
    Caller("a call that is given up").ask("INVITE", sdp=True).recv(100, optional=True).recv(180).cancel().recv(200).recv(487).ack()

A callee's dialog is kept by the headers of the INVITE, so that it can send requests within it (`ask`) as a caller can.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.interop.kamailio.phone import free_ports
from tests.interop.kamailio.sipp import free_media_port

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 200: "OK", 202: "Accepted",
    301: "Moved Permanently", 302: "Moved Temporarily", 401: "Unauthorized", 404: "Not Found", 407: "Proxy Authentication Required",
    420: "Bad Extension", 422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call Does Not Exist", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline",
}  # fmt: skip
SDP = """\
v=0
o=script 1 [version] IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
[direction]"""


def sdp(version: int = 1, direction: str = "sendrecv") -> str:
    """The scripted telephone's description; a higher version for a changed one."""
    return SDP.replace("[version]", str(version)).replace("[direction]", f"a={direction}")


class Script:
    """Steps in order; every method adds one and returns the script."""

    role = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: list[str] = []
        self._sequence = 1
        self._labels = 0
        self._invite = 0
        """Where among the steps the last INVITE is sent."""
        self._asked = ""
        self._got: str | int = ""

    def recv(
        self, what: str | int, *, optional: bool = False, saves: dict[str, str] | None = None, checks: str = "", body: str = "",
        ignores: str | int | tuple[str, ...] = (),
    ) -> Script:  # fmt: skip
        """
        Waits for a request (its method) or a response (its code).

        `saves` keeps what a regular expression finds in the message in a variable; `checks` must be found in the message, `body` in it too.
        What `ignores` names may come any number of times before.
        """
        if ignores:
            self._labels += 1
            self._add(f'<label id="{self._labels}"/>')
            for other in ignores if isinstance(ignores, tuple) else (ignores,):
                self._add(f'<recv {_kind(other)} optional="true" next="{self._labels}"/>')
        kind, self._got = _kind(what), what
        route = ' rrs="true"' if what == "INVITE" or (isinstance(what, int) and 101 <= what < 300 and self._asked == "INVITE") else ""
        actions = [
            f'<ereg regexp="{escape(pattern)}" search_in="msg" assign_to="whole_{name},{name}"/>' for name, pattern in (saves or {}).items()
        ]
        for number, pattern in enumerate(filter(None, (checks, body))):
            mark = f"seen{len(self.steps)}x{number}"
            actions.append(f'<ereg regexp="{escape(pattern)}" search_in="msg" check_it="true" assign_to="{mark}"/>')
        inner = f"<action>{''.join(actions)}</action>" if actions else ""
        return self._add(f"<recv {kind}{route}{' optional=' + chr(34) + 'true' + chr(34) if optional else ''}>{inner}</recv>")

    def pause(self, seconds: float) -> Script:
        """Does nothing for a while."""
        return self._add(f'<pause milliseconds="{round(seconds * 1000)}"/>')

    def linger(self, seconds: float) -> Script:
        """The call is over, but what comes again is answered again."""
        return self._add(f'<timewait milliseconds="{round(seconds * 1000)}"/>')

    def raw(self, text: str, *, retrans: bool = False) -> Script:
        """Sends a text as it is, SIPp's keywords filled in."""
        repeat = ' retrans="500"' if retrans else ""
        return self._add(f"<send{repeat}><![CDATA[\n{text.strip()}\n\n]]></send>")

    def lost(self, percent: int) -> Script:
        """Loses so many per cent of what the step before sends or gets."""
        tag, _, _ = self.steps[-1].partition("<")[2].partition(">")[0].partition(" ")
        self.steps[-1] = self.steps[-1].replace(f"<{tag}", f'<{tag} lost="{percent}"', 1)
        return self

    def message(self, start: str, headers: Sequence[str], body: str = "", content_type: str = "application/sdp") -> str:
        """A message's text."""
        typed = [f"Content-Type: {content_type}"] if body else []
        return "\n".join([start, *headers, *typed, "Content-Length: [len]", "", body])

    def xml(self) -> str:
        """The scenario as SIPp reads it."""
        text = "\n".join(self.steps)
        names = sorted({name for part in text.split('assign_to="')[1:] for name in part.split('"')[0].split(",")})
        used = f'<Reference variables="{",".join(names)}"/>' if names else ""
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{escape(self.name)}">\n{text}\n{used}\n</scenario>\n'

    def _add(self, step: str) -> Script:
        self.steps.append(step)
        return self


def _kind(what: str | int) -> str:
    return f'request="{what}"' if isinstance(what, str) else f'response="{what}"'


class Callee(Script):
    """Gets the first request."""

    role = "callee"

    def recv(self, what: str | int, **options: object) -> Script:
        if what == "INVITE" and not self.steps:
            options["saves"] = {
                "caller": r"[\r\n]From: *([^\r\n]*)",
                "callee": r"[\r\n]To: *([^\r\n]*)",
                "target": r"[\r\n]Contact:[^<]*<([^>]*)>",
                "via": r"[\r\n]Via: *([^\r\n]*)",
                "number": r"[\r\n]CSeq: *([0-9]*) INVITE",
                **(options.get("saves") or {}),  # type: ignore[dict-item]
            }
        return super().recv(what, **options)  # type: ignore[arg-type]

    def send(self, code: int, *, body: str = "", headers: Sequence[str] = (), tag: str = "one", repeat: bool | None = None) -> Script:
        """Answers the last request. 2xx to an INVITE are repeated until the ACK."""
        to = f"[last_To:];tag=[pid]-{tag}-[call_number]" if tag else "[last_To:]"
        text = self.message(
            f"SIP/2.0 {code} {REASONS[code]}",
            [
                *("[last_Via:]", "[last_Record-Route:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]"),
                *("Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", *headers),
            ],
            body,
        )
        return self.raw(text, retrans=bool(body) and code == 200 if repeat is None else repeat)

    def late(
        self,
        code: int,
        *,
        body: str = "",
        headers: Sequence[str] = (),
        tag: str = "one",
        repeat: bool | None = None,
        content_type: str = "",
    ) -> Script:
        """Answers the first INVITE though other messages have come since."""
        lines = [
            *("Via: [$via]", "From: [$caller]", f"To: [$callee];tag=[pid]-{tag}-[call_number]", "Call-ID: [call_id]"),
            *("CSeq: [$number] INVITE", "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", *headers),
        ]
        text = self.message(f"SIP/2.0 {code} {REASONS[code]}", lines, body, content_type or "application/sdp")
        return self.raw(text, retrans=code == 200 if repeat is None else repeat)

    def ack(self, tag: str = "one", body: str = "") -> Script:
        """The ACK of a 200 to our own last INVITE."""
        return self.ask("ACK", tag=tag, body=body)

    def ask(
        self, method: str, *, body: str = "", headers: Sequence[str] = (), tag: str = "one", content_type: str = "application/sdp"
    ) -> Script:
        """A request within the dialog."""
        if method != "ACK":
            self._sequence += 1
        text = self.message(
            f"{method} [$target] SIP/2.0",
            [
                "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
                *("[routes]", "Max-Forwards: 70", f"From: [$callee];tag=[pid]-{tag}-[call_number]", "To: [$caller]", "Call-ID: [call_id]"),
                *(f"CSeq: {self._sequence} {method}", "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", *headers),
            ],
            body,
            content_type,
        )
        return self.raw(text, retrans=method != "ACK")


class Caller(Script):
    """Sends the first request: to `[service]`, which is what `running_script` is told to call."""

    role = "caller"

    def ask(
        self, method: str, *, body: str = "", headers: Sequence[str] = (), content_type: str = "application/sdp", new: bool = True,
        number: int = 0,
    ) -> Script:  # fmt: skip
        """A request: the first of the dialog, or one within it. `new=False` keeps the CSeq number (ACK, CANCEL), `number` chooses it."""
        first = not self.steps
        if new and not first:
            self._sequence += 1
        number = number or self._sequence
        self._asked = method
        refused = method == "ACK" and isinstance(self._got, int) and self._got >= 300
        same = refused or method == "CANCEL"  # of the INVITE's transaction
        at = len([step for step in self.steps if not step.startswith("<label")])
        if method == "INVITE":
            self._invite = at
        target = "sip:[service]@[remote_ip]:[remote_port];transport=[transport]" if first or same else "[next_url]"
        branch = f"[branch-{at - self._invite}]" if same else "[branch]"
        to = "To: <sip:[service]@[remote_ip]:[remote_port]>" + ("" if first or method == "CANCEL" else "[peer_tag_param]")
        text = self.message(
            f"{method} {target} SIP/2.0",
            [
                f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}",
                *(() if first or same else ("[routes]",)),
                *(
                    "Max-Forwards: 70",
                    "From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]-caller-[call_number]",
                    to,
                    "Call-ID: [call_id]",
                ),
                *(f"CSeq: {number} {method}", "Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>", *headers),
            ],
            body,
            content_type,
        )
        return self.raw(text, retrans=method != "ACK")

    def ack(self, body: str = "", number: int = 0) -> Script:
        """The ACK of the last response; `number` is the CSeq number of the INVITE, where other requests came after it."""
        return self.ask("ACK", body=body, new=False, number=number)

    def cancel(self) -> Script:
        """Takes the INVITE back."""
        return self.ask("CANCEL", new=False)

    def send(self, code: int, *, body: str = "", headers: Sequence[str] = (), repeat: bool | None = None) -> Script:
        """Answers a request of the other side."""
        text = self.message(
            f"SIP/2.0 {code} {REASONS[code]}",
            [
                *("[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]"),
                *("Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>", *headers),
            ],
            body,
        )
        return self.raw(text, retrans=bool(body) and code == 200 if repeat is None else repeat)


@dataclass
class Running:
    """SIPp at work; `uri` is where to call it."""

    uri: str
    folder: Path
    process: asyncio.subprocess.Process

    async def done(self, seconds: float = 30) -> None:
        """Waits for the end of the script. Raises AssertionError, with SIPp's own words, when it was not followed to its end."""
        try:
            status = await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            status = None
        assert status == 0, f"sipp ended with {status}: {self.trace()}"

    def trace(self) -> str:
        """What went wrong in SIPp's own words, and the last messages."""
        errors = "".join(path.read_text(errors="replace") for path in self.folder.glob("*_errors.log"))
        messages = "".join(path.read_text(errors="replace") for path in self.folder.glob("*_messages.log"))
        return f"{errors[:2500]}\n...{errors[-1500:]}\n{messages[-6000:]}"

    async def listening(self) -> None:
        """Waits until its port is bound: what is sent before that comes back as refused."""
        port = int(self.uri.partition(";")[0].rpartition(":")[2])
        table = Path("/proc/net/tcp" if "transport=tcp" in self.uri else "/proc/net/udp")
        for _ in range(500):
            if f":{port:04X} " in table.read_text():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"sipp does not listen: {self.trace()}")


@contextlib.asynccontextmanager
async def running_script(
    script: Script,
    *,
    calls: str = "",
    at: str = "",
    host: str = "127.0.0.1",
    transport: str = "u1",
    more: Sequence[str] = ("-m", "1"),
    trace: bool = True,
    files: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """
    A script on a port of its own of `host`: a callee waits; a caller calls the user `calls` at `at` (host:port).

    `more` are SIPp's options, `files` what stands in files beside it.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-sipp-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "script.xml").write_text(script.xml())
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        (port, control), media = free_ports(), free_media_port()
        process = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", "script.xml", "-i", host, "-p", str(port), "-t", transport, "-nostdin", "-trace_err", *more),
            *(("-trace_msg",) if trace else ()),
            *("-mi", host, "-mp", str(media), "-cp", str(control)),
            *(("-s", calls) if calls else ()),
            *((at,) if script.role == "caller" else ()),
            cwd=name,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield Running(f"sip:callee@{host}:{port}{';transport=tcp' if transport.startswith('t') else ''}", folder, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def listening(port: int) -> None:
    """Waits until somebody has bound a UDP port: what is sent before that comes back as refused."""
    for _ in range(250):
        if f":{port:04X} " in Path("/proc/net/udp").read_text():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("sipp does not listen")
