"""What a payload type means: codecs, formats, static payload types, and when two formats are the same codec."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from boringsdp.values import Value


@dataclass(slots=True, frozen=True)
class Codec:
    """
    An encoding of RFC 3551: `name` as written, `clock_rate` in Hz as SDP says it (G722 is 8000), `channels` 1 when unsaid.

    Names are compared without case (RFC 4855 §3): use `key`.
    """

    name: str
    clock_rate: int
    channels: int = 1
    key: tuple[str, int, int] = field(init=False, repr=False, compare=False)
    """What makes two encodings equal: lower-case name, clock rate, channels."""
    carries_media: bool = field(init=False, repr=False, compare=False)
    """True when it is worth a call by itself: neither telephone-event, CN, RED, RTX nor FEC."""
    is_event: bool = field(init=False, repr=False, compare=False)
    """True for telephone-event (RFC 4733)."""
    is_comfort_noise: bool = field(init=False, repr=False, compare=False)
    """True for CN (RFC 3389)."""

    def __post_init__(self) -> None:
        key = (self.name.lower(), self.clock_rate, self.channels)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "carries_media", key[0] not in _COMPANIONS)
        object.__setattr__(self, "is_event", key[0] == "telephone-event")
        object.__setattr__(self, "is_comfort_noise", key[0] == "cn")

    def __str__(self) -> str:
        tail = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.name}/{self.clock_rate}{tail}"


@functools.lru_cache(maxsize=1024)
def parse_encoding(text: str) -> Codec | None:
    """Return the codec of an rtpmap's `opus/48000/2`, or None when it is none. Cached: all the world uses the same few dozen."""
    parts = text.strip().split("/")
    if len(parts) < 2 or not parts[0] or len(text) > 200 or any(character.isspace() for character in parts[0]):
        return None
    clock, channels = parts[1], parts[2] if len(parts) > 2 else "1"
    if not (0 < len(clock) < 10 and clock.isascii() and clock.isdigit() and int(clock)):
        return None
    stated = channels.isascii() and channels.isdigit() and len(channels) < 4
    return Codec(parts[0], int(clock), int(channels) or 1 if stated else 1)


_REDUNDANCY = frozenset({"red", "rtx", "ulpfec", "flexfec", "flexfec-03", "parityfec", "1d-interleaved-parityfec", "rsfec"})
_COMPANIONS = _REDUNDANCY | {"telephone-event", "cn"}


class Format(Value, frozen=True):
    """One payload type of an m-line; `fmtp` is the parameter text, `feedback` the rtcp-fb values that apply to it (`*` included)."""

    payload_type: int
    codec: Codec
    fmtp: str = ""
    feedback: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The fmtp as key and value, keys in lower case; a part without `=` gets an empty value."""
        return _parameters(self.fmtp)

    @property
    def identity(self) -> tuple[object, ...]:
        """
        Equal for two formats exactly when packets of one may be sent as the other.

        H.264 needs the same packetization-mode and profile, the level may differ (RFC 6184 §8.2.2); VP9 the same profile-id; AV1 the same
        profile.
        """
        key = self.codec.key
        return (key, *_variant(key[0], self.fmtp)) if key[0] in _PARAMETERS_THAT_MATTER else key

    def same_codec(self, other: Format) -> bool:
        """True when packets of one may be sent as the other."""
        return self.codec.key == other.codec.key and self.identity == other.identity

    def carries_over(self, other: Format) -> bool:
        """
        True when packets of `other` may leave as this one although the profiles differ in name.

        Deviation: RFC 6184 keeps Baseline and Constrained Baseline apart; phones offer the one, browsers the other, and both send what
        belongs to both.
        """
        if self.codec.key != other.codec.key:
            return False
        if self.codec.key[0] != "h264":
            return self.identity == other.identity
        (mode, profile), (other_mode, other_profile) = _variant("h264", self.fmtp), _variant("h264", other.fmtp)
        return mode == other_mode and (profile == other_profile or (profile.endswith("baseline") and other_profile.endswith("baseline")))

    def best_of(self, others: Iterable[Format]) -> Format | None:
        """Return the one of `others` that this one is the same as, else one that it carries over to, else None."""
        key, found = self.codec.key, None
        for other in others:
            if other.codec.key == key:
                if key[0] not in _PARAMETERS_THAT_MATTER or self.identity == other.identity:
                    return other
                if found is None and self.carries_over(other):
                    found = other
        return found


_PARAMETERS_THAT_MATTER = frozenset({"h264", "vp9", "av1", "h265"})


def _parameters(fmtp: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in fmtp.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs if key.strip()}


@functools.lru_cache(maxsize=512)
def _variant(name: str, fmtp: str) -> tuple[str, ...]:
    """The parameters that tell formats of one codec apart. Cached: formats are compared each with each."""
    parameters = _parameters(fmtp)
    if name == "h264":
        return (parameters.get("packetization-mode", "0"), h264_profile(parameters.get("profile-level-id", "")))
    if name == "vp9":
        return (parameters.get("profile-id", "0"),)
    if name == "h265":
        return (parameters.get("profile-id", "1"), parameters.get("tier-flag", "0"), parameters.get("tx-mode", "SRST"))
    return (parameters.get("profile", "0"),)


def h264_profile(profile_level_id: str) -> str:
    """
    Return the profile named by a profile-level-id, or the first four digits when it is none we know (RFC 6184 §8.1, table 5).

    An absent or malformed value means Baseline, as the RFC has it.
    """
    text = profile_level_id.strip().lower()
    if len(text) != 6 or any(digit not in "0123456789abcdef" for digit in text):
        return "baseline"
    idc, flags = text[:2], int(text[2:4], 16)
    for profile, wanted, mask, value in _H264_PROFILES:
        if idc == wanted and flags & mask == value:
            return profile
    return text[:4]


# (name, profile_idc, which constraint bits count, their value); RFC 6184 table 5 with constrained high added.
_H264_PROFILES = (
    ("constrained baseline", "42", 0x4F, 0x40),
    ("constrained baseline", "4d", 0x8F, 0x80),
    ("constrained baseline", "58", 0xCF, 0xC0),
    ("baseline", "42", 0x4F, 0x00),
    ("baseline", "58", 0xCF, 0x80),
    ("main", "4d", 0xAF, 0x00),
    ("constrained high", "64", 0xFF, 0x0C),
    ("high", "64", 0xFF, 0x00),
)


STATIC: dict[int, Codec] = {
    0: Codec("PCMU", 8000),
    3: Codec("GSM", 8000),
    4: Codec("G723", 8000),
    5: Codec("DVI4", 8000),
    6: Codec("DVI4", 16000),
    7: Codec("LPC", 8000),
    8: Codec("PCMA", 8000),
    9: Codec("G722", 8000),
    10: Codec("L16", 44100, 2),
    11: Codec("L16", 44100),
    12: Codec("QCELP", 8000),
    13: Codec("CN", 8000),
    14: Codec("MPA", 90000),
    15: Codec("G728", 8000),
    16: Codec("DVI4", 11025),
    17: Codec("DVI4", 22050),
    18: Codec("G729", 8000),
    25: Codec("CelB", 90000),
    26: Codec("JPEG", 90000),
    28: Codec("nv", 90000),
    31: Codec("H261", 90000),
    32: Codec("MPV", 90000),
    33: Codec("MP2T", 90000),
    34: Codec("H263", 90000),
}
"""Payload types that need no rtpmap (RFC 3551 §6)."""

STATIC_NUMBER: dict[tuple[str, int, int], int] = {codec.key: number for number, codec in STATIC.items()}
