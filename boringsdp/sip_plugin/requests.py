"""What a client of `janus.plugin.sip` may ask for, typed. `reading.py` makes them from JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from boringsdp.call.digits import DtmfMode
from boringsdp.sdp import PLAIN, SDES_MANDATORY, SDES_OPTIONAL, LegStyle, Protocol, Sdes
from boringsdp.sip_plugin.headers import HeaderLines

DTLS = LegStyle(protocol=Protocol.DTLS_SAVP, dtls=True)
STYLES: dict[str | None, LegStyle] = {None: PLAIN, "sdes_optional": SDES_OPTIONAL, "sdes_mandatory": SDES_MANDATORY, "dtls": DTLS}


@dataclass(slots=True, frozen=True)
class Srtp:
    """What `srtp` and `srtp_profile` ask of the SIP peer's side."""

    mode: str | None = None
    profile: str | None = None

    @property
    def style(self) -> LegStyle:
        """How our offers to the peer look."""
        style = STYLES[self.mode]
        return style if self.profile is None else LegStyle(protocol=style.protocol, sdes=style.sdes, suites=(self.profile,))

    @property
    def answers(self) -> LegStyle | None:
        """How our answers to the peer are keyed: None lets its offer decide. Who asks for SDES gets it, also from a peer that has both."""
        suites = () if self.profile is None else (self.profile,)
        if self.mandatory:
            return LegStyle(sdes=Sdes.MANDATORY, answer_suites=suites, refuse_dtls=True)
        return LegStyle(sdes=Sdes.OPTIONAL, answer_suites=suites, sdes_preferred=True) if suites or self.mode == "sdes_optional" else None

    @property
    def mandatory(self) -> bool:
        return self.mode == "sdes_mandatory"

    @property
    def dtls(self) -> bool:
        """DTLS-SRTP and nothing else (ours, not Janus's)."""
        return self.mode == "dtls"


@dataclass(slots=True, frozen=True)
class Secret:
    """A password, or in its place md5(user:realm:password) in hex (`hashed`); `user` is who it is for, empty: the identity's user part."""

    text: str = field(repr=False)
    hashed: bool = False
    user: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Register:
    """Give the handle an account of its own, and register it unless it is a guest or `send_register` is off."""

    username: str
    guest: bool = False
    send_register: bool = True
    secret: Secret | None = None
    display_name: str = ""
    user_agent: str = ""
    proxy: str = ""
    outbound_proxy: str = ""
    headers: HeaderLines = ()
    contact_params: HeaderLines = ()
    header_prefixes: tuple[str, ...] = ()
    force_udp: bool = False
    force_tcp: bool = False
    sips: bool = False
    rfc2543_cancel: bool = False
    automatic_ringing: bool = True
    register_ttl: int | None = None
    """Seconds; None: as configured."""
    refresh: bool = False
    identities: tuple[str, ...] = ()
    """Ours: further users or URIs, `*` in them for anything, whose calls come to this account (a trunk)."""
    sources: tuple[str, ...] = ()
    """Ours: the networks from which calls to `identities` are taken; empty: those of the proxy."""
    learn_contact: bool = False
    """Ours: the Contact is where the registrar has seen us (NAT)."""
    helpers_on_demand: bool = False
    """Ours: ask the application for a helper when a call finds all lines busy."""
    dtmf: DtmfMode = DtmfMode.AUTO
    """Ours: how digits go to the peers of its calls."""
    dtmf_tones: bool = False
    """Ours: digits that come by INFO go to the browser in the media too."""


@dataclass(slots=True, frozen=True, kw_only=True)
class RegisterHelper:
    """Make the handle a further line of the account whose `master_id` this is."""

    username: str
    master_id: int | None
    display_name: str = ""
    header_prefixes: tuple[str, ...] | None = None
    identities: tuple[str, ...] = ()
    """Ours: this line takes only calls to these."""
    automatic_ringing: bool = True


@dataclass(slots=True, frozen=True)
class Unregister:
    """Take the account back; of a helper: let go of its master."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Subscribe:
    """Subscribe to an event package of `to`, or of ourselves."""

    event: str
    to: str = ""
    accept: str = ""
    ttl: int | None = None
    call_id: str = ""
    headers: HeaderLines = ()
    content: str = ""
    content_type: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Unsubscribe:
    """End the subscription to that package of `to`."""

    event: str
    to: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class PlaceCall:
    """Call `uri`; the jsep is the offer."""

    uri: str
    headers: HeaderLines = ()
    call_id: str = ""
    srtp: Srtp = Srtp()
    autoaccept_reinvites: bool = True
    refer_id: int | None = None
    secret: Secret | None = None
    dtmf: DtmfMode | None = None
    """Ours: in place of the account's."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Accept:
    """Take the call that rings: the jsep is the answer, or an offer when the INVITE had none."""

    srtp: Srtp = Srtp()
    headers: HeaderLines = ()
    autoaccept_reinvites: bool = True
    dtmf: DtmfMode | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Progress:
    """Answer the call that rings with early media (183), without taking it yet."""

    srtp: Srtp = Srtp()
    headers: HeaderLines = ()
    autoaccept_reinvites: bool = True
    dtmf: DtmfMode | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Ring:
    """Tell the caller that it rings (180)."""

    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class Decline:
    """Refuse the call that rings, or with `refer_id` a transfer."""

    code: int | None = None
    headers: HeaderLines = ()
    refer_id: int | None = None


@dataclass(slots=True, frozen=True)
class Update:
    """Renegotiate: a jsep offer goes to the peer, a jsep answer is for the peer's re-INVITE."""

    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Hold:
    """Stop the media as `direction` says."""

    direction: str = "sendonly"
    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Unhold:
    """Let media flow again."""

    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Transfer:
    """Send the peer to `uri`; with `replace`, in place of the call with that Call-ID."""

    uri: str
    replace: str = ""
    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Hangup:
    """End the call."""

    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Recording:
    """Record; checked, but nothing can be recorded yet."""

    action: str


@dataclass(slots=True, frozen=True)
class Info:
    """Send an INFO in the call."""

    type: str
    content: str
    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class SendMessage:
    """Send a MESSAGE: in the call, or with `uri` out of it."""

    content: str
    content_type: str = "text/plain"
    uri: str = ""
    headers: HeaderLines = ()
    call_id: str = ""


@dataclass(slots=True, frozen=True)
class DtmfInfo:
    """Send a digit as INFO application/dtmf-relay."""

    digit: str
    duration_ms: int
    headers: HeaderLines = ()


@dataclass(slots=True, frozen=True)
class Dtmf:
    """Send digits to the peer as telephone-events (ours, not Janus's)."""

    digits: str
    duration_ms: int


@dataclass(slots=True, frozen=True)
class KeyFrame:
    """Ask for a key frame: of the browser (`user`), of the peer (`peer`)."""

    user: bool
    peer: bool


@dataclass(slots=True, frozen=True)
class Forward:
    """Ask for RTP forwarders, or with `stream_id` for the end of one; not available yet."""

    stream_id: int | None = None


@dataclass(slots=True, frozen=True)
class ListForwarders:
    """There are none: RTP forwarding is not available yet."""


@dataclass(slots=True, frozen=True)
class Reset:
    """Forget the call, whatever its state."""


@dataclass(slots=True, frozen=True)
class Statistics:
    """The figures of both legs (ours, not Janus's)."""


@dataclass(slots=True, frozen=True)
class Ladder:
    """The SIP messages of the handle's call, or of its last one, drawn (ours, not Janus's)."""


SipRequest = (
    Register | RegisterHelper | Unregister | Subscribe | Unsubscribe | PlaceCall | Accept | Progress | Ring | Decline | Update | Hold
    | Unhold | Transfer | Hangup | Recording | Info | SendMessage | DtmfInfo | Dtmf | KeyFrame | Forward | ListForwarders | Reset
    | Statistics | Ladder
)  # fmt: skip
