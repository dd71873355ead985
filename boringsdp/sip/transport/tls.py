"""TLS for SIP: contexts, and who a certificate says its owner is (RFC 5922)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from boringsdp.errors import ConfigError
from boringsdp.net.address import parse_ip
from boringsdp.sip.transport.connection import Peer
from boringsdp.sip.transport.settings import TlsSettings, split_host_port

SCHEME = "sip:"
CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class WrongName(ssl.SSLError):
    """The certificate is good but somebody else's."""


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return what we connect with; names are checked by `check_server`. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it knows no sip: URIs
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.verify:
        _trust(context, settings)
    load_certificate(context, settings)
    return context


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return what we accept with. Raises ConfigError, also when there is no certificate."""
    if settings.certificate is None:
        raise ConfigError("sip.tls_certificate", "missing: a TLS listener needs one")
    if settings.clients not in CLIENTS:
        raise ConfigError("sip.tls.clients", f"{settings.clients!r} is none of {', '.join(CLIENTS)}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = CLIENTS[settings.clients]
    if context.verify_mode is not ssl.CERT_NONE:
        _trust(context, settings)
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Read our certificate and key into a context, for handshakes to come; without them nothing happens. Raises ConfigError."""
    if settings.certificate is None:
        return
    try:
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # so that a wrong file does not spoil what is in use
        trial.load_cert_chain(settings.certificate, settings.key)
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("sip.tls_certificate", f"{settings.certificate}: {error}") from None


def _trust(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(settings.authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("sip.tls.authorities", f"{settings.authorities}: {error}") from None


def check_server(tls: ssl.SSLObject | None, name: str, settings: TlsSettings) -> Peer:
    """Return who the server is, once it is clear that it may call itself `name`. Raises WrongName."""
    if tls is None or not settings.verify:
        return Peer()
    certificate = tls.getpeercert() or {}
    if not serves(certificate, name, wildcards=settings.wildcards):
        raise WrongName(1, f"the certificate is not for {name} but for {', '.join(identities(certificate)) or 'nobody'}")
    return Peer(identities(certificate))


def check_client(tls: ssl.SSLObject | None) -> Peer:
    """Return who a client is, if it has shown a certificate."""
    return Peer(identities(tls.getpeercert() or {}) if tls is not None else ())


def identities(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """
    Return the SIP domains of a certificate, in lower case (RFC 5922 §7.1).

    Those of sip: URIs without a user part; only without any the DNS names and addresses; only without alternative names the common name.
    """
    names = certificate.get("subjectAltName", ())
    uris = [uri for kind, uri in names if kind == "URI" and uri.lower().startswith(SCHEME)]
    if uris:
        found = [domain for uri in uris if (domain := _domain(uri))]
    elif names:
        found = [name for kind, name in names if kind in ("DNS", "IP Address")]
    else:
        found = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in found))


def serves(certificate: Mapping[str, Any], name: str, *, wildcards: bool = True) -> bool:
    """Whether a certificate is for this domain or address. `*` stands for one label, the first of at least three, and never in a URI."""
    wanted = name.strip("[]").lower().rstrip(".")
    for known in identities(certificate):
        if known == wanted or _same_address(known, wanted):
            return True
        star, _, parent = known.partition(".")
        if wildcards and star == "*" and "." in parent and not _is_address(wanted) and wanted.partition(".")[2] == parent:
            return True
    return False


def _domain(uri: str) -> str:
    """Return the host of a sip: URI that has nothing else, empty for others."""
    rest = uri.partition(":")[2].partition(";")[0].partition("?")[0]
    host, _ = split_host_port(rest)
    return "" if "@" in rest or "*" in rest else host


def _is_address(text: str) -> bool:
    try:
        parse_ip(text)
    except ValueError:
        return False
    return True


def _same_address(known: str, wanted: str) -> bool:
    try:
        return parse_ip(known.strip("[]")) == parse_ip(wanted)
    except ValueError:
        return False
