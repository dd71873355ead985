"""What a media gateway is asked in the course of a call, and what each kind of phone can read. Knows nothing of Kamailio."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Side(enum.Enum):
    """Who reads an SDP."""

    WEB = "web"
    PHONE = "phone"


@dataclass(slots=True, frozen=True)
class Offer:
    """Translate the SDP of this message, an offer, for `reader`. `leg` names the branch of a fork; empty: that of the call's answer."""

    reader: Side
    leg: str = ""


@dataclass(slots=True, frozen=True)
class Answer:
    """The same for an answer."""

    reader: Side
    leg: str = ""


@dataclass(slots=True, frozen=True)
class Candidates:
    """Take ICE candidates that came on their own (RFC 8840); nobody else wants them."""


@dataclass(slots=True, frozen=True)
class Delete:
    """End the call, or only one branch of a fork."""

    leg: str = ""


Command = Offer | Answer | Candidates | Delete


class Media(Protocol):
    """A way to the gateway."""

    def perform(self, command: Command) -> bool:
        """Ask the gateway about the current SIP message, and write its SDP into that; return whether it was done."""
        ...


@dataclass(slots=True, frozen=True, kw_only=True)
class Wish:
    """What an SDP must be like, in NG's words (docs/rtpengine.md explains each)."""

    protocol: str
    ice: str
    sdes: tuple[str, ...] = ()
    rtcp_mux: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    replace: tuple[str, ...] = ("origin", "session-connection")

    def words(self) -> str:
        """Return it as Kamailio's rtpengine module takes it."""
        lists = (("SDES", self.sdes), ("rtcp-mux", self.rtcp_mux), ("replace", self.replace))
        prefixed = [f"{name}-{value}" for name, values in lists for value in values]
        return " ".join([self.protocol, f"ICE={self.ice}", *prefixed, *self.flags])

    def keys(self) -> dict[str, str | list[str]]:
        """Return it as keys of an NG request."""
        lists = {"SDES": self.sdes, "rtcp-mux": self.rtcp_mux, "flags": self.flags, "replace": self.replace}
        filled: dict[str, str | list[str]] = {name: list(values) for name, values in lists.items() if values}
        return {"transport-protocol": self.protocol, "ICE": self.ice} | filled


WISHES: Mapping[Side, Wish] = {
    # ICE, DTLS-SRTP, one port for everything.
    Side.WEB: Wish(protocol="UDP/TLS/RTP/SAVPF", ice="force", sdes=("off",), rtcp_mux=("offer", "require"), flags=("generate-mid",)),
    # Plain RTP and nothing to stumble over. Telephones that want SRTP get "RTP/SAVP" here.
    Side.PHONE: Wish(protocol="RTP/AVP", ice="remove", rtcp_mux=("demux",)),
}
