"""From what a message says to a typed offer or answer."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from boringsdp.errors import NgError
from boringsdp.ng.bencode import octets
from boringsdp.ng.gathering import Gathered
from boringsdp.ng.requests import CodecOptions, Description, Ice, Identity, Learning, SdesOptions, SdpEdits
from boringsdp.ng.values import endpoint_of, spelled, text_of
from boringsdp.ng.vocabulary import NO_CALL_ID, NO_FROM_TAG, NO_SDP, NO_TO_TAG

FORCE_RELAY = "ICE=force-relay is not available: the gateway is never a TURN-like candidate beside the peers' own"
ALWAYS_LITE = "ICE-lite=off is not available: the gateway answers ICE checks and makes none"

REPLACE = frozenset({
    "origin", "origin-full", "session-connection", "username", "session-name", "SDP-version", "force-increment-sdp-ver", "zero-address",
})  # fmt: skip
_RTCP_MUX = frozenset({"offer", "require", "demux", "accept", "reject"})
_BUNDLE = frozenset({"accept", "offer", "require", "strict", "reject"})
_OSRTP = frozenset({"offer", "offer-RFC", "offer-legacy", "accept", "accept-RFC", "accept-legacy"})
_SESSION_PARAMETERS = frozenset({"unencrypted-srtp", "unencrypted-srtcp", "unauthenticated-srtp"})
_NEGATED_PARAMETERS = frozenset({"encrypted-srtp", "encrypted-srtcp", "authenticated-srtp"})


def read_identity(said: Gathered, *, selecting: bool = False) -> Identity:
    """Return who a message is about. `selecting`: `label` finds a party; else it names the one whose SDP this is."""
    label = said.text("label")
    flows = said.choice("all", "all", "yes", "on", "1", "none", "no", "off", "0", "offer-answer", "except-offer-answer", "flows")
    return Identity(
        call_id=said.text("call-id"),
        from_tag=said.text("from-tag"),
        to_tag=said.text("to-tag"),
        via_branch=said.text("via-branch"),
        from_label=label if selecting else "",
        set_label=said.text("set-label") or ("" if selecting else label),
        to_label=said.text("to-label"),
        address=said.text("address").strip(),
        all="all" in said.flags or flows in {"all", "yes", "on", "1"},
        all_value=flows,
        directional="directional" in said.flags,
    )


def read_description(said: Gathered, *, answer: bool) -> Description:
    """Return the typed offer or answer. Raises `NgError` when it lacks what it must have, or asks for what cannot be left out silently."""
    identity = read_identity(said)
    sdp = said.text("sdp")
    if not sdp:
        raise NgError(NO_SDP, "sdp")
    if not identity.call_id:
        raise NgError(NO_CALL_ID, "call-id")
    if not identity.from_tag:
        raise NgError(NO_FROM_TAG, "from-tag")
    if answer and not identity.to_tag:
        raise NgError(NO_TO_TAG, "to-tag")
    return _from_keys(said, identity, sdp, answer=answer)


_SWITCHES = (
    "asymmetric", "strict-source", "media-handover", "reset", "fragment", "original-sendrecv", "loop-protect", "reject-ICE", "single-codec",
    "allow-no-codec-media", "detect-DTMF", "block-DTMF", "pierce-NAT", "NAT-wait", "new-branch", "provisional", "debug", "fatal",
)  # fmt: skip
_FIELDS = {flag: flag.lower().replace("-", "_") for flag in _SWITCHES}
"""Flags that set the field of their own name."""


def readable(sdp: str) -> str:
    """
    Return the text as UTF-8, or Latin-1 where its octets are none: old phones write names so, and what we write is UTF-8 (RFC 8866 §4.5).

    In text that came as bencode lone surrogates stand for such octets.
    """
    if sdp.isascii() or not any("\udc80" <= character <= "\udcff" for character in sdp):
        return sdp
    return octets(sdp).decode("latin-1")


def _from_keys(said: Gathered, identity: Identity, sdp: str, *, answer: bool) -> Description:
    ice, trickle = _ice(said)
    flags = said.flags
    webrtc = "WebRTC" in flags
    return Description(
        identity=identity,
        sdp=readable(sdp),
        answer=answer,
        webrtc=webrtc,
        ice=Ice.FORCE if webrtc and ice is None else ice or Ice.DEFAULT,
        trickle=trickle or webrtc or "trickle-ICE" in flags,
        dtls=_dtls(said, "DTLS"),
        dtls_reverse=_dtls(said, "DTLS-reverse"),
        fingerprint_hash=_hash(said),
        protocol=_protocol(said) or ("UDP/TLS/RTP/SAVPF" if webrtc else ""),
        sdes=_sdes(said, off=webrtc),
        osrtp=_osrtp(said),
        rtcp_mux=said.choices("rtcp-mux", _RTCP_MUX) or (frozenset({"offer", "require"}) if webrtc else frozenset()),
        bundle=said.choices("bundle", _BUNDLE),
        extmap_strip=frozenset(said.extmaps.get("strip", ())) | ({"all"} if "strip-extmap" in flags else frozenset()),
        extmap_mask=frozenset(said.extmaps.get("mask", ())),
        replace=said.choices("replace", REPLACE),
        codec=_codec(said),
        direction=_direction(said),
        routed=(said.host("inbound-peer") or said.host("peer"), said.host("outbound-peer")),
        address_family=_family(said),
        received_from=said.host("received-from"),
        media_address=said.host("media-address"),
        tos=said.number("TOS"),
        learning=_learning(said),
        metadata=said.text("metadata"),
        sdp_edits=_edits(said),
        media_remove=frozenset(said.words.get("sdp-media-remove", ())),
        supports_load_limit="load-limit" in {spelled(word) for word in said.words.get("supports", ())},
        dtmf_log=_dtmf_log(said),
        timeout_url=said.text("xmlrpc-callback"),
        sip_code=0 if spelled(said.text("SIP-message-type")).lower() == "sip-request" else said.number("SIP-code") or 0,
        sip_source_address="SIP-source-address" in flags and "trust-address" not in flags,
        port_latching=False if "no-port-latching" in flags else True if "port-latching" in flags else None,
        generate_mid=webrtc or "generate-mid" in flags,
        rtcp_attribute="full" if "full-rtcp-attribute" in flags else "never" if webrtc or "no-rtcp-attribute" in flags else "needed",
        **{field: flag in flags for flag, field in _FIELDS.items()},
        ignored=tuple(said.ignored),  # these two at last: reading the others adds to them
        warnings=tuple(said.warnings),
    )


def _ice(said: Gathered) -> tuple[Ice | None, bool]:
    """
    ICE itself and trickle, which may stand in one list with ICE-lite; of two contradicting words the later counts.

    Towards whom to be ICE-lite (`forward`, `backward`, `both`) needs no answer: we are towards everyone, lite peers included.
    """
    ice: Ice | None = None
    lite = said.choice("ICE-lite", "forward", "backward", "both", "off")
    trickle = False
    for word in said.words.get("ICE", ()):
        name = spelled(word)
        if name == "force-relay":
            raise NgError(FORCE_RELAY, "ICE")
        if name in {each.value for each in Ice}:
            ice = Ice(name)
        elif name == "trickle":
            trickle = True
        elif name.startswith("lite-") and name[5:] in {"forward", "backward", "both", "off"}:
            lite = name[5:]
        elif name not in {"ice2", "no-ice2"}:
            said.unknown(f"ICE={word}")
    if lite == "off":
        said.warn(ALWAYS_LITE)
    return ice, trickle


def _dtls(said: Gathered, key: str) -> str:
    word = said.text(key)
    if word in {"off", "no", "disable"}:
        return "off"
    return said.choice(key, "passive", "active")


def _hash(said: Gathered) -> str:
    """`SHA-256` or `sha256` as `sha-256`."""
    word = said.text("DTLS-fingerprint").lower()
    name = f"sha-{word[3:]}" if word.startswith("sha") and word[3:4].isdigit() else word
    if name and name not in {"sha-1", "sha-224", "sha-256", "sha-384", "sha-512"}:
        said.unknown(f"DTLS-fingerprint={word}")
        return ""
    return name


_FULL_PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"})


def _protocol(said: Gathered) -> str:
    """The transport protocol: the key, else the flags that name it or say one thing about it each."""
    word = said.text("transport-protocol").strip()
    upper = word.upper()
    if upper in _FULL_PROTOCOLS:
        return upper
    if word == "accept":
        return word
    if word and word not in {"UDPTL", "udptl"}:  # UDPTL asks for what an image m-line gets anyway
        combined = _combined(upper.replace("+", " ").split())
        if combined:
            return combined
        said.unknown(f"transport-protocol={word}")
    return _combined(said.protocol_words)


def _combined(words: Iterable[str]) -> str:
    """`SRTP AVPF` is RTP/SAVPF, `DTLS AVPF` is UDP/TLS/RTP/SAVPF; the later of two contradicting words counts. Empty: nothing said."""
    secure = feedback = dtls = said = False
    for word in words:
        match word:
            case "RTP":
                secure = dtls = False
            case "SRTP":
                secure = True
            case "AVP" | "AVPF":
                feedback = word == "AVPF"
            case "SAVP" | "SAVPF":
                secure, feedback = True, word == "SAVPF"
            case "DTLS":
                dtls = secure = True
            case _ if word in _FULL_PROTOCOLS:
                secure, feedback, dtls = "SAVP" in word, word.endswith("F"), word.startswith("UDP/TLS")
            case _:
                continue
        said = True
    if not said:
        return ""
    return f"{'UDP/TLS/' if dtls else ''}RTP/{'S' if secure else ''}AVP{'F' if feedback else ''}"


def _sdes(said: Gathered, *, off: bool) -> SdesOptions:
    if not off and "SDES" not in said.words:
        return _NO_SDES_OPTIONS
    without: set[str] = set()
    lists: dict[str, list[str]] = {"only-": [], "order:": [], "offerer_pref:": []}
    switches: set[str] = {"off"} if off else set()
    for word in said.words.get("SDES", ()):
        name = spelled(word).lower()
        if name in {"off", "no", "disable"}:
            switches.add("off")
        elif name in {"pad", "lifetime", "static", "prefer", "nonew"}:
            switches.add(name)
        elif name in _SESSION_PARAMETERS:
            said.warn(f"SDES-{word} is not available: media is encrypted and authenticated")
        elif name.startswith("no-"):
            without.add(word[3:])
        elif name.startswith("only-"):
            lists["only-"].append(word[5:])
        elif name.startswith("order:"):
            lists["order:"] += _suites(word[6:])
        elif name.startswith(("offerer-pref:", "offerer-pref-")):
            lists["offerer_pref:"] += _suites(word[13:])
        elif name not in _NEGATED_PARAMETERS:
            said.unknown(f"SDES-{word}")
    return SdesOptions(
        off="off" in switches,
        without=frozenset(without),
        only=tuple(lists["only-"]),
        order=tuple(lists["order:"]),
        offerer_preference=tuple(lists["offerer_pref:"]),
        pad="pad" in switches,
        lifetime="lifetime" in switches,
        static="static" in switches,
        prefer="prefer" in switches,
        no_new="nonew" in switches,
    )


_TRANSCODERS = ("accept", "ignore", "set")
"""Words for a transcoder: what to accept for it all the same, or not, and with which bit rate."""
_NO_SDES_OPTIONS = SdesOptions()
_NO_CODEC_OPTIONS = CodecOptions()


def _suites(text: str) -> list[str]:
    return [suite.strip() for suite in text.replace(",", ";").split(";") if suite.strip()]


def _osrtp(said: Gathered) -> frozenset[str]:
    """`offer-RFC` is `offer`; `accept` is both of its forms."""
    words = said.choices("OSRTP", _OSRTP)
    if "offer-RFC" in words:
        words = (words - {"offer-RFC"}) | {"offer"}
    if words & {"offer-legacy", "accept-legacy"}:
        said.warn("OSRTP with every m-line twice (legacy) is not available; RFC 8643 is")
    return words


def _codec(said: Gathered) -> CodecOptions:
    if not said.codecs:
        return _NO_CODEC_OPTIONS
    for field in _TRANSCODERS:
        if said.codecs.get(field):
            said.ignore(f"codec-{field}")
    return CodecOptions(**{field: tuple(dict.fromkeys(names)) for field, names in said.codecs.items()})


def _direction(said: Gathered) -> tuple[str, str]:
    """Interface names towards the sender and towards the receiver; the one-sided keys count where `direction` says nothing."""
    names = said.words.get("direction", [])[-2:]
    near = names[0] if names else said.text("from-interface") or said.text("interface")
    far = names[1] if len(names) > 1 else said.text("to-interface")
    return near, far


def _family(said: Gathered) -> str:
    word = said.text("address-family").upper().replace("IPV", "IP")
    if word and word not in {"IP4", "IP6"}:
        said.unknown(f"address-family={word}")
        return ""
    return word


def _learning(said: Gathered) -> Learning | None:
    word = said.choice("endpoint-learning", *(each.value for each in Learning))
    return Learning(word) if word else None


def _edits(said: Gathered) -> MappingProxyType[str, SdpEdits]:
    return MappingProxyType(
        {
            section: SdpEdits(
                add=tuple(commands.get("add", ())),
                remove=tuple(commands.get("remove", ())),
                substitute=tuple(commands.get("substitute", ())),
            )
            for section, commands in said.edits.items()
        }
    )


def _dtmf_log(said: Gathered) -> tuple[str, int] | None:
    value = said.values.get("DTMF-log-dest")
    endpoint = endpoint_of(value)
    if value is not None and endpoint is None:
        said.unknown(f"DTMF-log-dest={text_of(value)}")
    return endpoint
