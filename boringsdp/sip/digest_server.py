"""Digest on the server's side: nonces that need no memory, replays found, users not told apart (RFC 7616, RFC 8760)."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from boringsdp.errors import SipError
from boringsdp.sip.digest import Credentials, HeaderLines
from boringsdp.sip.digest_hash import algorithm_of, response_sum, secret_sum
from boringsdp.sip.digest_params import Words, header_text, read_lines
from boringsdp.sip.message import Request
from boringsdp.sip.uri import parse_uri, same_uri

MAX_NONCES = 65_536
"""Nonces in use that replays are looked for in: when there are more, the oldest become stale."""

WINDOW = 64
"""How far behind the highest nc one may come, as requests overtake each other."""

MAC_DIGITS = 32
BARE = frozenset(("algorithm", "stale", "userhash"))
HEX = frozenset("0123456789abcdefABCDEF")


class Verdict(enum.Enum):
    """What the credentials of a request are worth."""

    GOOD = "good"
    MISSING = "missing"
    STALE = "stale"
    WRONG = "wrong"


class Challenger:
    """
    Challenges for one realm, and the check of what comes back. `find(user)` returns the user's credentials or None.

    A nonce is a time, a random number and their HMAC under `key`: nothing is kept of a challenge. Of a nonce that was answered well the
    numbers (nc) seen are kept. An unknown user costs the same sums as a known one, and gets the same answer.
    """

    def __init__(
        self, realm: str, find: Callable[[str], Credentials | None], *, key: bytes | None = None, proxy: bool = False,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"), lifetime_s: float = 300.0, max_nonces: int = MAX_NONCES,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:  # fmt: skip
        self.realm = realm
        self._find = find
        self._key = bytes.fromhex(token(32)) if key is None else key
        self._algorithms = tuple(algorithm_of(name) or name for name in algorithms)
        self._lifetime_ms = int(lifetime_s * 1000)
        self._max = max_nonces
        self._token = token
        self._nobody = Credentials("", secret=token(16))
        self._used: OrderedDict[str, list[int]] = OrderedDict()
        """By nonce: the highest nc and, as bits, which of the WINDOW below it have come."""
        self._forgotten_ms = -1
        """Nonces made until then are stale unless they are in `_used`."""
        self._names = ("Proxy-Authenticate", "Proxy-Authorization") if proxy else ("WWW-Authenticate", "Authorization")

    def challenge(self, now: float, *, stale: bool = False) -> HeaderLines:
        """Return WWW-Authenticate (or Proxy-Authenticate) lines, one per algorithm, the preferred first."""
        nonce = self._nonce(now)
        more = [("stale", "true")] if stale else []
        return [
            (
                self._names[0],
                header_text([("realm", self.realm), ("nonce", nonce), ("qop", "auth"), ("algorithm", algorithm), *more], BARE),
            )
            for algorithm in self._algorithms
        ]

    def check(self, request: Request, now: float) -> tuple[Verdict, str]:
        """Return the verdict and, when it is GOOD, the user; any other verdict is answered by `challenge` (stale when STALE)."""
        sets = [words for scheme, words in read_lines(request, self._names[1]) if scheme == "digest" and words.get("realm") == self.realm]
        if not sets:
            return Verdict.MISSING, ""
        words = sets[0]
        user = words.get("username", "")
        if not self._proves(words, request, user):
            return Verdict.WRONG, ""
        verdict = self._fresh(words.get("nonce", ""), int(words.get("nc") or "1", 16), now)
        return verdict, user if verdict is Verdict.GOOD else ""

    def _proves(self, words: Words, request: Request, user: str) -> bool:
        """Whether the response is that of somebody who knows the secret. The sums are done whatever is wrong before."""
        algorithm = algorithm_of(words.get("algorithm", "MD5"))
        qop = words.get("qop", "").lower()
        nc = words.get("nc", "")
        sound = algorithm in self._algorithms and qop in ("", "auth", "auth-int") and _same_target(words.get("uri", ""), request.uri)
        sound = sound and (not qop or (len(nc) == 8 and HEX.issuperset(nc) and bool(words.get("cnonce")))) and (bool(qop) or not nc)
        algorithm = algorithm if sound and algorithm is not None else self._algorithms[0]
        known = self._find(user) if user else None
        ha1 = (known or self._nobody).sum_for(algorithm, self.realm)
        if known is not None and known.ha1:  # as costly as with a secret
            secret_sum(algorithm, user, self.realm, self._nobody.secret)
        expected = response_sum(
            algorithm, ha1 or self._token(16), request.method, words.get("uri", ""), nonce=words.get("nonce", ""),
            nc=nc, cnonce=words.get("cnonce", ""), qop=qop, body=request.body,
        )  # fmt: skip
        given = words.get("response", "").lower().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(expected.encode(), given) and sound and known is not None and ha1 is not None

    # --- nonces ----------------------------------------------------------------------------------------------------------------------

    def _nonce(self, now: float) -> str:
        head = f"{max(0, int(now * 1000)):012x}{self._token(8)}"
        return head + self._mac(head)

    def _mac(self, head: str) -> str:
        return hmac.new(self._key, f"{head}:{self.realm}".encode(), hashlib.sha256).hexdigest()[:MAC_DIGITS]

    def _fresh(self, nonce: str, number: int, now: float) -> Verdict:
        """Take note of one use of a nonce. STALE: it is not ours, too old, or has been used under this number (or one far above it)."""
        head, mac = nonce[:-MAC_DIGITS], nonce[-MAC_DIGITS:]
        if len(head) != 28 or not HEX.issuperset(nonce) or not hmac.compare_digest(self._mac(head), mac):
            return Verdict.STALE
        made_ms = _made_ms(nonce)
        if not 0 <= now * 1000 - made_ms + 1 <= self._lifetime_ms:
            return Verdict.STALE
        used = self._used.get(nonce)
        if used is None:
            if made_ms <= self._forgotten_ms or not number:
                return Verdict.STALE
            self._keep(nonce, number, now)
            return Verdict.GOOD
        return Verdict.GOOD if _note(used, number) else Verdict.STALE

    def _keep(self, nonce: str, number: int, now: float) -> None:
        self._used[nonce] = [number, 1]
        while len(self._used) > self._max or _made_ms(next(iter(self._used))) < now * 1000 - self._lifetime_ms:
            oldest, _ = self._used.popitem(last=False)
            self._forgotten_ms = max(self._forgotten_ms, _made_ms(oldest))


def _made_ms(nonce: str) -> int:
    return int(nonce[:12], 16)


def _note(used: list[int], number: int) -> bool:
    """Enter a number into (highest, bits); False when it has been there, or is too far behind to know."""
    highest, bits = used
    if number > highest:
        used[:] = number, (bits << min(number - highest, WINDOW) | 1) & (1 << WINDOW) - 1
        return True
    bit = 1 << (highest - number)
    if highest - number >= WINDOW or bits & bit or not number:
        return False
    used[1] = bits | bit
    return True


def _same_target(given: str, uri: str) -> bool:
    """Whether the URI of the credentials is the request's (RFC 3261 §22.4): proxies may have written it anew."""
    if given == uri:
        return True
    try:
        return same_uri(parse_uri(given), parse_uri(uri))
    except SipError:
        return False
