"""SIPp calling robots by the thousand, and being called by them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tests.interop.sip.script import Callee, Caller, Running, running_script, sdp
from tests.interop.sip.scripts.robots import Robots

RATE, TALK_S = 200, 0.2
# SIPp asks for less room for what it has not read yet than it would get unasked.
ROOM = ("-buff_size", "1000000")
FLAGS = (
    *("--sip.sources=127.0.0.0/8", "--webrtc.ice_timeout=120", "--log.level=warning"),
    *("--limits.calls=4000", "--janus.max_handles=5000"),
)


def caller(talk_s: float = TALK_S) -> Caller:
    """
    Calls the next of the robots, talks, hangs up.

    While it talks a 200 that comes again gets its ACK; once it has hung up SIPp takes any 200 for that of the BYE.
    """
    script = Caller("one of many").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180, optional=True).recv(200).ack()
    script.pause(talk_s).ask("BYE").recv(200)
    script.steps = [step.replace("[service]", "[field0]") for step in script.steps]
    return script


def callee(*, patient: bool = False) -> Callee:
    """
    Takes the call.

    Patient, on a line that loses messages, it waits for the ACK and answers again what comes again. Else, on a machine that holds
    everything up, INVITEs that come again and ACKs, early, late or twice, change nothing: what SIPp has said is not lost.
    """
    script = Callee("takes them all").recv("INVITE")
    if patient:  # SIPp knows a repeated INVITE by the one answer it gave
        return script.send(200, body=sdp()).recv("ACK").recv("BYE", ignores="ACK").send(200, tag="").linger(3)  # type: ignore[return-value]
    script.send(180).send(200, body=sdp()).recv("BYE", ignores=("INVITE", "ACK"))
    return script.send(200, tag="").linger(3)  # type: ignore[return-value]


async def calls_in(people: Robots, at: str, count: int, *, rate: int = RATE, seconds: float = 60, talk_s: float = TALK_S) -> None:
    """SIPp calls the robots by `at` (host:port), one after the other."""
    # Less than half of them are in a call at a time: what a busy machine held up is made up for, but nobody is called who still talks.
    at_once = str(max(1, len(people.names) * 2 // 5))
    more = ("-m", str(count), "-r", str(rate), "-l", at_once, "-inf", "names.csv", "-recv_timeout", "30000", *ROOM)
    names = {"names.csv": "SEQUENTIAL\n" + "".join(f"{name};\n" for name in people.names)}
    before = people.told["hangup"]
    async with running_script(caller(talk_s), calls="", at=at, more=more, trace=False, files=names) as phone:
        await phone.done(seconds)
    await people.until("hangup", before + count)


@contextlib.asynccontextmanager
async def many_callees(count: int, *, patient: bool = False) -> AsyncIterator[Running]:
    async with running_script(callee(patient=patient), more=("-m", str(count), *ROOM), trace=False) as phone:
        await phone.listening()
        yield phone
        await phone.done(40)


async def calls_out(people: Robots, count: int) -> None:
    """The robots call SIPp."""
    async with many_callees(count) as phone:
        await people.place(phone.uri, count, RATE)
