"""Choosing formats and numbering them: so that both sides meet in codecs that need no transcoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from boringsdp.sdp.codec import STATIC, STATIC_NUMBER, Codec, Format
from boringsdp.sdp.policy import CodecPolicy
from boringsdp.sdp.style import Protocol

_FEEDBACK = ("nack", "nack pli", "ccm fir")
_KEY_FRAMES = ("nack pli", "ccm fir")


def feedback_for(kind: str, protocol: Protocol) -> tuple[str, ...]:
    """
    Return the rtcp-fb values that the relay serves on an m-line: for video only, all under AVPF.

    Deviation: under AVP the requests for key frames too. RFC 4585 has no rtcp-fb there, but video phones (baresip, Linphone, others) send
    and read it, and without it nobody can ask them for a picture.
    """
    if kind != "video":
        return ()
    return _FEEDBACK if protocol.feedback else _KEY_FRAMES


EVENTS = "0-15"
EVENT_CLOCK = 8000
_EVENT_8000, _EVENT_48000 = Codec("telephone-event", EVENT_CLOCK), Codec("telephone-event", 48000)
_OWN_EVENT = Format(101, _EVENT_8000)

_FREE_NUMBERS: tuple[int, ...] = (*range(96, 128), *range(35, 64))
"""Dynamic payload types; 64 to 95 would look like RTCP when multiplexed (RFC 5761 §4)."""


def allowed(formats: Iterable[Format], policy: CodecPolicy) -> list[Format]:
    """Return the formats that carry media and pass the policy, preferred ones first; RED, RTX and FEC never pass."""
    kept: list[Format] = []
    seen: set[tuple[object, ...]] = set()
    unlimited = policy.unlimited
    for f in formats:
        if f.codec.carries_media and (unlimited or policy.permits(f)):
            identity = f.identity
            if identity not in seen:
                seen.add(identity)
                kept.append(f)
    policy.sort(kept)
    return kept


def lenient(policy: CodecPolicy, formats: Sequence[Format]) -> CodecPolicy:
    """Return the policy, without its `remove` and `only` where these would leave none of `formats` that carries media."""
    if policy.unlimited or policy.may_be_empty or any(f.codec.carries_media and policy.permits(f) for f in formats):
        return policy
    return replace(policy, remove=frozenset(), only=frozenset())


def formats_to_offer(source: Sequence[Format], policy: CodecPolicy, *, webrtc: bool, audio: bool = False) -> list[Format]:
    """
    Return what to offer to one leg of what the other leg's SDP lists; payload types are still the source's.

    On an `audio` m-line telephone-event goes with it under a policy of `own_events`.

    Towards WebRTC telephone-event is offered in the clock of Opus as well as in 8000 Hz: a browser that sends Opus makes proper event
    trains only in the clock of Opus, and some browsers know 8000 Hz only.
    """
    chosen = allowed(source, policy)
    clocks = {f.codec.clock_rate for f in chosen}
    chosen += [f for f in source if f.codec.is_comfort_noise and f.codec.clock_rate in clocks and not policy.removes(f)]
    said = [f for f in source if f.codec.is_event and not policy.removes(f)]
    events = {f.codec.clock_rate: f for f in said if f.codec.clock_rate in clocks | {EVENT_CLOCK}}
    if said or (audio and policy.own_events and not policy.removes(_OWN_EVENT)):
        if webrtc and 48000 in clocks:
            events.setdefault(48000, Format(-1, _EVENT_48000))
        if webrtc or not events or clocks - {48000}:
            events.setdefault(EVENT_CLOCK, Format(-1, _EVENT_8000))
        chosen += [Format(events[clock].payload_type, events[clock].codec, EVENTS) for clock in sorted(events, reverse=True)]
    return chosen


def formats_to_mirror(source: Sequence[Format], policy: CodecPolicy, *, webrtc: bool) -> list[Format]:
    """
    Return what to offer to one leg of what the other leg's SDP lists, in the source's order and with its parameters.

    Towards WebRTC telephone-event is added in the clock of Opus, as `formats_to_offer` does.
    """
    unlimited = policy.unlimited
    chosen: list[Format] = []
    seen: set[tuple[object, ...]] = set()
    for f in source:
        companion = f.codec.is_event or f.codec.is_comfort_noise
        wanted = companion and not policy.removes(f) if not f.codec.carries_media else unlimited or policy.permits(f)
        if wanted and f.identity not in seen:
            seen.add(f.identity)
            chosen.append(f)
    policy.sort(chosen)
    events = [f.codec.clock_rate for f in chosen if f.codec.is_event]
    if webrtc and events and 48000 not in events and any(f.codec.clock_rate == 48000 for f in chosen):
        chosen.append(Format(-1, _EVENT_48000, EVENTS))
    return chosen


def number_formats(
    formats: Sequence[Format],
    fixed: Sequence[Format],
    elsewhere: Sequence[Format],
    feedback: Sequence[str],
    *,
    keep: bool = False,
    said: bool = False,
) -> list[Format]:
    """
    Return `formats` under the payload types to offer them with, and with `feedback` on those that carry media.

    A codec keeps the number it had (`fixed`, this m-line); a static one takes its static number; else it keeps the source's if that is free
    on this leg (`elsewhere`: meanings that other m-lines of a bundle have given), else it gets the next free one. A codec for which no
    number is left is dropped. With `keep` the source's number goes before the static one; with `said` a format gets only the feedback that
    it had.
    """
    meanings = {f.payload_type: f for f in (*elsewhere, *fixed)}
    numbered: dict[int, Format] = {}
    for f in formats:
        number = _number(f, fixed, meanings, numbered, keep=keep)
        if number is not None:
            values = tuple([value for value in feedback if value in f.feedback]) if said else tuple(feedback)
            numbered[number] = Format(number, f.codec, f.fmtp, values if f.codec.carries_media else ())
    return list(numbered.values())


def _number(
    wanted: Format, fixed: Sequence[Format], meanings: Mapping[int, Format], used: Mapping[int, Format], *, keep: bool
) -> int | None:
    for f in fixed:
        if f.payload_type not in used and f.same_codec(wanted):
            return f.payload_type

    def free(number: int) -> bool:
        meaning = meanings.get(number)
        return number not in used and (meaning is None or meaning.same_codec(wanted))

    static, own = STATIC_NUMBER.get(wanted.codec.key), wanted.payload_type
    own_will_do = own >= 0 and own not in STATIC and not 64 <= own <= 95 and free(own)
    if keep and own_will_do:
        return own
    if static is not None and free(static):
        return static
    if own_will_do:
        return own
    return next(filter(free, _FREE_NUMBERS), None)


def formats_to_answer(offered: Sequence[Format], source: Sequence[Format], policy: CodecPolicy, feedback: Sequence[str]) -> list[Format]:
    """
    Return the answer to `offered` when the other leg agreed on `source`: common codecs, in its order, under the offer's numbers.

    Of several telephone-event clocks only the one of the first codec is answered, else 8000 Hz: browsers that may choose send broken
    trains.
    """
    chosen: list[Format] = []
    for s in allowed(source, policy):
        match = s.best_of(offered)
        if match is not None and not any(match.payload_type == f.payload_type for f in chosen):
            agreed = tuple(f for f in feedback if f in match.feedback)
            chosen.append(Format(match.payload_type, match.codec, _fmtp(match, s), agreed))
    if policy.single:
        del chosen[1:]
    if not chosen:
        return []
    clocks = {f.codec.clock_rate for f in chosen}
    noises = {f.codec.key for f in source if f.codec.is_comfort_noise and f.codec.clock_rate in clocks and not policy.removes(f)}
    noise = [Format(o.payload_type, o.codec) for o in offered if o.codec.key in noises and o.codec.is_comfort_noise]
    event = pick_event(offered, chosen[0].codec.clock_rate)
    if event is not None and (policy.own_events or any(f.codec.is_event for f in source)) and not policy.removes(event):
        noise.append(Format(event.payload_type, event.codec, EVENTS))
    return chosen + noise


def formats_to_mirror_back(
    offered: Sequence[Format], source: Sequence[Format], policy: CodecPolicy, feedback: Sequence[str], *, webrtc: bool
) -> list[Format]:
    """
    Return the answer to `offered` when the other leg agreed on `source`, with its parameters and in its order, telephone-event included.

    Towards WebRTC only one clock of telephone-event is answered, as `formats_to_answer` does.
    """
    answer = formats_to_answer(offered, source, policy, feedback)
    if webrtc or not answer:
        return answer
    companions: dict[tuple[str, int, int], Format] = {}
    if not policy.single:
        said = {f.codec.key: f for f in source if (f.codec.is_event or f.codec.is_comfort_noise) and not policy.removes(f)}
        companions = {o.codec.key: replace(o, fmtp=said[o.codec.key].fmtp, feedback=()) for o in offered if o.codec.key in said}
    for f in answer:
        if not f.codec.carries_media and not any(f.codec.is_event == g.codec.is_event for g in companions.values()):
            companions[f.codec.key] = f
    both = [f for f in answer if f.codec.carries_media] + list(companions.values())
    order = {f.codec.key: position for position, f in reversed(list(enumerate(source)))}
    if not policy.prefer:
        both.sort(key=lambda f: order.get(f.codec.key, len(source)))
    return both


def _fmtp(offered: Format, agreed: Format) -> str:
    """Return the other leg's parameters, for H.264 with the profile that was offered: only the level may differ (RFC 6184 §8.2.2)."""
    ours, theirs = offered.parameters.get("profile-level-id", ""), agreed.parameters.get("profile-level-id", "")
    if offered.codec.key[0] != "h264" or len(ours) != 6 or len(theirs) != 6:
        return agreed.fmtp
    return agreed.fmtp.replace(theirs, ours[:4] + theirs[4:])


def pick_event(formats: Iterable[Format], clock_rate: int) -> Format | None:
    """Return the telephone-event format in the clock of the codec, else the one in 8000 Hz, else the first; None when there is none."""
    events = {f.codec.clock_rate: f for f in reversed([f for f in formats if f.codec.is_event])}
    return events.get(clock_rate) or events.get(EVENT_CLOCK) or next(iter(reversed(events.values())), None)


def shared(ours: Sequence[Format], theirs: Sequence[Format]) -> list[Format]:
    """Return those of `theirs` whose codec is among `ours`, under their numbers and in their order."""
    keys = {f.codec.key for f in ours}
    return [t for t in theirs if t.codec.key in keys and t.best_of(ours) is not None]


LATE_FMTP = {
    "opus": "useinbandfec=1",
    "h264": "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
}
LATE_NUMBER = {"opus": 111, "telephone-event": 101}


def late_formats(codecs: Iterable[Codec]) -> list[Format]:
    """Return what we offer of ourselves: `codecs` with our parameters, and telephone-event with audio."""
    return [Format(LATE_NUMBER.get(c.name.lower(), -1), c, LATE_FMTP.get(c.name.lower(), "")) for c in codecs]
