"""Somebody at a web phone without a browser: our stack by SIP over WebSocket, and a WebRTC peer that speaks tone bursts and listens."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from boringsdp.sip.account import IncomingCall
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.session.events import Answered, AnswerReceived, Confirmed, EarlyMedia, OfferReceived
from tests.interop.kamailio.phone import BURST_S, CYCLE_S, Phone
from tests.interop.kamailio.sipp import mu_law
from tests.interop.tones import Burst, bursts
from tests.support.ng_peer import KINDS, Peer
from tests.support.sip_endpoints import Ear

RATE = 8000
FRAME = 160
FRAME_S = 0.02
PATIENCE_S = 8.0
EVENT_PT = 101
KEYS = "0123456789*#ABCD"
PITCH = 700.0
ANSWERS = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
Event = TypeVar("Event")


class WebUser:
    """`ear` hears the account's news, `talk` those of its call. Changes of a call are answered by themselves while `answers` is set."""

    def __init__(self, there: Endpoint, account: Account, ear: Ear, uri: str) -> None:
        self.there, self.account, self.ear, self.uri = there, account, ear, uri
        self.talk = Ear()
        self.session: Session | None = None
        self.peer: Peer | None = None
        self.answers = True
        self.pressing = False
        self._voice: asyncio.Task[None] | None = None

    @property
    def call(self) -> Session:
        assert self.session is not None
        return self.session

    async def calls(self, uri: str, *, offers: bool = True, **more: Any) -> Session:
        """Place a call; without an SDP where it makes no offer."""
        await self._new_peer()
        self.talk = Ear(self._hear)
        self.session = self.account.invite(uri, self._offer() if offers else None, hear=self.talk, **more)
        return self.session

    async def rings(self) -> IncomingCall:
        """The next call, which rings."""
        call = await self.ear.hears(IncomingCall)
        self.talk = call.session.hear = Ear(self._hear)
        self.session = call.session
        call.session.ring()
        return call

    async def takes(self, call: IncomingCall | None = None) -> IncomingCall:
        """Answer a call (the next one), and speak as soon as the way is open."""
        call = call or await self.rings()
        await self._new_peer()
        call.session.accept(self._offer() if call.sdp is None else self._answer(call.sdp))
        if call.sdp is None:
            await self.until(lambda: self._answered)
        await self.speaks()
        return call

    async def hears(self, kind: type[Event]) -> Event:
        """The next news of this kind in the call."""
        try:
            return await self.talk.hears(kind)
        except TimeoutError:
            ladder = "" if self.session is None else self.there.ladder(self.session.call_id)
            raise AssertionError(f"{self.uri}: no {kind.__name__}, but {[type(one).__name__ for one in self.talk.all]}\n{ladder}") from None

    async def answered(self) -> Answered:
        """The other side has answered, and the way for media is open."""
        answered = await self.hears(Answered)
        await self.speaks()
        return answered

    async def speaks(self) -> None:
        """Open the way for media, and begin to speak."""
        assert self.peer is not None
        await self.peer.connect()
        if self._voice is None:
            self._voice = asyncio.ensure_future(self._speak(self.peer))

    async def until(self, done: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not done():  # noqa: ASYNC110 (what is awaited comes with packets and other tasks)
                await asyncio.sleep(0.01)

    # --- what is said and heard --------------------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """Where what is heard stands now, for `heard`."""
        return 0 if self.peer is None else len(self.peer.heard)

    def heard(self, since: int = 0) -> list[Burst]:
        """The tone bursts since a mark."""
        assert self.peer is not None
        data = b"".join(payload for payload in self.peer.heard[since:] if len(payload) == FRAME)
        return bursts(linear(data), RATE)

    async def hears_tone(self, hz: float, within_s: float = PATIENCE_S) -> None:
        """Wait for a whole burst of this pitch."""
        since = self.mark()
        try:
            await self.until(lambda: has_burst(self.heard(since), hz), within_s)
        except TimeoutError:
            assert self.peer is not None
            raise AssertionError(f"{self.uri} heard {self.heard(since)} in {self.mark() - since} packets, {self.peer.faults[:5]}") from None

    def digits(self, since: int = 0) -> str:
        """The telephone events since a mark, those that follow each other told once."""
        assert self.peer is not None
        codes = [payload[0] for payload in self.peer.heard[since:] if len(payload) == 4]
        return "".join(KEYS[code] for code, _ in itertools.groupby(codes))

    async def presses(self, keys: str) -> None:
        """Send keys as telephone events (RFC 4733), 160 ms each."""
        peer = self.peer
        assert peer is not None
        self.pressing = True
        for key in keys:
            stamp = (peer.sequence + 1) * FRAME & 0xFFFFFFFF
            for number in range(1, 11):
                peer.sequence += 1
                last = number > 7
                head = struct.pack("!BBHII", 0x80, EVENT_PT | (0x80 if number == 1 else 0), peer.sequence & 0xFFFF, stamp, peer.ssrc)
                duration = min(number, 8) * FRAME
                peer.send(head + struct.pack("!BBH", KEYS.index(key), (0x80 if last else 0) | 10, duration))
                await asyncio.sleep(FRAME_S)
            await asyncio.sleep(0.1)
        self.pressing = False

    # --- changes -----------------------------------------------------------------------------------------------------------------------

    def offers(self, direction: str) -> None:
        """Offer anew, with the stream in this direction."""
        self.call.offer(self._offer(direction))

    async def changes(self, direction: str) -> None:
        """Offer anew, and take the answer."""
        self.offers(direction)
        await self.hears(AnswerReceived)

    def close(self) -> None:
        if self._voice is not None:
            self._voice.cancel()
            self._voice = None
        if self.peer is not None:
            self.peer.close()

    async def _new_peer(self) -> None:
        self.close()
        self.peer = await Peer.open(KINDS["WebRTC"])
        self._answered = False

    def _hear(self, event: Any) -> None:
        match event:
            case Answered() if self._answered:
                pass  # it says again what early media said, or an UPDATE since
            case Answered(sdp=bytes(sdp)) | AnswerReceived(sdp=bytes(sdp)) | EarlyMedia(sdp=bytes(sdp)) | Confirmed(sdp=bytes(sdp)):
                self._take(sdp)
            case OfferReceived(sdp=None, tag=tag) if self.answers:
                self.call.answer(self._offer(), tag=tag)
            case OfferReceived(sdp=bytes(sdp), tag=tag) if self.answers:
                self.call.answer(self._answer(sdp), tag=tag)

    def _take(self, sdp: bytes) -> None:
        assert self.peer is not None
        self._answered = True
        self.peer.take_answer(sdp.decode())

    def _offer(self, direction: str = "sendrecv") -> bytes:
        assert self.peer is not None
        text = self.peer.offer().replace("a=sendrecv", f"a={direction}")
        self.peer.version += 1
        return text.encode()

    def _answer(self, offer: bytes) -> bytes:
        assert self.peer is not None
        direction = next((ours for theirs, ours in ANSWERS.items() if f"a={theirs}\r" in offer.decode()), "sendrecv")
        text = self.peer.answer(offer.decode()).replace("a=sendrecv", f"a={direction}")
        self.peer.version += 1
        return text.encode()

    async def _speak(self, peer: Peer) -> None:
        """Tone bursts as the telephones have them, a packet each 20 ms."""
        at = np.arange(int(RATE * CYCLE_S)) / RATE
        sound = mu_law(0.4 * np.sin(2 * np.pi * PITCH * at) * (at < BURST_S))
        due = asyncio.get_running_loop().time()
        for start in itertools.cycle(range(0, len(sound), FRAME)):
            if not self.pressing:
                peer.speak(sound[start : start + FRAME])
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


def linear(data: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What G.711 mu-law octets sound like, of full scale 1."""
    octets = ~np.frombuffer(data, np.uint8).astype(int) & 255
    size = (((octets & 15) << 3) + 132 << (octets >> 4 & 7)) - 132
    return np.where(octets & 128, -size, size) / 32768


def has_burst(found: list[Burst], hz: float) -> bool:
    return any(abs(one.frequency - hz) < 0.03 * hz and one.seconds > 0.3 for one in found)


async def hear_each_other(user: WebUser, phone: Phone) -> None:
    """A burst of each is found on the other side, with its pitch."""
    since = phone.mark()

    async def by_phone() -> None:
        try:
            await user.until(lambda: has_burst(phone.heard(since), PITCH))
        except TimeoutError:
            raise AssertionError(f"{phone.user} heard {phone.heard(since)}") from None

    await asyncio.gather(user.hears_tone(phone.frequency), by_phone())


async def dialled(user: WebUser, phone: Phone, keys: str) -> None:
    """The telephone has got these keys."""
    try:
        await user.until(lambda: phone.digits() == keys)
    except TimeoutError:
        raise AssertionError(f"{phone.user} got {phone.digits()!r}, not {keys!r}") from None
