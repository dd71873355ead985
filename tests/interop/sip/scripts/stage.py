"""A gateway, applications at its SIP plugin, and SIPp at the other end of the call: who calls whom, and that both come to their end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tests.interop.sip.agent import Agent
from tests.interop.sip.script import Callee, Caller, Running, Script, running_script
from tests.support.gateway import Gateway as Process
from tests.support.janus_client import JanusClient

NAMES = itertools.count(1)


def missing() -> str | None:
    """What to install, None when it is there."""
    return None if shutil.which("sipp") else "apt-get install sip-tester"


@dataclass
class Stage:
    """Where a test plays; `sip` is the gateway's host and port for SIP."""

    gateway: Process | None
    """None: in this process."""
    sip: str
    janus: JanusClient

    async def agent(self, *, media: bool = False, name: str = "", **register: object) -> Agent:
        """Somebody with an identity that needs no registration."""
        name = name or f"agent{next(NAMES)}"
        agent = await Agent.attach(self.janus, name)
        agent.media = media
        agent.account = await agent.guest(f"sip:{name}@{self.sip}", **register)
        return agent

    async def helper(self, agent: Agent) -> Agent:
        """A further line of somebody."""
        line = await Agent.attach(self.janus, agent.user)
        line.media = False
        await line.ask("register", type="helper", username=f"sip:{agent.user}@{self.sip}", master_id=agent.account)
        await line.until("registered")
        return line

    async def settle(self) -> None:
        """Lets a script go on, whose next steps no event tells of."""
        await asyncio.sleep(0.25)

    @contextlib.asynccontextmanager
    async def script(
        self,
        script: Script,
        *,
        calls: str = "",
        at: str = "",
        host: str = "127.0.0.1",
        transport: str = "u1",
        more: Sequence[str] = (),
        seconds: float = 8,
    ) -> AsyncIterator[Running]:
        """A script at work, which has to come to its end; a failure shows its messages."""
        async with running_script(script, calls=calls, at=at or self.sip, host=host, transport=transport, more=("-m", "1", *more)) as phone:
            try:
                if not calls:
                    await phone.listening()
                yield phone
            except AssertionError as error:
                error.add_note(f"{phone.trace()}\ngateway: {self.gateway.log[-2000:] if self.gateway is not None else ''}")
                raise
            await phone.done(seconds)

    @contextlib.asynccontextmanager
    async def calling(
        self, script: Callee | Script, *, media: bool = False, agent: Agent | None = None, transport: str = "u1", **options: object
    ) -> AsyncIterator[Agent]:
        """Somebody who has called a script."""
        async with self.script(script, transport=transport) as phone:
            caller = agent or await self.agent(media=media)
            try:
                await caller.place(phone.uri, **options)
                yield caller
            finally:
                caller.close()

    @contextlib.asynccontextmanager
    async def called(
        self, script: Caller | Script, *, media: bool = False, agent: Agent | None = None, transport: str = "u1", **register: object
    ) -> AsyncIterator[Agent]:
        """Somebody whom a script calls."""
        callee = agent or await self.agent(media=media, **register)
        async with self.script(script, calls=callee.user, transport=transport):
            try:
                yield callee
            finally:
                callee.close()
