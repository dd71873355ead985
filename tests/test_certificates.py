"""Certificates that are renewed while the gateway runs."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from boringsdp.certificates import server_context, show
from boringsdp.errors import ConfigError
from tests.support.certificate import make_certificate


def shown(context: ssl.SSLContext) -> bytes | None:
    """The certificate that a client sees."""
    ours, theirs = socket.socketpair()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    server = threading.Thread(target=lambda: context.wrap_socket(ours, server_side=True).close())
    server.start()
    with asking.wrap_socket(theirs) as client:
        found = client.getpeercert(binary_form=True)
    server.join()
    return found


def test_a_new_certificate_is_shown_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    file = make_certificate(tmp_path)
    context = server_context("janus", str(file), "")
    assert context is not None
    first = shown(context)
    make_certificate(tmp_path)
    assert shown(context) == first
    show(context, "janus", str(file), "")
    second = shown(context)
    assert second not in (None, first)
    file.write_text("broken")
    with pytest.raises(ConfigError, match=r"janus\.tls_certificate"):
        show(context, "janus", str(file), "")
    assert shown(context) == second


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context("ng", "", "") is None
