"""One party's side of a call: its SDP memory, and the transports and streams that carry what was agreed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
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
from boringsdp.call.joints import Joint, Joints
from boringsdp.call.options import LegOptions
from boringsdp.call.patience import Heard
from boringsdp.call.settings import CallSettings
from boringsdp.call.streams import codec_of
from boringsdp.call.transports import AnyTransport, LegTransports, Wish, addresses_of, served_by_ice
from boringsdp.errors import SdpError
from boringsdp.net.address import parse_ip
from boringsdp.relay import (
    Address,
    Closed,
    Connected,
    ConsentLost,
    Dtmf,
    Failed,
    MediaTimeout,
    PathChanged,
    Place,
    PlainTransport,
    RawTransport,
    Receiving,
    Relay,
    SlowLink,
    TransportEvent,
    WebRtcTransport,
)
from boringsdp.sdp import Description, Direction, LegMemory, LegStyle, LocalMedia, MediaNeed, MediaPlan, Sdes, media_plans
from boringsdp.values import replace


class Leg:
    """
    What one party has agreed (`memory`) and what carries it.

    `prepare` gets ready what an SDP of ours must name, `apply` puts an agreement into force, `prune` lets go of what an agreement that
    did not come about had made ready.
    """

    def __init__(
        self,
        party: Party,
        relay: Relay,
        settings: CallSettings,
        tell: Callable[[CallEvent], None],
        place: Place,
        joints: Joints,
        mates: Callable[[], Iterable[Leg]],
        branch: str = "",
    ) -> None:
        self.party = party
        self.branch = branch
        self.style = LegStyle()
        """What our offers to it look like, or at first what it offered."""
        self.options = LegOptions()
        self.limit = Direction.SENDRECV
        """What every text of ours to the leg is limited to: hold."""
        self.tag = ""
        """Of who spoke last on the leg, as the front named it."""
        self.created = time.time()
        self.memory = LegMemory(session_id=secrets.randbits(62) | 1)
        self.plans: tuple[MediaPlan, ...] = ()
        self.ice = "new"
        self.dtls = "new"
        self.mates: Callable[[], Iterable[Joint]] = mates
        self.ports: set[Address] = set()
        self.aims: frozenset[Address] = frozenset()
        self._joints = joints
        self._relay = relay
        self._settings = settings
        self._tell = tell
        self.transports = LegTransports(relay, settings, self._hear, place)

    @property
    def speaks(self) -> LegStyle:
        """What its peer speaks: what its last offer said, or else what we offered, of two ways to key it the one that was taken."""
        memory, style = self.memory, self.style
        if memory.received is not None and not memory.we_offered:
            return memory.received.style
        keyed = {plan.dtls for plan in self.plans if plan.accepted and (plan.dtls or plan.local_crypto is not None)}
        if style.dtls and style.sdes is not Sdes.OFF and len(keyed) == 1:
            return replace(style, sdes=Sdes.OFF) if True in keyed else replace(style, dtls=False)
        return style

    def demands(self, style: LegStyle) -> LegStyle | None:
        """What an answer of ours must insist on: a leg that began with mandatory SDES never falls back to RTP in the clear."""
        return style if style.sdes is Sdes.MANDATORY else None

    def check_families(self, received: Description, *, answer: bool = False) -> None:
        """
        Raise `SdpError` when a plain m-line names an address of a family (IPv4, IPv6) that we cannot send to.

        An answer has to keep to the family of our offer; for an offer it is enough that we have such an address.
        """
        for media in received.medias:
            if media.address is None or media.protocol is None or (not answer and proves_itself(received, media)):
                continue
            host = media.address[0]
            if answer:
                slot = self.memory.slots[media.index].transport if media.index < len(self.memory.slots) else None
                transport = self.transports.told(slot) if slot is not None else None
                if not isinstance(transport, PlainTransport | RawTransport):
                    continue
                if isinstance(transport, PlainTransport) and transport.credentials is not None and received.tagged(media).ufrag:
                    continue
                reached = transport.reaches(host)
            else:
                reached = self._relay.plain_host_for(host, self.options.interface) is not None
            if not reached:
                family = "IPv6" if ":" in host else "IPv4"
                raise SdpError(f"the address of m={media.kind} ({host}) is {family}, ours is not", media.line, media.line_number)

    def check_plans(self, plans: Sequence[MediaPlan]) -> None:
        """
        Raise `SdpError` when media would be sent where the policy forbids it, or round and round within the gateway, or comes from where a
        trunk's port does not hear it.

        Where ICE decides, the peer proves that it wants the media.
        """
        shared: set[Address] = set()
        for plan in plans:
            if plan.accepted and not served_by_ice(plan):
                for place in (plan.remote, plan.remote_rtcp):
                    if place is not None:
                        self._settings.destinations.check_host(plan.kind, place[0], port=place[1])
                transport = self.transports.prepared(plan.transport_slot)
                if plan.remote is not None and plan.leads_transport and isinstance(transport, PlainTransport) and transport.trunk:
                    reason = "is that of another m-line" if plan.remote in shared else transport.refusal(plan.remote)
                    if reason:
                        raise SdpError(f"the address of m={plan.kind} ({plan.remote[0]} port {plan.remote[1]}) {reason}")
                    shared.add(plan.remote)
        self._check_aims([plan for plan in plans if plan.accepted and not served_by_ice(plan)])

    def _check_aims(self, plans: list[MediaPlan]) -> None:
        """Raise `SdpError` when media for a port of the gateway itself would come back to this call."""
        own = {self._settings.destinations.own(*plan.remote) for plan in plans if plan.remote is not None}
        if self._joints.loops(self, frozenset(aim for aim in own if aim is not None)):
            raise SdpError("the address of the media is the gateway's own and leads back to this call: packets would go round")

    # --- before a text of ours ---------------------------------------------------------------------------------------------------------

    def prepare(self, needs: Iterable[MediaNeed], memory: LegMemory, style: LegStyle, setup: str = "") -> dict[int, LocalMedia]:
        """
        Open what `needs` asks for, or take what is there. `memory` is the leg's as the text is made from it, `style` what our offers are.

        Raises `Exhausted`. `transports.keep` must follow when the text goes out, `transports.undo` when it does not.
        """
        received = memory.received
        peers = {
            media.index: media.address
            for media in (received.medias if received is not None else ())
            if media.address is not None and is_numeric(media.address[0])
        }
        prepared = self.transports.prepare(needs, Wish(style=style, options=self.options, peers=peers, setup=setup))
        for each in prepared.values():
            if self._settings.destinations.has_port(each.transport.port):
                self._joints.told(self, (each.transport.host, each.transport.port))
        return prepared

    # --- after an agreement ------------------------------------------------------------------------------------------------------------

    def apply(self, plans: tuple[MediaPlan, ...], *, settle: bool = True) -> None:
        """Put `plans` into force. `settle`: no exchange is under way any more, what it had made ready can go."""
        before, self.plans = self.plans, plans
        if any(plan.shared for plan in plans if plan.accepted):
            self.ice = "checking" if self.ice == "new" else self.ice
            self.dtls = "connecting" if self.dtls == "new" else self.dtls
        self.transports.apply(plans, before, self.options, settle=settle)
        self.options = self.options.lasting

    def carried(self, heard: LegMemory) -> LegMemory:
        """
        Return the memory after a further answer without the m-lines that cannot be carried any more.

        When an answer refuses an m-line its ports are given back, so a later one (a 200 after a 183, another branch) cannot accept it. Nor
        can what was agreed with another branch be taken up again on ports that have become others since.
        """
        gone = {plan.slot for plan in media_plans(heard) if plan.accepted and not self.transports.carries(plan)}
        if not gone:
            return heard
        return replace(heard, slots=tuple(replace(slot, live=slot.live and n not in gone) for n, slot in enumerate(heard.slots)))

    def prune(self) -> None:
        """Close every transport and stream that no plan in force uses."""
        self.transports.prune(self.plans)

    def told_addresses(self, transport: AnyTransport) -> list[Address]:
        """Where peers are told that a transport of the leg is, RTCP's port included."""
        addresses = addresses_of(transport, self.options)
        rtcp_port = None if isinstance(transport, RawTransport) else transport.rtcp_port
        return addresses if rtcp_port is None else [*addresses, *((host, rtcp_port) for host, _ in addresses)]

    def move(self, party: Party, branch: str, tell: Callable[[CallEvent], None], mates: Callable[[], Iterable[Leg]]) -> None:
        """Become a leg of another call; no hold of ours goes along."""
        self.party, self.branch, self._tell, self.limit, self.mates = party, branch, tell, Direction.SENDRECV, mates

    def retire(self) -> None:
        """The call is over but for a delay."""
        self.transports.retire()

    def close(self) -> None:
        """Close everything; no event follows."""
        self._tell, self.mates = _nobody, _none
        self._joints.forget(self)
        self.plans = ()
        self.transports.close()

    def request_key_frame(self) -> None:
        """Ask the peer for a key frame of each of its video streams."""
        for stream in self.transports.streams.values():
            stream.request_key_frame()

    def send_dtmf(self, digits: str, duration_ms: int, gap_ms: int, volume_dbm0: int) -> int:
        """Send digits to the peer on its first audio stream; returns how many were queued."""
        audio = (stream for stream in self.transports.streams.values() if stream.rules.kind == "audio")
        stream = next(audio, None)
        return 0 if stream is None else stream.send_dtmf(digits, duration_ms, gap_ms, volume_dbm0)

    # --- news --------------------------------------------------------------------------------------------------------------------------

    def _hear(self, event: TransportEvent) -> None:
        """Tell the call, in its words, what one of our transports tells us."""
        party, branch = self.party, self.branch
        match event:
            case PathChanged():
                self.ice = "connected"
            case Connected():
                self.ice, self.dtls = "connected", "connected"
                self._tell(LegConnected(party, branch))
            case Failed(reason):
                if reason != "engine-fault":
                    self.ice, self.dtls = ("failed", self.dtls) if reason == "ice-failed" else (self.ice, "failed")
                self._tell(LegFailed(party, reason, branch))
            case Closed(reason):
                self.dtls = "closed"
                self._tell(LegClosed(party, reason, branch))
            case ConsentLost():
                self.ice = "disconnected"
                self._tell(LegConsentLost(party, branch))
            case Receiving(stream, receiving, seconds):
                self._tell(LegReceiving(party, stream.rules.mid, stream.rules.kind, receiving, seconds, branch))
            case MediaTimeout(_, after):
                self._tell(LegMediaTimeout(party, after, branch))
            case SlowLink(stream, uplink, lost):
                self._tell(LegSlow(party, stream.rules.mid, stream.rules.kind, uplink, lost, branch))
            case Dtmf():
                self._tell(LegDtmf(party, event.digit, event.duration_ms, branch, event.volume))
            case _:
                pass

    def listen(self, stopped: Callable[[str], bool]) -> Heard:
        """What has come on the leg so far; `stopped` says of which kinds of media none is expected."""
        figures = [transport.statistics() for _, transport in self.transports]
        at = max((max(each.rtp.last_arrival, each.rtcp.last_arrival) for each in figures), default=0.0)
        expected = any(plan.accepted and plan.receive and not stopped(plan.kind) for plan in self.plans)
        return Heard(f"{self.party.value} {self.branch}", expected, at)

    # --- records -----------------------------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """Plain values for people and tools: states and the quality of each stream."""
        carriers = [transport for _, transport in self.transports]
        webrtc = self.style.ice if not carriers else any(isinstance(each, WebRtcTransport) for each in carriers)
        streams = [
            {"mid": stream.rules.mid, "kind": stream.rules.kind, "codec": codec_of(plan), **stream.quality()}
            for plan in self.plans
            if (stream := self.transports.streams.get(plan.slot)) is not None
        ]
        states = {"ice": self.ice, "dtls": self.dtls} if webrtc else {}
        return {"webrtc": webrtc, "protocol": self.style.protocol.value, **states, "streams": streams}

    def record(self) -> dict[str, Any]:
        """Everything worth writing down. A secret: the memory holds SDES keys and ICE passwords."""
        return {
            "party": self.party.value,
            "branch": self.branch,
            "tag": self.tag,
            "created": self.created,
            "options": self.options.to_record(),
            "memory": self.memory.to_record(),
            "ice": self.ice,
            "dtls": self.dtls,
            "transports": {
                str(slot): {"kind": "raw", "addresses": [list(each) for each in transport.addresses]}
                if isinstance(transport, RawTransport)
                else transport.record()
                for slot, transport in self.transports
            },
        }


def _nobody(_event: CallEvent) -> None:
    """Who hears of a closed leg."""


def _none() -> tuple[Leg, ...]:
    """The legs beside a closed one: that they know each other must not keep them."""
    return ()


def is_numeric(host: str) -> bool:
    """Whether `host` is an IP address rather than a name or nonsense."""
    try:
        parse_ip(host)
    except ValueError:
        return False
    return True
