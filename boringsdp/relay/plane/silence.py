"""A route that hides what is said: silence in place of the payload, everything else as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boringsdp.relay.plane.rewrite import Rewriter
    from boringsdp.relay.plane.source import Source


class Silencer:
    """Stands before a rewriter while its route has `silence`; other routes pay nothing for it."""

    __slots__ = ("_payloads", "_rewriter")

    def __init__(self, rewriter: Rewriter, silence: Mapping[int, bytes]) -> None:
        self._rewriter = rewriter
        self._payloads = dict(silence)

    def forward(self, source: Source, data: bytes, payload: bytes, second: int, extended: int, rtp_time: int, now: float) -> None:
        """Forward one packet, its payload replaced if it is of a type that is silenced."""
        silence = self._payloads.get(second & 0x7F)
        if silence is None:
            self._rewriter.forward(source, data, payload, second, extended, rtp_time, now)
        elif not silence:
            source.stream.transport.drop("silenced")
            self._rewriter.skip(source, extended)
        else:
            hidden = silence * len(payload) if len(silence) == 1 else silence
            # Without the extension bit: the sender's audio level would tell when somebody speaks.
            self._rewriter.forward(source, b"\x80" + data[1:12], hidden, second, extended, rtp_time, now)

    def skip(self, source: Source, extended: int) -> None:
        """A packet is left out on purpose."""
        self._rewriter.skip(source, extended)
