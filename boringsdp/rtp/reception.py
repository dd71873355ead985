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


class Reception:
    """
    Counters of one source. `receive` is called once for every packet in arrival order.

    `trusted` says that packets are authenticated and their index was checked (SRTP): then a jump in sequence is believed at once.

    What did not come is remembered, not what came: the usual packet, the next one, changes four numbers and nothing else.
    """

    __slots__ = (
        "_first",
        "_gap",
        "_missing",
        "_restart_at",
        "base",
        "clock",
        "duplicates",
        "highest",
        "jitter",
        "lost_before",
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
        self.duplicates = 0
        self.reordered = 0
        self.lost_before = 0
        self.packets_before = 0
        self._restart_at = -1
        self._gap = 0
        """How many from `base` to `highest` did not come."""
        self._first = sequence
        """From here to `highest` all came that are not in `_missing`; what is before, and in the window, did not."""
        self._missing: set[int] | None = None

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
            self._skip(extended)
        else:
            extended = self._out_of_line(sequence, rtp_time)
            if extended <= JUMPED or extended == DUPLICATE:
                return extended
            if extended <= self.highest:
                self._measure(rtp_time, now)
                return extended
        self.highest = extended
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
        return self.lost_before + self._gap

    @property
    def packets(self) -> int:
        """How many came, duplicates not counted, over every restart."""
        return self.packets_before + self.highest - self.base + 1 - self._gap

    def resume(self, highest: int) -> None:
        """Take everything up to the extended number `highest` as seen: nothing older is accepted again."""
        self.packets_before = self.packets
        self.base, self.highest, self._gap = highest + 1, highest, 0
        self._begin(highest - WINDOW)

    def _begin(self, first: int) -> None:
        self._first, self._missing = first, None

    def _skip(self, extended: int) -> None:
        """What lies between `highest` and this number has not come yet."""
        self._gap += extended - self.highest - 1
        if extended - self.highest > WINDOW:
            self._begin(extended)
            return
        missing = self._missing or set()
        missing.update(range(self.highest + 1, extended))
        if len(missing) > WINDOW:
            missing = {number for number in missing if number > extended - WINDOW}
        self._missing = missing

    def _lacks(self, extended: int) -> bool:
        """Whether this number, in the window, has not come."""
        return extended < self._first or (self._missing is not None and extended in self._missing)

    def _fill(self, extended: int) -> None:
        """A number that was lacking has come."""
        missing = self._missing = self._missing or set()
        missing.discard(extended)
        if extended < self._first:
            missing.update(range(extended + 1, self._first))
            self._first = extended
        if extended < self.base:
            self._gap += self.base - extended - 1
            self.base = extended
        else:
            self._gap -= 1

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
            if self._lacks(extended):
                self._fill(extended)
                self.reordered += 1
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
            self._skip(self.highest + step)
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
        self._gap = 0
        self._restart_at = -1
        self._begin(self.base)
