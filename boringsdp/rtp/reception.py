"""
What is known of one synchronisation source that we receive: extended sequence, loss, duplicates, jitter (RFC 3550 §A.1, §A.3, §A.8).

Departures: there is no probation (the first packet counts), late packets are placed in a window of 1,024 instead of 100, and `packets`
does not count duplicates, so that `lost` is exact and never negative.
"""

from __future__ import annotations

WINDOW = 1024
MAX_DROPOUT = 3000
DUPLICATE = -(1 << 62)
JUMPED = DUPLICATE - 1

_MASK = WINDOW - 1


class Reception:
    """
    Counters of one source. `receive` is called once for every packet in arrival order.

    `trusted` says that packets are authenticated and their index was checked (SRTP): then a jump in sequence is believed at once.
    """

    __slots__ = (
        "_restart_at",
        "_seen",
        "base",
        "clock",
        "duplicates",
        "highest",
        "jitter",
        "lost_before",
        "packets",
        "packets_before",
        "reordered",
        "rtp_time",
        "transit",
        "trusted",
    )  # fmt: skip

    def __init__(self, sequence: int, rtp_time: int, now: float, clock: int, *, trusted: bool = False) -> None:
        self.clock = clock
        self.trusted = trusted
        self.base = sequence
        self.highest = sequence - 1
        self.rtp_time = rtp_time
        self.transit = now * clock - rtp_time
        self.jitter = 0.0
        self.packets = 0
        self.duplicates = 0
        self.reordered = 0
        self.lost_before = 0
        self.packets_before = 0
        self._restart_at = -1
        self._seen = bytearray(WINDOW)

    def receive(self, sequence: int, rtp_time: int, now: float) -> int:
        """
        Count a packet; return its extended sequence number, or DUPLICATE, or JUMPED for one that is too far off to be believed yet.

        After a believed jump of an untrusted source the extended number is more than MAX_DROPOUT ahead.
        """
        step = (sequence - self.highest) & 0xFFFF
        if step == 1:
            extended = self.highest + 1
        elif 1 < step <= MAX_DROPOUT:
            extended = self.highest + step
            self._skip(step)
        else:
            extended = self._out_of_line(sequence, rtp_time)
            if extended <= JUMPED or extended == DUPLICATE:
                return extended
            if extended <= self.highest:
                self._measure(rtp_time, now)
                return extended
        self.highest = extended
        self._seen[extended & _MASK] = 1
        self.packets += 1
        self.rtp_time = rtp_time
        transit = now * self.clock - rtp_time
        change = transit - self.transit
        self.transit = transit
        if change < 0.0:
            change = -change
        if change < 2147483648.0:
            self.jitter += (change - self.jitter) * 0.0625
        return extended

    def set_clock(self, clock: int, rtp_time: int, now: float) -> None:
        """Go on in another RTP clock (Hz): jitter is kept in time, the transit base is taken anew from this packet."""
        self.jitter *= clock / self.clock
        self.clock = clock
        self.transit = now * clock - rtp_time

    @property
    def lost(self) -> int:
        """Expected minus received, over every restart of the sequence; never negative."""
        return self.lost_before + self.highest - self.base + 1 - (self.packets - self.packets_before)

    def resume(self, highest: int) -> None:
        """Take everything up to the extended number `highest` as seen: nothing older is accepted again."""
        self.base, self.highest = highest + 1, highest
        self._seen = bytearray(b"\x01" * WINDOW)

    def _skip(self, step: int) -> None:
        if step > WINDOW:
            self._seen = bytearray(WINDOW)
            return
        for missing in range(self.highest + 1, self.highest + step):
            self._seen[missing & _MASK] = 0

    def _measure(self, rtp_time: int, now: float) -> None:
        transit = now * self.clock - rtp_time
        change = abs(transit - self.transit)
        self.transit = transit
        if change < 2147483648.0:
            self.jitter += (change - self.jitter) * 0.0625

    def _out_of_line(self, sequence: int, rtp_time: int) -> int:
        back = (self.highest - sequence) & 0xFFFF
        if back < WINDOW:
            extended = self.highest - back
            if not self._seen[extended & _MASK]:
                self._seen[extended & _MASK] = 1
                self.packets += 1
                self.reordered += 1
                self.base = min(self.base, extended)
                return extended
            ahead = (rtp_time - self.rtp_time) & 0xFFFFFFFF
            if self.trusted or not 0 < ahead < 0x80000000:
                self.duplicates += 1
                return DUPLICATE
            # newer than the newest, so not a copy: the source has begun its numbering again close to where it was
        if self.trusted:
            step = ((sequence - self.highest + 0x8000) & 0xFFFF) - 0x8000
            if step <= 0:
                self.duplicates += 1
                return DUPLICATE
            self._seen = bytearray(WINDOW)
            return self.highest + step
        if sequence != self._restart_at:
            self._restart_at = (sequence + 1) & 0xFFFF
            return JUMPED
        self._restart(sequence)
        return self.base

    def _restart(self, sequence: int) -> None:
        """Two packets in order at the new place: believe it (RFC 3550 §A.1). Numbered two cycles on, so that it never looks late."""
        self.lost_before = self.lost
        self.packets_before = self.packets
        self.base = ((self.highest >> 16) + 2 << 16) + sequence
        self.highest = self.base - 1
        self._restart_at = -1
        self._seen = bytearray(WINDOW)
