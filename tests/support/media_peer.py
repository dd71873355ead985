"""The far side of a transport, without I/O: writes checks and packets, reads what comes back."""

from __future__ import annotations

import os
from typing import Any

from boringsdp.ice.stun import Attribute, Kind, write_stun
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.packet import RtpPacket, parse_packet, write_packet
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender


def fresh_keys(profile: Profile = Profile.AEAD_AES_128_GCM, mki: bytes = b"") -> Keys:
    return Keys(profile, os.urandom(profile.key_length), os.urandom(profile.salt_length), mki)


def ice_check(
    ufrag: str, password: str, *, use_candidate: bool = False, controlled: bool = False, extra: tuple[tuple[int, bytes], ...] = (),
    transaction: bytes | None = None, fingerprint: bool = True,
) -> bytes:  # fmt: skip
    """A Binding request as a browser sends it; `ufrag` is ours, the other half of USERNAME is made up."""
    role = Attribute.ICE_CONTROLLED if controlled else Attribute.ICE_CONTROLLING
    attributes: list[tuple[int, bytes]] = [
        (Attribute.USERNAME, f"{ufrag}:peer".encode()), (role, bytes(8)), (Attribute.PRIORITY, bytes((110, 0, 30, 255))), *extra,
    ]  # fmt: skip
    if use_candidate:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    return write_stun(Kind.REQUEST, transaction or os.urandom(12), attributes, password=password.encode(), fingerprint=fingerprint)


class MediaPeer:
    """One RTP stream, with or without SRTP, that counts on by itself."""

    def __init__(self, ssrc: int = 0x1234, *, sequence: int = 100, timestamp: int = 5000, ptime: int = 160, payload_type: int = 0) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.timestamp = timestamp
        self.ptime = ptime
        self.payload_type = payload_type
        self.sender: SrtpSender | None = None
        self.receiver: SrtpReceiver | None = None

    def secure(self, send: Keys, receive: Keys) -> None:
        self.sender, self.receiver = SrtpSender(send), SrtpReceiver(receive)

    def rtp(self, payload: bytes | None = None, **fields: Any) -> bytes:
        """The next packet; fields of RtpPacket override what the peer counts."""
        values: dict[str, Any] = {
            "payload_type": self.payload_type, "sequence": self.sequence, "timestamp": self.timestamp, "ssrc": self.ssrc,
            "payload": self.sequence.to_bytes(2, "big") * 80 if payload is None else payload,
        } | fields  # fmt: skip
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + self.ptime) & 0xFFFFFFFF
        return self.protect(write_packet(RtpPacket(**values)))

    def protect(self, data: bytes) -> bytes:
        return data if self.sender is None else self.sender.protect(data)

    def rtcp(self, data: bytes) -> bytes:
        return data if self.sender is None else self.sender.protect_rtcp(data)

    def read(self, data: bytes) -> RtpPacket:
        return parse_packet(data if self.receiver is None else self.receiver.unprotect(data))

    def read_rtcp(self, data: bytes) -> bytes:
        return data if self.receiver is None else self.receiver.unprotect_rtcp(data)
