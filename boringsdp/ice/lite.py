"""
The ICE-lite responder of one transport (RFC 8445 §2.5, §7.3): checks requests, says what to reply and what a valid one means.

It never sends a check of its own. Only the local half of USERNAME is strict: after restartIce() Chromium nominates with our *old* user
fragment before it has our answer, so during a restart both credentials are good until the new ones were used.
"""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.ice.stun import Address, Attribute, Kind, StunMessage, write_error_code, write_stun, write_xor_address


@dataclass(slots=True, frozen=True)
class Checked:
    """
    What came of a request: `reply` goes back the way it came. `valid` says that MESSAGE-INTEGRITY held and the request was in order, so
    its source may be learned; `nominated` that it carried USE-CANDIDATE; `restarted` that new credentials were used for the first time.
    """

    reply: bytes
    valid: bool = False
    nominated: bool = False
    restarted: bool = False


class LiteResponder:
    """Credentials and answers of one ICE-lite transport."""

    __slots__ = ("_passwords", "pending_ufrag", "ufrag")

    def __init__(self, ufrag: str, password: str) -> None:
        self.ufrag = ufrag
        self.pending_ufrag: str | None = None
        self._passwords = {ufrag: password.encode()}

    @property
    def credentials(self) -> dict[str, str]:
        """Every accepted pair: user fragment to password, the pending one last."""
        return {ufrag: password.decode() for ufrag, password in self._passwords.items()}

    def restart(self, ufrag: str, password: str) -> str | None:
        """Accept a second pair; returns the user fragment that is no longer accepted, if an earlier restart was still pending."""
        dropped = self.pending_ufrag
        if dropped is not None:
            del self._passwords[dropped]
        self._passwords[ufrag] = password.encode()
        self.pending_ufrag = ufrag
        return dropped

    def receive(self, message: StunMessage, source: Address) -> Checked:
        """Judge a Binding request whose USERNAME names one of our user fragments (RFC 8445 §7.3, RFC 8489 §9.1.3)."""
        ufrag = (message.username or "").partition(":")[0]
        password = self._passwords.get(ufrag)
        if password is None or not message.integrity_at:
            return Checked(write_error(message, 400 if password is not None else 401))
        if not message.verify(password):
            return Checked(write_error(message, 401))
        unknown = message.unknown_required()
        if unknown:
            return Checked(write_error(message, 420, password, unknown))
        if Attribute.ICE_CONTROLLED in message.attributes:
            return Checked(write_error(message, 487, password))  # a lite agent is always the controlled one
        mapped = write_xor_address(source, message.transaction)
        reply = write_stun(Kind.SUCCESS, message.transaction, [(Attribute.XOR_MAPPED_ADDRESS, mapped)], password=password)
        restarted = ufrag == self.pending_ufrag
        if restarted:
            self._passwords = {ufrag: password}
            self.ufrag, self.pending_ufrag = ufrag, None
        return Checked(reply, True, message.use_candidate, restarted)


def write_error(message: StunMessage, code: int, password: bytes | None = None, unknown: list[int] | None = None) -> bytes:
    """An error response no longer than need be: FINGERPRINT only when the request had one, no reason phrase, few unknown attributes."""
    attributes: list[tuple[int, bytes]] = [(Attribute.ERROR_CODE, write_error_code(code))]
    if unknown:
        attributes.append((Attribute.UNKNOWN_ATTRIBUTES, b"".join(kind.to_bytes(2, "big") for kind in unknown[:8])))
    fingerprint = Attribute.FINGERPRINT in message.attributes
    return write_stun(Kind.ERROR, message.transaction, attributes, password=password, fingerprint=fingerprint)
