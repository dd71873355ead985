"""Digest credentials of a client (RFC 7616, RFC 8760, RFC 3261 §22): challenges answered, nonces reused."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from boringsdp.sip.digest_hash import algorithm_of, digest, response_sum, secret_sum, strength
from boringsdp.sip.digest_params import Challenge, Words, challenges_of, header_text, read_lines, read_words
from boringsdp.sip.message import Request, Response
from boringsdp.values import Value

HeaderLines = list[tuple[str, str]]

MAX_REALMS = 16
"""Realms that one account remembers a nonce of."""

MAX_PLACES = 256
"""Destinations and calls for which one nonce is used without being asked."""


class Credentials(Value, frozen=True):
    """Who we are: a user with a password, or with HA1 = H(user:realm:password) in hexadecimal under `ha1_algorithm`."""

    user: str
    secret: str = ""
    ha1: str = ""
    realm: str | None = None
    """None: for every realm that has no credentials of its own."""
    ha1_algorithm: str = "MD5"

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"secret", "ha1"})

    def sum_for(self, algorithm: str, realm: str) -> str | None:
        """Return H(A1) before "-sess", or None when we cannot know it: HA1 was given under another algorithm."""
        if not self.ha1 or self.secret:
            return secret_sum(algorithm, self.user, realm, self.secret)
        known = algorithm_of(self.ha1_algorithm)
        return self.ha1.lower() if known is not None and strength(known) == strength(algorithm) else None


class SpaceKey(NamedTuple):
    """A protection space: proxies and servers may have realms of the same name."""

    proxy: bool
    realm: str

    @property
    def header(self) -> str:
        return "Proxy-Authorization" if self.proxy else "Authorization"


class _Space:
    """The nonce in use for a realm, and where."""

    __slots__ = ("challenge", "cnonce", "count", "credentials", "ha1", "places")

    def __init__(self, challenge: Challenge, credentials: Credentials, ha1: str, cnonce: str) -> None:
        self.challenge = challenge
        self.credentials = credentials
        self.ha1 = ha1
        self.cnonce = cnonce
        self.count = 0
        """How often the nonce has been used: nc."""
        self.places: OrderedDict[str, None] = OrderedDict()

    def used_at(self, *places: str) -> None:
        for place in places:
            self.places[place] = None
            self.places.move_to_end(place)
        while len(self.places) > MAX_PLACES:
            self.places.popitem(last=False)

    def renew(self, nonce: str, cnonce: str) -> None:
        """Go on with the nonce that the server names for what comes next."""
        old = self.challenge
        self.challenge = Challenge(
            old.proxy, old.realm, nonce, old.algorithm, old.named, old.qop, old.opaque, stale=False, userhash=old.userhash
        )
        self.cnonce, self.count = cnonce, 0

    def line(self, request: Request) -> str:
        """Return the value of (Proxy-)Authorization for a request: one more use of the nonce."""
        self.count += 1
        challenge, user = self.challenge, self.credentials.user
        if challenge.userhash:
            user = digest(challenge.algorithm, f"{user}:{challenge.realm}")
        nc, cnonce = (f"{self.count:08x}", self.cnonce) if challenge.qop else ("", "")
        answer = response_sum(
            challenge.algorithm, self.ha1, request.method, request.uri,
            nonce=challenge.nonce, nc=nc, cnonce=self.cnonce, qop=challenge.qop, body=request.body,
        )  # fmt: skip
        words = [("username", user), ("realm", challenge.realm), ("nonce", challenge.nonce), ("uri", request.uri), ("response", answer)]
        if challenge.named:
            words.append(("algorithm", challenge.algorithm))
        if challenge.qop:
            words += [("qop", challenge.qop), ("nc", nc), ("cnonce", cnonce)]
        elif challenge.algorithm.endswith("-sess"):
            words.append(("cnonce", self.cnonce))
        if challenge.opaque is not None:
            words.append(("opaque", challenge.opaque))
        if challenge.userhash:
            words.append(("userhash", "true"))
        return header_text(words)


class Authenticator:
    """
    The credentials of one account and the nonces it was given, per realm (RFC 3261 §22.3).

    Credentials for any realm answer whoever asks, until a registrar has taken them: from then on its realms alone, and those named like one
    of `domains`. Else a callee, or who stands where a redirect leads, could have a digest to guess a password by.
    """

    def __init__(
        self, credentials: tuple[Credentials, ...], token: Callable[[int], str] = secrets.token_hex, domains: Iterable[str] = ()
    ) -> None:
        self._credentials = credentials
        self._token = token
        self._domains = frozenset(domain.lower() for domain in domains)
        self._known: set[str] = set()
        """Realms that a registrar has taken the credentials in."""
        self._spaces: OrderedDict[SpaceKey, _Space] = OrderedDict()

    def answer(self, response: Response, request: Request) -> HeaderLines | None:
        """
        Return the Authorization and Proxy-Authorization lines with which to send a challenged request again, or None.

        `response` is a 401 or 407 to `request`. None: no credentials, nothing we can compute, or the credentials were refused. The lines
        replace all lines of these names in the request; they hold one set of credentials per realm. A server that calls every nonce stale
        gets an answer every time: who sends it counts.
        """
        sent = _sent(request)
        wanted = list(sent)
        answered = False
        for key, challenge in self._strongest(response, request).items():
            if key in sent and self._refused(sent[key], challenge, self._spaces.get(key)):
                return None
            if not self._learn(key, challenge, request):
                continue
            answered = True
            if key not in sent:
                wanted.append(key)
        if not answered:
            return None
        return [(key.header, self._spaces[key].line(request)) for key in wanted if key in self._spaces]

    def preempt(self, request: Request) -> HeaderLines:
        """
        Return the lines for a new request where a nonce is still good for its destination or Call-ID; none without.

        A proxy's realm holds for whatever takes the same next hop, a server's for the same Request-URI; both for the rest of the call.
        Registrar and proxy of one realm are one server as a rule: REGISTER shows it credentials once. Given both, Kamailio 5.6 crashes.
        """
        call = _call(request)
        good = [key for key, space in self._spaces.items() if call in space.places or _place(request, key.proxy) in space.places]
        twice = {key for key in good if request.method == "REGISTER" and key.proxy and SpaceKey(False, key.realm) in good}
        return [(key.header, self._spaces[key].line(request)) for key in good if key not in twice]

    def heard(self, response: Response, request: Request) -> None:
        """Learn from a response that is no challenge: `nextnonce` of (Proxy-)Authentication-Info, the realms of a registrar."""
        if request.method == "REGISTER" and 200 <= response.code < 300:
            self._known |= {key.realm for key in _sent(request)}
        for proxy, name in ((False, "Authentication-Info"), (True, "Proxy-Authentication-Info")):
            value = response.headers.get(name)
            nonce = read_words(value).get("nextnonce") if value else None
            spaces = [self._spaces[key] for key in _sent(request) if key.proxy is proxy and key in self._spaces] if nonce else []
            if nonce and len(spaces) == 1:  # it does not say of which realm
                spaces[0].renew(nonce, self._token(8))

    def forget(self) -> None:
        """Drop every nonce."""
        self._spaces.clear()

    def _strongest(self, response: Response, request: Request) -> dict[SpaceKey, Challenge]:
        """Return the challenge to answer of each realm: the strongest that we have what it takes for (RFC 8760 §2.4)."""
        best: dict[SpaceKey, Challenge] = {}
        for challenge in challenges_of(response):
            key = SpaceKey(challenge.proxy, challenge.realm)
            if self._means(challenge, request) is None:
                continue
            if key not in best or strength(challenge.algorithm) < strength(best[key].algorithm):
                best[key] = challenge
        return best

    def _means(self, challenge: Challenge, request: Request) -> tuple[Credentials, str] | None:
        """Return the credentials for a realm and their H(A1); those that name the realm come first."""
        realm = challenge.realm
        ours = not self._known or request.method == "REGISTER" or realm in self._known or realm.lower() in self._domains
        for named in (realm, None) if ours else (realm,):
            for credentials in self._credentials:
                if credentials.realm == named and (ha1 := credentials.sum_for(challenge.algorithm, challenge.realm)) is not None:
                    return credentials, ha1
        return None

    @staticmethod
    def _refused(sent: Words, challenge: Challenge, space: _Space | None) -> bool:
        """
        Whether a challenge means that the credentials are wrong: not when the nonce was too old (stale) or had been used before.

        Not every server that forgets a nonce says that it is stale.
        """
        if sent.get("nonce") == challenge.nonce:
            return True
        if challenge.stale:
            return False
        if "nc" in sent:
            return sent["nc"].lstrip("0") == "1"
        return space is None or space.challenge.nonce != sent.get("nonce") or space.count <= 1

    def _learn(self, key: SpaceKey, challenge: Challenge, request: Request) -> bool:
        means = self._means(challenge, request)
        if means is None:
            return False
        old = self._spaces.pop(key, None)
        space = self._spaces[key] = _Space(challenge, *means, self._token(8))
        if old is not None:
            space.places = old.places
        space.used_at(_place(request, key.proxy), _call(request))
        while len(self._spaces) > MAX_REALMS:
            self._spaces.popitem(last=False)
        return True


def _sent(request: Request) -> dict[SpaceKey, Words]:
    """The credentials in a request by their realm."""
    found = {}
    for proxy in (False, True):
        for scheme, words in read_lines(request, SpaceKey(proxy, "").header):
            if scheme == "digest":
                found[SpaceKey(proxy, words.get("realm", ""))] = words
    return found


def _call(request: Request) -> str:
    return f"call {request.headers.get('Call-ID') or ''}"


def _place(request: Request, proxy: bool) -> str:
    """Who asks: the next hop's proxy, or the server of a Request-URI."""
    if not proxy:
        return f"server {request.uri}"
    hop = request.headers.get("Route") or request.uri
    hop = hop.partition("<")[2].partition(">")[0] or hop
    return f"proxy {hop.partition(':')[2].rpartition('@')[2].partition(';')[0].lower()}"
