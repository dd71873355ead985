"""Commands that are out of turn, or that ask for what cannot be: both engines refuse them in the same words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boringsdp.relay.engine import IceCredentials, Latch, PortId, StreamId, StreamSpec, TransportId, Way
from boringsdp.rtp.keys import Keys, Profile
from tests.relay.differential.world import HERE, HOSTS, HOSTS6, Leg, World


def nonsense(world: World, leg: Leg) -> list[tuple[Any, ...]]:
    """Each a command and its arguments."""
    rng, number, own = world.rng, TransportId(998), leg.spec.id
    stream = leg.streams[0].id if leg.streams else StreamId(999)
    other = rng.choice(world.streams() or [StreamSpec(id=StreamId(999), transport=number, kind="audio", send_ssrc=1, clock_rates={})])
    new, ice = replace(leg.spec, id=number), IceCredentials("fresh", "p" * 22)
    short = Keys(rng.choice(list(Profile)), b"short", b"short")
    return [
        ("add_transport", leg.spec),
        ("add_transport", new),
        ("add_transport", replace(new, ports=())),
        ("add_transport", replace(new, ports=(PortId(997),))),
        ("add_transport", replace(new, ice=ice, own=False, shared=False)),
        ("add_transport", replace(new, ice=ice, own=False, shared=False, raw=False, rtcp_port=None, ports=tuple(world.addresses))),
        ("add_transport", replace(new, ice=None, own=False, shared=True, raw=False, rtcp_port=new.ports[0])),
        ("add_transport", replace(new, ice=None, own=False, shared=True, raw=True)),
        ("add_transport", replace(new, ice=None, own=False, shared=True, raw=False, ports=(world.trunk[0], world.shared[0]))),
        (
            "add_transport",
            replace(new, ice=None, own=False, shared=True, raw=False, ports=tuple(world.trunk[:1]), rtcp_port=world.shared[0]),
        ),
        ("add_transport", replace(new, id=TransportId(996), tos=rng.choice((256, 300)))),
        ("remove_transport", number),
        ("restart_ice", own, leg.known[0] if leg.known else ice),
        ("set_remote", own, (rng.choice(("example.net", "::ffff:203.0.113.9", HERE, *HOSTS6)), 4000), None, Latch.STRICT),
        ("set_remote", own, (HOSTS[0], rng.choice((0, 65536, 70000))), None, Latch.ONCE),
        ("set_remote", own, None, ("", 1), Latch.FOLLOW),
        ("mux_rtcp", own, False),
        ("set_tos", number, 0),
        ("set_keys", own, rng.choice(list(Way)), short, {}),
        ("set_rtcp_keys", own, rng.choice(list(Way)), short),
        ("forward", own, number),
        ("forward", number, None),
        ("add_stream", StreamSpec(id=stream, transport=number, kind="audio", send_ssrc=1, clock_rates={})),
        ("add_stream", replace(other, transport=own)),
        ("remove_stream", StreamId(999)),
        ("unroute", stream, other.id),
        ("unroute", StreamId(999), stream),
        ("send", own, b"\\x16", True, ("example.net", 1)),
        ("send", number, b"", False, None),
        ("send_rtcp", own, b""),
        ("send_rtcp", number, b"x"),
        ("inject", StreamId(999), 0, b"", False, False),
        ("resend", StreamId(999), (0,)),
        ("close_port", rng.choice((PortId(1), PortId(77), leg.spec.ports[0]))),
    ]
