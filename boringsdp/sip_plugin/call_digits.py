"""The digits of one call: how they go to the peer, and which of those that come are news."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from boringsdp import logs
from boringsdp.call import Block, Party
from boringsdp.call.digits import RELAY, Digit, DtmfMode, Echoes, InfoQueue, takes_events
from boringsdp.errors import BoringError, JanusError
from boringsdp.sip_plugin.codes import WRONG_STATE

if TYPE_CHECKING:
    from boringsdp.sip_plugin.phone_call import PhoneCall

log = logs.bind("sip")


class CallDigits:
    """
    `tones`: digits that come by INFO go on to the browser in the media.

    The browser's telephone-events end in the gateway, which tells each digit once; to the peer they go as `mode` says.
    """

    def __init__(self, call: PhoneCall, mode: DtmfMode) -> None:
        self._call: PhoneCall = weakref.proxy(call)  # whose part this is
        self._queue = InfoQueue()
        self._echoes = Echoes()
        self.mode = mode
        self.tones = False

    def choose(self, mode: DtmfMode | None) -> None:
        """The application's wish for this call; None leaves the account's."""
        if mode is not None:
            self.mode = mode
        self.apply()

    def apply(self) -> None:
        """Hold the browser's telephone-events back where they go by INFO. The call has its media."""
        media = self._call.media
        if media is not None:
            media.call.block(Party.A, Block.DTMF, self.mode is DtmfMode.INFO)

    @property
    def by_info(self) -> bool:
        """Whether the peer gets digits by INFO."""
        if self.mode is not DtmfMode.AUTO:
            return self.mode is DtmfMode.INFO
        media = self._call.media
        return media is not None and not takes_events(media.call.heard(Party.B))

    def pressed(self, key: str, duration_ms: int) -> None:
        """A telephone-event of the browser has ended; the relay has sent it on if the peer takes such."""
        if self.by_info:
            self._send([Digit(key, duration_ms)])

    def send(self, digits: str, duration_ms: int) -> int:
        """Send digits of our own; returns how many. Raises `JanusError` when the peer can have none."""
        media = self._call.media
        if not self.by_info and media is not None and (sent := media.call.send_dtmf(Party.B, digits, duration_ms)):
            return sent
        if not self.by_info or not self._call.established:
            raise JanusError(WRONG_STATE, "Wrong state (the peer did not agree to telephone-event)", "digits")
        self._send([Digit(key, duration_ms) for key in digits])
        return len(digits)

    def new(self, key: str, way: str) -> bool:
        """Whether a digit of the peer, in the media or by INFO, has not come the other way already."""
        return self._echoes.new(key, way, asyncio.get_running_loop().time())

    def play(self, digit: Digit) -> None:
        """A digit that came by INFO, for the browser."""
        if self.tones and self._call.media is not None:
            self._call.media.call.send_dtmf(Party.A, digit.key, digit.duration_ms)

    def _send(self, digits: list[Digit]) -> None:
        self._info(self._queue.add(digits))

    def _answered(self, code: int, _reason: str) -> None:
        if code >= 300:
            log.info("the peer takes no digits by INFO", extra={**self._call.name(), "code": code})
        self._info(self._queue.answered(code))

    def _info(self, digit: Digit | None) -> None:
        if digit is None:
            return
        try:
            self._call.send("INFO", (), RELAY, digit.body, self._answered)
        except BoringError as error:
            log.info("a digit has no call to go to", extra={**self._call.name(), "reason": str(error)})
            self._queue.answered(481)
