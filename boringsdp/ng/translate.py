"""From an offer or answer in NG's words to what a call is told: leg style, codec policy, text to keep, leg options. Pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from boringsdp.call import LegOptions
from boringsdp.ng.codecs import codec_policy
from boringsdp.ng.requests import Description, Ice, Learning
from boringsdp.relay import Latch
from boringsdp.sdp import (
    DEFAULT_POLICY,
    SUITES,
    THEIR_TEXT,
    WEBRTC,
    Codec,
    CodecPolicy,
    LegStyle,
    OriginPart,
    Passing,
    Protocol,
    Sdes,
)
from boringsdp.values import Value, replace

SUITE_ORDER = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", *(suite for suite in SUITES if not suite.startswith("AEAD_")))
"""In which order our offers name the SDES suites we speak: the strongest first, as rtpengine's do."""


class Plan(Value, frozen=True, kw_only=True):
    """
    What to tell `Call.offer` or `Call.answer`.

    `to` is how the leg of the receiver is spoken to: in offers the style, in answers what our answer may be. `here` are the options of the
    sender's leg, `there` those of the receiver's. `warnings` belong into the reply beside the request's own.
    """

    to: LegStyle
    policy: CodecPolicy
    passing: Passing
    here: LegOptions
    there: LegOptions
    warnings: tuple[str, ...] = ()


def plan_offer(
    request: Description,
    source: LegStyle,
    target: LegStyle | None = None,
    *,
    offered: Collection[Codec] | None = None,
    ice_refused: bool = False,
    suite: str = "",
    interfaces: Collection[str] | None = None,
    loop_mark: str = "",
    family: str = "",
) -> Plan:
    """
    Return how an offer goes on to the other side.

    `source` is what the sender speaks (`Description.style` of its SDP), `target` what the other leg speaks when there is one already: what
    an earlier message asked of it stays unless this one says otherwise. `offered` are the codecs in the sender's SDP, needed to tell which
    of the codecs to transcode to it has itself; `ice_refused` says that the other side answered an offer of ours without ICE; `suite` is
    the SDES suite that is in use with it; `interfaces` are the names that exist; `loop_mark` is written when the request asks for loop
    protection; `family` is the sender's, which a leg that begins has too unless the request says otherwise.
    """
    warnings: list[str] = []
    style = _offer_style(request, source, target, ice_refused, warnings)
    if suite in style.suites and request.sdes.static and style.sdes is not Sdes.OFF:
        style = replace(style, suites=(suite,))
    policy = codec_policy(request, offered, warnings)
    if request.detect_dtmf and offered is not None and not any(codec.is_event for codec in offered):
        warnings.append("detect DTMF: the offer has no telephone-event, and digits in the audio are not heard")
    here, there = _options(request, interfaces, warnings)
    if target is None and family and not there.family:
        there = replace(there, family=family)
    return Plan(to=style, policy=policy, passing=_passing(request, style, loop_mark), here=here, there=there, warnings=tuple(warnings))


def plan_answer(
    request: Description,
    source: LegStyle,
    target: LegStyle | None = None,
    *,
    offer: Description | None = None,
    agreed: CodecPolicy = DEFAULT_POLICY,
    suite: str = "",
    interfaces: Collection[str] | None = None,
    loop_mark: str = "",
) -> Plan:
    """
    Return how an answer goes back to the offerer.

    `target` is what the offerer speaks; its offer decides (RFC 3264 §6), so protocol and rtcp-mux of the request count only where the
    offer leaves a choice. `offer` is the request that carried the offer: what it said about the way back still holds. `agreed` is the
    policy of the offer; `suite` the SDES suite that was in use with the offerer before.
    """
    warnings: list[str] = []
    theirs = target or source
    style = _answer_style(request, offer, theirs, warnings)
    if suite and offer is not None and (offer.sdes.static or request.sdes.static):
        style = replace(style, answer_suites=tuple(dict.fromkeys((suite, *(style.answer_suites or SUITE_ORDER)))))
    policy = dataclasses.replace(agreed, single=True) if request.single_codec else agreed
    here, there = _options(request, interfaces, warnings)
    return Plan(to=style, policy=policy, passing=_passing(request, style, loop_mark), here=here, there=there, warnings=tuple(warnings))


# --- the style of an offer ---------------------------------------------------------------------------------------------------------------


def _offer_style(request: Description, source: LegStyle, target: LegStyle | None, ice_refused: bool, warnings: list[str]) -> LegStyle:
    protocol = _protocol(request, source, target)
    osrtp = not protocol.secure and _offers_osrtp(request, source, target)
    dtls, sdes = _keying(request, protocol, target, osrtp, warnings)
    ice = _offer_ice(request, source, target, ice_refused)
    browser = ice and dtls and protocol.feedback
    known = target or source
    bundle = "reject" not in request.bundle and (browser or bool(request.bundle & {"offer", "require"}))
    mux, mux_only = _offer_mux(request, known, browser, shared=ice and dtls and sdes is Sdes.OFF)
    return LegStyle(
        protocol=protocol,
        sdes=sdes,
        suites=_offer_suites(request, source, target) if sdes is not Sdes.OFF else LegStyle().suites,
        ice=ice,
        dtls=dtls,
        bundle=bundle,
        rtcp_mux=mux,
        mids=browser or bundle or request.generate_mid,
        rtcp_mux_only=mux_only,
        setup=request.dtls if request.dtls in {"active", "passive"} else "",
        fingerprint_hash=request.fingerprint_hash or WEBRTC.fingerprint_hash,
        ice_optional=ice and request.ice is Ice.OPTIONAL,
        trickle=request.trickle or browser,
        sdes_pad=request.sdes.pad,
        sdes_lifetime=request.sdes.lifetime,
        sdes_preferred=request.sdes.prefer,
        osrtp=osrtp,
        reset=request.reset,
    )


def _protocol(request: Description, source: LegStyle, target: LegStyle | None) -> Protocol:
    """What is asked for; else what the leg has; else the sender's own."""
    if request.protocol and request.protocol != "accept":
        return Protocol(request.protocol)
    return (target or source).protocol


def _offers_osrtp(request: Description, source: LegStyle, target: LegStyle | None) -> bool:
    """Whether keys are offered under RTP/AVP: asked for, or what the sender or the leg does already (unless SDES is off)."""
    known = source.sdes is Sdes.OPTIONAL or (target is not None and target.sdes is Sdes.OPTIONAL)
    return "offer" in request.osrtp or (known and not request.sdes.off)


def _keying(request: Description, protocol: Protocol, target: LegStyle | None, osrtp: bool, warnings: list[str]) -> tuple[bool, Sdes]:
    """
    Return whether DTLS and whether SDES is offered.

    UDP/TLS protocols are DTLS and nothing else. RTP/SAVP(F) has both unless one is off; with both off media would have no keys at all, so
    SDES stays. A leg that has agreed on one of them is not offered the other in a re-offer, which would only invite a change of keys.
    """
    if not protocol.secure:
        return False, Sdes.OPTIONAL if osrtp else Sdes.OFF
    if protocol in {Protocol.DTLS_SAVP, Protocol.DTLS_SAVPF}:
        if request.dtls == "off":
            warnings.append(f"DTLS=off does not go with {protocol.value}: DTLS is offered")
        return True, Sdes.OFF
    dtls, sdes = request.dtls != "off", not request.sdes.off
    if target is not None and target.protocol is protocol and not request.reset:
        agreed_dtls, agreed_sdes = target.dtls, target.sdes is not Sdes.OFF
        if (dtls and agreed_dtls) or (sdes and agreed_sdes):
            dtls, sdes = dtls and agreed_dtls, sdes and agreed_sdes
    if not sdes and not dtls:
        warnings.append(f"{protocol.value} needs SDES or DTLS, and both are off: SDES is offered")
        sdes = True
    return dtls, Sdes.MANDATORY if sdes else Sdes.OFF


def _offer_ice(request: Description, source: LegStyle, target: LegStyle | None, refused: bool) -> bool:
    match request.ice:
        case Ice.REMOVE:
            return False
        case Ice.FORCE | Ice.OPTIONAL:
            return request.reset or not refused
        case Ice.DEFAULT:
            return (target or source).ice and (request.reset or not refused)


def _offer_mux(request: Description, known: LegStyle, browser: bool, *, shared: bool) -> tuple[bool, bool]:
    """
    Return whether rtcp-mux is offered, and whether without a port to fall back to.

    Browsers refuse an offer without it, so they get it unless the request says no. The shared port has no second one to fall back to
    anyway, so `require` adds nothing there.
    """
    words = request.rtcp_mux
    if words & {"offer", "require"}:
        return True, "require" in words and not shared
    if "demux" in words:
        return False, False
    return browser or (known.rtcp_mux and "reject" not in words), False


def _offer_suites(request: Description, source: LegStyle, target: LegStyle | None) -> tuple[str, ...]:
    """
    Return the suites of our crypto lines: those that the leg or else the sender has come first, then the others we speak.

    `nonew` leaves out what the sender has not. An empty choice is no choice.
    """
    wanted = request.sdes
    known = next((style.suites for style in (target, source) if style is not None and style.sdes is not Sdes.OFF), ())
    theirs = tuple(suite for suite in known if suite in SUITE_ORDER)
    pool = theirs if wanted.no_new and theirs else tuple(dict.fromkeys((*theirs, *SUITE_ORDER)))
    if wanted.no_new:
        chosen = pool
    elif wanted.only:
        chosen = tuple(suite for suite in pool if suite in wanted.only)
    else:
        chosen = tuple(suite for suite in pool if suite not in wanted.without)
    rank = {suite: position for position, suite in reversed(list(enumerate(wanted.order)))}
    return tuple(sorted(chosen or pool[:1], key=lambda suite: rank.get(suite, len(wanted.order))))


# --- the style of an answer --------------------------------------------------------------------------------------------------------------


def _answer_style(request: Description, offer: Description | None, theirs: LegStyle, warnings: list[str]) -> LegStyle:
    """Return what our answer may agree on: the offerer's own style, with what the two requests refuse or choose."""
    asked = Protocol(request.protocol) if request.protocol not in {"", "accept"} else theirs.protocol
    if asked.secure != theirs.protocol.secure:
        warnings.append(f"transport-protocol {asked.value} in an answer: the offer had {theirs.protocol.value}, which stays")
    roles = (request.dtls, offer.dtls_reverse, offer.dtls) if offer is not None else (request.dtls,)
    mux = request.rtcp_mux | (offer.rtcp_mux if offer is not None else frozenset())
    osrtp = request.osrtp | (offer.osrtp if offer is not None else frozenset())
    preferred = offer.sdes.offerer_preference if offer is not None else ()
    return replace(
        theirs,
        sdes=_answer_sdes(request, theirs, warnings),
        setup=next((role for role in roles if role in {"active", "passive"}), ""),
        fingerprint_hash=request.fingerprint_hash or theirs.fingerprint_hash,
        ice_optional=theirs.ice and request.ice is Ice.OPTIONAL,
        trickle=theirs.trickle and (theirs.webrtc or request.trickle),
        sdes_pad=request.sdes.pad,
        sdes_lifetime=request.sdes.lifetime,
        sdes_preferred=request.sdes.prefer or (offer is not None and offer.sdes.prefer),
        osrtp=not theirs.protocol.secure and bool(osrtp & {"accept", "accept-RFC"}),
        refuse_ice=_refuses_ice(request, offer, theirs, warnings),
        refuse_dtls=_refuses_dtls(request, theirs, warnings),
        refuse_rtcp_mux="reject" in mux and not theirs.webrtc,
        answer_suites=tuple(dict.fromkeys((*(suite for suite in preferred if suite in SUITE_ORDER), *SUITE_ORDER))) if preferred else (),
    )


def _refuses_ice(request: Description, offer: Description | None, theirs: LegStyle, warnings: list[str]) -> bool:
    asked = request.ice is Ice.REMOVE or request.reject_ice or (offer is not None and offer.reject_ice)
    if asked and theirs.webrtc:
        warnings.append("ICE=remove towards an offerer with ICE and DTLS is ignored: a browser would refuse the answer")
    return asked and theirs.ice and not theirs.dtls


def _refuses_dtls(request: Description, theirs: LegStyle, warnings: list[str]) -> bool:
    """Under UDP/TLS there is nothing else; under RTP/SAVP(F) the peer may have SDES too."""
    if request.dtls != "off" or not theirs.dtls:
        return False
    if theirs.protocol in {Protocol.DTLS_SAVP, Protocol.DTLS_SAVPF}:
        warnings.append("DTLS=off towards an offerer that has nothing else is ignored")
        return False
    return True


def _answer_sdes(request: Description, theirs: LegStyle, warnings: list[str]) -> Sdes:
    """Crypto lines are taken when they are offered; SDES=off refuses them unless they are all there is."""
    if theirs.sdes is Sdes.MANDATORY and not theirs.dtls:
        if request.sdes.off:
            warnings.append("SDES=off towards an offerer that has nothing else is ignored")
        return Sdes.MANDATORY
    return Sdes.OFF if request.sdes.off and request.dtls != "off" else Sdes.OPTIONAL


# --- text and transport ------------------------------------------------------------------------------------------------------------------

_ORIGIN = {
    "origin": frozenset({OriginPart.ADDRESS}),
    "origin-full": frozenset(OriginPart),
    "username": frozenset({OriginPart.USERNAME}),
    "SDP-version": frozenset({OriginPart.VERSION}),
    "force-increment-sdp-ver": frozenset({OriginPart.VERSION}),
}


def _passing(request: Description, style: LegStyle, loop_mark: str) -> Passing:
    origin = frozenset(part for word in request.replace for part in _ORIGIN.get(word, ()))
    attribute = request.rtcp_attribute
    if attribute == "needed" and (not style.rtcp_mux or style.refuse_rtcp_mux):
        attribute = "always"  # as rtpengine writes it; it costs one line, and some phones look at nothing else
    return replace(
        THEIR_TEXT,
        origin=origin,
        session_name="session-name" in request.replace,
        force_version="force-increment-sdp-ver" in request.replace,
        zero_address="zero-address" in request.replace,
        original_direction=request.original_sendrecv,
        rtcp_attribute=attribute,
        feedback=not request.answer and not request.protocol,
        extensions=_extensions(request),
        remove_media=request.media_remove,
        loop_mark=loop_mark if request.loop_protect else "",
    )


def _extensions(request: Description) -> tuple[str, ...]:
    unwanted = request.extmap_strip | request.extmap_mask
    return () if "all" in unwanted else tuple(uri for uri in THEIR_TEXT.extensions if uri not in unwanted)


LATCHES = {
    Learning.OFF: Latch.ASYMMETRIC,
    Learning.IMMEDIATE: Latch.ONCE,
    Learning.DELAYED: Latch.DELAYED,
    Learning.HEURISTIC: Latch.HEURISTIC,
}
"""How a peer is found, as `endpoint-learning` or the configuration says."""


def _latch(request: Description) -> Latch | None:
    """How both legs find their peers; None: as configured. After learning other sources are dropped in any case (`strict source`)."""
    if request.media_handover:
        return Latch.FOLLOW
    if request.learning is Learning.OFF and request.strict_source:
        return Latch.STRICT
    return LATCHES[request.learning] if request.learning is not None else None


def _options(request: Description, interfaces: Collection[str] | None, warnings: list[str]) -> tuple[LegOptions, LegOptions]:
    """Return the options of the sender's leg and of the receiver's."""
    latch = _latch(request)
    tos = request.tos if request.tos is not None and 0 <= request.tos <= 255 else None
    (near, near_family), (far, far_family) = (_interface(name, interfaces, warnings) for name in request.direction)
    here = LegOptions(
        interface=near,
        family=near_family,
        source_address=request.received_from if request.sip_source_address else "",
        latch=Latch.ASYMMETRIC if request.asymmetric else latch,
        relatch=request.port_latching is True,
        pierce=request.pierce_nat,
        wait=request.nat_wait,
        tos=tos,
        label=request.identity.set_label,
        metadata=request.metadata,
    )
    there = LegOptions(
        interface=far,
        family=request.address_family or far_family,
        announce=request.media_address,
        latch=latch,
        tos=tos,
    )
    return here, there


_LEGACY_NAMES = {"internal": "IP4", "external": "IP6"}
"""What these two mean as interfaces where none is named so."""


def _interface(name: str, interfaces: Collection[str] | None, warnings: list[str]) -> tuple[str, str]:
    """Return (interface, address family) that a name of `direction` stands for; one that does not exist is the default interface."""
    if not name or interfaces is None or name in interfaces:
        return name, ""
    if name in _LEGACY_NAMES:
        return "", _LEGACY_NAMES[name]
    warnings.append(f'there is no interface "{name[:64]}": the default one is used')
    return "", ""
