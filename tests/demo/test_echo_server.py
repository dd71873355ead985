"""The echo peer over HTTP, for pages of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from boringsdp.demo.echo_server import TYPE, application

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
HEADERS = {"Content-Type": TYPE}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient]:
    tmp_path.joinpath("page.html").write_text("here")
    async with TestClient(TestServer(application(tmp_path))) as made:
        yield made


async def test_an_offer_is_answered(client: TestClient):
    reply = await client.post("/offer", data=SDP, headers=HEADERS)
    assert (reply.status, reply.content_type) == (200, TYPE)
    assert "m=audio" in await reply.text()


async def test_it_offers_and_is_answered(client: TestClient):
    offered = await client.post("/call", headers=HEADERS)
    assert "m=audio" in await offered.text()
    assert (await client.post(f"/answer/{offered.headers['Call']}", data=SDP, headers=HEADERS)).status == 204


@pytest.mark.parametrize(("path", "status"), [("/offer", 400), ("/answer/unknown", 400)])
async def test_what_the_peer_refuses_is_said(client: TestClient, path: str, status: int):
    reply = await client.post(path, data="v=0", headers=HEADERS)
    assert (reply.status, bool(await reply.text())) == (status, True)


@pytest.mark.parametrize("path", ["/offer", "/call", "/answer/x"])
async def test_a_request_that_other_sites_could_send_is_refused(client: TestClient, path: str):
    assert (await client.post(path, data=SDP, headers={"Content-Type": "text/plain"})).status == 415


async def test_the_folder_is_served(client: TestClient):
    assert await (await client.get("/page.html")).text() == "here"
