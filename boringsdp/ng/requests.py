"""Typed NG requests: what a dictionary from the wire means, with rtpengine's many spellings folded into one."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from boringsdp.values import Value, field


class Ice(enum.Enum):
    """The key `ICE`."""

    DEFAULT = "default"
    REMOVE = "remove"
    FORCE = "force"
    OPTIONAL = "optional"


class Learning(enum.Enum):
    """The key `endpoint-learning`."""

    OFF = "off"
    IMMEDIATE = "immediate"
    DELAYED = "delayed"
    HEURISTIC = "heuristic"


class SdesOptions(Value, frozen=True, kw_only=True):
    """The key `SDES`."""

    off: bool = False
    without: frozenset[str] = frozenset()
    """Suites of `no-…`."""
    only: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    """`order:A;B`: these first, in this order, in our offers."""
    offerer_preference: tuple[str, ...] = ()
    pad: bool = False
    lifetime: bool = False
    static: bool = False
    prefer: bool = False
    no_new: bool = False
    """Offer only suites that the other side offered too."""


class CodecOptions(Value, frozen=True, kw_only=True):
    """The key `codec` and the flags `codec-…` and `transcode-…`. Names as they came: `PCMU`, `opus/48000/2`, `8`, `all`, `full`."""

    strip: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """`except`."""
    offer: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    consume: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    transcode: tuple[str, ...] = ()
    set: tuple[str, ...] = ()


class SdpEdits(Value, frozen=True, kw_only=True):
    """The key `sdp-attr` for one section (`none` is the session level): textual edits after everything else."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    substitute: tuple[tuple[str, str], ...] = ()


class Identity(Value, frozen=True, kw_only=True):
    """Who it is about. Empty: not said."""

    call_id: str
    from_tag: str = ""
    to_tag: str = ""
    via_branch: str = ""
    from_label: str = ""
    """`label` or `from-label`, where a party is selected."""
    set_label: str = ""
    """`set-label`, or `label` in offer and answer: names the party that sends the SDP."""
    to_label: str = ""
    address: str = ""
    all: bool = False
    all_value: str = ""
    """`none`, `offer-answer` and others of the directional commands; empty: not said."""
    directional: bool = False


class Description(Value, frozen=True, kw_only=True):
    """What offer and answer have in common: everything about the SDP and the media behind it."""

    identity: Identity
    sdp: str
    answer: bool = False
    ice: Ice = Ice.DEFAULT
    dtls: str = ""
    """`off`, `passive`, `active`; empty: not said. Towards the receiver of this message."""
    dtls_reverse: str = ""
    """The same towards the sender."""
    fingerprint_hash: str = ""
    protocol: str = ""
    """`transport-protocol` in its full spelling; empty: as the sender has it; `accept` in answers."""
    sdes: SdesOptions = SdesOptions()
    osrtp: frozenset[str] = frozenset()
    """Any of `offer`, `offer-legacy`, `accept`, `accept-RFC`, `accept-legacy`."""
    rtcp_mux: frozenset[str] = frozenset()
    bundle: frozenset[str] = frozenset()
    extmap_strip: frozenset[str] = frozenset()
    extmap_mask: frozenset[str] = frozenset()
    replace: frozenset[str] = frozenset()
    """Any of `origin`, `origin-full`, `session-connection`, `username`, `session-name`, `SDP-version`, `force-increment-sdp-ver`,
    `zero-address`."""
    codec: CodecOptions = CodecOptions()
    direction: tuple[str, str] = ("", "")
    """(interface towards the sender, interface towards the receiver); empty: not said."""
    routed: tuple[str, str] = ("", "")
    """(numeric address of the sender, of the receiver): the interface that leads there, where `direction` names none."""
    address_family: str = ""
    received_from: str = ""
    """The numeric address out of `received-from`; used with `sip_source_address`."""
    media_address: str = ""
    tos: int | None = None
    """None: not said; < 0: keep; > 255: default."""
    learning: Learning | None = None
    metadata: str = ""
    sdp_edits: Mapping[str, SdpEdits] = field(default_factory=dict)
    """By section: `none`, `audio`, `video`, `image`, …"""
    media_remove: frozenset[str] = frozenset()
    supports_load_limit: bool = False
    dtmf_log: tuple[str, int] | None = None
    timeout_url: str = ""
    """`xmlrpc-callback`."""
    webrtc: bool = False
    """The flag `WebRTC`; what it stands for is already in `ice`, `protocol`, `rtcp_mux` and the others."""
    sip_code: int = 0
    """The code of the SIP reply that the SDP came in, 0 when not said."""
    # flags
    sip_source_address: bool = False
    asymmetric: bool = False
    strict_source: bool = False
    media_handover: bool = False
    port_latching: bool | None = None
    reset: bool = False
    trickle: bool = False
    fragment: bool = False
    """The SDP is a trickle ICE fragment (RFC 8840)."""
    generate_mid: bool = False
    rtcp_attribute: str = "needed"
    """`needed`, `never` (no rtcp attribute), `full` (full rtcp attribute)."""
    original_sendrecv: bool = False
    loop_protect: bool = False
    reject_ice: bool = False
    single_codec: bool = False
    allow_no_codec_media: bool = False
    detect_dtmf: bool = False
    block_dtmf: bool = False
    pierce_nat: bool = False
    nat_wait: bool = False
    new_branch: bool = False
    provisional: bool = False
    debug: bool = False
    fatal: bool = False
    ignored: tuple[str, ...] = ()
    """Keys and flags that are known and do nothing here, or are unknown: for one log line."""
    warnings: tuple[str, ...] = ()
    """What was asked and cannot be had, where the call goes on all the same; joined into the reply's `warning`."""

    @property
    def early(self) -> bool:
        """Of an answer: it came in a provisional response, so that its to-tag may still change."""
        return self.provisional or 0 < self.sip_code < 200

    @property
    def final(self) -> bool:
        """Of an answer: it came in a final response. Neither this nor `early` when the proxy does not say."""
        return self.sip_code >= 200 and not self.provisional


class Ping(Value, frozen=True, kw_only=True):
    """`ping`."""


class Delete(Value, frozen=True, kw_only=True):
    """`delete`. `delay_s` None: the configured delay."""

    identity: Identity
    delay_s: float | None = None
    honour_to_tag: bool = False
    fatal: bool = False
    fast: bool = False
    warnings: tuple[str, ...] = ()


class Query(Value, frozen=True, kw_only=True):
    """`query`."""

    identity: Identity


class ListCalls(Value, frozen=True, kw_only=True):
    """`list`."""

    limit: int = 32
    warnings: tuple[str, ...] = ()


class Statistics(Value, frozen=True, kw_only=True):
    """`statistics`."""


class Blocking(enum.Enum):
    """Which command of the block family."""

    DTMF = "DTMF"
    MEDIA = "media"
    SILENCE = "silence"


class SetBlocking(Value, frozen=True, kw_only=True):
    """`block DTMF`, `unblock DTMF`, `block media`, `unblock media`, `silence media`, `unsilence media`."""

    identity: Identity
    what: Blocking
    on: bool
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class PlayDtmf(Value, frozen=True, kw_only=True):
    """`play DTMF`: `digits` in 0-9*#A-D, as if the selected party had pressed them."""

    identity: Identity
    digits: str
    duration_ms: int = 250
    pause_ms: int = 100
    volume_dbm0: int = -8


Request = Ping | Description | Delete | Query | ListCalls | Statistics | SetBlocking | PlayDtmf
