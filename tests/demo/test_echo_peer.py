"""The demo's echo peer: its offer/answer, its echo, its figures."""

import asyncio
import socket
import struct

import pytest

from boringsdp.demo import echo_sdp
from boringsdp.demo.echo_media import Echo
from boringsdp.demo.echo_peer import EchoPeer
from boringsdp.errors import Exhausted, SdpError, WrongState

OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=video 5000 RTP/AVP 96
a=rtpmap:96 VP8/90000
m=audio {port} RTP/AVP 97 0 101
a=rtpmap:97 speex/8000
a=rtpmap:101 telephone-event/8000
a=rtcp:{rtcp}
a=sendrecv
"""


def echo(**changes: object) -> Echo:
    values = {
        "payload_type": 0,
        "codec": "PCMU",
        "clock_rate": 8000,
        "event_type": 101,
        "event_clock": 8000,
        "ssrc": 1,
        "sequence": 65535,
        "timestamp_offset": 5,
        "cname": "x",
    }
    return Echo(**(values | changes))  # type: ignore[arg-type]


def rtp(sequence: int, payload: bytes = bytes(160), payload_type: int = 0, timestamp: int | None = None, ssrc: int = 7) -> bytes:
    stamp = sequence * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc) + payload


def test_the_first_codec_it_knows_is_answered_and_other_media_are_refused():
    remote = echo_sdp.parse(OFFER.format(port=6000, rtcp=6007))
    assert (remote.codec, remote.payload_type, remote.event_type) == ("PCMU", 0, 101)
    assert (remote.rtp, remote.rtcp) == (("127.0.0.1", 6000), ("127.0.0.1", 6007))
    answer = echo_sdp.answer(remote, echo_sdp.LocalAudio("127.0.0.1", 40000, 40001, 1, 1))
    assert "m=video 0 RTP/AVP 96" in answer
    assert "m=audio 40000 RTP/AVP 0 101" in answer
    assert echo_sdp.parse(answer).codec == "PCMU"


@pytest.mark.parametrize(("direction", "answered"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")])
def test_hold_is_answered(direction: str, answered: str):
    remote = echo_sdp.parse(OFFER.format(port=6000, rtcp=6001).replace("a=sendrecv", f"a={direction}"))
    assert f"a={answered}" in echo_sdp.answer(remote, echo_sdp.LocalAudio("127.0.0.1", 40000, 40001, 1, 1))


@pytest.mark.parametrize("text", ["", "v=0", "v=0\nm=audio 0 RTP/AVP 0\n", "v=0\nc=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP 97\n"])
def test_what_cannot_be_echoed_is_an_sdp_error(text: str):
    with pytest.raises(SdpError):
        echo_sdp.parse(text)


def test_an_offer_of_its_own_can_be_read_back():
    offered = echo_sdp.parse(echo_sdp.offer(echo_sdp.LocalAudio("127.0.0.1", 40000, 40001, 1, 1), ("opus", "PCMU")))
    assert (offered.codec, offered.clock_rate, offered.event_clock) == ("opus", 48000, 48000)


def test_packets_come_back_in_a_stream_of_its_own():
    core = echo()
    returned = [core.receive(rtp(index, bytes([index])), now=index * 0.02) for index in range(3)]
    assert [struct.unpack("!BBHII", packet[:12]) for packet in returned if packet] == [
        (0x80, 0, 0, 5, 1),
        (0x80, 0, 1, 165, 1),
        (0x80, 0, 2, 325, 1),
    ]


def test_loss_jitter_and_level_are_measured():
    core = echo()
    for index in range(100):
        if index % 10 != 5:
            core.receive(rtp(65500 + index, b"\x80" * 160), now=index * 0.02)
    figures = core.statistics()["received"]
    assert isinstance(figures, dict)
    assert (figures["packets"], figures["lost"], figures["loss"]) == (90, 10, 0.1)
    assert figures["jitter_ms"] < 0.01
    assert -0.5 < figures["level_dbov"] <= 0
    core.receive(rtp(65600, b"\xff" * 160), now=2.0)
    assert core.level_dbov == -127.0


def test_a_digit_is_collected_once_and_not_echoed():
    core = echo()
    for duration, end in ((160, 0), (320, 0), (800, 0x80), (800, 0x80), (800, 0x80)):
        assert core.receive(rtp(duration, struct.pack("!BBH", 11, end | 10, duration), 101, timestamp=1000), now=1.0) is None
    assert core.digits == [("#", 100)]


@pytest.mark.parametrize("data", [b"", bytes(12), b"\x80" * 11, b"\xb0" + bytes(11) + b"\xff" * 8, b"\xa0" + bytes(11) + b"\xff"])
def test_broken_packets_are_counted(data: bytes):
    core = echo()
    assert core.receive(data, now=0.0) is None
    assert core.malformed + core.other == 1


def test_reports_give_round_trip_and_remote_loss():
    near, far = echo(clock_offset=1000.0), echo(ssrc=7)
    sent = near.receive(rtp(1), now=10.0)
    assert sent is not None
    far.receive(sent, now=10.1)
    far.receive(rtp(5, ssrc=1, timestamp=5 * 160), now=10.2)  # 0 is the first, 5 comes: four lost
    far.receive_rtcp(near.report(now=10.3), now=10.35)
    near.receive_rtcp(far.report(now=10.4), now=10.45)
    assert near.round_trip == pytest.approx(0.1, abs=0.001)
    assert near.remote_lost == 4


class Telephone:
    """A socket pair that calls the peer."""

    def __init__(self) -> None:
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)

    def offer(self) -> str:
        port = self.rtp.getsockname()[1]
        return OFFER.format(port=port, rtcp=port) + "a=rtcp-mux\n"


async def test_a_call_over_sockets_is_echoed_and_ends_by_itself():
    peer, telephone = EchoPeer(delay_ms=20, silence_s=0.5), Telephone()
    try:
        call, answer = peer.answer(telephone.offer())
        remote = echo_sdp.parse(answer).rtp
        telephone.rtp.sendto(rtp(1, b"hello"), remote)
        loop = asyncio.get_running_loop()
        data = await asyncio.wait_for(loop.sock_recv(telephone.rtp, 2048), 2)
        assert data[12:] == b"hello"
        assert peer.statistics(call)["received"]["packets"] == 1
        again, _ = peer.answer(telephone.offer(), call_id=call)
        assert again == call
        with pytest.raises(WrongState):
            peer.answer(telephone.offer(), call_id="unknown")
        peer.hang_up(call)
        with pytest.raises(WrongState):
            peer.statistics(call)
    finally:
        peer.close()
        telephone.rtp.close()


async def test_calls_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("boringsdp.demo.echo_peer.MAX_CALLS", 2)
    peer = EchoPeer()
    try:
        peer.offer()
        peer.offer()
        with pytest.raises(Exhausted):
            peer.offer()
    finally:
        peer.close()


async def test_silence_ends_a_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("boringsdp.demo.echo_peer.REPORT_S", 0.02)
    peer = EchoPeer(silence_s=0.05)
    call, _ = peer.offer()
    async with asyncio.timeout(5):
        while True:
            try:
                peer.statistics(call)
            except WrongState:
                break
            await asyncio.sleep(0.02)


async def test_a_secured_call_is_echoed():
    import base64

    import pylibsrtp

    peer, telephone = EchoPeer(delay_ms=0), Telephone()
    try:
        key = bytes(range(30))
        line = f"a=crypto:3 {echo_sdp.SUITE} inline:{base64.b64encode(key).decode()}\n"
        _, answer = peer.answer(telephone.offer().replace("RTP/AVP 97", "RTP/SAVP 97") + line)
        agreed = echo_sdp.parse(answer)
        assert (agreed.protocol, agreed.key_tag) == ("RTP/SAVP", "3")
        profile = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
        send = pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        receive = pylibsrtp.Session(
            pylibsrtp.Policy(key=base64.b64decode(agreed.key), ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        )
        telephone.rtp.sendto(b"\x80\x00 not authentic at all", agreed.rtp)
        telephone.rtp.sendto(send.protect(rtp(1, b"hello")), agreed.rtp)
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(telephone.rtp, 2048), 2)
        assert receive.unprotect(data)[12:] == b"hello"
    finally:
        peer.close()
        telephone.rtp.close()
