"""JsSIP logs in as the gateway offers it: with a password, with a signed token, with a password for a while."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from boringsdp.b2bua.policy import DefaultRouting
from boringsdp.b2bua.tokens import make_jwt
from tests.b2bua.house import DOMAIN, PASSWORD, running_house
from tests.interop.rig import NODE_MODULES
from tests.support.sip_browser import url_of

SECRET = "a key of sixteen letters and more"
pytestmark = pytest.mark.interop


async def log_in(url: str, user: str, password: str = "", token: str = "") -> str:
    script = Path(__file__).with_name("login.cjs")
    process = await asyncio.create_subprocess_exec(
        "node", str(script), str(NODE_MODULES), url, f"sip:{user}@{DOMAIN}", password, token, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return told.decode().strip()


@pytest.mark.skipif(shutil.which("node") is None or not (NODE_MODULES / "jssip").exists(), reason="npm ci (JsSIP)")
async def test_jssip_logs_in(tmp_path: Path):
    async with running_house(tmp_path, make_routing=DefaultRouting, domain={"token_secret": SECRET}) as house:
        url, soon = url_of(house.here), time.time() + 60
        asked = [
            log_in(url, "alice", PASSWORD),
            log_in(url, "alice", "wrong"),
            log_in(url, "nobody", PASSWORD),
            log_in(url, "erin", token=make_jwt("erin", SECRET, DOMAIN, soon)),
            log_in(url, "erin", token=make_jwt("erin", SECRET, "other.example", soon)),
            log_in(url, "frank", token=make_jwt("erin", SECRET, DOMAIN, soon)),
        ]
        refused = "Authentication Error 401"
        assert await asyncio.gather(*asked) == ["in and out 200", refused, refused, "in and out 200", refused, "Rejected 403"]
