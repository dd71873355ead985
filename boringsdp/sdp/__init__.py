"""
SDP: text to description and back, offer and answer, rewriting. Pure functions; knows nobody but the errors.

A call has two legs, each with a `LegMemory`. One exchange, started by leg `a`:

    a = accept_offer(a, text)                                     # what a's peer sent
    draft = draft_offer(b, style, a)                              # draft.needs: ports and credentials to get ready, by slot of b
    offer = draft.write(locals_of_b); b = offer.memory            # offer.text goes to b's peer
    b = accept_answer(b, text)                                    # what b's peer answered
    draft = draft_answer(a, b)
    answer = draft.write(locals_of_a); a = answer.memory          # answer.text goes to a's peer
    media_plans(a), media_plans(b), payload_type_map(…)           # what the relay must do

The same calls serve first offers and re-offers, from either leg, whatever the legs speak. Where a leg answers by itself (echo) or
is offered before the other leg exists (late offer), the other leg is None. A failed offer is undone by `withdraw`; glare is the caller's.
What is written of one leg to the other is decided in `attributes.py`, which m-lines are served in `serve.py`, which codecs in `formats.py`.

How a text of ours is made depends on `Passing`: `OWN_TEXT` is the text of an endpoint, laid out in `writer.py`; `THEIR_TEXT` keeps the
other leg's lines and their order, as a proxy's media relay does, in `mirror.py`. What is ours in both is in `transport_lines.py`.
"""

from boringsdp.sdp.accept import accept_answer, accept_offer, completed, linked, withdraw
from boringsdp.sdp.answer import AnswerDraft, draft_answer, make_answer, needs_for_answer
from boringsdp.sdp.candidate import Candidate, Fingerprint, parse_candidate, parse_fingerprint
from boringsdp.sdp.codec import Codec, Format
from boringsdp.sdp.crypto import SUITES, Crypto, parse_crypto
from boringsdp.sdp.describe import describe
from boringsdp.sdp.description import Address, Description, Media, Origin, classify
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.edits import AttributeEdits, Edits, edit
from boringsdp.sdp.export import difference, to_json
from boringsdp.sdp.fragment import Fragment, FragmentMedia, parse_fragment, write_fragment
from boringsdp.sdp.lines import Section, SessionDescription
from boringsdp.sdp.local import LocalMedia, LocalTransport, MediaNeed
from boringsdp.sdp.loop import LOOP_ATTRIBUTE, loop_marks
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.offer import OfferDraft, Written, draft_offer, make_offer, needs_for_offer
from boringsdp.sdp.outline import Sheet
from boringsdp.sdp.passing import OWN_TEXT, THEIR_TEXT, OriginPart, Passing
from boringsdp.sdp.plan import MediaPlan, PayloadTypes, media_plans, payload_type_map
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.style import (
    ANYTHING,
    PLAIN,
    PLAIN_FEEDBACK,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    WEBRTC,
    LegStyle,
    Protocol,
    Sdes,
)

__all__ = [
    "ANYTHING",
    "DEFAULT_POLICY",
    "LOOP_ATTRIBUTE",
    "OWN_TEXT",
    "PLAIN",
    "PLAIN_FEEDBACK",
    "SDES_MANDATORY",
    "SDES_OPTIONAL",
    "SUITES",
    "THEIR_TEXT",
    "WEBRTC",
    "Address",
    "AnswerDraft",
    "AttributeEdits",
    "Candidate",
    "Codec",
    "CodecPolicy",
    "Crypto",
    "Description",
    "Direction",
    "Edits",
    "Exchange",
    "Fingerprint",
    "Format",
    "Fragment",
    "FragmentMedia",
    "LegMemory",
    "LegStyle",
    "LocalMedia",
    "LocalTransport",
    "Media",
    "MediaNeed",
    "MediaPlan",
    "OfferDraft",
    "Origin",
    "OriginPart",
    "Passing",
    "PayloadTypes",
    "Protocol",
    "Sdes",
    "Section",
    "SessionDescription",
    "Sheet",
    "Slot",
    "Written",
    "accept_answer",
    "accept_offer",
    "classify",
    "completed",
    "describe",
    "difference",
    "draft_answer",
    "draft_offer",
    "edit",
    "linked",
    "loop_marks",
    "make_answer",
    "make_offer",
    "media_plans",
    "needs_for_answer",
    "needs_for_offer",
    "parse_candidate",
    "parse_crypto",
    "parse_fingerprint",
    "parse_fragment",
    "payload_type_map",
    "to_json",
    "withdraw",
    "write_fragment",
]
