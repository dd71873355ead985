"""Codecs that an answer leaves out or brings in: what both ends speak passes, as through any media relay."""

from __future__ import annotations

import pytest

from tests.call.phone import Phone, plain, port_of
from tests.ng.conftest import Proxy
from tests.ng.test_front_media import proxy, taken

__all__ = ["proxy"]


async def test_a_caller_goes_on_with_a_codec_that_the_answer_left_out(proxy: Proxy):
    a, b = Phone(), Phone()
    to_b = taken(proxy.offer("ta", sdp=plain(a.port, formats="8 0 101")))
    to_a = taken(proxy.answer("ta", "tb", sdp=plain(b.port, formats="0 101")))
    assert "RTP/AVP 0 101" in to_a
    for payload_type in (8, 0, 8):
        a.send(port_of(to_a), payload_type)
        assert (await b.receive())[1] == payload_type
    b.send(port_of(to_b), 0)
    assert (await a.receive())[1] == 0


async def test_a_codec_that_was_taken_out_does_not_pass(proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    a, b = Phone(), Phone()
    taken(proxy.offer("ta", sdp=plain(a.port, formats="8 0 101"), flags=["codec-strip-PCMA"]))
    to_a = taken(proxy.answer("ta", "tb", sdp=plain(b.port, formats="0 101")))
    a.send(port_of(to_a), 8)
    assert await b.hears_nothing()
    monkeypatch.setattr("boringsdp.ng.diagnosis.PATIENCE_S", 0.0)
    assert "ta: audio: all 1 packets were dropped: payload type 8 is not in the answer" in proxy.send("query")["errors"]


async def test_an_answer_with_a_codec_that_only_the_caller_offered(proxy: Proxy):
    a, b = Phone(), Phone()
    to_b = taken(proxy.offer("ta", sdp=plain(a.port, formats="8 0 101"), flags=["codec-strip-PCMU"]))
    assert "RTP/AVP 8 101" in to_b
    for formats in ("0", "0 101"):
        to_a = taken(proxy.answer("ta", "tb", sdp=plain(b.port, formats=formats)))
        assert f"RTP/AVP {formats}" in to_a
        a.send(port_of(to_a), 0)
        assert (await b.receive())[1] == 0
        b.send(port_of(to_b), 0)
        assert (await a.receive())[1] == 0


async def test_an_answer_with_a_codec_that_nobody_offered(proxy: Proxy):
    taken(proxy.offer("ta", sdp=plain(4000, formats="8 101")))
    refused = proxy.answer("ta", "tb", sdp=plain(4002, formats="9"))
    assert "none of its formats was offered" in refused["warning"]
