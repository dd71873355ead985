"""docs/deployment.md: its configuration loads, its token opens the door, its metrics and log lines are those of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boringsdp import config
from boringsdp.janus_api.auth import Authorization
from boringsdp.janus_api.settings import Authentication
from tests.support.gateway import running_gateway

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "deployment.md").read_text()
CODE = {path: path.read_text() for path in (ROOT / "boringsdp").rglob("*.py")}
TABLE = re.compile(r"^\| `(boringsdp_\w+)` \| (\w+) \|", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def minted(secret: str, **options: Any) -> str:
    names: dict[str, Callable[..., str]] = {}
    exec(blocks("python")[0], names)
    return names["mint"](secret, **options)


@pytest.mark.parametrize("text", blocks("toml"))
def test_configurations_load(text: str, tmp_path: Path):
    file = tmp_path / "boringsdp.toml"
    file.write_text(re.sub(r'"/etc/boringsdp/[^"]*"', '""', text))
    assert tomllib.loads(text)
    config.load(file)


@pytest.mark.parametrize("command", re.findall(r"^boringsdp serve (.*)$", TEXT, re.MULTILINE))
def test_commands_are_understood(command: str):
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in command.split())
    config.load(None, {}, flags)


def test_a_minted_token_is_good_for_its_plugin_until_it_expires():
    authorization = Authorization.from_settings(
        Authentication(api_secret=None, token_auth=True, tokens={}, token_auth_secret="of the operator"), time.time
    )
    token = minted("of the operator")
    assert authorization.allows_request(None, token)
    assert authorization.allows_plugin(None, token, "janus.plugin.nosip")
    assert not authorization.allows_plugin(None, token, "janus.plugin.echotest")
    assert not authorization.allows_request(None, minted("of somebody else"))
    assert not authorization.allows_request(None, minted("of the operator", seconds=-10))


def test_metrics_are_those_of_the_code():
    """What a gateway shows at once, and the counters that appear with their first event."""
    with running_gateway() as gateway, urllib.request.urlopen(f"{gateway.http}/metrics") as reply:
        shown = set(re.findall(r"^# TYPE (\w+) (\w+)$", reply.read().decode(), re.MULTILINE))
    counted = re.compile(r'count\(\s*"(\w+)",\s*"')  # a name with its description, told to the metrics or to who passes them on
    counters = {(f"boringsdp_{name}_total", "counter") for text in CODE.values() for name in counted.findall(text)}
    assert ("boringsdp_ng_timeouts_total", "counter") in counters
    assert set(TABLE.findall(TEXT)) == shown | counters


def test_log_lines_are_those_of_the_code():
    lines = re.findall(
        r"`([a-z ]+)`", "\n".join(line for line in TEXT.partition("## Log")[2].partition("\n## ")[0].splitlines() if line.startswith("| `"))
    )
    texts = [line for line in lines if " " in line] + ["draining", "ending"]
    assert len(texts) > 6
    assert [text for text in texts if not any(f'"{text}"' in code for code in CODE.values())] == []


def test_reasons_why_no_media_flows_are_those_of_the_code():
    """What the table says that `last error` says, the ellipsis standing for what differs from call to call."""
    lines = [line.split("|")[1] for line in TEXT.partition("## No media")[2].splitlines() if line.startswith("| `")]
    reasons = [reason for line in lines for reason in re.findall(r"`([^`]+)`", line)]
    assert len(reasons) > 8
    parts = [part.strip(" )") for reason in reasons for part in reason.split("…")]
    assert [part for part in parts if not any(part in code for code in CODE.values())] == []


@pytest.mark.interop
def test_the_unit_is_one(tmp_path: Path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("apt-get install systemd")
    unit = tmp_path / "boringsdp.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", blocks("ini")[0], flags=re.MULTILINE))
    done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert "boringsdp.service" not in done.stderr, done.stderr
