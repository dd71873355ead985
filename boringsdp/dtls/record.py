"""
DTLS 1.2 records (RFC 6347 §4.1), as far as they must be told apart without their keys.

    0    1       3       5                11       13
    +----+-------+-------+-----------------+--------+----------
    |type|version| epoch | sequence number | length | body ...
    +----+-------+-------+-----------------+--------+----------
"""

from __future__ import annotations

from collections.abc import Iterator

HEADER = 13
ALERT = 21
HANDSHAKE = 22


def split_records(datagram: bytes) -> Iterator[bytes]:
    """Yield the records of a datagram; the last one may be cut short."""
    while datagram:
        length = HEADER + int.from_bytes(datagram[11:13], "big")
        yield datagram[:length]
        datagram = datagram[length:]


def is_finished(record: bytes) -> bool:
    """Whether this is an encrypted handshake message: Finished, since nobody negotiates twice."""
    return record[0] == HANDSHAKE and record[3:5] == b"\0\1"
