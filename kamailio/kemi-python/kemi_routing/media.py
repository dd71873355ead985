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
    """
    Translate the SDP of this message, an offer, for `reader`.

    `leg` names the branch of a fork; empty: that of the call's answer. `family` is the kind of addresses that the reader knows (`IP4` or
    `IP6`, empty: whatever the gateway chooses), `label` what the sender is called in the gateway's figures.
    """

    reader: Side
    leg: str = ""
    family: str = ""
    label: str = ""


@dataclass(slots=True, frozen=True)
class Answer:
    """The same for an answer."""

    reader: Side
    leg: str = ""
    family: str = ""
    label: str = ""


@dataclass(slots=True, frozen=True)
class Candidates:
    """Take ICE candidates that came on their own (RFC 8840); nobody else wants them."""


@dataclass(slots=True, frozen=True)
class Delete:
    """End the call, or only one branch of a fork."""

    leg: str = ""


Command = Offer | Answer | Candidates | Delete


def settings_of(command: Offer | Answer) -> dict[str, str]:
    """Return what of a command goes to the gateway as `name=value`, besides the reader's `Wish`."""
    named = {"address-family": command.family, "label": command.label}
    return {name: value for name, value in named.items() if value}


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
    settings: tuple[tuple[str, str], ...] = ()
    """Further names, each with one value."""

    def words(self) -> str:
        """Return it as Kamailio's rtpengine module takes it."""
        lists = (("SDES", self.sdes), ("rtcp-mux", self.rtcp_mux), ("replace", self.replace))
        prefixed = [f"{name}-{value}" for name, values in lists for value in values]
        return " ".join([*filter(None, [self.protocol]), *(f"{name}={value}" for name, value in self._single()), *prefixed, *self.flags])

    def keys(self) -> dict[str, str | list[str]]:
        """Return it as keys of an NG request."""
        lists = {"SDES": self.sdes, "rtcp-mux": self.rtcp_mux, "flags": self.flags, "replace": self.replace}
        filled: dict[str, str | list[str]] = {name: list(values) for name, values in lists.items() if values}
        protocol = {"transport-protocol": self.protocol} if self.protocol else {}
        return protocol | dict(self._single()) | filled

    def _single(self) -> list[tuple[str, str]]:
        return [("ICE", self.ice), *self.settings] if self.ice else list(self.settings)


def parse_wish(words: str) -> Wish:
    """Return what the rtpengine module's flags say; a word that is not known is a flag, for the gateway to judge."""
    protocol, ice = "", ""
    lists: dict[str, list[str]] = {"SDES": [], "rtcp-mux": [], "replace": []}
    flags: list[str] = []
    settings: list[tuple[str, str]] = []
    for word in words.split():
        name, equals, value = word.partition("=")
        prefix = next((known for known in lists if word.startswith(f"{known}-")), "")
        if prefix:
            lists[prefix].append(word.removeprefix(f"{prefix}-"))
        elif name == "ICE":
            ice = value
        elif equals:
            settings.append((name, value))
        elif word.startswith(("RTP/", "UDP/")):
            protocol = word
        else:
            flags.append(word)
    sdes, rtcp_mux, replace = (tuple(values) for values in lists.values())
    return Wish(protocol=protocol, ice=ice, sdes=sdes, rtcp_mux=rtcp_mux, flags=tuple(flags), replace=replace, settings=tuple(settings))


WISHES: Mapping[Side, Wish] = {
    # ICE, DTLS-SRTP, one port for everything.
    Side.WEB: Wish(protocol="UDP/TLS/RTP/SAVPF", ice="force", sdes=("off",), rtcp_mux=("offer", "require"), flags=("generate-mid",)),
    # Plain RTP and nothing to stumble over. What telephones offer themselves is answered in kind anyway.
    Side.PHONE: Wish(protocol="RTP/AVP", ice="remove", rtcp_mux=("demux",)),
}


def wishes(for_phone: str = "") -> Mapping[Side, Wish]:
    """Return `WISHES`, with that of telephones out of `for_phone` unless it is empty."""
    return {**WISHES, Side.PHONE: parse_wish(for_phone)} if for_phone else WISHES
