"""The media of a bridged call: what one side has said, for the other. Party A of the `call.Call` is the caller."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.call import Call, LegOptions, Party
from boringsdp.errors import SdpError
from boringsdp.sdp import CodecPolicy, Description, LegStyle, describe

POLICY = CodecPolicy(own_events=True)
"""Digits are converted between the media and INFO, so that telephone-event is spoken with whoever knows it."""


def read(sdp: bytes) -> Description:
    """Return what a SIP body says. Raises `SdpError`."""
    return describe(sdp.decode("utf-8", "surrogateescape"))


def read_keyed(sdp: bytes) -> Description:
    """As `read`, for an offer of a browser. Raises `SdpError` too where its media is not encrypted: that could be aimed at anybody."""
    description = read(sdp)
    if any(not description.tagged(media).fingerprints for media in description.medias if not media.rejected):
        raise SdpError("no fingerprint: media of web phones is DTLS-SRTP")
    return description


def written(sdp: str) -> bytes:
    """A text of ours as a SIP body."""
    return sdp.encode("utf-8", "surrogateescape")


def same_streams(one: bytes, other: bytes) -> bool:
    """Whether two SDPs of ours say the same of codecs, and of which streams there are."""
    return _essence(read(one)) == _essence(read(other))


def _essence(description: Description) -> list[tuple[bool, tuple[str, ...]]]:
    return [(media.rejected, tuple(str(f.codec) for f in media.codecs)) for media in description.medias]


def _streams(description: Description) -> int:
    return sum(not media.rejected for media in description.medias)


class Media:
    """Raises `SdpError` for an SDP that cannot be served, `WrongState` out of turn, `Exhausted`; the media is then as it was."""

    def __init__(self, call: Call, policy: CodecPolicy = POLICY, *, is_browser: Callable[[Party, str], bool] | None = None) -> None:
        """`is_browser` tells it of a party, and of which branch."""
        self.call = call
        self._policy = policy
        self._is_browser = is_browser
        self._early: dict[str, str] = {}
        """The tag whose early answer is in force, by branch."""

    def offer(self, party: Party, sdp: bytes, to: LegStyle, *, branch: str, family: str = "") -> bytes:
        """Return the offer for the other party. `family` (`IP4`, `IP6`) is which of our addresses it names while that has said none."""
        there = LegOptions(family=family)
        return written(self.call.offer(party, self._read(party, sdp, branch), to, self._policy, branch=branch, there=there))

    def answer(self, party: Party, sdp: bytes, *, branch: str, tag: str = "") -> bytes:
        """Put an answer into force and return that for the offerer."""
        return written(self.call.answer(party, read(sdp), branch=branch, tag=tag or "final"))

    def early(self, sdp: bytes, *, branch: str, tag: str) -> bytes | None:
        """
        As `answer` of party B, before the call is answered.

        None where it has to wait for that: with DTLS the first of several forks stays, since an association that was left cannot be taken
        up again, and any of them may take the call.
        """
        description = read(sdp)
        keyed = any(description.tagged(media).fingerprints for media in description.medias if not media.rejected)
        if keyed and self._early.get(branch, tag) != tag:
            return None
        text = written(self.call.answer(Party.B, description, branch=branch, tag=tag))
        self._early[branch] = tag
        return text

    def refused(self, branch: str) -> None:
        """The offer that waits on the branch, if one does, is not answered."""
        if self.call.pending_of(branch) is not None:
            self.call.reject(branch)

    def offer_alone(self, party: Party, branch: str) -> bytes:
        """Return what is in force as an offer to one party; `settle` takes the answer, `refused` none."""
        return written(self.call.alone.offer(party, policy=self._policy, branch=branch))

    def settle(self, party: Party, sdp: bytes, branch: str) -> None:
        """Take that answer."""
        self.call.alone.settle(party, read(sdp), branch=branch)

    def answer_alone(self, party: Party, sdp: bytes, branch: str) -> bytes:
        """Answer an offer with what the other party has said last."""
        return written(self.call.alone.answer(party, self._read(party, sdp, branch), policy=self._policy, branch=branch))

    def opens(self, party: Party, sdp: bytes, branch: str) -> bool:
        """Whether an offer has more streams than that party has said last; False for one that cannot be read."""
        known = self.call.heard(party, branch)
        try:
            offered = read(sdp)
        except SdpError:
            return False
        return known is not None and _streams(offered) > _streams(known)

    def drop(self, branch: str) -> None:
        """A branch is given up."""
        if branch in self.call.branches:
            self.call.drop_branch(branch)

    def _read(self, party: Party, offer: bytes, branch: str) -> Description:
        browser = self._is_browser is not None and self._is_browser(party, branch)
        return read_keyed(offer) if browser else read(offer)
