"""The transports and streams of one leg: those in force, and those made ready for an exchange under way."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from boringsdp.call.options import LegOptions
from boringsdp.call.settings import CallSettings
from boringsdp.call.streams import keys_of, rules_of
from boringsdp.errors import Exhausted
from boringsdp.relay import (
    Address,
    IceCredentials,
    Latch,
    Place,
    PlainTransport,
    RawTransport,
    Relay,
    Stream,
    StreamRules,
    Transport,
    TransportEvent,
    WebRtcTransport,
)
from boringsdp.sdp import Candidate, Crypto, Fingerprint, LegStyle, LocalMedia, LocalTransport, MediaNeed, MediaPlan, Sdes
from boringsdp.values import Value, replace

AnyTransport = Transport | RawTransport


class _Set(msgspec.Struct):
    """Transports by the slot they are named for, streams by their own slot."""

    transports: dict[int, AnyTransport] = msgspec.field(default_factory=dict)
    streams: dict[int, Stream] = msgspec.field(default_factory=dict)


class Wish(Value, frozen=True):
    """What the text about to be written must name, beside each m-line's need."""

    style: LegStyle
    options: LegOptions
    peers: dict[int, Address]
    """Where the peer's SDP said that it is, by slot; numeric addresses only."""
    setup: str = ""


_NONE: frozenset[int] = frozenset()


class LegTransports:
    """
    What carries a leg. `prepare` gets ready what a text of ours names, then `keep` or `undo` says what became of the text; `apply` puts an
    agreement into force. What is in force is not touched before that: an offer that is refused has cost nothing.
    """

    def __init__(self, relay: Relay, settings: CallSettings, hear: Callable[[TransportEvent], None], place: Place) -> None:
        self.cname = secrets.token_hex(8)
        self.place = place
        self._relay = relay
        self._settings = settings
        self._hear = hear
        self._force = _Set()
        self._ready = _Set()
        self._trial = _Set()
        self._restarted: list[tuple[WebRtcTransport | PlainTransport, IceCredentials | None]] = []
        """What `prepare` gave new credentials, and those it had."""
        self._cryptos: dict[int, dict[str, Crypto]] = {}
        """Our SDES keys by transport and suite."""
        self._secured = _NONE
        """Those that let nothing pass in the clear."""
        self._dtls = _NONE
        """Those that were opened for DTLS."""

    @property
    def streams(self) -> dict[int, Stream]:
        """Those in force, by slot."""
        return self._force.streams

    def __iter__(self) -> Iterator[tuple[int, AnyTransport]]:
        """Those in force, by the slot they are named for; before an agreement those that were told."""
        return iter((self._force if self._force.transports else self._ready).transports.items())

    def get(self, slot: int) -> AnyTransport | None:
        """The transport in force that is named for `slot`."""
        return self._force.transports.get(slot)

    def told(self, slot: int) -> AnyTransport | None:
        """The transport that our last text named for `slot`."""
        return self._ready.transports.get(slot) or self._force.transports.get(slot)

    def prepared(self, slot: int) -> AnyTransport | None:
        """The transport that the text under way, or else our last one, names for `slot`."""
        return self._trial.transports.get(slot) or self.told(slot)

    def retire(self) -> None:
        """The call is over but for a delay."""
        for transport in {**self._force.transports, **self._ready.transports}.values():
            if isinstance(transport, PlainTransport):
                transport.retire()

    def carries(self, plan: MediaPlan) -> bool:
        """Whether the transport that our last text named is still there for `plan`, and of its kind."""
        transport = self.told(plan.transport_slot)
        if isinstance(transport, WebRtcTransport):
            return plan.dtls and plan.ice
        if isinstance(transport, PlainTransport):
            if plan.raw or (transport.id in self._secured and not plan.dtls and plan.local_crypto is None):
                return False
            return transport.credentials is not None if plan.ice else plan.remote is None or transport.reaches(plan.remote[0])
        return plan.raw and transport is not None

    # --- before a text of ours ---------------------------------------------------------------------------------------------------------

    def prepare(self, needs: Iterable[MediaNeed], wish: Wish) -> dict[int, LocalMedia]:
        """Open what `needs` asks for, or take what is there. Raises `Exhausted`; `keep` or `undo` must follow in any case."""
        locals_by_slot: dict[int, LocalMedia] = {}
        known: dict[int, LocalTransport] = {}
        for need in needs:
            transport = self._transport(need, wish, new=need.transport_slot not in known)
            if need.transport_slot not in known:
                known[need.transport_slot] = self._local(transport, need, wish)
            local = known[need.transport_slot]
            if isinstance(transport, RawTransport):
                locals_by_slot[need.slot] = LocalMedia(transport=local)
            else:
                locals_by_slot[need.slot] = LocalMedia(transport=local, ssrc=self._stream(need, transport).ssrc, cname=self.cname)
        return locals_by_slot

    def keep(self) -> None:
        """What `prepare` made ready was told to the peer."""
        former, self._ready, self._trial = self._ready, self._trial, _Set()
        self._restarted.clear()
        self._close(former, but=self._ready)

    def undo(self) -> None:
        """What `prepare` made ready will not be told."""
        trial, self._trial = self._trial, _Set()
        for transport, credentials in self._restarted:
            transport.credentials = credentials or transport.credentials  # those are good still, the new ones nobody has heard of
        self._restarted.clear()
        self._close(trial, but=self._ready)

    def _transport(self, need: MediaNeed, wish: Wish, *, new: bool) -> AnyTransport:
        slot = need.transport_slot
        if not new:
            return self._trial.transports.get(slot) or self._force.transports[slot]
        for known in (self._ready, self._force):
            transport = known.transports.get(slot)
            if transport is not None and self._fits(transport, need, wish):
                if known is self._ready:
                    self._trial.transports[slot] = transport
                if need.ice_restart and isinstance(transport, WebRtcTransport | PlainTransport):
                    self._restarted.append((transport, transport.credentials))
                    transport.restart_ice()
                return transport
        transport = self._trial.transports[slot] = self._open(need, wish)
        return transport

    def _stream(self, need: MediaNeed, transport: Transport) -> Stream:
        for known in (self._ready, self._force):
            stream = known.streams.get(need.slot)
            if stream is not None and stream.transport is transport:
                if known is self._ready:
                    self._trial.streams[need.slot] = stream
                return stream
        stream = self._trial.streams[need.slot] = transport.add_stream(StreamRules(kind=need.kind, formats={}, receive=False))
        return stream

    def _fits(self, transport: AnyTransport, need: MediaNeed, wish: Wish) -> bool:
        """Whether an open transport will do, so that its port stays."""
        if isinstance(transport, RawTransport):
            return need.raw and _reaches(transport, wish.peers.get(need.slot))
        if isinstance(transport, WebRtcTransport):
            return need.shared
        if not isinstance(transport, PlainTransport) or need.raw:
            return False
        secured = transport.id in self._secured
        if (secured and not (need.dtls or need.suites)) or (need.dtls and transport.id not in self._dtls):
            return False
        if need.ice:
            return transport.credentials is not None and (need.credentials is None or need.credentials[0] == transport.credentials.ufrag)
        peer = wish.peers.get(need.slot)
        if need.shared or (peer is not None and transport.refusal(peer)):
            return False
        return _reaches(transport, peer) and (need.rtcp_mux or transport.rtcp_port is not None)

    def _open(self, need: MediaNeed, wish: Wish) -> AnyTransport:
        options, tos, place = wish.options, wish.options.tos or 0, self.place
        if need.shared and not need.lite_peer:
            return self._relay.open_webrtc(self._hear, cname=self.cname, interface=options.interface, tos=tos, place=place)
        host = self._host(wish.peers.get(need.slot), options)
        if need.raw:
            return self._relay.open_raw(self._hear, host=host, interface=options.interface, tos=tos, place=place)
        secured = not wish.style.osrtp and (need.dtls or wish.style.sdes is Sdes.MANDATORY)
        transport = self._relay.open_plain(
            self._hear,
            host=host,
            interface=options.interface,
            rtcp_mux=need.rtcp_mux,
            secured=secured,
            ice=need.ice,
            credentials=None if need.credentials is None else IceCredentials(*need.credentials),
            cname=self.cname,
            tos=tos,
            place=place,
            peer=wish.peers.get(need.slot),
            may_share=options.latch is not Latch.ASYMMETRIC,
        )
        if secured:
            self._secured |= {transport.id}
        if need.dtls:
            self._dtls |= {transport.id}
        return transport

    def _host(self, place: Address | None, options: LegOptions) -> str | None:
        """The local address of a port of our own: in the peer's family, else in the one that was asked for, on the leg's interface."""
        peer = None if place is None else place[0]
        if peer is None and not options.family and not options.interface:
            return self._settings.plain_host
        for wanted in (peer, options.family or None, ""):
            if wanted is not None and (host := self._relay.plain_host_for(wanted, options.interface)) is not None:
                return host
        raise Exhausted(f"addresses on interface {options.interface}" if options.interface else "addresses")

    # --- what a text of ours says ------------------------------------------------------------------------------------------------------

    def _local(self, transport: AnyTransport, need: MediaNeed, wish: Wish) -> LocalTransport:
        host, port = addresses_of(transport, wish.options)[0]
        if isinstance(transport, RawTransport):
            return LocalTransport(host=host, port=port)
        credentials = transport.credentials if need.ice and isinstance(transport, WebRtcTransport | PlainTransport) else None
        return LocalTransport(
            host=host,
            port=port,
            rtcp_port=transport.rtcp_port,
            ufrag=credentials.ufrag if credentials is not None else "",
            password=credentials.password if credentials is not None else "",
            candidates=tuple(_candidates(transport, need, wish.options)) if need.ice else (),
            fingerprints=(Fingerprint(*transport.fingerprint_of(need.fingerprint_hash)),) if need.dtls else (),
            setup=wish.setup,
            cryptos=self._own_cryptos(transport, need.suites),
        )

    def _own_cryptos(self, transport: Transport, suites: Sequence[str]) -> tuple[Crypto, ...]:
        if not suites:
            return ()
        own = self._cryptos.setdefault(transport.id, {})
        for suite in suites:
            if suite not in own:
                own[suite] = Crypto.from_random(suite, secrets.token_bytes(64))
        return tuple(own[suite] for suite in suites)

    # --- after an agreement ------------------------------------------------------------------------------------------------------------

    def apply(self, plans: Sequence[MediaPlan], before: Sequence[MediaPlan], options: LegOptions, *, settle: bool = True) -> None:
        """
        Put `plans` into force instead of `before`, and let go of what none of them uses.

        With `settle` what was made ready and is not used is let go of too; without, an exchange is still under way.
        """
        former = {plan.transport_slot: plan for plan in before if plan.leads_transport}
        replaced = self._promote(plans)
        for plan in plans:
            if not plan.accepted:
                continue
            transport = self._force.transports[plan.transport_slot]
            if plan.leads_transport:
                known = None if plan.transport_slot in replaced.transports else former.get(plan.transport_slot)
                self._apply_transport(transport, plan, known, options)
            if isinstance(transport, Transport):
                self._moved_stream(plan, transport).update(rules_of(plan))
        self._close(replaced, but=self._force)
        self.prune(plans, settle=settle)

    def prune(self, plans: Sequence[MediaPlan], *, settle: bool = True) -> None:
        """Close everything that `plans`, which are in force, do not use."""
        if settle:
            ready, self._ready = self._ready, _Set()
            self._close(ready, but=self._force)
        accepted = [plan for plan in plans if plan.accepted]
        streams = {plan.slot for plan in accepted if not plan.raw}
        transports = {plan.transport_slot for plan in accepted}
        unused = _Set(
            {slot: self._force.transports.pop(slot) for slot in self._force.transports.keys() - transports},
            {slot: self._force.streams.pop(slot) for slot in self._force.streams.keys() - streams},
        )
        self._close(unused, but=_Set())

    def close(self) -> None:
        """Close everything; no event follows, and whoever heard them is let go of."""
        self._hear = _nobody
        self.prune(())

    def _promote(self, plans: Sequence[MediaPlan]) -> _Set:
        """Move what was made ready and is used now to what is in force; return what it replaces."""
        replaced = _Set()
        for plan in plans:
            if not plan.accepted:
                continue
            if (transport := self._ready.transports.pop(plan.transport_slot, None)) is not None:
                if plan.transport_slot in self._force.transports:
                    replaced.transports[plan.transport_slot] = self._force.transports[plan.transport_slot]
                self._force.transports[plan.transport_slot] = transport
            if (stream := self._ready.streams.pop(plan.slot, None)) is not None:
                if plan.slot in self._force.streams:
                    replaced.streams[plan.slot] = self._force.streams[plan.slot]
                self._force.streams[plan.slot] = stream
        return replaced

    def _moved_stream(self, plan: MediaPlan, transport: Transport) -> Stream:
        """The slot's stream; it moves when the peer's answer took another bundle than we prepared for."""
        stream = self._force.streams.get(plan.slot)
        if stream is not None and stream.transport is not transport:
            stream.close()
            stream = None
        if stream is None:
            stream = self._force.streams[plan.slot] = transport.add_stream(rules_of(plan))
        return stream

    def _apply_transport(self, transport: AnyTransport, plan: MediaPlan, before: MediaPlan | None, options: LegOptions) -> None:
        latch = options.latch or self._settings.latch
        if options.tos is not None:
            transport.set_tos(options.tos)
        if isinstance(transport, RawTransport):
            if plan.remote is not None:
                transport.set_remote(plan.remote, latch)
            if options.relatch:
                transport.relatch()
        elif isinstance(transport, WebRtcTransport):
            transport.announce(plan.remote, plan.remote_rtcp)
            transport.meet(None if served_by_ice(plan) else plan.remote)
            transport.start(_fingerprints(plan), client=plan.setup == "active")
        elif isinstance(transport, PlainTransport):
            self._apply_place(transport, plan, latch, options)
            self._apply_keys(transport, plan, before)

    def _apply_place(self, transport: PlainTransport, plan: MediaPlan, latch: Latch, options: LegOptions) -> None:
        """An unchanged address is nothing new to the transport, which keeps what it has latched to."""
        if plan.rtcp_mux and transport.rtcp_port is not None:
            transport.use_rtcp_mux()
        rtcp = None if plan.rtcp_mux else plan.remote_rtcp
        if served_by_ice(plan):
            transport.announce(plan.remote, rtcp)
            if not plan.dtls:
                transport.expect_ice()
            return
        if plan.remote is not None:
            transport.set_remote(plan.remote, rtcp, latch)
        if options.relatch:
            transport.relatch()
        if options.wait:
            transport.wait_for_peer()
        if options.pierce:
            transport.pierce()

    def _apply_keys(self, transport: PlainTransport, plan: MediaPlan, before: MediaPlan | None) -> None:
        """Unchanged keys are not set again, a DTLS association that stands goes on."""
        if plan.dtls:
            transport.start(_fingerprints(plan), client=plan.setup == "active")
            return
        send = keys_of(plan.local_crypto, plan.local_crypto != (before.local_crypto if before else None))
        receive = keys_of(plan.remote_crypto, plan.remote_crypto != (before.remote_crypto if before else None))
        if send is not None or receive is not None:
            transport.set_keys(send, receive)
        elif plan.local_crypto is None and before is not None and before.local_crypto is not None:
            self._cryptos.pop(transport.id, None)  # keys that were in use are not offered again
            transport.drop_keys()

    def _close(self, those: _Set, *, but: _Set) -> None:
        if not those.streams and not those.transports:
            return
        kept_streams, kept = list(but.streams.values()), list(but.transports.values())
        for transport in those.transports.values():
            if not any(transport is each for each in kept):
                if isinstance(transport, Transport):
                    self._cryptos.pop(transport.id, None)
                    self._secured -= {transport.id}
                    self._dtls -= {transport.id}
                transport.close()  # and its streams
        for stream in those.streams.values():
            if not stream.closed and not any(stream is each for each in kept_streams):
                stream.close()


def _nobody(_event: TransportEvent) -> None:
    """Who hears of a closed leg."""


def addresses_of(transport: AnyTransport, options: LegOptions) -> list[tuple[str, int]]:
    """Return what peers are told, the best first: `announce` in place of our address, the leg's family before the other."""
    addresses = list(transport.addresses)
    if options.announce:
        addresses = [(options.announce, addresses[0][1])]
    if options.family:
        addresses.sort(key=lambda address: (":" in address[0]) != (options.family == "IP6"))
    return addresses


def served_by_ice(plan: MediaPlan) -> bool:
    """Whether checks decide where the peer is. One that is ICE-lite like us is sent to where its SDP says, for nobody checks."""
    return plan.ice and not plan.remote_ice_lite


def _candidates(transport: Transport, need: MediaNeed, options: LegOptions) -> Iterator[Candidate]:
    for number, (host, port) in enumerate(addresses_of(transport, options)):
        yield _ranked(Candidate.local(host, port, preference=65535 - number), need)
        if transport.rtcp_port is not None and not need.rtcp_mux:
            yield _ranked(Candidate.local(host, transport.rtcp_port, component=2, preference=65535 - number), need)


def _ranked(candidate: Candidate, need: MediaNeed) -> Candidate:
    """Below every candidate of another, where the need says so: the type preference of a relayed one (RFC 8445 §5.1.2.2)."""
    return replace(candidate, priority=candidate.priority & 0xFFFFFF) if need.low_priority else candidate


def _fingerprints(plan: MediaPlan) -> list[tuple[str, str]]:
    return [(fingerprint.hash, fingerprint.value) for fingerprint in plan.remote_fingerprints]


def _reaches(transport: PlainTransport | RawTransport, peer: Address | None) -> bool:
    return peer is None or transport.reaches(peer[0])
