"""Digits through the relay: heard on a stream, told to its owner, and sent anew to where the stream is routed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from boringsdp.net.driver import Driver
from boringsdp.relay.engine import TelephoneEventReceived
from boringsdp.rtp.dtmf import DIGITS, Collector, CollectorAction, Held, Inject, Pressed, Released, Sender, Tone


class ToneSender:
    """Sends digits on one stream; `inject` puts one packet on it."""

    def __init__(self, inject: Callable[[Inject], None], minimum_ms: int, loop: asyncio.AbstractEventLoop) -> None:
        self._core = Sender(minimum_ms)
        self._driver: Driver[Inject] = Driver(self._core, inject, loop)
        self._loop = loop

    def set_clock_rate(self, clock_rate: int) -> None:
        self._core.clock_rate = clock_rate

    def enqueue(self, events: Iterable[int], duration_ms: int, gap_ms: int, volume: int) -> int:
        now = self._loop.time()
        count = self._core.enqueue(events, now, duration_ms=duration_ms, gap_ms=gap_ms, volume=volume)
        self._driver.run(self._core.tick(now))
        return count

    def press(self, event: int, volume: int) -> Tone | None:
        now = self._loop.time()
        tone = self._core.press(event, volume, now)
        self._driver.run(self._core.tick(now))
        return tone

    def hold(self, tone: Tone, duration_ms: int) -> None:
        self._core.hold(tone, duration_ms, self._loop.time())

    def release(self, tone: Tone, duration_ms: int) -> None:
        self._core.release(tone, duration_ms, self._loop.time())

    def close(self) -> None:
        self._core.stop()
        self._driver.close()


class ToneReader:
    """
    Collects one stream's event packets into digits.

    `targets` gives the senders that shall play what is pressed now; `tell` hears of each digit (its length, its volume) once it is over.
    """

    def __init__(
        self,
        targets: Callable[[], Iterable[ToneSender]],
        tell: Callable[[str, int, int], None],
        minimum_ms: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._core = Collector(minimum_ms)
        self._driver: Driver[CollectorAction] = Driver(self._core, self._perform, loop)
        self._loop = loop
        self._targets = targets
        self._tell = tell
        self._playing: list[tuple[ToneSender, Tone]] = []

    def receive(self, packet: TelephoneEventReceived, clock_rate: int) -> None:
        self._driver.run(
            self._core.receive(
                packet.ssrc,
                packet.timestamp,
                packet.event,
                end=packet.end,
                volume=packet.volume,
                duration=packet.duration,
                clock_rate=clock_rate,
                now=self._loop.time(),
            )
        )

    def close(self) -> None:
        """The stream is gone: a digit being pressed ends now."""
        self._driver.run(self._core.stop(self._loop.time()))
        self._driver.close()

    def _perform(self, action: CollectorAction) -> None:
        match action:
            case Pressed(event, volume):
                pressed = [(sender, sender.press(event, volume)) for sender in self._targets()]
                self._playing = [(sender, tone) for sender, tone in pressed if tone is not None]
            case Held(duration_ms):
                for sender, tone in self._playing:
                    sender.hold(tone, duration_ms)
            case Released(event, duration_ms, volume):
                for sender, tone in self._playing:
                    sender.release(tone, duration_ms)
                self._playing = []
                self._tell(DIGITS[event], duration_ms, volume)
