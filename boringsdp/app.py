"""The one place that builds things: from a checked configuration to a running gateway, and down again."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from aiohttp import web

from boringsdp import __version__, certificates, logs
from boringsdp.b2bua_part import B2buaPart, wants_front
from boringsdp.call import Calls, CallSettings, DestinationPolicy
from boringsdp.certificates import server_context
from boringsdp.config import Config, Loaded
from boringsdp.config_checks import parse_endpoint
from boringsdp.demo.phones import phones_line
from boringsdp.demo.ready_users import users_file
from boringsdp.demo_part import demo_config, make_demo
from boringsdp.errors import ConfigError
from boringsdp.janus_api import (
    Access,
    Authentication,
    JanusServer,
    JanusSettings,
    Limits,
    Listener,
    ServerFacts,
    build_plugins,
    find_plugins,
    installed_plugins,
)
from boringsdp.janus_api.actions import News, PeerConnectionEnded, PeerConnectionUp, PluginFailed, RequestRefused
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.listening import LOOPBACK, check_free, joined, reached_at
from boringsdp.metrics import CONTENT_TYPE, Metrics
from boringsdp.net.interfaces import default_address, local_addresses
from boringsdp.ng.front import NgFront
from boringsdp.ng.requests import Learning
from boringsdp.ng.server import NgServer
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import Latch, Relay, RelaySettings
from boringsdp.relay.engines import EngineSettings, choose_engine, describe, labels, unheeded
from boringsdp.sip_part import SipPart

DRAIN_STEP_S = 0.2
SIP_PLUGIN = "janus.plugin.sip"
FULL_COLLECTION_AFTER = 100
"""
Collections of the middle generation; Python's default is 10. About every 3,000 calls set up, or 16,000 WebSocket connections that have
gone: those leave cycles of 11 kB, so that what waits to be collected stays within 200 MB.
"""
log = logs.bind()


class Gateway:
    """
    The whole gateway. Build it within a running event loop; `start`, `drain` (optional), `close`.

    Nothing is global: several can live in one process, on ports of their own.
    """

    def __init__(self, config: Config, *, demo: bool = False) -> None:
        self.config = config
        self.metrics = Metrics()
        self._relay_settings = relay_settings(config)
        self._engine_settings = engine_settings(config, self._relay_settings.plain_hosts)
        self._engine = choose_engine(self._engine_settings)
        self.relay = Relay(self._engine.make, self._relay_settings)
        self.calls = Calls(self.relay, call_settings(config, self._relay_settings.plain_hosts))
        settings = janus_settings(config)
        self._janus_tls = settings.http[0].ssl if settings.http else None
        found = find_plugins(settings.disabled_plugins) if config.janus.enabled else {}
        phones = wants_front(config)
        self.sip = SipPart(config, self._relay_settings, wanted=SIP_PLUGIN in found or phones, phones=phones)
        plugins = build_plugins(found, lambda package: PluginContext(self.calls, settings.plugins.get(package, {}), self.sip.endpoint))
        self.b2bua = B2buaPart(config, self.sip, self.calls)
        self._ng_settings = ng_settings(config)
        self.ng = NgFront(self.calls, self._ng_settings, metrics=self.metrics, media=self.relay.statistics)
        self._demo = make_demo(self) if demo else None
        routes: list[web.AbstractRouteDef] = [web.get("/metrics", self._serve_metrics), *self.b2bua.routes()]
        self.janus = JanusServer(
            settings,
            plugins,
            facts=_facts(self._relay_settings),
            on_news=self._count,
            routes=routes + (self._demo.routes() if self._demo else []),
        )
        self.ng_server = NgServer(self._ng_settings, self.ng.execute, routes=[web.get("/metrics", self._serve_metrics)])
        self.metrics.watch("calls", lambda: {"active": len(self.calls), "created": self.calls.created})
        self.metrics.watch("janus", lambda: {"sessions": self.janus.core.session_count, "handles": self.janus.core.handle_count})
        self.metrics.watch("sip", self.sip.statistics)
        self.metrics.watch("b2bua", self.b2bua.statistics)
        self.metrics.watch("ng", lambda: {"sessions": self.ng.sessions, **self.ng_server.statistics()})
        counts = self.ng_server.requests
        self.metrics.watch_counts("ng_requests", "NG requests by command and result", ("command", "result"), lambda: counts().items())
        self.metrics.watch("relay", self.relay.statistics)
        self.metrics.tell("engine_info", "What moves the packets", lambda: labels(self.relay.engine.facts))
        self.metrics.watch("process", lambda: {"tasks": len(asyncio.all_tasks()), "memory_blocks": sys.getallocatedblocks()})

    async def start(self) -> None:
        """Listen on every address. Raises ConfigError that names the key of an address that cannot be had; nothing is left open then."""
        check_free(self.config, self._relay_settings, self._ng_settings, workers=self._engine.workers)
        try:
            await self.relay.start()
        except OSError as error:
            await self.relay.close()
            raise ConfigError("webrtc.port", f"cannot listen: {error.strerror or error}") from error
        facts = self.relay.engine.facts
        log.info("engine chosen", extra={**labels(facts), "why": facts.reason or self._engine.reason})
        for key, value, effect in unheeded(facts, self._engine_settings):
            log.warning("setting not heeded", extra={"setting": key, "value": value, "why": f"{effect} with the {facts.name} engine"})
        try:
            await self.sip.start()
            await self.b2bua.start()
        except ConfigError:
            await self.sip.close()
            await self.relay.close()
            raise
        try:
            await self.janus.start()
        except OSError as error:
            await self.sip.close()
            await self.relay.close()
            raise ConfigError("janus.http_port", f"cannot listen: {error.strerror or error}") from error
        try:
            await self.ng_server.start()
        except OSError as error:
            await self.janus.close()
            await self.sip.close()
            await self.relay.close()
            raise ConfigError("ng.listen", f"cannot listen: {error.strerror or error}") from error

    async def drain(self, seconds: float) -> None:
        """Take no more sessions and no new NG calls, and return when all calls have ended, or after `seconds`."""
        self.janus.drain()
        self.ng.drain()
        self.sip.drain()
        end = asyncio.get_running_loop().time() + seconds
        while len(self.calls) and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 (rare, and nothing to wait for)
            await asyncio.sleep(DRAIN_STEP_S)

    def reload(self) -> None:
        """Read all certificates again, for connections to come. One that cannot be used is complained of in the log, the old one stays."""
        jobs: list[Callable[[], None]] = [self.sip.reload]
        for name, context, part in (("janus", self._janus_tls, self.config.janus), ("ng", self._ng_settings.tls, self.config.ng)):
            if context is not None:
                jobs.append(partial(certificates.show, context, name, part.tls_certificate, part.tls_key))
        for job in jobs:
            try:
                job()
            except ConfigError as error:
                log.warning("certificate not read", extra={"reason": str(error)})
        log.info("certificates read again")

    async def close(self) -> None:
        """End everything that is left and close every port."""
        if self._demo is not None:
            self._demo.close()
        await self.b2bua.close()
        await self.ng_server.close()
        self.calls.close("shutdown")
        await self.ng.close()
        await self.janus.close()
        await self.sip.close()
        await self.relay.close()

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Yield what runs and where it listens, for people; after `start`."""
        yield "engine", describe(self.relay.engine.facts, self._engine_settings, self._engine.reason)
        media = self._relay_settings
        for host in media.webrtc_hosts:
            told = media.advertised.get(host)
            ports = ",".join(map(str, self.relay.webrtc_ports))
            yield "WebRTC media", f"udp {joined(host, ports)}{f' (announced as {told})' if told else ''}"
        first, last = media.plain_ports
        for host in media.plain_hosts:
            told = media.plain_advertised.get(host)
            yield "plain RTP", f"udp {joined(host, f'{first}-{last}')}{f' (announced as {told})' if told else ''}"
        if media.trunk_port:
            last = media.trunk_port + 2 * self._engine.workers - 1
            for host in media.plain_hosts:
                yield "trunk RTP", f"udp {joined(host, f'{media.trunk_port}-{last}')} for {', '.join(media.trunks)}"
        for name, hosts in media.interfaces.items():
            for host in hosts:
                told = media.interface_advertised[name].get(host, host)
                yield "interface", f"{name}: {host}{f' (announced as {told})' if told != host else ''}"
        yield from self.sip.addresses()
        yield from self.b2bua.addresses(self.janus.http_addresses)
        secure = "s" if self.config.janus.tls_certificate else ""
        if not self.config.janus.enabled:
            yield "Janus API", "off (janus.enabled)"
        for host, port in self.janus.websocket_addresses:
            for told in reached_at(host):
                yield "Janus API", f"ws{secure}://{joined(told, port)}/  (janus-protocol)"
        for host, port in self.janus.http_addresses:
            for told in reached_at(host):
                yield "Janus API", f"http{secure}://{joined(told, port)}{self.config.janus.base_path}"
                yield "metrics", f"http{secure}://{joined(told, port)}/metrics"
        web_scheme = "https://" if self.config.ng.tls_certificate else "http://"
        for scheme, path, bound in (
            ("udp ", "", self.ng_server.udp_addresses),
            ("tcp ", "", self.ng_server.tcp_addresses),
            (web_scheme, "/ng", self.ng_server.http_addresses),
        ):
            for host, port in bound:
                yield "NG", f"{scheme}{joined(host, port)}{path}"
                if path:
                    yield "metrics", f"{scheme}{joined(host, port)}/metrics"

    def plugins(self) -> str:
        """Say which plugins serve and which are installed but failed, for people; after `start`."""
        running = self.janus.packages
        if not self.config.janus.enabled:
            return "none (janus.enabled = false)"
        failed = sorted(installed_plugins() - {*self.config.janus.disabled_plugins, *running})
        return (", ".join(sorted(running)) or "none") + (f"; failed: {', '.join(failed)}" if failed else "")

    def _count(self, news: News) -> None:
        match news:
            case PeerConnectionUp():
                self.metrics.count("peer_connections", "PeerConnections that came up")
            case PeerConnectionEnded(reason=reason):
                self.metrics.count("peer_connections_ended", "PeerConnections that ended, by reason", reason=reason[:60])
            case RequestRefused(code=code):
                self.metrics.count("janus_errors", "Janus requests that were refused, by error code", code=str(code))
            case PluginFailed(package=package):
                self.metrics.count("plugin_failures", "Exceptions out of a plugin", plugin=package)
            case _:
                pass

    async def _serve_metrics(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.metrics.expose(), headers={"Content-Type": CONTENT_TYPE})


# --- from the configuration to each part's own settings ----------------------------------------------------------------------------------


def engine_settings(config: Config, plain_hosts: tuple[str, ...] = ()) -> EngineSettings:
    """Return what is asked of the engine; `plain_hosts` are the addresses of plain legs."""
    engine = config.engine
    return EngineSettings(
        kind=engine.kind,
        workers=engine.workers,
        hold_us=engine.hold_us,
        hold_above=engine.hold_above,
        sockets=engine.sockets,
        plain_ports=(config.rtp.port_min, config.rtp.port_max),
        plain_hosts=plain_hosts,
    )


def relay_settings(config: Config) -> RelaySettings:
    """Return the relay's settings; addresses that were left empty are those of this machine."""
    hosts = config.webrtc.addresses or local_addresses() or (LOOPBACK,)
    plain = config.rtp.address or default_address() or default_address(socket.AF_INET6) or hosts[0]
    other = config.rtp.address_v6 or (None if config.rtp.address else default_address(socket.AF_INET6))
    settings = RelaySettings(
        webrtc_hosts=tuple(hosts),
        webrtc_port=config.webrtc.port,
        plain_hosts=tuple(dict.fromkeys((plain, other) if other else (plain,))),
        plain_ports=(config.rtp.port_min, config.rtp.port_max),
        advertised=config.webrtc.advertised,
        plain_advertised={plain: config.rtp.advertised} if config.rtp.advertised else {},
        trunk_port=config.rtp.trunk_port,
        trunks=config.rtp.trunks,
        trunk_interfaces=frozenset(config.rtp.trunk_interfaces),
        port_rest_s=config.rtp.port_rest,
        ice_timeout_s=config.webrtc.ice_timeout,
        dtls_timeout_s=config.webrtc.dtls_timeout,
        consent_timeout_s=config.webrtc.consent_timeout,
        latch_window_s=config.rtp.latch_window,
        media_timeout_s=config.media.timeout,
        silence_s=config.media.silence,
        slow_link_lost=config.media.slow_link,
        minimum_digit_ms=config.media.dtmf_ms,
        max_half_open_per_source=config.limits.handshakes_per_source,
        max_half_open=config.limits.handshakes,
    )
    return _with_interfaces(settings, config.ng.interfaces) if config.ng.interfaces else settings


def _with_interfaces(settings: RelaySettings, interfaces: Mapping[str, tuple[str, ...]]) -> RelaySettings:
    """
    Listen on the addresses of `ng.interfaces` too, for either side, and announce on each what it says, whatever is announced elsewhere.

    Calls of other fronts name no interface: they are told what `webrtc` and `rtp` say of an address, else the first interface that has it.
    """
    announced = {
        name: {host: told or host for host, _, told in (text.partition("!") for text in texts)} for name, texts in interfaces.items()
    }
    first: dict[str, str] = {}
    for pairs in announced.values():
        first |= {host: public for host, public in pairs.items() if host not in first}
    told = {host: public for host, public in first.items() if public != host}
    return replace(
        settings,
        webrtc_hosts=tuple(dict.fromkeys((*settings.webrtc_hosts, *first))),
        plain_hosts=tuple(dict.fromkeys((*settings.plain_hosts, *first))),
        advertised={**told, **settings.advertised},
        plain_advertised={**told, **settings.plain_advertised},
        interfaces={name: tuple(pairs) for name, pairs in announced.items()},
        interface_advertised={
            name: {host: public for host, public in pairs.items() if public not in ("0.0.0.0", "::")} for name, pairs in announced.items()
        },
    )


def ng_settings(config: Config) -> NgSettings:
    """Return the NG front's settings."""
    ng = config.ng
    return NgSettings(
        udp=tuple(map(parse_endpoint, ng.listen)),
        tcp=tuple(map(parse_endpoint, ng.tcp)),
        http=tuple(map(parse_endpoint, ng.http)),
        tls=server_context("ng", ng.tls_certificate, ng.tls_key),
        acl=ng.acl,
        interfaces={name: tuple(text.partition("!")[0] for text in texts) for name, texts in ng.interfaces.items()},
        templates=ng.templates,
        delete_delay_s=ng.delete_delay,
        offer_timeout_s=ng.offer_timeout,
        media_timeout_s=ng.media_timeout,
        silent_timeout_s=ng.silent_timeout,
        final_timeout_s=ng.final_timeout,
        max_sessions=ng.max_sessions,
        tos=ng.tos,
        learning=Learning(ng.endpoint_learning),
        timeout_url=ng.timeout_url,
        timeout_format=ng.timeout_format,
        dtmf_log=parse_endpoint(ng.dtmf_log) if ng.dtmf_log else None,
    )


def call_settings(config: Config, plain_hosts: tuple[str, ...] = ()) -> CallSettings:
    """Return the call layer's settings; `plain_hosts` are the addresses of plain legs."""
    return CallSettings(
        max_calls=config.limits.calls,
        answer_timeout_s=config.limits.answer_timeout,
        latch=Latch(config.rtp.latch),
        close_on_media_timeout=config.media.close_on_timeout,
        destinations=DestinationPolicy.of(config.rtp.allow, config.rtp.deny, plain_hosts, (config.rtp.port_min, config.rtp.port_max)),
    )


def janus_settings(config: Config) -> JanusSettings:
    """Return the Janus API's settings. Raises ConfigError when the certificate and key cannot be used."""
    janus = config.janus
    context = server_context("janus", janus.tls_certificate, janus.tls_key)
    nosip: Mapping[str, object] = {"codecs": config.nosip.codecs, "remove_codecs": config.nosip.remove_codecs}
    return JanusSettings(
        websockets=(Listener(janus.websocket_host, janus.websocket_port, context),) if janus.enabled else (),
        http=(Listener(janus.http_host, janus.http_port, context),) if janus.enabled else (),
        base_path=janus.base_path,
        access=Access(
            acl=janus.acl,
            acl_forwarded=janus.acl_forwarded,
            allow_origin=janus.allow_origin or None,
            enforce_cors=janus.enforce_cors,
        ),
        authentication=Authentication(
            api_secret=janus.api_secret or None,
            token_auth=bool(janus.tokens or janus.token_secret),
            tokens=dict.fromkeys(janus.tokens),
            token_auth_secret=janus.token_secret or None,
        ),
        limits=Limits(sessions=janus.max_sessions, handles_per_session=janus.max_handles),
        session_timeout=janus.session_timeout,
        reclaim_session_timeout=janus.reclaim_session_timeout,
        hangup_on_failed=janus.hangup_on_failed,
        opaqueid_in_api=janus.opaqueid_in_api,
        candidates_timeout=janus.candidates_timeout,
        server_name=janus.server_name,
        disabled_plugins=frozenset(janus.disabled_plugins),
        plugins={**config.plugins, "janus.plugin.nosip": nosip},
    )


def _facts(settings: RelaySettings) -> ServerFacts:
    public = tuple(dict.fromkeys(settings.advertised.values()))
    return ServerFacts(local_ip=settings.webrtc_hosts[0], public_ips=public, ipv6=any(":" in host for host in settings.webrtc_hosts))


# --- running -----------------------------------------------------------------------------------------------------------------------------


def run(loaded: Loaded, *, demo: bool = False) -> int:
    """Run a gateway until it is told to end; return the exit status. Raises ConfigError when it cannot start."""
    with users_file() if demo else nullcontext() as users:
        config = demo_config(loaded, users) if demo else loaded.config
        logs.setup(config.log.level, config.log.format)
        _allow_open_files()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(config, demo=demo))


def _allow_open_files() -> None:
    """A call takes about three sockets, so take as many descriptors as this process is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, *, demo: bool) -> int:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    gateway = Gateway(config, demo=demo)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    await gateway.start()
    try:
        _announce(gateway, demo=demo)
        gc.collect()
        gc.freeze()  # what is alive now stays: the collector need not look at it again
        # A full pass stops all media for 0.1 ms a call. Calls that end are freed without it, so it may come seldom.
        gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION_AFTER)
        await _until_told(gateway, signals, drain_s=0 if demo else config.limits.drain)
    finally:
        await gateway.close()
    return 0


async def _until_told(gateway: Gateway, signals: asyncio.Queue[signal.Signals], drain_s: float) -> None:
    """Return after the first signal when the calls have ended or `drain_s` is over, or after the second at once."""
    name = (await signals.get()).name
    calls = len(gateway.calls)
    log.info("draining", extra={"signal": name, "calls": calls, "at_most_s": drain_s})
    if calls and drain_s and gateway.config.log.format == "text":
        what = "1 call" if calls == 1 else f"{calls} calls"
        print(f"waiting up to {drain_s:g} s for {what}; a second signal ends now", file=sys.stderr, flush=True)
    draining = asyncio.ensure_future(gateway.drain(drain_s))
    second = asyncio.ensure_future(signals.get())
    _, pending = await asyncio.wait((draining, second), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    log.info("ending", extra={"calls_cut": len(gateway.calls)})


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _announce(gateway: Gateway, *, demo: bool) -> None:
    loop = type(asyncio.get_running_loop())
    print(f"BoringSDP {__version__} ({loop.__module__.partition('.')[0]} event loop)")
    for what, where in gateway.addresses():
        print(f"  {what:<14} {where}")
    print(f"  {'plugins':<14} {gateway.plugins()}")
    if demo:
        host, port = gateway.janus.http_addresses[0]
        name = "localhost" if host in (LOOPBACK, "0.0.0.0", "::1", "::") else host
        secure = "s" if gateway.config.janus.tls_certificate else ""
        others = default_address() if host in ("0.0.0.0", "::") else None
        elsewhere = f" (http{secure}://{joined(others, port)}/demo/ from elsewhere)" if others else ""
        print(f"\nOpen http{secure}://{joined(name, port)}/demo/ in a browser{elsewhere}. Ctrl-C ends.")
        print(phones_line(f"http{secure}://{joined(name, port)}/phone/"))
    sys.stdout.flush()
