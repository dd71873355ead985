from __future__ import annotations

import errno
import socket

import pytest

from boringsdp.net.udp import bind_udp, send_too_long


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_binds_without_blocking(host: str) -> None:
    with bind_udp((host, 0), receive_buffer=1 << 20, send_buffer=1 << 20) as sock:
        assert sock.getsockname()[0] == host
        with pytest.raises(BlockingIOError):
            sock.recv(10)
        with pytest.raises(OSError, match="in use"):
            bind_udp((host, sock.getsockname()[1]))


def test_fragments_once_a_path_is_too_narrow() -> None:
    with bind_udp(("127.0.0.1", 0)) as sock, bind_udp(("127.0.0.1", 0)) as other:
        sock.setsockopt(socket.IPPROTO_IP, 10, 2)
        send_too_long(sock, b"again", other.getsockname(), OSError(errno.EMSGSIZE, "too long"))
        assert other.recv(10) == b"again"
        assert sock.getsockopt(socket.IPPROTO_IP, 10) == 0
        with pytest.raises(OSError, match="other"):
            send_too_long(sock, b"", other.getsockname(), OSError(errno.EPERM, "other"))
