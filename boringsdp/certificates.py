"""What the servers for browsers and proxies show as their certificate, and show anew when it is renewed."""

from __future__ import annotations

import ssl

from boringsdp.errors import ConfigError


def server_context(section: str, certificate: str, key: str) -> ssl.SSLContext | None:
    """Return what a server accepts with, None without a certificate. Raises ConfigError that names the section's key."""
    if not certificate:
        return None
    context = _empty()
    show(context, section, certificate, key)
    return context


def show(context: ssl.SSLContext, section: str, certificate: str, key: str) -> None:
    """Have a context show what is in the files now, in handshakes to come. Raises ConfigError, and then nothing changes."""
    try:
        for one in (_empty(), context):  # a wrong file is not to spoil what is in use
            one.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{section}.tls_certificate", f"cannot be used with {section}.tls_key: {error}") from error


def _empty() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
