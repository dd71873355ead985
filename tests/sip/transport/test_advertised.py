"""What goes into Via and Contact, for each destination."""

from __future__ import annotations

import pytest

from boringsdp.errors import ConfigError
from boringsdp.sip.flow import Destination, Flow, Protocol, Target
from boringsdp.sip.transport.advertised import Advertised
from boringsdp.sip.transport.settings import parse_listen, split_host_port

FAR, NEAR, FAR6 = "198.51.100.9", "10.0.0.9", "2001:db8:f::9"


def source(peer: str) -> str | None:
    """The system of these tests: two IPv4 interfaces, one of IPv6."""
    return "2001:db8::10" if ":" in peer else "10.0.0.1" if peer.startswith("10.") else "192.0.2.10"


def told(to: Destination, *listen: str, direct: tuple[str, ...] = (), **advertised: str) -> tuple[str, int]:
    names = {key.replace("__", ":").replace("_", "."): value for key, value in advertised.items()}
    host, port, protocol = Advertised([parse_listen(each) for each in listen], names, direct, source, "x.invalid").reach(to)
    assert protocol is to.protocol
    return host, port


def udp(host: str) -> Target:
    return Target(Protocol.UDP, host, 5060)


BOTH = ("udp:192.0.2.10:5062", "udp:10.0.0.1:5070", "udp:[2001:db8::10]:5060", "tls:0.0.0.0:5061")


def test_the_listener_from_which_the_system_would_send() -> None:
    assert told(udp(FAR), *BOTH) == ("192.0.2.10", 5062)
    assert told(udp(NEAR), *BOTH) == ("10.0.0.1", 5070)
    assert told(udp(FAR6), *BOTH) == ("[2001:db8::10]", 5060)


def test_a_listener_on_all_addresses_tells_the_one_that_leads_there() -> None:
    assert told(Target(Protocol.TLS, FAR, 5061), *BOTH) == ("192.0.2.10", 5061)
    assert told(Target(Protocol.TLS, NEAR, 5061), *BOTH) == ("10.0.0.1", 5061)


def test_behind_nat_the_public_address_is_told_but_not_to_our_side_of_it() -> None:
    public = {"192_0_2_10": "203.0.113.5"}
    assert told(udp(FAR), "udp:192.0.2.10:5060", **public) == ("203.0.113.5", 5060)
    assert told(udp(NEAR), "udp:192.0.2.10:5060", direct=("10.0.0.0/8",), **public) == ("192.0.2.10", 5060)


def test_public_ports_and_names() -> None:
    assert told(udp(FAR), "udp:0.0.0.0:5060", **{"0_0_0_0": "sip.example.com:15060"}) == ("sip.example.com", 15060)
    both = {"udp__192_0_2_10__5060": "203.0.113.5:6060", "192_0_2_10": "203.0.113.6"}
    assert told(udp(FAR), "udp:192.0.2.10:5060", "tcp:192.0.2.10:5060", **both) == ("203.0.113.5", 6060)
    assert told(Target(Protocol.TCP, FAR, 5060), "udp:192.0.2.10:5060", "tcp:192.0.2.10:5060", **both) == ("203.0.113.6", 5060)


def test_a_flow_keeps_its_local_address_and_tells_the_listening_port() -> None:
    flow = Flow(Protocol.TCP, ("10.0.0.1", 40_123), (FAR, 5060), 7)
    assert told(flow, "tcp:192.0.2.10:5060", "tcp:10.0.0.1:5070") == ("10.0.0.1", 5070)
    assert told(flow, "tcp:0.0.0.0:5060") == ("10.0.0.1", 5060)


def test_a_flow_of_one_of_two_ports_tells_that_port() -> None:
    ports = ("udp:10.0.0.1:5060", "udp:10.0.0.1:5070")
    assert told(Flow(Protocol.UDP, ("10.0.0.1", 5070), (FAR, 5060)), *ports) == ("10.0.0.1", 5070)
    assert told(Flow(Protocol.UDP, ("10.0.0.1", 5070), (FAR, 5060)), "udp:0.0.0.0:5060", "udp:0.0.0.0:5070") == ("10.0.0.1", 5070)


def test_without_a_listener_of_that_protocol_the_default_port_is_told() -> None:
    assert told(Target(Protocol.TLS, FAR, 5061), "udp:192.0.2.10:5070") == ("192.0.2.10", 5061)


def test_a_websocket_client_has_no_address_and_its_server_has_one() -> None:
    assert told(Target(Protocol.WSS, FAR, 443), "udp:0.0.0.0:5060", "wss:0.0.0.0:443") == ("x.invalid", 0)
    assert told(Flow(Protocol.WS, ("10.0.0.1", 8080), (FAR, 40_000), 3), "ws:0.0.0.0:8080") == ("10.0.0.1", 8080)
    assert told(Flow(Protocol.WS, ("10.0.0.1", 40_000), (FAR, 80), 3), "ws:0.0.0.0:8080") == ("x.invalid", 0)


def test_ipv6_has_its_brackets() -> None:
    reach = Advertised([parse_listen("udp:[::1]:5070")], {}, (), source, "").reach(udp("::1"))
    assert (reach.host, reach.host_port) == ("[::1]", "[::1]:5070")


@pytest.mark.parametrize("listen", ["udp", "udp:1.2.3.4:x", "sctp:1.2.3.4:5060", "udp:host:5060", "udp:1.2.3.4:65536", ""])
def test_complaints_about_listeners(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"sip\.listen"):
        parse_listen(listen)


@pytest.mark.parametrize("value", ["", "a b", "1.2.3.4:x:y/", "[::1"])
def test_complaints_about_public_addresses(value: str) -> None:
    with pytest.raises(ConfigError, match=r"sip\.advertised"):
        Advertised([], {"192.0.2.1": value}, (), source, "")


def test_complaint_about_networks() -> None:
    with pytest.raises(ConfigError, match=r"sip\.direct"):
        Advertised([], {}, ("10.0.0.0/33",), source, "")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("h", ("h", None)),
        ("h:5", ("h", 5)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", None)),
        ("::1", ("::1", None)),
        ("h:x", ("h:x", None)),
        ("[::1]5", ("[::1]5", None)),
    ],
)
def test_host_and_port(text: str, parts: tuple[str, int | None]) -> None:
    assert split_host_port(text) == parts
