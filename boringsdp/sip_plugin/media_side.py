"""The media of one call: the browser is party A of a `boringsdp.call.Call`, the SIP peer party B."""

from __future__ import annotations

from boringsdp.call import Call, LegOptions, Party
from boringsdp.sdp import WEBRTC, CodecPolicy, Description, Direction, LegStyle, Media, describe
from boringsdp.sip_plugin.peer_media import PeerMedia


def read_sdp(sdp: bytes) -> Description:
    """Return what a SIP body says. Raises `SdpError`."""
    return describe(sdp.decode("utf-8", "surrogateescape"))


def octets(sdp: str) -> bytes:
    """A text of ours as a SIP body."""
    return sdp.encode("utf-8", "surrogateescape")


def srtp_of(description: Description) -> str | None:
    """Return `sdes_optional` or `sdes_mandatory` for usable crypto lines, in Janus's words; `dtls`, ours, where there is only DTLS."""
    medias = [media for media in description.medias if not media.rejected]
    if not any(media.cryptos for media in medias):
        return "dtls" if uses_dtls(description) else None
    return "sdes_mandatory" if all(map(_secured, medias)) else "sdes_optional"


def uses_dtls(description: Description | None) -> bool:
    """Whether the SDP offers DTLS-SRTP."""
    if description is None:
        return False
    return any(description.tagged(media).fingerprints for media in description.medias if not media.rejected and _secured(media))


def _secured(media: Media) -> bool:
    return media.protocol is not None and media.protocol.secure


class MediaSide:
    """
    What the call says to each side, and what each has said.

    All methods raise `SdpError` for an SDP that cannot be served, `WrongState` out of turn, `Exhausted`; the media is then as it was.
    """

    def __init__(self, call: Call, policy: CodecPolicy, style: LegStyle) -> None:
        self.call = call
        self.peer = PeerMedia()
        self._policy = policy
        self._style = style
        self._told: Description | None = None
        """The answer that the browser has."""
        self._now: Description | None = None
        """The one in force."""
        self._in_force: tuple[str, bytes] | None = None
        """Tag and SDP of the answer of the peer that came last."""
        self.direction = Direction.SENDRECV
        """What our hold allows."""

    @property
    def peer_encrypts(self) -> bool:
        """Whether the peer's last SDP had usable crypto lines."""
        return self.call.uses_sdes(Party.B)

    @property
    def peer_has_dtls(self) -> bool:
        """Whether the peer's last SDP offered DTLS-SRTP."""
        return uses_dtls(self.call.heard(Party.B))

    @property
    def waiting(self) -> bool:
        """Whether an offer waits for its answer."""
        return self.call.pending is not None

    # --- with both sides -------------------------------------------------------------------------------------------------------------

    def offer_of_browser(self, sdp: str | Description, style: LegStyle | None = None, *, family: str = "") -> bytes:
        """
        Return the offer for the peer. A hold of ours ends: the browser says now what it wants.

        `family` is which of our addresses it names (`IP4`, `IP6`) while the peer has said none of its own.
        """
        held = self.direction
        self._limit(Direction.SENDRECV)
        leg, there = style or self.call.style(Party.B) or self._style, LegOptions(family=family)
        try:
            return octets(self.call.offer(Party.A, sdp, to=leg, policy=self._policy, there=there))
        except BaseException:
            self._limit(held)
            raise

    def answer_of_peer(self, sdp: bytes, tag: str = "", *, unheld: bool = True) -> str | None:
        """
        Put an answer of the peer into force. Returns the browser's text, None when this very answer is in force already.

        `unheld`: the browser is not told to stop sending because the peer is on hold now, for it may not be asked again.
        """
        if self._in_force == (tag, sdp) and not self.waiting:
            return None
        text = self.call.answer(Party.B, read_sdp(sdp), tag=tag or "final", unheld=unheld)
        self._in_force = tag, sdp
        return text

    def early_of_peer(self, sdp: bytes, tag: str) -> str | None:
        """
        As `answer_of_peer`, for an early answer, of which several may come.

        With DTLS the first stays until the final one: a DTLS association that was left cannot be taken up again, and any may take the call.
        """
        if self._in_force is not None and self._in_force[0] != tag and uses_dtls(read_sdp(sdp)):
            return None
        return self.answer_of_peer(sdp, tag)

    def offer_of_peer(self, description: Description) -> str:
        """Return the offer for the browser."""
        return self.call.offer(Party.B, description, to=self.call.style(Party.A) or WEBRTC, policy=self._policy)

    def answer_of_browser(self, sdp: str | Description, style: LegStyle | None = None) -> bytes:
        """Return the answer for the peer."""
        return octets(self.call.answer(Party.A, sdp, style=style))

    def refused(self) -> None:
        """The offer that waits was refused or withdrawn."""
        if self.waiting:
            self.call.reject()

    # --- with one side ---------------------------------------------------------------------------------------------------------------

    def hold(self, direction: Direction) -> bytes:
        """Return the offer for the peer that limits the media to `direction`, SENDRECV: no limit; `settle` or `restore` follows."""
        before = self.direction
        self._limit(direction)
        try:
            return octets(self.call.alone.offer(Party.B, policy=self._policy))
        except BaseException:
            self._limit(before)
            raise

    def restore(self, direction: Direction) -> None:
        """The hold that was offered is not to be; what was there before is `direction`."""
        self._limit(direction)
        self.refused()

    def offer_again(self) -> bytes:
        """Return what is in force as an offer for the peer (it asked for one)."""
        return octets(self.call.alone.offer(Party.B, policy=self._policy))

    def settle(self, sdp: bytes) -> None:
        """Take the peer's answer to an offer of ours."""
        self.call.alone.settle(Party.B, read_sdp(sdp))
        self._in_force = None

    def answer_for_browser(self, description: Description, heard: tuple[str, bytes] | None = None) -> bytes:
        """Answer the peer's offer with what the browser said last. `heard`: its tag and SDP, which the final answer may name again."""
        answer = self.call.alone.answer(Party.B, description, policy=self._policy)
        self._in_force = heard
        return octets(answer)

    def offer_to_browser(self) -> str:
        """Return an offer for the browser with what the peer can do now."""
        return self.call.alone.offer(Party.A, policy=self._policy)

    def settle_browser(self, sdp: str | Description) -> None:
        """Take the browser's answer to that."""
        self.call.alone.settle(Party.A, sdp)

    # --- what the browser knows ------------------------------------------------------------------------------------------------------

    def tell_browser(self, answer: str) -> bool:
        """
        Note an answer to the browser's first offer; returns whether it is to be sent: the first one is.

        Forks answer differently, but a browser takes one answer only. `stale` says when a later one would have mattered.
        """
        now = describe(answer)
        first, self._told = self._told is None, self._told or now
        self._now = now
        return first

    @property
    def stale(self) -> bool:
        """Whether the answer in force differs from the one that the browser has: other codecs, or streams that came or went."""
        if self._told is None or self._now is None or self._told is self._now:
            return False
        return _essence(self._told) != _essence(self._now)

    def _limit(self, direction: Direction) -> None:
        self.direction = direction
        self.call.limit(Party.B, direction)


def _essence(description: Description) -> list[tuple[bool, tuple[str, ...]]]:
    return [(media.rejected, tuple(str(f.codec) for f in media.codecs)) for media in description.medias]
