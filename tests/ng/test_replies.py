"""The shape of `query`: names as rtpengine writes them, figures as the call reports them."""

from __future__ import annotations

from dataclasses import replace

from boringsdp.call import CallReport, Counts, LegReport, MediaReport, Party, PortReport, QualitySample, SsrcReport
from boringsdp.ng.diagnosis import complaints
from boringsdp.ng.replies import Names, Told, tell_call
from boringsdp.ng.requests import Identity

SAMPLE = QualitySample(at=1700000005.5, mos=4.26, jitter_ms=3.4, loss_percent=0.6, round_trip_us=21000, leg_round_trip_us=9000)


def port(number: int, *, rtcp: bool = False, packets: int = 10, flags: frozenset[str] = frozenset({"filled"})) -> PortReport:
    return PortReport(
        rtcp=rtcp,
        local=("192.0.2.1", number),
        remote=("198.51.100.7", number + 1000),
        announced=("10.0.0.7", number + 1000),
        suite="AES_CM_128_HMAC_SHA1_80",
        last_packet=1700000009.9,
        received=Counts(packets=packets, bytes=packets * 172),
        sent=Counts(packets=5, bytes=860),
        ssrcs=(4660,),
        flags=flags,
    )


def media(first: int, *, mux: bool = False) -> MediaReport:
    ports = (port(first, flags=frozenset({"muxed", "ice"})),) if mux else (port(first), port(first + 1, rtcp=True, packets=2))
    return MediaReport(
        index=1,
        kind="audio",
        protocol="RTP/AVP",
        codec="PCMU/8000",
        receive=True,
        send=True,
        received_ssrcs=(4660,),
        flags=frozenset({"initialized", "rtcp-mux", "dtls"} if mux else {"initialized"}),
        ports=ports,
    )


REPORT = CallReport(
    call_id="c1",
    created=1700000000.25,
    last_signal=1700000003.9,
    state="stable",
    legs=(
        LegReport(party=Party.B, branch="b1", tag="tb", created=1700000000.5, joined=True, medias=(media(40000),)),
        LegReport(party=Party.B, branch="b2", created=1700000000.75),
        LegReport(party=Party.A, tag="ta", created=1700000000.25, joined=True, medias=(media(40010, mux=True),)),
    ),
    ssrcs={
        4660: SsrcReport(
            ssrc=4660, packets=10, bytes=1600, last_timestamp=7, last_sequence=8, lost=1, average=SAMPLE, lowest=SAMPLE, highest=SAMPLE,
            sample_count=3, interval_s=5.0, samples=(SAMPLE, SAMPLE),
        )
    },
)  # fmt: skip
TOLD = Told(
    report=REPORT,
    names={
        (Party.A, ""): Names(tags=("ta",), label="caller"),
        (Party.B, "b1"): Names(tags=("old", "tb"), label="callee", branch="z9hG4bK1"),
        (Party.B, "b2"): Names(branch="z9hG4bK2"),
    },
    metadata="x",
    faults=("tb: dtls-timeout",),
)


def test_times_and_extras():
    reply = tell_call([TOLD])
    assert (reply["created"], reply["created_us"], reply["last signal"]) == (1700000000, 250000, 1700000003)
    assert (reply["metadata"], reply["last error"], reply["errors"]) == ("x", "tb: dtls-timeout", ["tb: dtls-timeout"])


def test_tags_and_who_talks_to_whom():
    tags = tell_call([TOLD])["tags"]
    assert list(tags) == ["ta", "tb", "<untagged 1>"]
    assert tags["ta"]["subscriptions"] == tags["ta"]["subscribers"] == [{"tag": "tb", "type": "offer/answer"}]
    assert tags["ta"]["in dialogue with"] == "tb"
    assert (tags["tb"]["via-branch"], tags["tb"]["label"], tags["tb"]["tag-aliases"]) == ("z9hG4bK1", "callee", ["old"])
    assert (tags["<untagged 1>"]["tag"], tags["<untagged 1>"]["subscriptions"]) == ("", [])


def test_before_any_answer_everyone_talks_to_the_offerer():
    report = replace(REPORT, legs=tuple(replace(leg, joined=False) for leg in REPORT.legs))
    tags = tell_call([replace(TOLD, report=report)])["tags"]
    assert [peer["tag"] for peer in tags["ta"]["subscriptions"]] == ["tb", ""]
    assert [peer["tag"] for peer in tags["<untagged 1>"]["subscribers"]] == ["ta"]


def test_totals_tell_rtcp_apart_and_count_a_bundle_once():
    bundled = replace(
        port(50000, flags=frozenset({"muxed"})), received=Counts(packets=9, bytes=900, errors=4), received_rtcp=Counts(packets=2, bytes=200)
    )
    medias = tuple(replace(media(50000, mux=True), index=index, ports=(bundled,)) for index in (1, 2))
    browser = replace(REPORT.legs[2], medias=medias)
    told = tell_call([replace(TOLD, report=replace(REPORT, legs=(browser, REPORT.legs[0])))])["totals"]
    assert told["RTP"] == {"packets": 7 + 10, "bytes": 700 + 1720, "errors": 4}
    assert told["RTCP"] == {"packets": 2 + 2, "bytes": 200 + 344, "errors": 0}


def test_streams_of_plain_rtp():
    stream, control = tell_call([TOLD])["tags"]["tb"]["medias"][0]["streams"]
    assert stream == {
        "local port": 40000,
        "local address": "192.0.2.1",
        "family": "IPv4",
        "endpoint": {"family": "IPv4", "address": "198.51.100.7", "port": 41000},
        "advertised endpoint": {"family": "IPv4", "address": "10.0.0.7", "port": 41000},
        "crypto suite": "AES_CM_128_HMAC_SHA1_80",
        "last packet": 1700000009,
        "last user packet": 1700000009,
        "flags": ["RTP", "filled"],
        "SSRC": 4660,
        "stats": {"packets": 10, "bytes": 1720, "errors": 0},
        "stats_out": {"packets": 5, "bytes": 860, "errors": 0},
    }
    assert (control["local port"], control["flags"]) == (40001, ["RTCP", "filled"])


def test_a_muxed_media_has_two_streams_too():
    found = tell_call([TOLD])["tags"]["ta"]["medias"][0]
    assert found["flags"] == ["initialized", "send", "recv", "rtcp-mux", "DTLS-SRTP"]
    stream, control = found["streams"]
    assert (stream["flags"], control["flags"]) == (["RTP", "RTCP", "ICE"], ["RTCP", "fallback RTCP"])
    assert (control["local port"], control["endpoint"], control["stats"]["packets"]) == (40010, {}, 0)


def test_media_says_what_it_is():
    found = tell_call([TOLD])["tags"]["tb"]["medias"][0]
    assert (found["index"], found["type"], found["protocol"], found["codec"]) == (1, "audio", "RTP/AVP", "PCMU/8000")
    assert found["ingress SSRCs"] == [{"SSRC": 4660}]


def test_ssrcs_have_the_mos_blocks():
    found = tell_call([TOLD])["SSRC"]["4660"]
    block = {"MOS": 43, "round-trip time": 21000, "round-trip time leg": 9000, "jitter": 3, "packet loss": 1}
    assert found["average MOS"] == {**block, "samples": 3}
    assert found["lowest MOS"] == found["highest MOS"] == {**block, "reported at": 1700000005}
    assert found["MOS progression"] == {"interval": 5, "entries": [{**block, "reported at": 1700000005}] * 2}
    assert {name: found[name] for name in ("bytes", "packets", "last RTP timestamp", "last RTP seq", "cumulative loss")} == {
        "bytes": 1600, "packets": 10, "last RTP timestamp": 7, "last RTP seq": 8, "cumulative loss": 1,
    }  # fmt: skip


def test_totals_are_what_was_received():
    totals = tell_call([TOLD])["totals"]
    assert totals == {"RTP": {"packets": 20, "bytes": 3440, "errors": 0}, "RTCP": {"packets": 2, "bytes": 344, "errors": 0}}


def shown(from_tag: str, to_tag: str = "") -> list[str]:
    return list(tell_call([TOLD], Identity(call_id="c1", from_tag=from_tag, to_tag=to_tag))["tags"])


def test_a_tag_shows_its_party_and_the_peer():
    assert shown("ta") == ["ta", "tb"]
    assert shown("tb") == ["ta", "tb"]
    assert shown("old") == ["ta", "tb"]
    assert shown("ta", "tb") == ["ta", "tb"]
    assert shown("ta", "nobody") == ["ta", "tb"]
    assert shown("nobody") == []


def test_two_dialogs_stand_in_one_reply():
    second = replace(
        TOLD, names={(Party.A, ""): Names(tags=("tq",)), (Party.B, "b1"): Names(), (Party.B, "b2"): Names()}, faults=(), metadata=""
    )
    second = replace(second, report=replace(REPORT, created=1600000000.0, legs=tuple(replace(leg, tag="") for leg in REPORT.legs)))
    reply = tell_call([TOLD, second])
    assert list(reply["tags"]) == ["ta", "tb", "<untagged 1>", "tq", "<untagged 2>", "<untagged 3>"]
    assert reply["created"] == 1600000000


def silent(kind: str, **changes: object) -> list[str]:
    """What is said when nothing comes from B."""
    quiet = replace(port(40000, packets=0), **changes)  # type: ignore[arg-type]
    found = replace(media(40000), flags=frozenset({"initialized", kind}), ports=(quiet,))
    report = replace(REPORT, legs=(replace(REPORT.legs[0], medias=(found,)), replace(REPORT.legs[2], medias=())))
    return list(complaints(report, {(Party.B, "b1"): "tb"}, REPORT.last_signal + 10))


def test_silence_has_a_reason():
    assert silent("") == ["tb: audio: no packet came to 192.0.2.1 port 40000 (UDP)"]
    assert "no ICE check succeeded" in silent("ice", remote=None)[0]
    assert "DTLS handshake has not finished" in silent("dtls")[0]
    assert "packets were dropped" in silent("", received=Counts(errors=5))[0]
    assert silent("", received=Counts(packets=5)) == []


def test_a_young_call_is_not_complained_about():
    assert list(complaints(REPORT, {}, REPORT.last_signal + 1)) == []
