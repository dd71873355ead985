"""What a configuration value must be like: each check returns a reason for complaint, or None."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from boringsdp.errors import SipError
from boringsdp.sip.uri import parse_sip_uri

Check = Callable[[Any], str | None]


def between(low: float, high: float) -> Check:
    """Return a check for a number of `low` to `high`, both included."""

    def check(value: float) -> str | None:
        return None if low <= value <= high else f"must be {_written(low)} to {_written(high)}, not {_written(value)}"

    return check


def _written(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.15g}"


def choice(*words: str) -> Check:
    """Return a check for one of `words`."""

    def check(value: str) -> str | None:
        near = difflib.get_close_matches(value, words, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return None if value in words else f"must be one of {', '.join(words)}, not {value!r}{meant}"

    return check


def port(value: int) -> str | None:
    """A port number, or 0 for any."""
    return None if 0 <= value <= 65535 else f"must be a port, 0 to 65535, not {value}"


def range_port(value: int) -> str | None:
    """A port number at an end of a range."""
    return None if 1024 <= value <= 65535 else f"must be a port, 1024 to 65535, not {value}"


def address(value: str) -> str | None:
    """A numeric IP address: names would make the start depend on DNS."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return f"must be an IP address, not {value!r}"
    return None


def address_or_empty(value: str) -> str | None:
    """A numeric IP address, or nothing."""
    return address(value) if value else None


def ipv6_or_empty(value: str) -> str | None:
    """A numeric IPv6 address, or nothing."""
    return address(value) or (None if ":" in value else f"must be an IPv6 address, not {value!r}") if value else None


def addresses(values: tuple[str, ...]) -> str | None:
    """Numeric IP addresses, each once."""
    reasons = [reason for value in values if (reason := address(value))]
    if not reasons and len(set(values)) < len(values):
        return "names an address twice"
    return reasons[0] if reasons else None


def address_map(values: Mapping[str, str]) -> str | None:
    """From local to public IP addresses."""
    return next((reason for pair in values.items() for value in pair if (reason := address(value))), None)


def networks(values: tuple[str, ...]) -> str | None:
    """Networks as 192.0.2.0/24."""
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            return f"must be networks such as 192.0.2.0/24: {error}"
    return None


def parse_endpoint(text: str) -> tuple[str, int]:
    """Return host and port of `192.0.2.1:2223` or `[2001:db8::1]:2223`. Raises ValueError for anything else, names included."""
    host, colon, number = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"write an IPv6 address in brackets, [{host}]:{number}, not {text!r}")
    if not colon or address(host) or not (number.isascii() and number.isdigit()) or int(number) > 65535:
        raise ValueError(f"must be an IP address and a port such as 127.0.0.1:2223, not {text!r}")
    return host, int(number)


def endpoint_or_empty(value: str) -> str | None:
    """An address and a port, or nothing."""
    return endpoints((value,)) if value else None


def endpoints(values: tuple[str, ...]) -> str | None:
    """Addresses with a port, each once."""
    found = []
    for value in values:
        try:
            found.append(parse_endpoint(value))
        except ValueError as error:
            return str(error)
    fixed = [endpoint for endpoint in found if endpoint[1]]
    return "names an address twice" if len(set(fixed)) < len(fixed) else None


def interfaces(values: Mapping[str, tuple[str, ...]]) -> str | None:
    """From names to local addresses, each with the address to announce behind a `!` where that is another."""
    for name, group in values.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            return f"has the name {name!r}: letters, digits, dots, hyphens and underscores only"
        if not group:
            return f"has no address for {name}"
        if len({value.partition("!")[0] for value in group}) < len(group):
            return f"names an address twice for {name}"
        for value in group:
            local, sign, told = value.partition("!")
            if address(local) or (sign and address(told)):
                return f"must be addresses such as 10.0.0.5 or 10.0.0.5!203.0.113.9, not {value!r} (for {name})"
            if sign and (":" in local) != (":" in told):
                return f"announces an address of another family: {value!r} (for {name})"
    return None


def sip_listeners(values: tuple[str, ...]) -> str | None:
    """SIP transports with an address and a port, as udp:192.0.2.1:5060, each once."""
    for value in values:
        protocol, _, rest = value.partition(":")
        if protocol not in ("udp", "tcp", "tls"):
            return f"must be udp, tcp or tls, an IP address and a port, such as udp:192.0.2.1:5060, not {value!r}"
        if reason := endpoints((rest,)):
            return reason
    fixed = [value for value in values if not value.endswith(":0")]
    return "names an address twice" if len(set(fixed)) < len(fixed) else None


def ws_listeners(values: tuple[str, ...]) -> str | None:
    """WebSocket transports with an address and a port, as wss:0.0.0.0:8443, each once."""
    for value in values:
        protocol, _, rest = value.partition(":")
        if protocol not in ("ws", "wss") or endpoints((rest,)):
            return f"must be ws or wss, an IP address and a port, such as wss:0.0.0.0:8443, not {value!r}"
    fixed = [value for value in values if not value.endswith(":0")]
    return "names an address twice" if len(set(fixed)) < len(fixed) else None


def origins(values: tuple[str, ...]) -> str | None:
    """Origins of web pages: scheme, host and port where it is not the usual one."""
    bad = [value for value in values if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", value)]
    return f"must be origins such as https://phone.example.com, without a path, not {bad[0]!r}" if bad else None


def sip_uris(values: tuple[str, ...]) -> str | None:
    """SIP URIs, each once."""
    reason = next((reason for value in values if (reason := sip_uri_or_empty(value) or (None if value else "names nobody"))), None)
    return reason or ("names one twice" if len(set(values)) < len(values) else None)


def sip_uri_or_empty(value: str) -> str | None:
    """A SIP URI, or nothing."""
    try:
        if value:
            parse_sip_uri(value)
    except SipError as error:
        return f"must be a SIP URI such as sip:pbx.example.com;transport=tcp, not {value!r} ({error.reason})"
    return None


def module_name(value: str) -> str | None:
    """A name in a Python module, or nothing."""
    name = r"[A-Za-z_]\w*"
    return None if not value or re.fullmatch(rf"{name}(\.{name})*:{name}", value) else f"must be module:name, not {value!r}"


def secret_or_empty(shortest: int) -> Check:
    """Return a check for a key that is long enough, or nothing; what it is is not told."""

    def check(value: str) -> str | None:
        return None if not value or len(value) >= shortest else f"must have at least {shortest} characters"

    return check


def digests(values: tuple[str, ...]) -> str | None:
    """Algorithms of digest, each once."""
    known = ("MD5", "SHA-256", "SHA-512-256")
    if not values or not set(values) <= set(known) or len(set(values)) < len(values):
        return f"must be some of {', '.join(known)}, each once, not {', '.join(values) or 'none'}"
    return None


def caller_rule(value: str) -> str | None:
    """What becomes of a user's name, or nothing."""
    return None if not re.search(r"[\s<>\"@:]|\{(?!user\})", value) else f"must be a user part such as +4930{{user}}, not {value!r}"


def hosts(values: tuple[str, ...]) -> str | None:
    """Names or addresses of hosts; `*.example.com` stands for all below."""
    bad = [value for value in values if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_.:-]+", value)]
    return f"must be hosts such as pbx.example.com or *.example.com, not {bad[0]!r}" if bad else None


def domain(value: str) -> str | None:
    """The name of a domain, or an address that stands for one."""
    return None if re.fullmatch(r"[A-Za-z0-9_.:-]+", value) else f"must be a domain such as example.com, not {value!r}"


def header_names(values: tuple[str, ...]) -> str | None:
    """Names of SIP headers; a final `*` stands for any ending."""
    bad = [value for value in values if not re.fullmatch(r"[A-Za-z0-9.!%_+`'~-]*\*?", value) or not value]
    return f"must be header names such as X-Order or X-*, not {bad[0]!r}" if bad else None


def http_url_or_empty(value: str) -> str | None:
    """An http or https URL, or nothing."""
    return None if not value or re.fullmatch(r"https?://[^\s/]+\S*", value) else f"must be an http or https URL, not {value!r}"


def base_path(value: str) -> str | None:
    """A URL path such as /janus."""
    return None if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value) else f"must be a path such as /janus, not {value!r}"


def readable(value: str) -> str | None:
    """A file that can be read, or nothing."""
    if not value:
        return None
    try:
        with Path(value).open("rb"):
            return None
    except OSError as error:
        return f"{value} cannot be read: {error.strerror or error}"


def in_folder(value: str) -> str | None:
    """A file, there yet or not, in a folder that is there; or nothing."""
    folder = Path(value).parent
    if not value or (folder.is_dir() and not Path(value).is_dir()):
        return None
    return f"{value} is a folder" if folder.is_dir() else f"{value}: there is no folder {folder}"


def codecs(values: tuple[str, ...]) -> str | None:
    """Encoding names as in a=rtpmap, of codecs that there are: a misspelt one would be ignored in silence."""
    bad = [value for value in values if value.lower() not in KNOWN_CODECS]
    if not bad:
        return None
    near = difflib.get_close_matches(bad[0].lower(), KNOWN_CODECS, n=1)
    hint = f"; did you mean {KNOWN_CODECS[near[0]]}?" if near else ""
    return f"must be encoding names such as PCMU, not {bad[0][:60]!r}{hint}"


_CODECS = """
    opus multiopus PCMU PCMA G722 G7221 G719 G723 G726-16 G726-24 G726-32 G726-40 G728 G729 GSM GSM-EFR iLBC iSAC SILK speex AMR AMR-WB EVS
    EVRC BV16 BV32 L8 L16 L24 LPC DVI4 QCELP MPA MP4A-LATM MPEG4-GENERIC CLEARMODE telephone-event CN red
    VP8 VP9 AV1 H261 H263 H263-1998 H263-2000 H264 H265 MP4V-ES MPV JPEG rtx ulpfec flexfec-03
"""
KNOWN_CODECS: Mapping[str, str] = {name.lower(): name for name in _CODECS.split()}
"""Names as registered, by their lower-case form."""
