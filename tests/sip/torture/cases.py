"""Every message of the torture tests: RFC 4475's 49 and RFC 5118's."""

from __future__ import annotations

from tests.sip.torture.beyond import BEYOND
from tests.sip.torture.invalid import INVALID
from tests.sip.torture.rfc5118 import IPV6
from tests.sip.torture.valid import VALID

RFC4475 = (*VALID, *INVALID, *BEYOND)
RFC5118 = IPV6
CASES = (*RFC4475, *RFC5118)
