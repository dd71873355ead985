"""The headers of digest authentication: challenges and credentials read and written (RFC 3261 §25.1, RFC 7616 §3.3)."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.errors import SipError
from boringsdp.sip.digest_hash import algorithm_of
from boringsdp.sip.message import Message
from boringsdp.sip.params import quote, split_list, unquote
from boringsdp.values import Value

MAX_LINES = 16
"""Challenges, or sets of credentials, that are read of one message."""

MAX_WORDS = 256
"""Parameters of one header line."""

UNQUOTED = frozenset(("algorithm", "qop", "nc", "stale", "userhash"))
"""Written without quotes in credentials."""

Words = dict[str, str]


class Challenge(Value, frozen=True):
    """One Digest challenge that can be answered. `algorithm` is as RFC 7616 writes it."""

    proxy: bool
    realm: str
    nonce: str
    algorithm: str = "MD5"
    named: bool = True
    """Whether it named its algorithm: an answer to one that does not names none either."""
    qop: str = ""
    """The one to use: "auth", "auth-int", or empty for RFC 2069."""
    opaque: str | None = None
    stale: bool = False
    userhash: bool = False


def read_lines(message: Message, name: str) -> list[tuple[str, Words]]:
    """Return scheme and parameters of every value of a header, names in lower case, values unquoted; what cannot be read is left out."""
    found: list[tuple[str, Words]] = []
    for line in message.headers.all(name)[:MAX_LINES]:
        try:
            found += _read(split_list(line, MAX_WORDS))
        except SipError:
            continue
    return found[:MAX_LINES]


def read_words(value: str) -> Words:
    """Return the parameters of Authentication-Info; none when they cannot be read."""
    try:
        read = _read(["digest", *split_list(value, MAX_WORDS)])
    except SipError:
        return {}
    return read[0][1]


def _read(parts: Iterable[str]) -> list[tuple[str, Words]]:
    """A part is `name=value`, of the scheme that came last; or `scheme name=value`, or `scheme`."""
    found: list[tuple[str, Words]] = []
    for part in parts:
        before, equals, value = part.partition("=")
        words = before.split(None, 2)
        if not words or len(words) > 2:
            continue
        if len(words) == 2 or not equals:
            found.append((words[0].lower(), {}))
        text = value.strip(" \t")
        whole = text[:1] != '"' or (len(text) > 1 and text[-1] == '"')
        if equals and found and whole:
            found[-1][1].setdefault(words[-1].lower(), unquote(text))
    return found


def challenges_of(message: Message) -> list[Challenge]:
    """Return what a response asks for and we know how to compute, in order: WWW-Authenticate, then Proxy-Authenticate."""
    found = []
    for proxy, name in ((False, "WWW-Authenticate"), (True, "Proxy-Authenticate")):
        for scheme, words in read_lines(message, name):
            if scheme == "digest" and (challenge := _challenge(words, proxy)) is not None:
                found.append(challenge)
    return found


def _challenge(words: Words, proxy: bool) -> Challenge | None:
    algorithm = algorithm_of(words.get("algorithm", "MD5"))
    offered = [word.strip().lower() for word in words.get("qop", "").split(",")]
    qop = next((name for name in ("auth", "auth-int") if name in offered), "")
    if algorithm is None or "realm" not in words or "nonce" not in words or (offered != [""] and not qop):
        return None
    return Challenge(
        proxy, words["realm"], words["nonce"], algorithm, "algorithm" in words, qop, words.get("opaque"),
        words.get("stale", "").lower() == "true", words.get("userhash", "").lower() == "true",
    )  # fmt: skip


def header_text(words: Iterable[tuple[str, str]], bare: frozenset[str] = UNQUOTED) -> str:
    """Return `Digest name="value", ...`."""
    return "Digest " + ", ".join(f"{name}={value if name in bare else quote(value)}" for name, value in words)
