"""JsSIP whose WebSocket is lost while it rings, in a call and while it changes one, and what the records say of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.rig import NODE_MODULES
from tests.support.gateway import Gateway, running_gateway

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).with_name("jssip_lost.cjs")
OFFER = Path("tests/golden/captured/chromium-offer-audio-trickle.sdp")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records") / "calls"


@pytest.fixture(scope="module")
def gateway(records: Path) -> Iterator[Gateway]:
    if shutil.which("node") is None:
        pytest.skip("apt-get install nodejs npm")
    if not all((NODE_MODULES / name).exists() for name in ("jssip", "ws")):
        pytest.skip("npm ci")
    folder = records.parent
    users, config = folder / "users", folder / "boringsdp.toml"
    users.write_text("alice:sesame\nbob:sesame\n")
    config.write_text(
        f'[sip]\nlisten = ["udp:127.0.0.1:0"]\n[b2bua]\nrecords = "{records}"\ngrace = 15.0\n'
        f'[b2bua.domains."example.com"]\nmode = "registrar"\nusers = "{users}"\n'
    )
    with running_gateway(f"--config={config}") as started:
        yield started


def record_of(records: Path, number: int) -> dict[str, Any]:
    """The record of one call, which is written in a moment."""
    limit = time.monotonic() + 10
    while True:
        lines = records.read_text().splitlines() if records.exists() else []
        if len(lines) > number or time.monotonic() > limit:
            return dict(json.loads(lines[number]))
        time.sleep(0.1)


@pytest.mark.parametrize(("scenario", "ended_by"), [("ringing", "caller"), ("talking", "caller"), ("changing", "caller")])
def test_lost_and_back(gateway: Gateway, records: Path, scenario: str, ended_by: str) -> None:
    before = len(records.read_text().splitlines()) if records.exists() else 0
    url = gateway.http.replace("http:", "ws:") + "/sip"
    done = subprocess.run(["node", str(SCRIPT), url, scenario, str(OFFER)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr + gateway.log
    told = json.loads(done.stdout)
    record = record_of(records, before)
    assert (record["result"], record["ended_by"]) == ("answered", ended_by)
    if scenario == "changing":
        # JsSIP gives a call up in which it waits for an answer, and cannot say so: it is asked, and says that it has none.
        assert "ended local" in told["bob"]
        assert "ended remote" in told["alice"]
    else:
        assert told["alice"].count("confirmed local") == told["bob"].count("confirmed remote") == 1
        assert told["bob"].count("call remote") == (2 if scenario == "ringing" else 1)
        assert "failed remote" not in told["alice"]
