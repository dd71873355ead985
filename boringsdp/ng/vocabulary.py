"""The words of the NG protocol: which keys, flags and commands there are, and what becomes of those we do not serve."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Kind(enum.Enum):
    """How the values of a key add up when several sources (template, flags, dictionary) give it."""

    VALUE = "the last one counts"
    WORDS = "all words count"
    NESTED = "dictionaries that are merged"


SYNONYMS: Mapping[str, str] = {
    "code": "digit",
    "from-label": "label",
    "sip-code": "SIP-code",
    "sip-message-type": "SIP-message-type",
}
"""Other names of keys."""

KEYS: Mapping[str, Kind] = {
    **dict.fromkeys(
        (
            "call-id", "from-tag", "to-tag", "via-branch", "label", "set-label", "to-label", "metadata", "SIP-message-type", "SIP-code",
            "ICE-lite", "DTLS", "DTLS-reverse", "DTLS-fingerprint", "transport-protocol", "address-family", "received-from",
            "media-address", "TOS", "endpoint-learning", "template", "delete-delay", "xmlrpc-callback", "sdp", "command",
            "DTMF-log-dest", "address", "all", "limit", "digit", "duration", "volume", "pause", "from-interface", "to-interface",
            "interface", "peer", "inbound-peer", "outbound-peer",
        ),
        Kind.VALUE,
    ),
    **dict.fromkeys(
        ("ICE", "SDES", "OSRTP", "rtcp-mux", "bundle", "replace", "direction", "supports", "sdp-media-remove", "from-tags"), Kind.WORDS
    ),
    **dict.fromkeys(("codec", "sdp-attr", "extmap"), Kind.NESTED),
}  # fmt: skip

FLAGS = frozenset({
    "SIP-source-address", "asymmetric", "strict-source", "media-handover", "port-latching", "no-port-latching", "reset", "trickle-ICE",
    "fragment", "generate-mid", "no-rtcp-attribute", "full-rtcp-attribute", "original-sendrecv", "loop-protect", "reject-ICE",
    "single-codec", "all", "directional", "fatal", "to-tag", "WebRTC", "detect-DTMF", "block-DTMF",
    "pierce-NAT", "NAT-wait", "strip-extmap", "allow-no-codec-media", "new-branch", "provisional", "debug", "fast", "trust-address",
})  # fmt: skip
"""Flags that change what we do."""

FLAG_SYNONYMS: Mapping[str, str] = {
    "debugging": "debug",
    "webrtc": "WebRTC",
    "web-rtc": "WebRTC",
    "Web-RTC": "WebRTC",
    "no-codec-renegotiation": "reuse-codecs",
}

KEPT_FLAGS = frozenset(
    {
        "symmetric",
        "generate-RTCP",
        "recrypt",
        "no-tls-id",
        "inject-DTMF",
        "no-jitter-buffer",
        "no-redis-update",
        "exclude-recording",
        "unidirectional",
    }
)
"""Flags that ask for what we do anyway."""

WHOLE_WORDS: Mapping[str, tuple[str, str]] = {
    "pad-crypto": ("SDES", "pad"),
    "internal": ("direction", "internal"),
    "external": ("direction", "external"),
}
"""Flags that stand for a key and its value."""

VIA_BRANCH_CHOICES = frozenset({"1", "2", "auto", "next", "extra", "auto-next", "auto-extra"})
"""What a proxy's flag string says of the via-branch: which Via to take it from, never the branch itself."""

QUIET_KEYS = frozenset({"user-agent", "id", "force-answer", "node", "setid"})
"""Keys that say nothing we need and that a log line about would only disturb."""

WITHOUT_EFFECT = frozenset({
    "alias-key", "output-destination", "recording-file", "recording-dir", "recording-pattern", "delay-buffer", "T.38-version",
    "T38-version", "reuse-codecs", "static-codecs", "allow-asymmetric-codecs", "reorder-codecs", "mix", "inactive", "early-media",
    "RTCP-mirror", "block-egress", "block-short", "block-short-packets", "discard-recording", "recording-announcement",
    "skip-recording-db", "siprec", "bidirectional", "allow-transcoding",
})  # fmt: skip
"""Keys and flags that we know and pass over: the call comes about as it would without them."""

UNAVAILABLE: Mapping[str, str] = {
    "ptime": "ptime is not changed: there is no repacketising",
    "ptime-reverse": "ptime-reverse is not changed: there is no repacketising",
    "repacketize": "repacketize is not available",
    "media-echo": "media-echo is not available",
    "T.38": "T.38 is passed through, never converted",
    "T38": "T.38 is passed through, never converted",
    "DTMF-delay": "DTMF-delay is not available",
    "DTMF-security": "DTMF-security is not available: blocked digits are dropped",
    "DTMF-security-trigger": "DTMF triggers are not available",
    "DTMF-security-trigger-end": "DTMF triggers are not available",
    "trigger": "DTMF triggers are not available",
    "trigger-end": "DTMF triggers are not available",
    "end-trigger": "DTMF triggers are not available",
    "trigger-end-time": "DTMF triggers are not available",
    "trigger-end-digits": "DTMF triggers are not available",
    "audio-player": "the audio player is not available",
    "moh": "music on hold is not available",
    "drop-traffic": "drop-traffic is not available; use block media",
    "always-transcode": "there is no transcoding: codecs are passed on or not",
    "force-transcoding": "there is no transcoding: codecs are passed on or not",
}
"""Keys and flags whose absence can change the call: the warning that goes into the reply."""

RECORDING = frozenset({"record-call"})
RECORDING_WARNING = "recording is not available"

PREFIXES: tuple[tuple[str, str], ...] = (
    ("SDES-", "SDES"),
    ("OSRTP-", "OSRTP"),
    ("rtcp-mux-", "rtcp-mux"),
    ("replace-", "replace"),
    ("endpoint-learning-", "endpoint-learning"),
    ("ICE-lite-", "ICE-lite"),
    ("ICE-", "ICE"),
    ("DTLS-fingerprint-", "DTLS-fingerprint"),
    ("DTLS-reverse-", "DTLS-reverse"),
    ("DTLS-", "DTLS"),
    ("bundle-", "bundle"),
    ("direction-", "direction"),
    ("from-tags-", "from-tags"),
    ("sdp-media-remove-", "sdp-media-remove"),
    ("address-family-", "address-family"),
    ("transport-protocol-", "transport-protocol"),
    ("T.38-", "T.38"),
    ("T38-", "T.38"),
)
"""Flags that are a key and its value in one word, the longer prefix first."""

CODEC_LISTS: Mapping[str, str] = {
    "strip": "strip", "except": "keep", "offer": "offer", "mask": "mask", "accept": "accept", "consume": "consume", "ignore": "ignore",
    "transcode": "transcode", "set": "set",
}  # fmt: skip
"""Members of the key `codec`, which are also the prefixes `codec-…-`, and their field in `CodecOptions`."""

COMMANDS_NOT_BUILT = frozenset({
    "start recording", "stop recording", "pause recording", "play media", "stop media", "start forwarding", "stop forwarding", "publish",
    "subscribe request", "subscribe answer", "unsubscribe", "connect", "create", "create answer", "mesh", "inject start", "inject stop",
    "transform", "cli",
})  # fmt: skip
"""Commands that rtpengine knows and we do not serve."""

NO_COMMAND = 'Dictionary contains no key "command"'
UNKNOWN_COMMAND = "Unrecognized command"
NO_SDP = "No SDP body in message"
NO_CALL_ID = "No call-id in message"
NO_FROM_TAG = "No from-tag in message"
NO_TO_TAG = "No to-tag in message"
OUT_OF_RANGE_CODE = "Out of range 'code' specified"
NEGATIVE_LIMIT = "invalid limit, must be >= 0"
