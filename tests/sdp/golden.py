"""
Runs golden cases: calls written down as text, each file under tests/golden/<topic>/ one call.

A file is a list of sections between lines of `---`, alternately what came in and what goes out:

    # a offer to=plain            the first line of what came in: who sent it, what it is, and options
    v=0 …                         the SDP
    ---
    v=0 …                         what goes out to the other party
    # a.0 audio sendrecv …        after an answer: what was agreed, one line for each m-line of both legs, and how payload types map
    ---
    # b answer
    …

Verbs: `offer` (options `to=` webrtc, plain, avpf, sdes, sdes-optional, same), `answer`, `echo` (answered by ourselves), `late` (nothing
comes in, we offer to that party), `accept` (an answer that is not passed on), `join` (an offer that the other leg's last answer answers).
Further options: `prefer=`, `remove=`, `only=`, `keep=` (codec names with commas), `single`, `may-be-empty`, `sdes=` off, optional or
mandatory (what that party may agree), `rekey` (our SDES keys change), `restart` (our ICE credentials change), `withdraw` (the last offer
failed). An output that begins with `! ` is the error.

Under tests/golden/ng/<topic>/ are calls of a proxy's media relay. After the first line further ones may say, in words:

    # to: SAVPF ice dtls sdes     what the offer speaks: a profile (AVP … SAVPF, DTLS-SAVP, DTLS-SAVPF) and words of `STYLE_WORDS`
    # passing: theirs origin      what passes: `own` or `theirs`, and words of `PASSING_WORDS`
    # limits: SAVPF dtls passive  what the party that sends this may agree on, or in an answer what our answer to the other one is

A new case is a new file with only what came in; `python tests/sdp/golden.py [file …]` writes what goes out. Read it before you commit it.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from boringsdp.errors import BoringError
from boringsdp.sdp import (
    OWN_TEXT,
    PLAIN,
    PLAIN_FEEDBACK,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    THEIR_TEXT,
    WEBRTC,
    Candidate,
    CodecPolicy,
    Crypto,
    Fingerprint,
    LegMemory,
    LegStyle,
    LocalMedia,
    LocalTransport,
    MediaNeed,
    MediaPlan,
    OriginPart,
    Passing,
    Protocol,
    Sdes,
    Written,
    accept_answer,
    accept_offer,
    linked,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
    payload_type_map,
    withdraw,
)

ROOT = Path(__file__).parent.parent / "golden"
STYLES = {"webrtc": WEBRTC, "plain": PLAIN, "avpf": PLAIN_FEEDBACK, "sdes": SDES_MANDATORY, "sdes-optional": SDES_OPTIONAL, "same": None}
OTHER = {"a": "b", "b": "a"}
FINGERPRINT = Fingerprint("sha-256", ":".join(f"{octet:02X}" for octet in range(32)))


def cases() -> list[Path]:
    """Every case file; captured SDPs are material, not cases."""
    return sorted(path for path in (*ROOT.glob("*/*.sdp"), *ROOT.glob("ng/*/*.sdp")) if path.parent.name != "captured")


STYLE_WORDS: dict[str, dict[str, object]] = {
    "ice": {"ice": True},
    "dtls": {"dtls": True},
    "mux": {"rtcp_mux": True},
    "mux-only": {"rtcp_mux": True, "rtcp_mux_only": True},
    "bundle": {"bundle": True},
    "mids": {"mids": True},
    "active": {"setup": "active"},
    "passive": {"setup": "passive"},
    "optional-ice": {"ice": True, "ice_optional": True},
    "no-trickle": {"trickle": False},
    "pad": {"sdes_pad": True},
    "lifetime": {"sdes_lifetime": True},
    "sdes-preferred": {"sdes_preferred": True},
    "osrtp": {"osrtp": True},
    "reset": {"reset": True},
    "refuse-ice": {"refuse_ice": True},
    "refuse-dtls": {"refuse_dtls": True},
    "refuse-mux": {"refuse_rtcp_mux": True},
    "sdes-optional": {"sdes": Sdes.OPTIONAL},
}
PASSING_WORDS: dict[str, dict[str, object]] = {
    "origin": {"origin": frozenset({OriginPart.ADDRESS})},
    "origin-full": {"origin": frozenset(OriginPart)},
    "username": {"origin": frozenset({OriginPart.USERNAME})},
    "version": {"origin": frozenset({OriginPart.VERSION})},
    "name": {"session_name": True},
    "force-version": {"force_version": True},
    "zero": {"zero_address": True},
    "original": {"original_direction": True},
    "no-attributes": {"attributes": False},
    "no-session-lines": {"session_lines": False},
    "no-extensions": {"extensions": ()},
}


def style_of(words: list[str]) -> LegStyle:
    """Read a profile and words of `STYLE_WORDS`; also `sdes`, `suites=`, `answer-suites=` and `hash=`."""
    first, *rest = words
    protocol = Protocol(f"UDP/TLS/RTP/{first[5:]}" if first.startswith("DTLS-") else f"RTP/{first}")
    style = LegStyle(protocol=protocol)
    for word in rest:
        key, _, value = word.partition("=")
        match key:
            case "sdes":
                style = replace(style, sdes=Sdes.MANDATORY if protocol.secure else Sdes.OPTIONAL)
            case "suites":
                style = replace(style, suites=tuple(value.split(",")))
            case "answer-suites":
                style = replace(style, answer_suites=tuple(value.split(",")))
            case "hash":
                style = replace(style, fingerprint_hash=value)
            case _:
                style = replace(style, **STYLE_WORDS[word])  # type: ignore[arg-type]
    return style


def passing_of(words: list[str]) -> Passing:
    """Read `own` or `theirs` and words of `PASSING_WORDS`; also `rtcp=`, `mark=` and `remove=`."""
    passing = {"own": OWN_TEXT, "theirs": THEIR_TEXT}[words[0]]
    for word in words[1:]:
        key, _, value = word.partition("=")
        match key:
            case "rtcp":
                passing = replace(passing, rtcp_attribute=value)
            case "mark":
                passing = replace(passing, loop_mark=value)
            case "remove":
                passing = replace(passing, remove_media=frozenset(value.split(",")))
            case _:
                passing = replace(passing, **PASSING_WORDS[word])  # type: ignore[arg-type]
    return passing


@dataclass
class Head:
    """The lines at the top of a section."""

    given: dict[str, str]
    style: LegStyle | None
    limits: LegStyle | None
    passing: Passing
    text: str

    @classmethod
    def read(cls, options: list[str], text: str) -> Head:
        given = {option.partition("=")[0]: option.partition("=")[2] for option in options}
        words: dict[str, list[str]] = {}
        while text.startswith("# "):
            line, _, text = text.partition("\n")
            key, _, value = line[2:].partition(":")
            words[key] = value.split()
        limits = replace(PLAIN, sdes=Sdes(given["sdes"])) if "sdes" in given else None
        return cls(
            given,
            style_of(words["to"]) if "to" in words else STYLES[given.get("to", "same")],
            style_of(words["limits"]) if "limits" in words else limits,
            passing_of(words.get("passing", ["own"])),
            text,
        )


@dataclass
class Gateway:
    """Both legs of one call with local parameters that never vary."""

    legs: dict[str, LegMemory] = field(default_factory=lambda: {"a": LegMemory(session_id=1001), "b": LegMemory(session_id=1002)})
    before: dict[str, LegMemory] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})
    rekeys: int = 0

    def locals_for(self, party: str, needs: tuple[MediaNeed, ...]) -> dict[int, LocalMedia]:
        if any(need.ice_restart for need in needs):
            self.restarts[party] += 1
        return {need.slot: self.local(party, need) for need in needs}

    def local(self, party: str, need: MediaNeed) -> LocalMedia:
        number = need.transport_slot
        cryptos = tuple(
            Crypto.from_random(suite, hashlib.sha512(f"{party} {number} {suite} {self.rekeys}".encode()).digest()) for suite in need.suites
        )
        if not need.shared:
            return self.own_ports(party, need, cryptos)
        restart = self.restarts[party]
        transport = LocalTransport(
            host="203.0.113.1",
            port=10000,
            ufrag=f"gateway{party}{number}r{restart}",
            password=f"passwordofthegateway{party}{number}r{restart}",
            candidates=(Candidate.local("203.0.113.1", 10000), Candidate.local("2001:db8::1", 10000, preference=65534)),
            fingerprints=(replace(FINGERPRINT, hash=need.fingerprint_hash),),
        )
        return LocalMedia(transport=transport, ssrc=1000 + need.slot, cname=f"cname{party}")

    def own_ports(self, party: str, need: MediaNeed, cryptos: tuple[Crypto, ...]) -> LocalMedia:
        host, number = "198.51.100.1", need.transport_slot
        port = {"a": 40000, "b": 41000}[party] + 2 * number
        restart = self.restarts[party]
        ufrag, password = need.credentials or (f"ports{party}{number}r{restart}", f"passwordoftheports{party}{number}r{restart}")
        components = [(1, port)] if need.rtcp_mux else [(1, port), (2, port + 1)]
        transport = LocalTransport(
            host=host,
            port=port,
            rtcp_port=port + 1,
            cryptos=cryptos,
            fingerprints=(replace(FINGERPRINT, hash=need.fingerprint_hash),) if need.dtls else (),
            ufrag=ufrag if need.ice else "",
            password=password if need.ice else "",
            candidates=tuple(Candidate.local(host, p, component=c) for c, p in components) if need.ice else (),
        )
        browser = need.ice and need.dtls
        return LocalMedia(transport=transport, ssrc=1000 + need.slot if browser else 0, cname=f"cname{party}" if browser else "")

    def step(self, header: str, text: str) -> str:
        """Return what goes out for one incoming section."""
        party, verb, *options = header.removeprefix("#").split()
        head = Head.read(options, text)
        given, limits, style, passing, text = head.given, head.limits, head.style, head.passing, head.text
        policy = CodecPolicy(
            keep=frozenset(filter(None, given.get("keep", "").split(","))),
            may_be_empty="may-be-empty" in given,
            prefer=tuple(filter(None, given.get("prefer", "").split(","))),
            remove=frozenset(filter(None, given.get("remove", "").split(","))),
            only=frozenset(filter(None, given.get("only", "").split(","))),
            single="single" in given,
        )
        self.rekeys += "rekey" in given
        legs, other = self.legs, OTHER[party]
        if "withdraw" in given:
            legs.update({name: withdraw(memory, legs[name]) for name, memory in self.before.items()})
        if "restart" in given:
            self.restarts[party if verb == "late" else other] += 1
        try:
            match verb:
                case "offer":
                    self.before = dict(legs)
                    legs[party] = accept_offer(legs[party], text, limits)
                    needs = needs_for_offer(legs[other], style, legs[party], policy, passing)
                    return self.sent(other, make_offer(legs[other], style, legs[party], self.locals_for(other, needs), policy, passing))
                case "late":
                    needs = needs_for_offer(legs[party], style, None, policy)
                    return self.sent(party, make_offer(legs[party], style, None, self.locals_for(party, needs), policy))
                case "answer":
                    legs[party] = accept_answer(legs[party], text)
                    needs = needs_for_answer(legs[other], legs[party], policy, limits, passing)
                    written = make_answer(legs[other], legs[party], self.locals_for(other, needs), policy, limits, passing)
                    return self.sent(other, written) + self.agreed(other, party)
                case "accept":
                    legs[party] = accept_answer(legs[party], text)
                    return self.agreed(party)
                case "join":
                    legs[party] = accept_offer(legs[party], text)
                    needs = needs_for_answer(legs[party], legs[other], policy, limits)
                    out = self.sent(party, make_answer(legs[party], legs[other], self.locals_for(party, needs), policy))
                    legs[other] = linked(legs[other], legs[party])
                    return out + self.agreed(party, other)
                case "echo":
                    legs[party] = accept_offer(legs[party], text)
                    needs = needs_for_answer(legs[party], None, policy, limits)
                    written = make_answer(legs[party], None, self.locals_for(party, needs), policy, limits)
                    return self.sent(party, written) + self.agreed(party)
            raise AssertionError(f"no verb {verb}")
        except BoringError as error:
            return f"! {type(error).__name__}: {error}\n"

    def sent(self, party: str, written: Written) -> str:
        self.legs[party] = written.memory
        assert LegMemory.from_record(written.memory.to_record()) == written.memory
        return written.text.replace("\r\n", "\n")

    def agreed(self, party: str, other: str | None = None) -> str:
        """The plans of both legs (or of one, for echo) as comment lines."""
        lines = []
        for name, far in ((party, other or party), (other, party)):
            if name is not None:
                far_plans = media_plans(self.legs[far])
                for plan in media_plans(self.legs[name]):
                    index = plan.counterpart if other else plan.slot
                    lines.append(_show(name, far, plan, None if index is None else far_plans[index]))
        return "".join(f"# {line}\n" for line in lines)


def _show(name: str, far: str, plan: MediaPlan, target: MediaPlan | None) -> str:
    if not plan.accepted or target is None:
        return f"{name}.{plan.slot} {plan.kind} refused"
    way = {(True, True): "both ways", (True, False): "sends only", (False, True): "receives only", (False, False): "inactive"}
    parts = [f"{name}.{plan.slot} {plan.kind} {way[plan.send, plan.receive]}"]
    if plan.ice:
        parts.append(f"ice {plan.remote_ufrag}" + ("" if plan.shared else " on own ports"))
    else:
        remote, rtcp = plan.remote, plan.remote_rtcp
        parts.append(f"to {remote[0]}:{remote[1]}" if remote else "to nowhere")
        parts += [f"rtcp {rtcp[0]}:{rtcp[1]}"] if rtcp and remote and rtcp != (remote[0], remote[1] + 1) else []
    parts += ["rtcp-mux"] if plan.rtcp_mux else []
    parts += [f"over {name}.{plan.transport_slot}"] if plan.transport_slot != plan.slot else []
    parts += [f"dtls {plan.setup}"] if plan.dtls else []
    if plan.local_crypto and plan.remote_crypto:
        parts.append(f"sdes {plan.remote_crypto.suite} tag {plan.remote_crypto.tag}")
    if plan.raw:
        return ", ".join([*parts, f"raw -> {far}.{target.slot}"])
    mapped = payload_type_map(plan, target)
    parts.append(f"-> {far}.{target.slot} {{{', '.join(f'{x}>{y}' for x, y in mapped.codecs.items())}}}")
    parts += [f"events {dict(mapped.events)}"] if mapped.events else []
    parts += [f"dtmf {plan.dtmf.payload_type}/{plan.dtmf.codec.clock_rate}"] if plan.dtmf else []
    parts += [f"feedback {sorted(plan.feedback)}"] if plan.feedback else []
    return ", ".join(parts)


def read(text: str) -> list[tuple[str, str, str]]:
    """Split a case into (header, what came in, what goes out) for each step; what goes out is empty when it is not yet written."""
    sections = [section.strip("\n") + "\n" for section in text.split("\n---\n")]
    steps: list[tuple[str, str, str]] = []
    for section in sections:
        header, _, body = section.partition("\n")
        words = header.split()
        if words[:1] == ["#"] and len(words) > 2 and words[1] in OTHER:
            steps.append((header, body, ""))
        else:
            steps[-1] = (*steps[-1][:2], section)
    return steps


def rewrite(text: str) -> str:
    """Return the case with what goes out written anew."""
    gateway = Gateway()
    parts = []
    for header, body, _ in read(text):
        parts += [f"{header}\n{body}", gateway.step(header, body)]
    return "---\n".join(parts)


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or cases():
        path.write_text(rewrite(path.read_text()))
