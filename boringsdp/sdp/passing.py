"""What of one leg's SDP goes on to the other word for word, and whose o= line stands above it."""

from __future__ import annotations

import enum

from boringsdp.values import Value


class OriginPart(enum.Enum):
    """A part of the o= line that is ours instead of the source's."""

    USERNAME = "username"
    SESSION_ID = "session id"
    VERSION = "version"
    """Our own counter: up by one exactly when the text changed (RFC 3264 §8)."""
    ADDRESS = "address"


class Passing(Value, frozen=True, kw_only=True):
    """
    How much of the source's text a translation keeps. `OWN_TEXT` (the gateway is an endpoint) keeps little, `THEIR_TEXT` (a proxy's media
    relay) keeps all that is not about the transport.

    `mirror`: every m-line of the source stands at the same index of the translation; what cannot be served is written with port 0, and
    image or unknown UDP protocols are relayed as raw datagrams.
    `session_lines`: s=, i=, u=, e=, p=, b=, t=, r= and unknown session attributes go on, and b= and i= of m-lines.
    `attributes`: unknown attributes go on also to and from WebRTC; `origin` are the parts of o= that are ours.
    """

    mirror: bool = False
    session_lines: bool = False
    attributes: bool = False
    origin: frozenset[OriginPart] = frozenset(OriginPart)
    session_name: bool = True
    """s= is ours (`-`)."""
    force_version: bool = False
    """The version goes up even when nothing changed."""
    zero_address: bool = True
    """A hold by c=0.0.0.0 is written with our address and a direction; False: the zero address goes on too."""
    original_direction: bool = False
    """`sendrecv original`: the source's direction is written as it came, c=0.0.0.0 notwithstanding."""
    rtcp_attribute: str = "needed"
    """a=rtcp: `needed` (port not next to RTP's, or muxed towards a peer that may refuse mux), `always`, `full` (with address), `never`."""
    feedback: bool = False
    """Each m-line is offered with rtcp-fb (AVPF, SAVPF) where the source's is, whatever the style says; re-offers keep what it has."""
    extensions: tuple[str, ...] = ()
    """Header extension URIs that may be passed from leg to leg where both sides have them; their ids are mapped."""
    loop_mark: str = ""
    """Twelve hex digits, written as a session attribute (`a=boringsdp:…`), so that a text of ours is known when it comes back."""
    remove_media: frozenset[str] = frozenset()
    """Kinds of m-lines (`video`) that are not offered on at all; the answer has them with port 0. With `mirror`."""


OWN_TEXT = Passing()
THEIR_TEXT = Passing(
    mirror=True,
    session_lines=True,
    attributes=True,
    origin=frozenset(),
    session_name=False,
    zero_address=False,
    extensions=("urn:ietf:params:rtp-hdrext:ssrc-audio-level", "urn:3gpp:video-orientation"),
)
