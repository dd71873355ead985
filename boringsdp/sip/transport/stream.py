"""SIP over TCP and TLS: listening, connecting, and the connections themselves. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast
from typing import Protocol as Interface

from boringsdp.sip.flow import Address, Flow, Protocol, Target
from boringsdp.sip.framing import LINE_END, Broken, StreamFramer
from boringsdp.sip.transport.connection import Connection, Hub, Peer
from boringsdp.sip.transport.settings import Limits, Listen
from boringsdp.sip.transport.tls import check_client

MESSAGES_A_TURN = 32
"""Read from one connection before others have their turn."""
ACCEPTED_A_TURN = 64
BACKLOG = 1024
REST_S = 0.5
"""Without a file descriptor left, nothing is accepted for so long."""
SHUTDOWN_S = 2.0

PROBE_S = 120
"""After which a silent peer is asked by TCP whether it is there."""

_TAKEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
_TCP_KEEPIDLE = getattr(socket, "TCP_KEEPIDLE", 4)
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)

Check = Callable[["ssl.SSLObject | None"], Peer]
"""Returns who a certificate says the peer is. Raises ssl.SSLError when that is not whom we want."""


class StreamConnection(asyncio.Protocol):
    """The asyncio end of one connection: becomes a `Connection` when it is there, and for TLS has been checked."""

    def __init__(self, hub: Hub, protocol: Protocol, accepted: bool, check: Check) -> None:
        self._hub = hub
        self._protocol = protocol
        self._accepted = accepted
        self._check = check
        self._framer = StreamFramer(longest=hub.limits.message)
        self._paused = False
        self.made = False
        """Whether it has become a connection, even if that has ended since."""
        self.transport: asyncio.Transport | None = None
        self.connection: _Stream | None = None
        self.refused: ssl.SSLError | None = None
        """Why the connection that was made is not used."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not local or not remote:  # the peer has gone already
            self.transport.abort()
            return
        try:
            peer = self._check(transport.get_extra_info("ssl_object"))
        except ssl.SSLError as error:
            self.refused = error
            self.transport.abort()
            return
        flow = Flow(self._protocol, address_of(local), address_of(remote), self._hub.new_id())
        self.connection = _Stream(self._hub, flow, self._accepted, peer, self.transport)
        self.made = True
        self._hub.opened(self.connection)

    def data_received(self, data: bytes) -> None:
        if self.connection is not None and not self.connection.reason:
            self._framer.feed(data)
            if not self._paused:
                self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        connection, self.connection, self.transport = self.connection, None, None
        if connection is not None:
            self._hub.ended(connection, connection.reason or (str(exc) if exc else "closed by the peer"))

    def _read(self) -> None:
        connection, framer = self.connection, self._framer
        self._paused = False
        try:
            for _ in range(MESSAGES_A_TURN):
                if connection is None or connection.reason:
                    return
                message = framer.next()
                if message is None:
                    connection.liveness.received(self._hub.now(), half=len(framer) > 0)
                    self._go_on()
                    return
                if message is LINE_END:
                    connection._line_end()
                else:
                    connection._message(message)
        except Broken as broken:
            assert connection is not None
            if broken.message:
                connection._message(broken.message)  # whoever hears it may refuse it, which is still written
            self._hub.broken(connection, broken.cause)
            connection.close(broken.cause)
            return
        self._pause()

    def _pause(self) -> None:
        """Leave the rest for later: one peer's flood is not to keep the others waiting."""
        self._paused = True
        if self.transport is not None:
            self.transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._read)

    def _go_on(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()


class _Stream(Connection):
    def __init__(self, hub: Hub, flow: Flow, accepted: bool, peer: Peer, transport: asyncio.Transport) -> None:
        super().__init__(hub, flow, accepted, peer)
        self._transport = transport

    def _write(self, data: bytes) -> bool:
        if self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._hub.limits.unsent:
            self.abort("does not take what it is sent")
            return False
        return True

    def _close(self) -> None:
        self._transport.close()

    def _abort(self) -> None:
        self._transport.abort()


class ListenerHub(Hub, Interface):
    """Whom listeners ask and tell, besides."""

    def admits_connection(self, source: Address) -> bool: ...

    def left(self, source: Address) -> None: ...


class Acceptor:
    """
    Accepts connections by hand, so that who may not speak costs no more than an accept.

    `take` makes a connection of a socket and a source that has been admitted; it sees to `left` when it does not.
    """

    def __init__(self, hub: ListenerHub, listen: Listen, take: Callable[[socket.socket, Address], Coroutine[Any, Any, None]]) -> None:
        self._hub = hub
        self._listen = listen
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> Listen:
        """Listen; returns the address with the port that was taken. Raises OSError."""
        self._socket = listening_socket(self._listen)
        self._loop.add_reader(self._socket.fileno(), self._accept)
        return Listen(self._listen.protocol, self._listen.host, self._socket.getsockname()[1])

    def close(self) -> None:
        """Stop to listen; connections that are there stay."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for task in self._tasks:
            task.cancel()

    async def closed(self) -> None:
        """Wait until nothing of it is left."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_A_TURN):
            if self._socket is None:
                return
            try:
                sock, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._rest()
                return
            source = address_of(name)
            if not self._hub.admits_connection(source):
                sock.close()
                continue
            set_up(sock, self._hub.limits)
            task = self._loop.create_task(self._take(sock, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _rest(self) -> None:
        assert self._socket is not None
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(REST_S, self._resume)

    def _resume(self) -> None:
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._accept)


class StreamListener:
    """Listens on one address. `start`, `close`, `closed`."""

    def __init__(self, hub: ListenerHub, listen: Listen, context: ssl.SSLContext | None = None) -> None:
        self._hub = hub
        self._protocol = listen.protocol
        self._context = context
        self._acceptor = Acceptor(hub, listen, self._take)

    async def start(self) -> Listen:
        """Listen; returns the address with the port that was taken. Raises OSError."""
        return self._acceptor.start()

    def close(self) -> None:
        """Stop to listen; connections that are there stay."""
        self._acceptor.close()

    async def closed(self) -> None:
        """Wait until nothing of it is left."""
        await self._acceptor.closed()

    async def _take(self, sock: socket.socket, source: Address) -> None:
        """Make a connection of an accepted socket; for TLS that includes the handshake."""
        connection = StreamConnection(self._hub, self._protocol, True, check_client)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, sock, **tls_arguments(self._context, self._hub.limits))
        except OSError:  # a handshake that failed, too
            sock.close()
        finally:
            if not connection.made:
                self._hub.left(source)


async def connect(hub: Hub, target: Target, local: Address | None, context: ssl.SSLContext | None, check: Check) -> Connection:
    """
    Return a connection to a target, from a local address if one is given: its port may be 0, and is another where it leads there already.

    The target's name goes into the handshake (SNI).

    Raises OSError, and ssl.SSLError (an OSError too) when the certificate is not right.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(hub.limits.connect_s):
            sock = await _connected(hub.limits, target, local)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, "no answer in time") from None
    try:
        arguments = tls_arguments(context, hub.limits)
        if context is not None:
            arguments["server_hostname"] = target.name or target.host
        _, protocol = await loop.create_connection(lambda: StreamConnection(hub, target.protocol, False, check), sock=sock, **arguments)
    except BaseException:
        sock.close()
        raise
    if protocol.refused is not None:
        raise protocol.refused
    if protocol.connection is None:
        raise OSError(errno.ECONNRESET, "closed by the peer")
    return protocol.connection


async def _connected(limits: Limits, target: Target, local: Address | None) -> socket.socket:
    """Return a socket that is connected. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in target.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        set_up(sock, limits)
        if local is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(local[1] != 0))
            sock.bind(local)
        await asyncio.get_running_loop().sock_connect(sock, (target.host, target.port))
    except BaseException as error:
        sock.close()
        if local is None or not local[1] or not isinstance(error, OSError) or error.errno not in _TAKEN:
            raise
    else:
        return sock
    return await _connected(limits, target, (local[0], 0))


def reserved_socket(host: str) -> socket.socket:
    """Return a socket that only holds a port, so that several connections can come from it. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, 0))
    except OSError:
        sock.close()
        raise
    return sock


def listening_socket(listen: Listen) -> socket.socket:
    """Return a non-blocking socket that listens. Raises OSError."""
    six = ":" in listen.host
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def set_up(sock: socket.socket, limits: Limits) -> None:
    """Send at once, and notice a peer that is gone."""
    sock.setblocking(False)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_KEEPIDLE, PROBE_S)
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(limits.unacknowledged_s * 1000))


def tls_arguments(context: ssl.SSLContext | None, limits: Limits) -> dict[str, Any]:
    if context is None:
        return {}
    return {"ssl": context, "ssl_handshake_timeout": limits.handshake_s, "ssl_shutdown_timeout": SHUTDOWN_S}


def address_of(name: Any) -> Address:
    """Return host and port of a socket's name; a link-local host with its interface."""
    host, port = name[0], name[1]
    if len(name) == 4 and name[3] and "%" not in host:
        host = f"{host}%{name[3]}"
    return host, port
