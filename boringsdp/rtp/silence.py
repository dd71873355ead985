"""What silence looks like in the codecs that pass unread."""

from __future__ import annotations

SILENCE = {
    "pcmu": b"\xff",
    "pcma": b"\xd5",
    "g722": b"\xfc",
    "opus": b"\xf8\xff\xfe",
}
"""
By lower-case encoding name. One octet fills the payload: the smallest amplitude of G.711; for G.722 the code that keeps a fresh decoder at
zero and lets one in speech decay to -56 dBFS within a packet. Opus is a whole packet: 20 ms of CELT, mono, that decodes to zeros.
"""
