"""The echo peer's shell: sockets, timers, calls. A plain RTP telephone that knows nothing of the gateway and shares none of its code."""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
import time
from dataclasses import replace
from typing import Any

import pylibsrtp

from boringsdp import logs
from boringsdp.demo import echo_sdp
from boringsdp.demo.echo_media import Echo
from boringsdp.errors import Exhausted, WrongState

MAX_CALLS = 64
SILENCE_S = 30.0
REPORT_S = 2.0
log = logs.bind("echo")


class EchoPeer:
    """Answers and places calls on one local address; every call ends by itself when nothing was heard for `silence_s`."""

    def __init__(self, host: str = "127.0.0.1", *, delay_ms: int = 200, silence_s: float = SILENCE_S) -> None:
        self._host = host
        self._delay_ms = delay_ms
        self._silence_s = silence_s
        self._calls: dict[str, EchoCall] = {}

    def answer(self, offer: str, *, call_id: str = "", codec: str = "", delay_ms: int | None = None) -> tuple[str, str]:
        """
        Return (call id, answer), with `codec` (an encoding name) if it is offered. With the id of a present call it is a re-offer.

        Raises SdpError, `Exhausted("calls")`, and WrongState for an unknown id.
        """
        remote = echo_sdp.parse(offer, codec)
        call = self._find(call_id) if call_id else self._open(delay_ms)
        return call.id, call.answer(remote)

    def offer(self, codecs: tuple[str, ...] = (), *, secured: bool = False, delay_ms: int | None = None) -> tuple[str, str]:
        """Return (call id, our own offer); give the answer to `accept`. Raises `Exhausted("calls")`."""
        call = self._open(delay_ms)
        return call.id, call.offer(codecs, secured=secured)

    def accept(self, call_id: str, answer: str) -> None:
        """Take the answer to our offer. Raises SdpError, WrongState."""
        self._find(call_id).accept(echo_sdp.parse(answer))

    def statistics(self, call_id: str) -> dict[str, Any]:
        """Return the figures of a call. Raises WrongState for an unknown id."""
        return self._find(call_id).statistics()

    def hang_up(self, call_id: str) -> None:
        """End a call; an unknown id is nothing."""
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.close()

    def close(self) -> None:
        """End every call."""
        for call_id in list(self._calls):
            self.hang_up(call_id)

    def _find(self, call_id: str) -> EchoCall:
        if call_id not in self._calls:
            raise WrongState("no such call", "a call id that was given out")
        return self._calls[call_id]

    def _open(self, delay_ms: int | None) -> EchoCall:
        if len(self._calls) >= MAX_CALLS:
            raise Exhausted("calls")
        delay = self._delay_ms if delay_ms is None else max(0, min(5000, delay_ms))
        call = EchoCall(self, self._host, delay / 1000, self._silence_s)
        self._calls[call.id] = call
        return call


class EchoCall:
    """One call: an RTP and an RTCP socket, and a timer for reports and silence."""

    def __init__(self, peer: EchoPeer, host: str, delay: float, silence_s: float) -> None:
        self.id = secrets.token_hex(8)
        self._peer = peer
        self._delay = delay
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self._rtp, self._rtcp = _socket_pair(host)
        key = base64.b64encode(secrets.token_bytes(30)).decode()
        self._local = echo_sdp.LocalAudio(host, self._rtp.getsockname()[1], self._rtcp.getsockname()[1], secrets.randbits(48), 0, key)
        self._remote: echo_sdp.RemoteAudio | None = None
        self._echo: Echo | None = None
        self._receive_srtp: pylibsrtp.Session | None = None
        self._send_srtp: pylibsrtp.Session | None = None
        self._opened = self._loop.time()
        self._loop.add_reader(self._rtp, self._readable, self._rtp)
        self._loop.add_reader(self._rtcp, self._readable, self._rtcp)
        self._timer = self._loop.call_later(REPORT_S, self._tick)
        self._log = log.bind(echo_call=self.id)

    def answer(self, remote: echo_sdp.RemoteAudio) -> str:
        """Take an offer and return the answer."""
        self._local = replace(self._local, version=self._local.version + 1)
        self._start(remote)
        return echo_sdp.answer(remote, self._local)

    def offer(self, codecs: tuple[str, ...], *, secured: bool) -> str:
        """Return our offer."""
        self._local = replace(self._local, version=self._local.version + 1)
        return echo_sdp.offer(self._local, codecs, secured=secured)

    def accept(self, remote: echo_sdp.RemoteAudio) -> None:
        """Take the answer to our offer."""
        self._start(remote)

    def statistics(self) -> dict[str, Any]:
        """Return plain figures; empty before the media are agreed."""
        about: dict[str, Any] = {"call": self.id, "delay_ms": round(self._delay * 1000)}
        return about | (self._echo.statistics() if self._echo else {})

    def close(self) -> None:
        """Say BYE and close the sockets."""
        if self._echo is not None:
            self._send_rtcp(self._echo.bye())
        self._timer.cancel()
        for sock in (self._rtp, self._rtcp):
            self._loop.remove_reader(sock)
            sock.close()
        self._log.info("echo call ended")

    def _start(self, remote: echo_sdp.RemoteAudio) -> None:
        before, self._remote = self._echo, remote
        if remote.key:
            self._receive_srtp = _session(remote.key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
            self._send_srtp = self._send_srtp or _session(self._local.key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        else:
            self._receive_srtp = self._send_srtp = None
        self._echo = before or Echo(
            payload_type=remote.payload_type,
            codec=remote.codec,
            clock_rate=remote.clock_rate,
            event_type=remote.event_type,
            event_clock=remote.event_clock,
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(15),
            timestamp_offset=secrets.randbits(32),
            cname=secrets.token_hex(6),
            clock_offset=time.time() - self._loop.time(),
        )
        echo = self._echo
        echo.payload_type, echo.codec, echo.clock_rate = remote.payload_type, remote.codec, remote.clock_rate
        echo.event_type, echo.event_clock = remote.event_type, remote.event_clock
        echo.sending = remote.direction in ("sendrecv", "recvonly")
        self._log.info("echoing", extra={"codec": remote.codec, "protocol": remote.protocol, "direction": remote.direction})

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(64):
            try:
                data = sock.recv(2048)
            except OSError:  # nothing left, or an ICMP error of something we sent
                return
            self._received(data)

    def _received(self, data: bytes) -> None:
        if self._echo is None or len(data) < 8:
            return
        rtcp = 192 <= data[1] <= 223
        now = self._loop.time()
        if self._receive_srtp is not None:
            try:
                data = self._receive_srtp.unprotect_rtcp(data) if rtcp else self._receive_srtp.unprotect(data)
            except pylibsrtp.Error:
                self._echo.malformed += 1
                return
        if rtcp:
            self._echo.receive_rtcp(data, now)
            return
        packet = self._echo.receive(data, now)
        if packet is not None:
            self._loop.call_later(self._delay, self._send_rtp, packet)

    def _send_rtp(self, packet: bytes) -> None:
        if self._remote is not None and self._rtp.fileno() >= 0:
            self._send(self._rtp, self._send_srtp.protect(packet) if self._send_srtp else packet, self._remote.rtp)

    def _send_rtcp(self, packet: bytes) -> None:
        if self._remote is not None:
            sock = self._rtp if self._remote.rtcp_mux else self._rtcp
            self._send(sock, self._send_srtp.protect_rtcp(packet) if self._send_srtp else packet, self._remote.rtcp)

    def _send(self, sock: socket.socket, data: bytes, address: tuple[str, int]) -> None:
        try:
            sock.sendto(data, address)
        except OSError as error:  # an address this loopback socket cannot reach: the call ends by silence
            self._log.debug("cannot send", extra={"reason": str(error)})

    def _tick(self) -> None:
        now = self._loop.time()
        heard = max(self._echo.last_heard if self._echo else 0.0, self._opened)
        if now - heard > self._silence_s:
            self._log.info("nothing heard", extra={"after_s": self._silence_s})
            self._peer.hang_up(self.id)
            return
        if self._echo is not None:
            self._send_rtcp(self._echo.report(now))
        self._timer = self._loop.call_later(REPORT_S, self._tick)


def _session(key: str, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=base64.b64decode(key), ssrc_type=ssrc_type, srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
    return pylibsrtp.Session(policy)


def _socket_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Return sockets on an even port and the next one. Raises `Exhausted("ports")`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(100):
        port = 40000 + 2 * secrets.randbelow(5000)
        rtp, rtcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            rtp.bind((host, port))
            rtcp.bind((host, port + 1))
        except OSError:
            rtp.close()
            rtcp.close()
            continue
        rtp.setblocking(False)
        rtcp.setblocking(False)
        return rtp, rtcp
    raise Exhausted("ports")
