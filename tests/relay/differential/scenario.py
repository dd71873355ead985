"""Scenarios by seed: a world is set up, and then everything that can happen to an engine happens in some order."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.relay.engine import Address, Latch, Way
from tests.relay.differential.nonsense import nonsense
from tests.relay.differential.peers import broken, check, fresh_keys, junk, other_stun
from tests.relay.differential.steps import Scenario
from tests.relay.differential.world import HOSTS, Leg, World

START = 1000.0
TICK_S = 0.25
MAX_DATAGRAM = 2048


def make_scenario(seed: int, length: int, *, workers: int = 1) -> Scenario:
    """The same for the same seed. It has about `length` steps; with more than one worker nothing in which each is for itself."""
    story = Story(seed, workers)
    story.begin()
    while len(story.world.steps) < length:
        story.go_on()
    draws = tuple(story.world.rng.getrandbits(32) for _ in range(16))
    return Scenario(seed, draws, tuple(story.world.steps))


class Story:
    """What happens, one thing after the other."""

    def __init__(self, seed: int, workers: int) -> None:
        self._alone = workers == 1
        self.world = World(seed, START)
        self.rng = self.world.rng
        self._ticked = START
        things: list[tuple[float, Callable[[], None]]] = [
            (80, self._talk), (6, self._overtaken), (3, self._replay), (4, self._broken), (2, self._junk), (5, self._rtcp), (3, self._dtls),
            (6, self._check), (2, self._stun), (0.15 if self._alone else 0, self._flood), (1.5, self._wander),
            (1, self._key), (0.3, self._unkey), (0.1, self._key_often), (0.5, self._key_rtcp), (2, self._announce),
            (0.6, self._claim), (0.5, self._come_back),
            (0.4, self._mux), (0.4, self._mark),
            (2, self.world.add_route), (1.5, self.world.hold), (0.4, self._unroute), (1, self._change_stream), (0.3, self._remove_stream),
            (0.3, self._remove_leg), (0.5, self._add_leg), (0.8, self._restart_ice), (1.5, self._send), (1.5, self._send_rtcp),
            (4, self._inject), (0.04, self._inject_many), (0.03, self._add_many), (2.5, self._resend),
            (0.8, self._forward), (0.5, self._snapshot),
            (0.4, self._restart), (1, self._nonsense),
        ]  # fmt: skip
        self._weights = [weight for weight, _ in things]
        self._things = [thing for _, thing in things]

    def begin(self) -> None:
        for _ in range(self.rng.randrange(2, 6)):
            self._add_leg()
        for _ in range(4 * len(self.world.streams())):
            self.world.add_route()

    def go_on(self) -> None:
        self._pass_time()
        self.rng.choices(self._things, self._weights)[0]()

    def _pass_time(self) -> None:
        rng, world = self.rng, self.world
        pauses = (0.0, 0.0003, 0.0203, 0.1, 0.4, 1.1, 5.0, 10.5, 31.0)
        pause = rng.choices(pauses, (30, 30, 60, 8, 3, 2, 0.5, 0.3, 0.15))[0] * rng.choice((1.0, rng.random()))
        world.now += pause
        if world.now - self._ticked >= TICK_S and rng.random() < 0.95:
            self._ticked = world.now
            world.step("tick")
        for leg in world.legs:
            if leg.known and rng.random() < min(0.9, pause / 5):
                self._arrive(leg, check(rng, leg.known[-1].ufrag, leg.known[-1].password))

    # --- what arrives

    def _leg(self) -> Leg | None:
        return self.rng.choice(self.world.legs) if self.world.legs else None

    def _arrive(self, leg: Leg, data: bytes, *, rtcp: bool = False) -> None:
        """A datagram of the leg's peer comes, from where it should or from anywhere."""
        rng, world = self.rng, self.world
        ways = world.ways_in(leg)
        port, source = ways[-1] if rtcp else ways[0]
        if rng.random() < 0.015:
            port = rng.choice(list(world.addresses))
        if rng.random() < 0.03:
            source = world.address(rng.choice((source[0], *HOSTS)), v6=":" in source[0])
        world.step("receive", port, source, data[:MAX_DATAGRAM])

    def _packet(self, leg: Leg) -> bytes:
        talkers = leg.peer.talkers
        if not talkers:
            return junk(self.rng)
        return leg.peer.rtp(self.rng.choice(talkers[-3:]))

    def _talk(self) -> None:
        leg = self._leg()
        if leg is None:
            return
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            data = self._packet(leg)
            if self.rng.random() < 0.04:
                leg.peer.late.append(data)
            else:
                self._arrive(leg, data)

    def _overtaken(self) -> None:
        leg = self._leg()
        if leg is not None and leg.peer.late:
            self._arrive(leg, leg.peer.late.pop(0))

    def _replay(self) -> None:
        leg = self._leg()
        sent = [data for talker in leg.peer.talkers for data in talker.sent] if leg is not None else []
        if leg is not None and sent:
            self._arrive(leg, self.rng.choice(sent))

    def _broken(self) -> None:
        leg = self._leg()
        if leg is None:
            return
        rtcp = self.rng.random() < 0.2
        data = leg.peer.rtcp() if rtcp else self._packet(leg)
        if leg.known and self.rng.random() < 0.2:
            data = check(self.rng, leg.known[-1].ufrag, leg.known[-1].password)
        self._arrive(leg, broken(self.rng, data), rtcp=rtcp)

    def _junk(self) -> None:
        leg = self._leg()
        if leg is not None:
            self._arrive(leg, junk(self.rng), rtcp=self.rng.random() < 0.3)

    def _rtcp(self) -> None:
        leg = self._leg()
        if leg is not None:
            self._arrive(leg, leg.peer.rtcp(), rtcp=self.rng.random() < 0.8)

    def _dtls(self) -> None:
        leg = self._leg()
        if leg is not None:
            self._arrive(leg, bytes((self.rng.randrange(20, 64),)) + self.rng.randbytes(30), rtcp=self.rng.random() < 0.4)

    def _check(self) -> None:
        legs = [leg for leg in self.world.legs if leg.known]
        if legs:
            leg = self.rng.choice(legs)
            pair = leg.known[-1] if self.rng.random() < 0.7 else self.rng.choice(leg.known)
            self._arrive(leg, check(self.rng, pair.ufrag, pair.password), rtcp=self.rng.random() < 0.4)

    def _stun(self) -> None:
        leg = self._leg()
        if leg is not None:
            self._arrive(leg, other_stun(self.rng))

    def _flood(self) -> None:
        """More requests without the right password than are answered between two ticks."""
        legs = [leg for leg in self.world.legs if leg.known]
        if legs:
            leg = self.rng.choice(legs)
            for _ in range(30):
                self._arrive(leg, check(self.rng, leg.known[-1].ufrag, "wrong"))

    def _wander(self) -> None:
        """The peer is somewhere else from now on, or sends another SSRC."""
        leg = self._leg()
        if leg is None:
            return
        if self.rng.random() < 0.5 and leg.streams:
            self.world.add_stream(leg, self.rng.choice(leg.streams))
            return
        leg.rtp = self.world.address(self.rng.choice((leg.rtp[0], None)), v6=":" in leg.rtp[0])
        leg.rtcp = self.rng.choice((leg.rtp, (leg.rtp[0], leg.rtp[1] + 1 & 0xFFFF or 1), leg.rtcp))
        if leg.known and self.rng.random() < 0.8:
            self._arrive(leg, check(self.rng, leg.known[-1].ufrag, leg.known[-1].password))

    # --- commands

    def _add_leg(self) -> None:
        rng, world = self.rng, self.world
        if len(world.legs) > 8:
            return
        leg = world.add_leg()
        if leg.spec.raw:
            self._forward()
            self._announce(leg)
            return
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            world.add_stream(leg)
        if leg.known and rng.random() < 0.85:
            for _ in range(2):
                for port, source in world.ways_in(leg):
                    world.step("receive", port, source, check(rng, leg.known[0].ufrag, leg.known[0].password))
        elif rng.random() < 0.9:
            self._announce(leg)
        if leg.spec.secured or rng.random() < 0.1:
            for way in Way:
                if rng.random() < 0.93:
                    self._key(leg, way)

    def _announce(self, leg: Leg | None = None) -> None:
        leg = leg or self._leg()
        if leg is None or (leg.known and self.rng.random() < 0.7):
            return
        others = [other.rtp for other in self.world.legs]
        rtp = leg.rtp if self.rng.random() < 0.85 else self.rng.choice((None, self.world.address(v6=":" in leg.rtp[0]), *others))
        rtcp: Address | None = leg.rtcp if self.rng.random() < 0.6 else self.rng.choice((None, rtp))
        latch = leg.spec.latch if self.rng.random() < 0.6 else self.rng.choice(list(Latch))
        self.world.step("set_remote", leg.spec.id, rtp, rtcp, latch)

    def _claim(self) -> None:
        """A peer says that it is where another one is."""
        legs = [leg for leg in self.world.legs if leg.spec.shared or (leg.known and not leg.spec.own)]
        if legs:
            self.world.step("set_remote", self.rng.choice(legs).spec.id, self.rng.choice(legs).rtp, None, Latch.STRICT)

    def _come_back(self) -> None:
        """A peer that spoke no ICE is offered it again, and takes it."""
        legs = [leg for leg in self.world.legs if leg.known and leg.spec.own]
        if legs:
            leg, pair = self.rng.choice(legs), self.world.credentials()
            self.world.step("set_remote", leg.spec.id, leg.rtp, leg.rtcp, leg.spec.latch)
            self._talk()
            self.world.step("restart_ice", leg.spec.id, pair)
            leg.known.append(pair)
            self._arrive(leg, check(self.rng, pair.ufrag, pair.password))

    def _key(self, leg: Leg | None = None, way: Way | None = None) -> None:
        rng, leg = self.rng, leg or self._leg()
        if leg is None:
            return
        way, keys = way or rng.choice(list(Way)), fresh_keys(rng)
        rollover: dict[int, int] = {}
        if way is Way.RECEIVE and leg.peer.talkers and rng.random() < 0.2:
            talker = leg.peer.talkers[-1]
            rollover = {talker.ssrc: max(0, talker.sequence)}
        for known in [step.args for step in self.world.steps if step.what == "set_keys" and step.args[0] == leg.spec.id]:
            if known[1] is way and known[2] and len(known[2].salt) == known[2].profile.salt_length and rng.random() < 0.15:
                keys = known[2]  # used before
        self.world.step("set_keys", leg.spec.id, way, keys, rollover)
        if way is Way.RECEIVE and not leg.spec.raw and rng.random() < 0.95:
            if rng.random() < 0.5:
                rollover = {talker.ssrc: talker.sequence for talker in leg.peer.talkers if talker.sequence > 0}
            leg.peer.take_keys(keys, rollover)

    def _key_often(self) -> None:
        """So often that where the first keys stopped is forgotten."""
        leg = self._leg()
        if leg is not None:
            changes = [fresh_keys(self.rng) for _ in range(7)]
            for keys in (*changes, changes[0], changes[-2]):
                self.world.step("set_keys", leg.spec.id, Way.SEND, keys, {})

    def _unkey(self) -> None:
        leg = self._leg()
        if leg is not None:
            way = self.rng.choice(list(Way))
            self.world.step("set_keys", leg.spec.id, way, None, {})
            if way is Way.RECEIVE:
                leg.peer.former, leg.peer.sender = leg.peer.sender, None

    def _key_rtcp(self) -> None:
        leg = self._leg()
        if leg is None:
            return
        way = self.rng.choice(list(Way))
        for _ in range(self.rng.choice((1, 1, 3))):
            keys = None if self.rng.random() < 0.2 else fresh_keys(self.rng)
            self.world.step("set_rtcp_keys", leg.spec.id, way, keys)
            if way is Way.RECEIVE:
                leg.peer.take_rtcp_keys(keys)

    def _mux(self) -> None:
        leg = self._leg()
        if leg is not None:
            self.world.step("mux_rtcp", leg.spec.id, self.rng.random() < 0.5)

    def _mark(self) -> None:
        leg = self._leg()
        if leg is not None:
            self.world.step("set_tos", leg.spec.id, self.rng.choice((0, 46, 184, 255, 256)))

    def _unroute(self) -> None:
        if self.world.routes:
            route = self.world.routes.pop(self.rng.randrange(len(self.world.routes)))
            self.world.step("unroute", route.source, route.target)

    def _change_stream(self) -> None:
        leg = self._leg()
        if leg is not None and leg.streams:
            self.world.add_stream(leg, self.rng.choice((*leg.streams, None)) if len(leg.streams) < 4 else leg.streams[0])

    def _remove_stream(self) -> None:
        leg = self._leg()
        if leg is not None and leg.streams:
            stream = leg.streams.pop(self.rng.randrange(len(leg.streams)))
            self.world.step("remove_stream", stream.id)
            self.world.forget({stream.id})

    def _remove_leg(self) -> None:
        if len(self.world.legs) < 2:
            return
        leg = self.world.legs.pop(self.rng.randrange(len(self.world.legs)))
        self.world.step("remove_transport", leg.spec.id)
        self.world.forget({stream.id for stream in leg.streams})
        for port in (*leg.spec.ports, leg.spec.rtcp_port):
            if port is not None and self.rng.random() < 0.1:
                self.world.step("close_port", port)

    def _restart_ice(self) -> None:
        leg = self._leg()
        if leg is not None:
            pair = self.world.credentials() if self.rng.random() < 0.95 or not leg.known else leg.known[0]
            self.world.step("restart_ice", leg.spec.id, pair)
            if leg.known:
                leg.known.append(pair)

    def _send(self) -> None:
        leg = self._leg()
        if leg is not None:
            to = self.rng.choice((None, None, leg.rtp, leg.rtcp, self.world.address()))
            self.world.step("send", leg.spec.id, b"\x16" + self.rng.randbytes(20), self.rng.random() < 0.4, to)

    def _send_rtcp(self) -> None:
        leg = self._leg()
        if leg is not None:
            size = self.rng.choice((1, 1, 1, 10, 338, 360))
            self.world.step("send_rtcp", leg.spec.id, bytes.fromhex("80c90001") + self.rng.randbytes(4 * size))

    def _inject(self) -> None:
        streams = self.world.streams()
        if streams:
            rng = self.rng
            payload = rng.randbytes(rng.choice((4, 4, 160, 0, 1340, 1400)))
            self.world.step("inject", rng.choice(streams).id, rng.choice((101, 0, 255)), payload, rng.random() < 0.3, rng.random() < 0.5)

    def _inject_many(self) -> None:
        """So many that what was put in between is forgotten."""
        if self.world.routes:
            stream = self.rng.choice(self.world.routes).target
            for _ in range(270):
                self.world.step("inject", stream, 101, b"\x01\x0a\x00\xa0", False, True)
            self._talk()

    def _add_many(self) -> None:
        """More streams than a transport may have."""
        leg = self._leg()
        if leg is not None and not leg.spec.raw:
            for _ in range(66):
                self.world.add_stream(leg)
            del leg.streams[8:], leg.peer.talkers[8:]

    def _resend(self) -> None:
        streams = [stream for stream in self.world.streams() if stream.keep] or self.world.streams()
        if streams:
            back = tuple(self.rng.choice((0, 0, 1, 2, 3, 5, 120, 40000)) for _ in range(self.rng.randrange(1, 4)))
            self.world.step("resend", self.rng.choice(streams).id, back)

    def _forward(self) -> None:
        raw = [leg.spec.id for leg in self.world.legs if leg.spec.raw]
        some = raw or [leg.spec.id for leg in self.world.legs]
        if some:
            self.world.step("forward", self.rng.choice(some), self.rng.choice((None, *some, *some)))

    def _snapshot(self) -> None:
        self.world.step("snapshot")

    def _restart(self) -> None:
        """The engines end; what they have written down goes to new ones, sometimes to those of the other kind."""
        draws = tuple(self.rng.getrandbits(32) for _ in range(7))
        self.world.now += self.rng.choice((0.0, 0.5, 3.0))
        self.world.step("restart", draws, self.rng.random() < 0.5)

    def _nonsense(self) -> None:
        """Commands out of turn."""
        leg = self._leg()
        if leg is not None:
            for what, *args in self.rng.sample(nonsense(self.world, leg), 2):
                if self._alone or what != "add_transport" or not self.world.spread(args[0]):
                    self.world.step(what, *args)
