"""All transports of a SIP endpoint in one place: what is listened on, connections made and reused, messages out and in. Shell."""

from __future__ import annotations

import asyncio
import math
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from boringsdp import logs
from boringsdp.errors import ConfigError
from boringsdp.net.address import parse_ip
from boringsdp.net.interfaces import address_towards
from boringsdp.net.limit import RateLimit
from boringsdp.sip.flow import Address, Destination, Flow, Protocol, Target
from boringsdp.sip.framing import PING
from boringsdp.sip.transport import tls
from boringsdp.sip.transport.advertised import ANYWHERE, Advertised, Reach
from boringsdp.sip.transport.connection import Connection, Peer
from boringsdp.sip.transport.gate import Gate
from boringsdp.sip.transport.liveness import Liveness, Verdict
from boringsdp.sip.transport.pool import Pool
from boringsdp.sip.transport.renewal import Renewal
from boringsdp.sip.transport.settings import Listen, TransportSettings, parse_listen, show
from boringsdp.sip.transport.stream import StreamListener, connect, reserved_socket
from boringsdp.sip.transport.udp import UdpSocket
from boringsdp.sip.transport.websocket import WebSocketListener, WebSocketServer, connect_websocket

Hear = Callable[[bytes, Flow], None]
"""One message, whole octets, and the flow it came by. Called on the loop; whatever it sends meanwhile goes out in order."""
Failed = Callable[[int, str], None]
"""A send that failed: the transaction it was given, and why. Never called from within `send`."""
Closed = Callable[[Flow, str], None]
"""A connection has ended, and why."""

SWEEP_S = 1.0
ROUTES_S = 30.0
"""For how long it is remembered from where the system sends to somebody."""
RENEWAL_S = 30.0
"""How often it is looked whether our certificate is another."""
CLOSING_S = 2.0
"""For connections to end by themselves, when everything is closed."""

log = logs.bind("sip")


class Transports:
    """
    `start`, `send` and hear, `close`.

    `hear` gets whole messages, keep-alives excepted; of a stream one that is cut short (its end cannot be found) just before the connection
    is closed. `accept` is policy: whether anything from an address is heard at all; what is not is dropped without a word. `spares` says
    which addresses are never banned, whatever comes from there. `bears` says of which connections the end does not fail what they carried.
    """

    def __init__(
        self,
        settings: TransportSettings,
        hear: Hear,
        failed: Failed = lambda transaction, reason: None,
        closed: Closed = lambda flow, reason: None,
        *,
        accept: Callable[[Address], bool] | None = None,
        spares: Callable[[str], bool] = lambda host: False,
        bears: Callable[[Flow], bool] = lambda flow: False,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.counts: Counter[str] = Counter()
        """What was dropped, refused or failed, by cause."""
        self._hear = hear
        self._failed = failed
        self._closed = closed
        self._accept = accept
        self._bears = bears
        self._gate = Gate(settings.gate, spares)
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(self, settings.limits)
        self._udp: list[UdpSocket] = []
        self._listeners: list[StreamListener | WebSocketListener] = []
        self._bound: list[Listen] = []
        self._kept: dict[Destination, tuple[int, float]] = {}
        """What is kept open: for how many, and for UDP when it is pinged next."""
        self._held: dict[tuple[Protocol, bool], socket.socket] = {}
        """Sockets that only hold a port, by protocol and whether it is IPv6."""
        self._unnamed = f"{token(6)}.invalid"
        self._advertised = self._reachable()
        self._server_context: ssl.SSLContext | None = None
        self._client_context: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._renewal = Renewal(settings.tls.certificate, settings.tls.key)
        self._forget_at = self._renew_at = 0.0
        self._complaints = RateLimit(per_second=0.2, burst=5)
        self._ids = 0
        self._over = False

    async def start(self) -> None:
        """Listen. Raises OSError when an address cannot be had, ConfigError when a TLS file cannot be used; nothing is then listened on."""
        wanted = [parse_listen(text) for text in self.settings.listen]
        try:
            if self.settings.tls.certificate or self.settings.tls.authorities:
                self._client_context = tls.client_context(self.settings.tls)
            if any(listen.protocol.secure for listen in wanted):
                self._server_context = tls.server_context(self.settings.tls)
            for listen in wanted:
                self._bound.append(await self._listen(listen))
        except BaseException:
            await self.close()
            raise
        self._advertised = self._reachable()
        self._sweep_soon()

    async def close(self) -> None:
        """Stop to listen and end all connections, after what waits has been written. For good."""
        self._over = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        await self._pool.close(CLOSING_S)
        for listener in listeners:
            await listener.closed()
        for sock in self._udp:
            sock.close()
        for held in self._held.values():
            held.close()
        self._held.clear()
        self._udp, self._bound = [], []
        self._kept.clear()

    def addresses(self) -> list[Listen]:
        """What is bound, with the ports that were taken, in the order of the settings."""
        return list(self._bound)

    def send(self, data: bytes, to: Destination, transaction: int | None = None) -> None:
        """
        Send a message. Never blocks and never raises: what goes wrong is told to `failed`, soon or after a while.

        To a `Target` an open connection that we made to it is used, or one is made; to a `Flow` only its own.
        """
        if self._over or (isinstance(to, Target) and not _can_be_sent_to(to)):
            self.unsent(transaction, "closed" if self._over else "not an address")
            return
        if to.protocol is not Protocol.UDP:
            self._pool.send(data, to, transaction)
            return
        remote, local = (to.remote, to.local) if isinstance(to, Flow) else ((to.host, to.port), ("", 0))
        sock = self._socket(remote[0], local)
        reason = "no UDP socket of that family" if sock is None else sock.send(data, remote, local[0] or None, transaction)
        if reason:
            self.unsent(transaction, reason)

    def sent_by(self, to: Destination) -> str:
        """Return host and port for the Via of a request to there."""
        return self.contact_address(to).host_port

    def contact_address(self, to: Destination) -> Reach:
        """Return where a peer there can reach us, for Contact and Record-Route."""
        if isinstance(to, Flow) and to.protocol in (Protocol.WS, Protocol.WSS) and not self._advertised.is_bound(to) and self.accepts(to):
            return self._advertised.of_accepted(to)
        return self._advertised.reach(to)

    def flow(self, to: Destination) -> Flow | None:
        """Return the open flow that `send` would take; for UDP there is one wherever there is a socket of that family."""
        if to.protocol is not Protocol.UDP:
            connection = self._pool.find(to)
            return None if connection is None else connection.flow
        if isinstance(to, Flow):
            return to if self._socket(to.remote[0], to.local) is not None else None
        sock = self._socket(to.host)
        if sock is None:
            return None
        return sock.flow((sock.anywhere and address_towards(to.host)) or sock.listen.host, (to.host, to.port))

    def peer(self, flow: Flow) -> Peer:
        """Return what is known of the other end."""
        connection = self._pool.find(flow)
        return Peer() if connection is None else connection.peer

    def accepts(self, flow: Flow) -> bool:
        """Whether a flow is an open connection that its peer has made."""
        connection = self._pool.find(flow) if flow.protocol is not Protocol.UDP else None
        return connection is not None and connection.accepted

    def forgive(self, flow: Flow) -> None:
        """Let nothing fail with a connection that has been sent by it so far."""
        connection = self._pool.find(flow)
        if connection is not None:
            connection.unheard.clear()

    def keep_alive(self, to: Destination, on: bool = True) -> None:
        """
        Keep a flow open with CRLF pings (RFC 5626 §4.4.1; over UDP too), for a registration. Counted: each `on` wants its own off.

        No connection is made for it. For a target, every connection that is made to it later is kept too.
        """
        if to.protocol is Protocol.UDP:
            keepers, due = self._kept.get(to, (0, self.now() + self.settings.keepalive_udp_s))
        else:
            connection = self._pool.find(to)
            if connection is not None:
                connection.liveness.keep(on, self.now())
            if isinstance(to, Flow):
                return
            keepers, due = self._kept.get(to, (0, math.inf))
        keepers += 1 if on else -1
        if keepers > 0:
            self._kept[to] = (keepers, due)
        else:
            self._kept.pop(to, None)

    def alias(self, flow: Flow, target: Target) -> None:
        """Let requests to `target` go over an accepted connection (RFC 5923). Whether the peer is that target is the caller's matter."""
        self._pool.alias(flow, target)

    def blame(self, flow: Flow, cause: str) -> None:
        """Count a message as bad, towards the ban of its source."""
        self.counts[cause] += 1
        connection = self._pool.find(flow) if flow.protocol is not Protocol.UDP else None
        if (connection is None or connection.accepted) and self._gate.blame(flow.remote[0], self.now()):
            log.warning("sip source banned", extra={"source": flow.remote[0], "cause": cause})
            self._pool.abort_accepted(flow.remote[0], "banned")

    def drop(self, flow: Flow, reason: str = "closed by us", *, bad: bool = False) -> None:
        """Close a connection once what waits has been written; `bad`: for what its peer does."""
        connection = self._pool.find(flow) if flow.protocol is not Protocol.UDP else None
        if connection is not None:
            connection.bad = bad
            connection.close(reason)

    def reload_certificates(self) -> None:
        """
        Read our certificate and key again, for connections to come. Raises ConfigError, and then nothing changes.

        It happens by itself within `RENEWAL_S` after a file has changed.
        """
        for context in (self._server_context, self._client_context):
            if context is not None:
                tls.load_certificate(context, self.settings.tls)

    def websockets(self, secure: bool = False, origins: tuple[str, ...] | None = None, *, forwarded: bool = False) -> WebSocketServer:
        """
        Return a server to be put on a route of somebody's aiohttp application; `secure` where that speaks TLS.

        `origins` are those that may connect, by default as for listeners of our own. `forwarded`: behind a proxy that sets X-Forwarded-For.
        """
        settings = self.settings if origins is None else replace(self.settings, origins=origins, websocket_path="")
        return WebSocketServer(self, Protocol.WSS if secure else Protocol.WS, settings, forwarded=forwarded)

    # --- what connections, sockets and the pool tell and ask

    def now(self) -> float:
        return self._loop.time()

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def liveness(self, accepted: bool) -> Liveness:
        return Liveness(self.limits, self.settings.keepalive_stream_s, accepted, self.now())

    def opened(self, connection: Connection) -> None:
        self._pool.opened(connection)

    def heard(self, connection: Connection, message: bytes) -> None:
        if connection.accepted and (cause := self._gate.admits(connection.flow.remote[0], self.now())):
            self.counts[cause] += 1
            return
        self._tell(message, connection.flow)

    def broken(self, connection: Connection, cause: str) -> None:
        self.blame(connection.flow, cause)
        connection.broken += 1
        if connection.accepted and connection.broken >= self.limits.broken:
            self.drop(connection.flow, cause, bad=True)

    def ended(self, connection: Connection, reason: str) -> None:
        if self._bears(connection.flow):
            connection.unheard.clear()
        self._pool.ended(connection, reason)
        self._loop.call_soon(self._closed, connection.flow, reason)

    def unsent(self, transaction: int | None, reason: str) -> None:
        self.counts["not sent"] += 1
        if transaction is not None:
            self._loop.call_soon(self._failed, transaction, reason)

    def admits(self, source: Address) -> bool:
        """Whether anything from an address is heard now."""
        if self._accept is not None and not self._accept(source):
            self.counts["not accepted"] += 1
            return False
        if cause := self._gate.admits(source[0], self.now()):
            self.counts[cause] += 1
            return False
        return True

    def admits_connection(self, source: Address) -> bool:
        """Whether a connection from an address may be; counts it in. `Pool.left` counts it out."""
        if not self.admits(source):
            return False
        if cause := self._pool.enter(source[0], self._gate.trusts(source[0])):
            self.counts[cause] += 1
            return False
        return True

    def left(self, source: Address) -> None:
        """An admitted connection was not made after all."""
        self.counts["handshake failed"] += 1
        self._pool.leave(source[0])

    def datagram(self, data: bytes, flow: Flow) -> None:
        self._tell(data, flow)

    def garbage(self, source: Address, cause: str) -> None:
        if cause == "not SIP":
            self.blame(Flow(Protocol.UDP, ("", 0), source), cause)
        else:
            self.counts[cause] += 1

    def not_made(self, target: Target, reason: str) -> None:
        """A connection could not be made."""
        self.counts["not connected"] += 1
        if (skipped := self._complaints.allow(self.now())) is not None:
            facts = {"protocol": target.protocol.value, "to": show((target.host, target.port)), "server": target.name, "reason": reason}
            log.warning("sip connection not made", extra={**facts, "skipped": skipped})

    async def dial(self, target: Target) -> Connection:
        """Return a connection that has been made to a target. Raises OSError."""
        context = None
        if target.protocol.secure:
            context = self._client_context = self._client_context or tls.client_context(self.settings.tls)
        check = lambda found: tls.check_server(found, target.name or target.host, self.settings.tls)  # noqa: E731
        local = self._source(target)
        make = connect_websocket if target.protocol in (Protocol.WS, Protocol.WSS) else connect
        connection = await make(self, target, local, context, check)
        for _ in range(self._kept.get(target, (0, 0.0))[0]):
            connection.liveness.keep(True, self.now())
        return connection

    # --- inside

    async def _listen(self, listen: Listen) -> Listen:
        try:
            return await self._bind(listen)
        except OSError as error:
            where = f"{listen.protocol.value.lower()}:{show((listen.host, listen.port))}"
            raise OSError(error.errno, f"{error.strerror or error}: {where}") from error

    async def _bind(self, listen: Listen) -> Listen:
        context = self._server_context if listen.protocol.secure else None
        if listen.protocol is Protocol.UDP:
            sock = UdpSocket(self, listen)
            bound = sock.start()
            self._udp.append(sock)
            return bound
        if listen.protocol in (Protocol.WS, Protocol.WSS):
            listener: StreamListener | WebSocketListener = WebSocketListener(self, listen, self.settings, context)
        else:
            listener = StreamListener(self, listen, context)
        bound = await listener.start()
        self._listeners.append(listener)
        return bound

    def _reachable(self) -> Advertised:
        settings = self.settings
        return Advertised(self._bound, settings.advertised, settings.direct, address_towards, self._unnamed, self._spare_port)

    def _source(self, target: Target) -> Address | None:
        """Return from where to connect: the address that is told; where nothing listens, its port too, so that the peer finds us by it."""
        listen = self._advertised.listener(target.protocol, target.host)
        if listen is not None:
            return None if listen.anywhere else (listen.host, 0)
        if target.protocol in (Protocol.WS, Protocol.WSS):
            return None
        six = ":" in target.host
        return self._own_host(six), self._spare_port(target.protocol, six)

    def _spare_port(self, protocol: Protocol, six: bool) -> int:
        """Return the port from which connections of a protocol come that nothing listens for; 0 when there is none."""
        held = self._held.get((protocol, six))
        if held is None:
            try:
                held = self._held[protocol, six] = reserved_socket(self._own_host(six))
            except OSError:
                return 0
        return int(held.getsockname()[1])

    def _own_host(self, six: bool) -> str:
        """Return the address all listeners of a family are on, if it is one."""
        hosts = {listen.host for listen in self._bound if (":" in listen.host) == six}
        return hosts.pop() if len(hosts) == 1 else ANYWHERE[six]

    def _socket(self, peer: str, local: Address = ("", 0)) -> UdpSocket | None:
        listen = self._advertised.listener(Protocol.UDP, peer, local)
        return next((sock for sock in self._udp if sock.listen is listen), None)

    def _tell(self, message: bytes, flow: Flow) -> None:
        try:
            self._hear(message, flow)
        except Exception:  # one message's bug is not to end a socket that others use
            self.counts["crash"] += 1
            log.exception("sip message not handled", extra={"protocol": flow.protocol.value, "source": show(flow.remote)})

    def _sweep_soon(self) -> None:
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Ping and end what is due: once a second for all."""
        self._sweeping = None
        now = self.now()
        if now >= self._forget_at:
            self._forget_at = now + ROUTES_S
            self._advertised.forget()
        if now >= self._renew_at:
            self._renew_at = now + RENEWAL_S
            self._renew()
        for connection in self._pool.connections():
            match connection.liveness.tick(now):
                case None:
                    pass
                case Verdict.PING:
                    connection.ping()
                case Verdict.IDLE as verdict:
                    connection.close(verdict.value)
                case verdict:
                    self.counts[verdict.value] += 1
                    connection.abort(verdict.value)
        for to, (keepers, due) in list(self._kept.items()):
            if due <= now:
                self._kept[to] = (keepers, now + self.settings.keepalive_udp_s)
                self.send(PING, to)
        self._sweep_soon()

    def _renew(self) -> None:
        if not self._renewal.due():
            return
        try:
            self.reload_certificates()
        except ConfigError as error:  # half of it may still be to come: then it is due again
            log.warning("sip certificate not read", extra={"reason": str(error)})
        else:
            log.info("sip certificate read again", extra={"file": str(self.settings.tls.certificate)})


def _can_be_sent_to(target: Target) -> bool:
    """Whether it is numeric: the system would look a name up, and everybody would wait."""
    try:
        parse_ip(target.host)
    except ValueError:
        return False
    return 0 < target.port < 65536
