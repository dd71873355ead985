"""What a message may hold at most: beyond it the message has a defect, or its view raises SipError. Nothing is unbounded."""

from __future__ import annotations

MAX_MESSAGE = 65_536
"""Octets of head and body together (513 Message Too Large)."""

MAX_HEADERS = 256
"""Header lines."""

MAX_VIAS = 100
"""Via values, over all lines."""

MAX_URI = 8_192
"""Characters of one URI (414 for the Request-URI)."""

MAX_CONTACTS = 30
"""Contact values, over all lines."""

MAX_ROUTES = 100
"""Values of Route, Record-Route, Path or Service-Route, over all lines."""

MAX_VALUES = 256
"""Values of any other list header, over all lines."""

MAX_PARAMS = 64
"""Parameters of one value or one URI."""

MAX_PARTS = 32
"""Parts of a multipart body."""

MAX_CSEQ = 2**31 - 1
"""RFC 3261 §8.1.1.5."""

MAX_SECONDS = 2**32 - 1
"""Delta-seconds: more is read as this (RFC 3261 §20.19)."""
