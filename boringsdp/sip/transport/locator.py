"""Finds where to send, for URIs: asks DNS what `locate.py` wants to know. Shell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol as Interface

from boringsdp.net.records import Question, Records
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Penalties, Place, locating


class Asks(Interface):
    """What is needed of a resolver."""

    async def ask(self, question: Question) -> Records: ...


class Locator:
    """`protocols` are those that can be spoken, preferred ones first; `families` 4 and 6 likewise."""

    def __init__(
        self,
        resolver: Asks,
        protocols: tuple[Protocol, ...] = (Protocol.UDP, Protocol.TCP, Protocol.TLS),
        families: tuple[int, ...] = (4, 6),
        penalties: Penalties | None = None,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self._resolver = resolver
        self._protocols = protocols
        self._families = families
        self._penalties = penalties or Penalties()
        self._uniform = uniform or random.SystemRandom().random

    async def locate(self, place: Place, *, want: Protocol | None = None) -> list[Target]:
        """Return the targets of a place in the order to try them; empty when there is none. Raises nothing; takes as long as DNS may."""
        steps = locating(place, want=want, protocols=self._protocols, families=self._families, uniform=self._uniform)
        try:
            questions = next(steps)
            while True:
                answers = await asyncio.gather(*(self._resolver.ask(question) for question in questions))
                questions = steps.send(dict(zip(questions, answers, strict=True)))
        except StopIteration as found:
            targets: list[Target] = found.value
        return self._penalties.order(targets, asyncio.get_running_loop().time())
