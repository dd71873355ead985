"""What the demo serves for web phones: their pages, libraries and settings, and nothing else of the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from boringsdp.demo.phones import FOLDER, PAGES, Phones, PhoneSettings, User, phones_line

SETTINGS = PhoneSettings(
    websocket="/sip", domain="demo.example", users=(User("alice", "s3cret", "Alice"),), echo="echo", secrets={"token": "t"}
)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient]:
    """The phones of a folder with one page, one library and files that are nobody's business."""
    for name in ("jssip/index.html", "jssip/view/pad.js", "jssip/.secret.js", "jssip/notes.txt", "lib/sip.js", "bundle.js"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {name}")
    app = web.Application()
    app.add_routes(Phones(SETTINGS, lambda: 8188, lambda: "127.0.0.1:5060", folder=tmp_path).routes())
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "file", "kind"),
    [
        ("/phone/", "jssip/index.html", "text/html"),
        ("/phone/index.html", "jssip/index.html", "text/html"),
        ("/phone/view/pad.js", "jssip/view/pad.js", "text/javascript"),
        ("/lib/sip.js", "lib/sip.js", "text/javascript"),
        ("/phone-sipjs/sip.js", "lib/sip.js", "text/javascript"),
    ],
)
async def test_files_are_served_with_a_policy(client: TestClient, path: str, file: str, kind: str):
    reply = await client.get(path)
    assert (reply.status, reply.content_type, await reply.text()) == (200, kind, f"this is {file}")
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/phone/%2e%2e/bundle.js", "/phone/view/%2e%2e/%2e%2e/bundle.js", "/phone/.secret.js", "/phone/notes.txt", "/phone/view", "/lib/"],
)
async def test_nothing_else_is(client: TestClient, path: str):
    assert (await client.get(path, allow_redirects=False)).status == 404


async def test_a_path_without_its_slash_is_led_to_it(client: TestClient):
    reply = await client.get("/phone-sipjs", allow_redirects=False)
    assert (reply.status, reply.headers["Location"]) == (302, "/phone-sipjs/")


async def test_a_page_learns_who_it_can_be_and_which_libraries_there_are(client: TestClient):
    reply = await client.get("/demo/phone")
    told = await reply.json()
    assert told["users"] == [{"user": "alice", "password": "s3cret", "name": "Alice"}]
    assert (told["websocket"], told["domain"], told["echo"]) == ("/sip", "demo.example", "echo")
    assert (told["janus"], told["secrets"], told["sip"]) == (8188, {"token": "t"}, "127.0.0.1:5060")
    assert told["libraries"] == ["sip.js"]
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_the_telephone_is_announced_with_what_it_lacks(tmp_path: Path):
    url = "http://localhost:8088/phone/"
    assert phones_line(url, tmp_path).startswith("A telephone for SIP calls needs npm")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "jssip.js").touch()
    assert phones_line(url, tmp_path) == f"A telephone for SIP calls: {url}"


def test_the_pages_are_in_the_package():
    for name in set(PAGES.values()) - {"jssip", "common"}:
        assert (FOLDER / name / "index.html").is_file()
