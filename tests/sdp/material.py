"""Material for property tests: captured SDPs, mutations of them, and a check that a text of ours is sound."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from boringsdp.sdp import Description, describe

CAPTURED = {path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent.parent / "golden" / "captured").glob("*.sdp"))}
TEXTS = list(CAPTURED.values())

_LINES = sorted({line for text in TEXTS for line in text.splitlines()})
_ODD = [
    *(
        "",
        "a=",
        "m=",
        "c=",
        "o=",
        "a=rtpmap:",
        "a=fmtp:96",
        "a=mid:0",
        "a=crypto:1",
        "a=extmap:0 x",
        "a=ssrc:1",
        "a=rtcp:0",
        "a=candidate:",
    ),
    *("m=audio 1 RTP/AVP 300", "m=audio 99999 RTP/AVP 0", "m=audio 0 RTP/AVP", "a=group:BUNDLE", "c=IN IP4 0.0.0.0", "b=AS:-1", "\u0660=x"),
    *("a=rtpmap:\u0661 a/8000", "a=ptime:1e999", "a=ptime:nan", "a=inactive", "a=setup:holdconn", "a=bundle-only"),
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A real SDP with a few lines dropped, doubled, moved, exchanged, or damaged in one place."""
    lines = draw(st.sampled_from(TEXTS)).split("\r\n")
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "insert", "odd", "damage", "cut"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "insert":
                lines.insert(at, draw(st.sampled_from(_LINES)))
            case "odd":
                lines.insert(at, draw(st.sampled_from(_ODD)))
            case "damage":
                where = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:where] + draw(st.text(max_size=3)) + lines[at][where + draw(st.integers(0, 3)) :]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return draw(st.sampled_from(["\r\n", "\n"])).join(lines)


def check_sound(text: str) -> Description:
    """Assert what holds for every text we write, and return its view."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    lines = text.split("\r\n")
    assert lines[0] == "v=0"
    assert lines[1].startswith("o=- ")
    description = describe(text)
    mids = [media.mid for media in description.medias if media.mid]
    assert len(mids) == len(set(mids))
    for group in description.bundle:
        assert len(group) == len(set(group))
        members = [media for media in description.medias if media.mid in group]
        assert len(members) == len(group), "a group names m-lines that exist"
        assert all(media.port for media in members), "a refused m-line leaves its group"
        meanings: dict[int, tuple[str, int, int]] = {}
        ids: dict[int, str] = {}
        for media in members:
            assert {member.port for member in members} == {media.port}
            for uri, number in media.extensions:
                assert ids.setdefault(number, uri) == uri, "one extension id, one meaning"
            for f in media.formats:
                assert meanings.setdefault(f.payload_type, f.codec.key) == f.codec.key, "one payload type, one meaning"
    for section in text.split("\r\nm=")[1:]:
        numbers = section.split("\r\n")[0].split()[3:]
        for line in section.split("\r\n")[1:]:
            for prefix in ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"):
                if line.startswith(prefix):
                    assert line[len(prefix) :].split(" ")[0] in numbers, f"{line} names a payload type that is not offered"
    for media in description.medias:
        if media.port:
            assert media.protocol is not None
            assert media.codecs, "an accepted m-line carries media"
            assert not any(f.codec.key[0] in ("red", "rtx", "ulpfec", "flexfec-03") for f in media.formats)
            assert media.address is not None
            assert bool(media.ufrag) == bool(media.password)
            if media.protocol.secure:
                assert media.fingerprints or media.cryptos
    return description
