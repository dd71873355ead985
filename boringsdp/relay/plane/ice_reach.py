"""How a transport's peer is reached by ICE: only at addresses that authenticated checks came from (RFC 8445 §7.3, §8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.ice.lite import LiteResponder
from boringsdp.ice.stun import StunMessage
from boringsdp.relay.engine import Address, ConsentLost, IceRestarted, PathSelected, RtcpPathSelected
from boringsdp.relay.plane.port import Path, PlanePort

if TYPE_CHECKING:
    from boringsdp.relay.plane.transport import Transport

OLD_ADDRESS_S = 10.0
"""How long an address is still heard after its last authenticated check, when another one is selected."""


class IceReach:
    """
    One component: the addresses that were checked, and the one that is in use. `control` is the second component, on an RTCP port.

    On shared ports `ports` are the ways in, on own ports it is the one port of the component.
    """

    __slots__ = (
        "addresses",
        "announced",
        "control",
        "first_check",
        "is_control",
        "last_check",
        "ports",
        "refreshes",
        "responder",
        "returning",
        "selected",
        "transport",
    )  # fmt: skip

    def __init__(self, transport: Transport, responder: LiteResponder, ports: list[PlanePort], *, is_control: bool = False) -> None:
        self.transport = transport
        self.responder = responder
        self.ports = ports
        self.is_control = is_control
        self.control: IceReach | None = None
        self.returning = False
        """The peer was said to speak no ICE, but was offered it again: its first check brings ICE back."""
        self.addresses: dict[Path, float] = {}
        self.announced: Path | None = None
        """Where a peer that is ICE-lite, as we are, says that it is: nobody checks then."""
        self.selected: Path | None = None
        self.first_check = self.last_check = 0.0
        self.refreshes = not transport.spec.own
        """The peer goes on checking, so that its silence means something. Agents of RFC 5245, on own ports, stop when they are done."""

    @property
    def rtp(self) -> Path | None:
        return self.selected

    @property
    def rtcp(self) -> Path | None:
        return self.selected if self.control is None or self.transport.muxed else self.control.selected

    @property
    def muxed(self) -> bool:
        return self.control is None or self.transport.muxed

    def path_to(self, address: Address, rtcp: bool) -> Path | None:
        """The way to an address that was checked."""
        component = self.control if rtcp and not self.muxed and self.control is not None else self
        return next((path for path in component.addresses if path[1] == address), None)

    def component(self, port: PlanePort) -> IceReach | None:
        """What `port` belongs to; None when it is not ours."""
        if port in self.ports:
            return self
        return self.control if self.control is not None and port in self.control.ports else None

    def receive_check(self, port: PlanePort, message: StunMessage, source: Address, now: float) -> bytes:
        """Answer a request that names us, and learn its source if it verifies and ICE counts."""
        checked = self.responder.receive(message, source)
        component = self.component(port)
        if not checked.valid or component is None:
            self.transport.drop("stun_refused")
            return checked.reply
        if checked.restarted:
            self.transport.plane.forget_ufrags(self.transport, self.responder)
            self.transport.plane.report(IceRestarted(self.transport.spec.id))
            self._restart(now)
        if self.returning:
            self.transport.speak_ice()
        if self.transport.reach is self:
            component.learn((port, source), checked.nominated, now)
        return checked.reply

    def learn(self, path: Path, nominated: bool, now: float) -> None:
        """The peer was proved to be there."""
        port, source = path
        self.last_check = now
        if self.selected is None:
            self.first_check = now
        elif now - self.first_check >= self.transport.spec.consent_timeout_s / 3:
            self.refreshes = True
        if path not in self.addresses and not self.is_control:
            before = port.by_remote.get(source)
            if before is not None and before.ice is not None:
                before.ice.forget(path)  # a NAT gave the address to another call
            port.by_remote[source] = self.transport
        self.addresses[path] = now
        if self.selected is None or (nominated and path != self.selected):
            if self.selected is not None:
                self.addresses[self.selected] = now
            self.selected = path
            self.transport.refresh()
            number = self.transport.spec.id
            self.transport.plane.report_latest(RtcpPathSelected(number, source) if self.is_control else PathSelected(number, source))
        while len(self.addresses) > max(1, self.transport.spec.max_addresses):
            self.forget(min((known for known in self.addresses if known != self.selected), key=self.addresses.__getitem__))

    def announce(self, address: Address | None, now: float) -> None:
        """
        A peer on a shared port is ICE-lite too, and says that it is there (None: it is not lite any more). That counts until a check
        proves another place; the signalling vouches for it, and a secured transport lets nothing else through.
        """
        path = next(((port, address) for port in self.ports if address and (":" in port.address[0]) == (":" in address[0])), None)
        if self.announced is not None and self.announced != path:
            self.forget(self.announced)
        if path is None or path == self.announced:
            return
        holder = path[0].by_remote.get(path[1])
        if holder is not None and holder is not self.transport:
            self.transport.drop("address_taken")  # nobody gets another call's packets by saying so
            return
        path[0].by_remote[path[1]] = self.transport
        self.addresses[path] = now
        self.announced = self.selected = path
        self.transport.refresh()
        self.transport.plane.report(PathSelected(self.transport.spec.id, path[1]))

    def _restart(self, now: float) -> None:
        """Checks begin anew, and say nothing yet of whether they will go on."""
        for component in (self, self.control):
            if component is not None:
                component.first_check = component.last_check = now
                component.refreshes = not self.transport.spec.own

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """What came to the own RTP port and is no STUN, if it did not go straight on."""
        if (self.ports[0], source) not in self.addresses:
            self.transport.drop("unknown_source")
        elif 19 < data[0] < 64:
            self.transport.receive_dtls(data, source)
        else:
            self.transport.receive_media(data, now)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """What came to the own RTCP port."""
        control = self.control
        if control is None or (control.ports[0], source) not in control.addresses:
            self.transport.drop("unknown_source")
        else:
            self.transport.receive_control(data, source, now)

    def forget(self, path: Path) -> None:
        """Hear this address no more."""
        self.addresses.pop(path, None)
        if path[0].by_remote.get(path[1]) is self.transport:
            del path[0].by_remote[path[1]]
        if path == self.announced:
            self.announced = None
        if path == self.selected:
            self.selected = None
            self.transport.refresh()

    def tick(self, now: float) -> None:
        checked = self.selected is not None and self.selected != self.announced
        if checked and self.refreshes and now - self.last_check >= self.transport.spec.consent_timeout_s:
            self.close()
            if not self.is_control:
                self.transport.plane.report(ConsentLost(self.transport.spec.id))
        elif len(self.addresses) > 1:
            for path in [known for known, at in self.addresses.items() if known != self.selected and now - at > OLD_ADDRESS_S]:
                self.forget(path)
        if self.control is not None:
            self.control.tick(now)

    def close(self) -> None:
        for path in list(self.addresses):
            self.forget(path)
        if self.control is not None:
            self.control.close()
