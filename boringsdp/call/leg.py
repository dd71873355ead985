"""One party's side of a call: its SDP memory, and the transports and streams that carry what was agreed."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from boringsdp.call.destinations import proves_itself
from boringsdp.call.events import (
    CallEvent,
    LegClosed,
    LegConnected,
    LegConsentLost,
    LegDtmf,
    LegFailed,
    LegMediaTimeout,
    LegReceiving,
    LegSlow,
    Party,
)
from boringsdp.call.settings import CallSettings
from boringsdp.errors import SdpError
from boringsdp.relay import (
    Closed,
    Connected,
    ConsentLost,
    Dtmf,
    Failed,
    KeyFrameRequested,
    Keys,
    MediaTimeout,
    PathChanged,
    PlainTransport,
    Profile,
    Receiving,
    Relay,
    SlowLink,
    Stream,
    StreamFormat,
    StreamRules,
    Transport,
    TransportEvent,
    WebRtcTransport,
)
from boringsdp.sdp import (
    Candidate,
    Crypto,
    Description,
    Fingerprint,
    LegMemory,
    LegStyle,
    LocalMedia,
    LocalTransport,
    MediaNeed,
    MediaPlan,
    Sdes,
    media_plans,
)

MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_EXTENSION = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

FEEDBACK = {"nack": "nack", "nack pli": "pli", "ccm fir": "fir"}
"""rtcp-fb values and what the relay calls them."""


class Leg:
    """
    What one party has agreed (`memory`) and what carries it.

    `prepare` gets ready what an SDP of ours must name, `apply` puts an agreement into force, `prune` lets go of what an agreement that
    did not come about had made ready.
    """

    def __init__(self, party: Party, relay: Relay, style: LegStyle, settings: CallSettings, tell: Callable[[CallEvent], None]) -> None:
        self.party = party
        self.style = style
        self.memory = LegMemory(session_id=secrets.randbits(62) | 1)
        self.plans: tuple[MediaPlan, ...] = ()
        self.streams: dict[int, Stream] = {}
        self.ice = "new"
        self.dtls = "new"
        self._relay = relay
        self._settings = settings
        self._tell = tell
        self._transports: dict[int, Transport] = {}
        self._cryptos: dict[int, dict[str, Crypto]] = {}
        self._cname = secrets.token_hex(8)

    @property
    def demands(self) -> LegStyle | None:
        """What an answer of ours must insist on: a leg that began with mandatory SDES never falls back to RTP in the clear."""
        return self.style if self.style.sdes is Sdes.MANDATORY else None

    def check_families(self, received: Description, *, answer: bool = False) -> None:
        """
        Raise `SdpError` when a plain m-line names an address of a family (IPv4, IPv6) that we cannot send to.

        An answer has to keep to the family of our offer; for an offer it is enough that we have such an address.
        """
        for media in received.medias:
            if media.address is None or media.protocol is None or (not answer and proves_itself(media, received.tagged(media))):
                continue
            host = media.address[0]
            slot = self.memory.slots[media.index].transport if media.index < len(self.memory.slots) else None
            transport = self._transports.get(slot) if slot is not None else None
            if answer and not isinstance(transport, PlainTransport):
                continue
            reached = transport.reaches(host) if answer and isinstance(transport, PlainTransport) else self._relay.plain_host_for(host)
            if not reached:
                family = "IPv6" if ":" in host else "IPv4"
                raise SdpError(f"the address of m={media.kind} ({host}) is {family}, ours is not", media.line, media.line_number)

    # --- before a text of ours ---------------------------------------------------------------------------------------------------------

    def prepare(self, needs: Iterable[MediaNeed]) -> dict[int, LocalMedia]:
        """Open what `needs` asks for, or take what is there. Raises `Exhausted`."""
        locals_by_slot: dict[int, LocalMedia] = {}
        transports: dict[int, LocalTransport] = {}
        for need in needs:
            if need.transport_slot not in transports:
                transports[need.transport_slot] = self._local_transport(need)
            stream = self.streams.get(need.slot)
            transport = self._transports[need.transport_slot]
            if stream is None or stream.transport is not transport:
                if stream is not None:
                    stream.close()
                stream = self.streams[need.slot] = transport.add_stream(StreamRules(kind=need.kind, formats={}, receive=False))
            locals_by_slot[need.slot] = LocalMedia(transport=transports[need.transport_slot], ssrc=stream.ssrc, cname=self._cname)
        return locals_by_slot

    def _local_transport(self, need: MediaNeed) -> LocalTransport:
        transport = self._transports.get(need.transport_slot)
        if transport is not None and not self._fits(transport, need):
            self._drop_transport(need.transport_slot)
            transport = None
        if transport is None:
            transport = self._transports[need.transport_slot] = self._open(need)
        elif need.ice_restart and isinstance(transport, WebRtcTransport):
            transport.restart_ice()
        host, port = transport.addresses[0]
        if isinstance(transport, WebRtcTransport):
            return LocalTransport(
                host=host,
                port=port,
                ufrag=transport.credentials.ufrag,
                password=transport.credentials.password,
                candidates=tuple(Candidate.local(h, p, preference=65535 - i) for i, (h, p) in enumerate(transport.addresses)),
                fingerprints=(Fingerprint(*transport.fingerprint),),
            )
        return LocalTransport(host=host, port=port, rtcp_port=transport.rtcp_port, cryptos=self._own_cryptos(need))

    def _fits(self, transport: Transport, need: MediaNeed) -> bool:
        """Whether an open transport will do: a plain one in the peer's family, with an RTCP port unless that is not needed."""
        if not isinstance(transport, PlainTransport):
            return need.ice
        peer = self._peer_host(need.slot)
        return not need.ice and (peer is None or transport.reaches(peer)) and (need.rtcp_mux or transport.rtcp_port is not None)

    def _open(self, need: MediaNeed) -> Transport:
        if need.ice:
            return self._relay.open_webrtc(self._hear, cname=self._cname)
        peer = self._peer_host(need.slot)
        return self._relay.open_plain(
            self._hear,
            host=self._relay.plain_host_for(peer) if peer is not None else self._settings.plain_host,
            rtcp_mux=need.rtcp_mux,
            secured=self.style.sdes is Sdes.MANDATORY,
            cname=self._cname,
        )

    def _peer_host(self, slot: int) -> str | None:
        """Where the peer's last SDP wants the slot's media, None when it has not said or named a host (with ICE it may)."""
        received = self.memory.received
        address = received.medias[slot].address if received is not None and slot < len(received.medias) else None
        return address[0] if address is not None and is_numeric(address[0]) else None

    def _own_cryptos(self, need: MediaNeed) -> tuple[Crypto, ...]:
        own = self._cryptos.setdefault(need.transport_slot, {})
        for suite in need.suites:
            if suite not in own:
                own[suite] = Crypto.from_random(suite, secrets.token_bytes(64))
        return tuple(own[suite] for suite in need.suites)

    # --- after an agreement ------------------------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Put what `memory` agrees on into force."""
        before = {plan.transport_slot: plan for plan in self.plans if plan.leads_transport}
        self.plans = media_plans(self.memory)
        self.prune()
        for plan in self.plans:
            if not plan.accepted:
                continue
            transport = self._transports[plan.transport_slot]
            if plan.leads_transport:
                self._apply_transport(transport, plan, before.get(plan.transport_slot))
            self._stream(plan, transport).update(_stream_rules(plan))

    def carried(self, heard: LegMemory) -> LegMemory:
        """
        Return the memory after a further answer without the m-lines that cannot be carried any more.

        When an answer refuses an m-line its ports are given back, so a later one (a 200 after a 183, another branch) cannot accept it.
        """
        gone = {plan.slot for plan in media_plans(heard) if plan.accepted and plan.transport_slot not in self._transports}
        if not gone:
            return heard
        return replace(heard, slots=tuple(replace(slot, live=slot.live and n not in gone) for n, slot in enumerate(heard.slots)))

    def prune(self) -> None:
        """Close every transport and stream that no plan in force uses."""
        accepted = [plan for plan in self.plans if plan.accepted]
        for slot in self.streams.keys() - {plan.slot for plan in accepted}:
            self.streams.pop(slot).close()
        for slot in self._transports.keys() - {plan.transport_slot for plan in accepted}:
            self._drop_transport(slot)

    def close(self) -> None:
        """Close everything; no event follows."""
        self._tell = _nobody
        self.plans = ()
        self.prune()

    def _stream(self, plan: MediaPlan, transport: Transport) -> Stream:
        """The slot's stream; it moves when the peer's answer took another bundle than we prepared for."""
        stream = self.streams.get(plan.slot)
        if stream is not None and stream.transport is not transport:
            stream.close()
            stream = None
        if stream is None:
            stream = self.streams[plan.slot] = transport.add_stream(_stream_rules(plan))
        return stream

    def _apply_transport(self, transport: Transport, plan: MediaPlan, before: MediaPlan | None) -> None:
        if isinstance(transport, WebRtcTransport):
            if self.ice == "new":
                self.ice = "checking"
            if self.dtls == "new":
                self.dtls = "connecting"
            fingerprints = [(fingerprint.hash, fingerprint.value) for fingerprint in plan.remote_fingerprints]
            transport.start(fingerprints, client=plan.setup == "active")
        elif isinstance(transport, PlainTransport):
            self._apply_plain(transport, plan, before)

    def _apply_plain(self, transport: PlainTransport, plan: MediaPlan, before: MediaPlan | None) -> None:
        """An unchanged address is nothing new to the transport, which keeps what it has latched to; unchanged keys are not set again."""
        if plan.rtcp_mux and transport.rtcp_port is not None:
            transport.use_rtcp_mux()
        if plan.remote is not None:
            transport.set_remote(plan.remote, None if plan.rtcp_mux else plan.remote_rtcp, self._settings.latch)
        send = _keys(plan.local_crypto, plan.local_crypto != (before.local_crypto if before else None))
        receive = _keys(plan.remote_crypto, plan.remote_crypto != (before.remote_crypto if before else None))
        if send is not None or receive is not None:
            transport.set_keys(send, receive)
        elif plan.local_crypto is None and before is not None and before.local_crypto is not None:
            self._cryptos.pop(plan.transport_slot, None)  # keys that were in use are not offered again
            transport.drop_keys()

    def _drop_transport(self, slot: int) -> None:
        transport = self._transports.pop(slot)
        for number in [n for n, stream in self.streams.items() if stream.transport is transport]:
            self.streams.pop(number).close()
        self._cryptos.pop(slot, None)
        transport.close()

    # --- news --------------------------------------------------------------------------------------------------------------------------

    def _hear(self, event: TransportEvent) -> None:
        """Tell the call, in its words, what one of our transports tells us."""
        match event:
            case PathChanged():
                self.ice = "connected"
            case Connected():
                self.ice, self.dtls = "connected", "connected"
                self._tell(LegConnected(self.party))
            case Failed(reason):
                self.ice, self.dtls = ("failed", self.dtls) if reason == "ice-failed" else (self.ice, "failed")
                self._tell(LegFailed(self.party, reason))
            case Closed(reason):
                self.dtls = "closed"
                self._tell(LegClosed(self.party, reason))
            case ConsentLost():
                self.ice = "disconnected"
                self._tell(LegConsentLost(self.party))
            case Receiving(stream, receiving, seconds):
                self._tell(LegReceiving(self.party, stream.rules.mid, stream.rules.kind, receiving, seconds))
            case MediaTimeout(_, after):
                self._tell(LegMediaTimeout(self.party, after))
            case SlowLink(stream, uplink, lost):
                self._tell(LegSlow(self.party, stream.rules.mid, stream.rules.kind, uplink, lost))
            case Dtmf(_, digit, duration_ms):
                self._tell(LegDtmf(self.party, digit, duration_ms))
            case KeyFrameRequested():
                pass

    # --- records -----------------------------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """Plain values for people and tools: states and the quality of each stream."""
        webrtc = self.style.ice if not self._transports else any(isinstance(each, WebRtcTransport) for each in self._transports.values())
        streams = [
            {"mid": stream.rules.mid, "kind": stream.rules.kind, "codec": _codec(plan), **stream.quality()}
            for plan in self.plans
            if (stream := self.streams.get(plan.slot)) is not None
        ]
        states = {"ice": self.ice, "dtls": self.dtls} if webrtc else {}
        return {"webrtc": webrtc, "protocol": self.style.protocol.value, **states, "streams": streams}

    def record(self) -> dict[str, Any]:
        """Everything worth writing down. A secret: the memory holds SDES keys and ICE passwords."""
        return {
            "party": self.party.value,
            "memory": self.memory.to_record(),
            "ice": self.ice,
            "dtls": self.dtls,
            "transports": {str(slot): transport.record() for slot, transport in self._transports.items()},
        }


def _nobody(_event: CallEvent) -> None:
    """Who hears of a closed leg."""


def is_numeric(host: str) -> bool:
    """Whether `host` is an IP address rather than a name or nonsense."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _stream_rules(plan: MediaPlan) -> StreamRules:
    extensions = plan.extension_ids
    dtmf = plan.dtmf
    return StreamRules(
        kind=plan.kind,
        formats={f.payload_type: StreamFormat(name=f.codec.name, clock_rate=f.codec.clock_rate) for f in plan.receive_formats},
        mid=plan.mid,
        mid_extension=extensions.get(MID_EXTENSION, 0),
        audio_level_extension=extensions.get(AUDIO_LEVEL_EXTENSION, 0),
        ssrcs=frozenset(plan.remote_ssrcs),
        feedback=frozenset(FEEDBACK[value] for value in plan.feedback if value in FEEDBACK),
        reduced_size=plan.reduced_size,
        dtmf_payload_type=None if dtmf is None else dtmf.payload_type,
        dtmf_clock_rate=8000 if dtmf is None else dtmf.codec.clock_rate,
        receive=plan.receive,
    )


def _keys(crypto: Crypto | None, changed: bool) -> Keys | None:
    return Keys(Profile(crypto.suite), crypto.key, crypto.salt, crypto.mki) if crypto is not None and changed else None


def _codec(plan: MediaPlan) -> str:
    """The codec that the peer wants first, as `name/clock[/channels]`; empty when nothing was agreed."""
    return str(plan.send_formats[0].codec) if plan.send_formats else ""
