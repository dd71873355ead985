"""
The small grammar inside header values: lists, quoted strings, parameters (RFC 3261 §25.1).

Every function passes over its text once, whatever is in it, and raises SipError (without a header: who calls knows which) or nothing.
"""

from __future__ import annotations

import re

from boringsdp.errors import SipError
from boringsdp.sip.limits import MAX_PARAMS, MAX_SECONDS, MAX_VALUES

Params = dict[str, str | None]
"""Parameters by name in lower case; a value in quotes still has them (`unquote`), None is a parameter without a value. Read only."""

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_PLAIN_PARAM = re.compile(r';([^ \t;=",<>]+)(?:=([^ \t;",<>]+|"[^"\\]*"))?(?=;|$)')
_LIST = re.compile(r'[",<]')
_NAME = re.compile(r"[^ \t;=\",<>]*")
_VALUE = re.compile(r'[^ \t;",<>]*')
_ONCE = frozenset(("tag", "branch"))


def is_token(text: str) -> bool:
    """Whether `text` is a token: the name of a header, a method, an option."""
    return TOKEN.fullmatch(text) is not None


def end_of_quotes(text: str, start: int) -> int:
    """Return where the quoted string that opens at `start` is over: the index after its closing quote. Raises SipError without one."""
    at = start + 1
    while (end := text.find('"', at)) >= 0:
        before = end
        while before > at and text[before - 1] == "\\":
            before -= 1
        if (end - before) % 2 == 0:
            return end + 1
        at = end + 1
    raise SipError("unbalanced quotes")


def unquote(text: str) -> str:
    """Return what a quoted string says, escapes undone; other text as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if "\\" in inner else inner


def quote(text: str) -> str:
    """Return `text` as a quoted string."""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def split_list(text: str, limit: int = MAX_VALUES) -> list[str]:
    """
    Return the comma-separated values of a line, stripped; commas within quotes and <> separate nothing.

    Raises SipError for quotes or brackets left open, for an empty value between commas, and beyond `limit` values. Empty text has none.
    """
    if "," not in text:
        values = [text.strip(" \t")]
    elif '"' not in text and "<" not in text:
        values = [value.strip(" \t") for value in text.split(",")]
    else:
        values = _split_marked(text)
    if len(values) > limit:
        raise SipError(f"more than {limit} values")
    if "" in values:
        if len(values) == 1:
            return []
        raise SipError("an empty value")
    return values


def _split_marked(text: str) -> list[str]:
    values = []
    start = at = 0
    while (mark := _LIST.search(text, at)) is not None:
        at = mark.start()
        if text[at] == ",":
            values.append(text[start:at].strip(" \t"))
            start = at = at + 1
        elif text[at] == '"':
            at = end_of_quotes(text, at)
        else:
            at = text.find(">", at) + 1
            if not at:
                raise SipError("an open <")
    values.append(text[start:].strip(" \t"))
    return values


def parse_params(text: str) -> Params:
    """
    Return the parameters of `text`, which is empty or begins with a semicolon. Of a name given twice the first counts.

    Deviation: one semicolon too many is passed over; real telephones end Via and Contact with one.
    """
    params: Params = {}
    at, end = 0, len(text)
    while at < end:
        found = _PLAIN_PARAM.match(text, at)
        if found is None:
            return _params_with_care(text)
        name, value = found.groups()
        key = name.lower()
        if key in params:
            _check_repeated(key)
        else:
            params[key] = value
        at = found.end()
    if len(params) > MAX_PARAMS:
        raise SipError(f"more than {MAX_PARAMS} parameters")
    return params


def _params_with_care(text: str) -> Params:
    """With white space around what separates, and quoted strings."""
    params: Params = {}
    at, count, empty = _skip(text, 0), 0, 0
    while at < len(text):
        if text[at] != ";":
            raise SipError("no semicolon before a parameter")
        if (count := count + 1) > MAX_PARAMS:
            raise SipError(f"more than {MAX_PARAMS} parameters")
        start = _skip(text, at + 1)
        at = _NAME.match(text, start).end()  # type: ignore[union-attr]
        name, value = text[start:at], None
        at = _skip(text, at)
        if text[at : at + 1] == "=":
            start = _skip(text, at + 1)
            quoted = text[start : start + 1] == '"'
            at = end_of_quotes(text, start) if quoted else _VALUE.match(text, start).end()  # type: ignore[union-attr]
            value = text[start:at]
            at = _skip(text, at)
        if name or value is not None:
            _keep(params, name, value)
        elif (empty := empty + 1) > 1:
            raise SipError("empty parameters")
    return params


_SPACE = re.compile(r"[ \t]*")


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _keep(params: Params, name: str, value: str | None) -> None:
    if not name:
        raise SipError("an empty parameter")
    key = name.lower()
    if key not in params:
        params[key] = value
    else:
        _check_repeated(key)


def _check_repeated(key: str) -> None:
    if key in _ONCE:
        raise SipError(f"{key} twice")


def params_text(params: Params) -> str:
    """Return parameters as they are written behind a value."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


def parse_number(text: str, limit: int, what: str = "number") -> int:
    """Return the decimal number `text`. Raises SipError for anything else and beyond `limit`."""
    if not (text.isascii() and text.isdigit()):
        raise SipError(f"{what} is no number")
    digits = text if len(text) < 12 else text.lstrip("0")
    if len(digits) > 11 or (number := int(digits or "0")) > limit:
        raise SipError(f"{what} is too large")
    return number


def parse_seconds(text: str) -> int:
    """Return delta-seconds, at most 2**32 - 1. Raises SipError for anything but digits."""
    if not (text.isascii() and text.isdigit()):
        raise SipError("no number of seconds")
    digits = text if len(text) < 12 else text.lstrip("0")
    return MAX_SECONDS if len(digits) > 10 else min(int(digits or "0"), MAX_SECONDS)
