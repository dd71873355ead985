"""
CPU time of complete SIP calls over UDP, in milliseconds: INVITE, 100, 180, 200, ACK, BYE, 200.

    python -m bench sip_calls

Two processes: each call counts in the one as UAC, in the other as UAS.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from boringsdp.sip.account import AccountSettings, IncomingCall
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.session.events import Answered, Ended, Failed
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import TransportSettings
from boringsdp.sip.uri import SipUri

CALLS = 2000
WARM_UP = 200
AT_A_TIME = 20
PATIENCE_S = 60.0
SETTINGS = SipSettings(
    transport=TransportSettings(listen=("udp:127.0.0.1:0",)),
    policy=PolicySettings(sources=("127.0.0.0/8",)),
    user_agent="bench",
)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
ANSWER = OFFER.replace(b"40000", b"40002")


async def serve(pipe: Connection) -> None:
    """Answer every call; tell the port first, then the CPU time whenever asked, until None is."""
    endpoint = Endpoint(SETTINGS)
    await endpoint.start()
    endpoint.account(AccountSettings(identity=SipUri("sip", "bob", "127.0.0.1")), take)
    pipe.send(endpoint.addresses()[0].port)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, pipe.recv) is not None:
        pipe.send(time.process_time())
    await endpoint.close()


def take(event: Any) -> None:
    if isinstance(event, IncomingCall):
        event.session.hear = ignore
        event.session.ring()
        event.session.accept(ANSWER)


def ignore(_event: Any) -> None:
    pass


async def place(port: int, pipe: Connection) -> tuple[float, float]:
    """Return CPU milliseconds per call as UAC and as UAS."""
    endpoint = Endpoint(SETTINGS)
    await endpoint.start()
    account = endpoint.account(AccountSettings(identity=SipUri("sip", "alice", "127.0.0.1")), ignore)
    target = SipUri("sip", "bob", "127.0.0.1", port)

    async def call() -> None:
        over = asyncio.Event()

        def hear(event: Any) -> None:
            if isinstance(event, Answered):
                session.hang_up()
            elif isinstance(event, Failed):
                raise RuntimeError(event)
            elif isinstance(event, Ended):
                over.set()

        session = account.invite(target, OFFER, hear=hear)
        async with asyncio.timeout(PATIENCE_S):
            await over.wait()

    async def calls(number: int) -> None:
        for _ in range(number // AT_A_TIME):
            await asyncio.gather(*(call() for _ in range(AT_A_TIME)))

    def spent() -> float:
        pipe.send("time")
        return float(pipe.recv())

    await calls(WARM_UP)
    gc.collect()
    theirs, ours = spent(), time.process_time()
    await calls(CALLS)
    result = (time.process_time() - ours) * 1000 / CALLS, (spent() - theirs) * 1000 / CALLS
    pipe.send(None)
    await endpoint.close()
    return result


def run(main: Any) -> Any:
    """Run a coroutine on uvloop where it is installed."""
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def callee(pipe: Connection) -> None:
    run(serve(pipe))


def main() -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=callee, args=(there,), daemon=True)
    process.start()
    uac, uas = run(place(here.recv(), here))
    process.join(10)
    print(f"{'SIP calls over UDP, complete':<58} {'calls':>6} {'CPU ms':>8}   target")
    print(f"{'as UAC':<58} {CALLS:>6} {uac:>8.2f}")
    print(f"{'as UAS':<58} {CALLS:>6} {uas:>8.2f}   1.5")


if __name__ == "__main__":
    main()
