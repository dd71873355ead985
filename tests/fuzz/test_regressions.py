"""Inputs that once broke something, kept as files: `regressions/<target>/<what it was>.<anything>`, the raw bytes of the input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from boringsdp.dtls import Association
from tests.fuzz import corpus, oracles
from tests.fuzz.gateway import MemoryGateway
from tests.fuzz.test_janus import attach, check_messages
from tests.support.clock import run_in_virtual_time

KEPT = Path(__file__).parent / "regressions"


def _offer(data: bytes) -> None:
    for style in oracles.STYLES:
        oracles.offer_through(data, style)


def _answer(data: bytes) -> None:
    """As an answer to, and as a re-offer after, every kind of exchange."""
    for text in corpus.sdps_named("chromium-offer-audio-video.", "baresip-offer-plain", "baresip-offer-sdes-mandatory"):
        for style in oracles.STYLES:
            begun = oracles.offer_through(text, style)
            assert begun is not None
            oracles.answer_through(begun[0], begun[1], data)
            agreed = oracles.answer_through(begun[0], begun[1], oracles.answer_of(begun[2]))
            assert agreed is not None
            oracles.reoffer_through(*agreed, data)


def _dtls(data: bytes) -> None:
    for we_are_client in (True, False):
        association = Association(corpus.OURS, client=we_are_client)
        association.start(0.0)
        oracles.feed_dtls(association, data, 0.0)


async def _converse(lines: list[bytes]) -> None:
    gateway = await MemoryGateway.started()
    attach(gateway)
    for line in lines:
        messages = gateway.receive(line)
        assert not gateway.failures, gateway.failures[0]
        check_messages(messages)
    await gateway.close()


def _janus(data: bytes) -> None:
    """One request a line, to a gateway whose first session (1) has a NoSIP (2) and an echo test handle (3)."""
    run_in_virtual_time(_converse(data.splitlines()))


ORACLES: dict[str, Callable[[bytes], object]] = {
    "sdp-read": oracles.read_sdp,
    "sdp-offer": _offer,
    "sdp-answer": _answer,
    "stun": oracles.read_stun,
    "rtp": oracles.read_rtp,
    "rtcp": oracles.read_rtcp,
    "dtls": _dtls,
    "janus": _janus,
}
FILES = sorted(path for target in ORACLES for path in (KEPT / target).glob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_broke_once(path: Path) -> None:
    ORACLES[path.parent.name](path.read_bytes())
