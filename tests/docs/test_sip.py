"""docs/sip.md names what the SIP plugin serves, no more and no less."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from boringsdp.sip_plugin import codes
from boringsdp.sip_plugin.reading import READERS, parse_request
from boringsdp.sip_plugin.settings import PluginSettings, read_settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "sip.md").read_text()
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "boringsdp" / "sip_plugin").glob("*.py")))
BLOCKS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
REQUESTS = [block for block in BLOCKS if "request" in block]
RECORDED = {"declined"}
"""Events for event handlers, which clients do not see."""
FROM_STATE = {"progress", "incomingcall", "updatingcall", "holding", "resuming"}
"""Events whose names the code hands about."""


def test_requests_are_those_of_the_code():
    assert {block["request"] for block in REQUESTS} == set(READERS)
    assert set(re.findall(r"^### (\w+)$", TEXT.partition("## Events")[0], re.MULTILINE)) == set(READERS)


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: str(body["request"]))
def test_requests_can_be_read(body: dict[str, Any]):
    parse_request(body)


def test_every_event_is_named():
    told = set(re.findall(r'"event": "(\w+)"', CODE)) - RECORDED | FROM_STATE
    assert {name for name in told if f"`{name}`" not in TEXT and f'"event": "{name}"' not in TEXT} == set()
    shown = {block["event"] for block in BLOCKS if "event" in block and "request" not in block}
    assert shown - told == set()


def test_error_codes_are_those_of_the_code():
    known = {value for name, value in vars(codes).items() if name.isupper()}
    assert {int(code) for code in re.findall(r"^\| (4\d\d) \|", TEXT, re.MULTILINE)} == known | {441}


def test_the_configuration_can_be_read_and_is_whole():
    (text,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    section = tomllib.loads(text)["plugins"]["janus.plugin.sip"]
    read_settings(section)
    assert set(section) == set(PluginSettings.__dataclass_fields__)
