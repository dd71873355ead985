"""
CPU microseconds per relayed packet of an engine: WebRTC (SRTP, shared port, MID added) to plain RTP and back, all rewriting on.

    python bench/relay_packet.py                        # the table of docs/performance.md, about a minute and a half
    python bench/relay_packet.py --calls 200 --profile gcm128 --loop asyncio

The engine runs alone in a child process on one core (user and system time of that process, getrusage), this process makes the load on
another: every call sends a 160-byte packet each way every 20 ms, spread evenly, and one call in ten is read back and checked. Memory is
the growth of the child's resident set for each call after it has carried media, engine level only (no DTLS, no SDP).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from boringsdp.ice.stun import Kind, parse_stun, write_stun
from boringsdp.relay.asyncio_engine import AsyncioEngine
from boringsdp.relay.engine import IceCredentials, Keys, Latch, Profile, Route, StreamId, StreamSpec, TransportId, TransportSpec, Way
from boringsdp.rtp.packet import HEADER, parse_packet
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender

PROFILES = {
    "gcm256": Profile.AEAD_AES_256_GCM,
    "gcm128": Profile.AEAD_AES_128_GCM,
    "cm80": Profile.AES128_CM_SHA1_80,
    "cm32": Profile.AES128_CM_SHA1_32,
}
PTIME_S = 0.02
PAYLOAD = bytes(range(160))
HOST = "127.0.0.1"


def keys_of(profile: Profile, call: int, way: int) -> Keys:
    seed = call.to_bytes(4, "big") + bytes((way,))
    return Keys(profile, (seed * 8)[: profile.key_length], (seed[::-1] * 8)[: profile.salt_length])


def pin(core: int) -> None:
    """Stay on one core; the parent's own restriction, which a child inherits, does not count."""
    cores = range(os.cpu_count() or 1)
    os.sched_setaffinity(0, {cores[core % len(cores)]})


# --- the engine's process


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def serve(calls: int, profile: Profile, plain_remote: tuple[str, int], nap_s: float) -> None:
    engine = AsyncioEngine(lambda events: None, nap_s=nap_s)
    shared, address = engine.open_port((HOST, 0))
    gc.collect()
    before = resident()
    ports = []
    for call in range(calls):
        web, plain = TransportId(2 * call), TransportId(2 * call + 1)
        port, bound = engine.open_port((HOST, 0))
        ports.append(bound[1])
        engine.add_transport(TransportSpec(id=web, ports=(shared,), ice=IceCredentials(f"call{call:05}", "p" * 24), secured=True))
        engine.add_transport(TransportSpec(id=plain, ports=(port,), latch=Latch.STRICT))
        engine.set_remote(plain, plain_remote, None, Latch.STRICT)
        engine.set_keys(web, Way.RECEIVE, keys_of(profile, call, 0))
        engine.set_keys(web, Way.SEND, keys_of(profile, call, 1))
        engine.add_stream(
            StreamSpec(
                id=StreamId(web), transport=web, kind="audio", send_ssrc=2 * call, clock_rates={0: 8000, 126: 8000},
                mid="0", mid_extension=4, audio_level_extension=1,
            )
        )  # fmt: skip
        engine.add_stream(StreamSpec(id=StreamId(plain), transport=plain, kind="audio", send_ssrc=2 * call + 1, clock_rates={0: 8000}))
        engine.route(Route(source=StreamId(web), target=StreamId(plain), payload_types={0: 0}, telephone_events=frozenset({126})))
        engine.route(Route(source=StreamId(plain), target=StreamId(web), payload_types={0: 0}, constant_extensions={4: b"0"}))
    answer({"address": address, "ports": ports})
    gc.freeze()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        totals = engine.statistics()
        answer(
            {
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "user_s": usage.ru_utime,
                "relayed": sum(stream.sent.packets for stream in totals.streams.values()),
                "drops": [dict(t.drops) for t in totals.transports.values() if t.drops][:3],
                "bytes_per_call": (resident() - before) / calls,
            }
        )
        if line == b"stop\n":
            break
    await engine.close()


def answer(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


# --- the load


@dataclass(slots=True)
class LoadCall:
    socket: socket.socket
    sender: SrtpSender
    receiver: SrtpReceiver
    port: int
    ssrc: int
    sequence: int = 1
    heard: int = 0


def connect(call: int, profile: Profile, address: tuple[str, int], port: int) -> LoadCall:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    sock.settimeout(2.0)
    password = b"p" * 24
    sock.sendto(
        write_stun(Kind.REQUEST, os.urandom(12), [(0x0006, f"call{call:05}:load".encode()), (0x802A, bytes(8))], password=password), address
    )
    assert parse_stun(sock.recv(2048)).kind is Kind.SUCCESS
    sock.setblocking(False)
    return LoadCall(sock, SrtpSender(keys_of(profile, call, 0)), SrtpReceiver(keys_of(profile, call, 1)), port, 0x10000 + call)


def drive(calls: list[LoadCall], plain: socket.socket, address: tuple[str, int], seconds: float, tick_s: float) -> int:
    """Send for so long; returns how many packets went out in all."""
    poller = select.epoll()
    by_number = {call.socket.fileno(): call for call in calls}
    for number in (*by_number, plain.fileno()):
        poller.register(number, select.EPOLLIN)
    started = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - started) < seconds:
        due = int(now / PTIME_S * len(calls))
        while sent < due:
            send_one(calls[sent % len(calls)], plain, address)
            sent += 1
        for number, _ in poller.poll(0, 64):
            listen(number, by_number, plain)
        time.sleep(max(0.0, tick_s - (time.perf_counter() - started - now)))
    poller.close()
    return 2 * sent


def send_one(call: LoadCall, plain: socket.socket, address: tuple[str, int]) -> None:
    call.sequence += 1
    rtp = HEADER.pack(0x90, 0, call.sequence & 0xFFFF, call.sequence * 160, call.ssrc) + b"\xbe\xde\x00\x01\x10\xaa\x40\x30" + PAYLOAD
    call.socket.sendto(call.sender.protect(rtp), address)
    plain.sendto(HEADER.pack(0x80, 0, call.sequence & 0xFFFF, call.sequence * 160, call.ssrc) + PAYLOAD, (HOST, call.port))


def listen(number: int, by_number: dict[int, LoadCall], plain: socket.socket) -> None:
    call = by_number.get(number)
    if call is None:
        for _ in range(64):
            try:
                plain.recv(2048)
            except BlockingIOError:
                return
        return
    data = call.socket.recv(2048)
    if call.ssrc % 10 == 0:
        assert parse_packet(call.receiver.unprotect(data)).payload == PAYLOAD
        call.heard += 1


def measure(calls: int, profile: str, loop: str, seconds: float, tick_s: float, nap_s: float) -> dict[str, float]:
    """One row: start an engine, load it, read its CPU time before and after the window."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    plain.bind((HOST, 0))
    plain.setblocking(False)
    command = [sys.executable, __file__, "--serve", json.dumps([calls, profile, loop, plain.getsockname(), nap_s])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout

        def ask(word: str = "") -> dict[str, Any]:
            if word:
                child.stdin.write(word + "\n")  # type: ignore[union-attr]
                child.stdin.flush()  # type: ignore[union-attr]
            record: dict[str, Any] = json.loads(child.stdout.readline())  # type: ignore[union-attr]
            return record

        ready = ask()
        address = (ready["address"][0], ready["address"][1])
        load = [connect(call, PROFILES[profile], address, port) for call, port in enumerate(ready["ports"])]
        drive(load, plain, address, 1.0, tick_s)
        first = ask("mark")
        sent = drive(load, plain, address, seconds, tick_s)
        time.sleep(0.05)
        last = ask("stop")
    for call in load:
        call.socket.close()
    plain.close()
    relayed = last["relayed"] - first["relayed"]
    cpu = last["cpu_s"] - first["cpu_s"]
    return {
        "us": cpu / relayed * 1e6, "user_us": (last["user_s"] - first["user_s"]) / relayed * 1e6, "core": cpu / seconds * 100,
        "lost": 100 * (1 - relayed / sent), "kb": last["bytes_per_call"] / 1000, "pps": relayed / seconds,
    }  # fmt: skip


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for profile in [arguments.profile] if arguments.profile else ["gcm256", "gcm128", "cm80"]:
        for calls in [arguments.calls] if arguments.calls else [50, 200, 500]:
            yield profile, calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int)
    parser.add_argument("--profile", choices=sorted(PROFILES))
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--tick-us", type=float, default=200.0, help="how often the load wakes up to send what is due")
    parser.add_argument("--nap-us", type=float, default=1000.0, help="how long packets may wait under load; 0: not at all")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if arguments.serve:
        calls, profile, loop, remote, nap_s = json.loads(arguments.serve)
        pin(0)
        if loop == "uvloop":
            import uvloop

            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(serve(calls, PROFILES[profile], (remote[0], remote[1]), nap_s))
        return
    pin(1)
    results = []
    if not arguments.json:
        print(f"engine asyncio, loop {arguments.loop}; us/packet is user + system CPU for each packet sent on")
        print("profile  calls    us/packet   user   core %   relayed/s   lost %   kB/call")
    for profile, calls in rows(arguments):
        row = measure(calls, profile, arguments.loop, arguments.seconds, arguments.tick_us / 1e6, arguments.nap_us / 1e6)
        results.append({"profile": profile, "calls": calls, "loop": arguments.loop} | row)
        if not arguments.json:
            print(
                f"{profile:8} {calls:5} {row['us']:11.1f} {row['user_us']:6.1f} {row['core']:8.0f} {row['pps']:11.0f} "
                f"{row['lost']:8.2f} {row['kb']:9.1f}", flush=True,
            )  # fmt: skip
    if arguments.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
