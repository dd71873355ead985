"""Keys of RTCP alone: DTLS without rtcp-mux makes one association for each port (RFC 5764 §4.1)."""

from __future__ import annotations

from boringsdp.relay.engine import Keys, Way
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender


class RtcpKeys:
    """
    `own` are the ways in which RTCP does not use the keys of RTP, `keyed` those of them in which keys have come.

    What keyed a way stays here when its keys are taken away: the same keys may come back, and must neither be replayed nor reuse a nonce.
    """

    __slots__ = ("_receiver", "_sender", "keyed", "own")

    def __init__(self) -> None:
        self.own: set[Way] = set()
        self.keyed: set[Way] = set()
        self._receiver: SrtpReceiver | None = None
        self._sender: SrtpSender | None = None

    def set(self, way: Way, keys: Keys | None, now: float) -> None:
        """Take keys for RTCP that way; None: it has none yet. Raises ValueError for keys that do not fit or are used up."""
        if keys is None:
            self.keyed.discard(way)
        elif way is Way.RECEIVE:
            self._receiver = _keyed_receiver(self._receiver, keys, now)
            self.keyed.add(way)
        else:
            if self._sender is None:
                self._sender = SrtpSender(keys)
            else:
                self._sender.rekey(keys, {})
            self.keyed.add(way)
        self.own.add(way)

    def share(self, way: Way) -> None:
        """RTCP that way uses the keys of RTP again."""
        self.own.discard(way)
        self.keyed.discard(way)

    @property
    def receiver(self) -> SrtpReceiver | None:
        return self._receiver if Way.RECEIVE in self.keyed else None

    @property
    def sender(self) -> SrtpSender | None:
        return self._sender if Way.SEND in self.keyed else None

    @property
    def former(self) -> dict[Way, Keys]:
        """What keyed each way last, whether it does now or not."""
        found = {Way.RECEIVE: self._receiver, Way.SEND: self._sender}
        return {way: srtp.keys for way, srtp in found.items() if srtp is not None}

    def tick(self, now: float) -> None:
        if self._receiver is not None:
            self._receiver.tick(now)


def _keyed_receiver(present: SrtpReceiver | None, keys: Keys, now: float) -> SrtpReceiver:
    if present is None:
        return SrtpReceiver(keys)
    present.rekey(keys, {}, now)
    return present
