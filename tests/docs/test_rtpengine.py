"""docs/rtpengine.md names every word of the NG protocol that the code knows, and what it says of commands and configuration is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boringsdp import config
from boringsdp.errors import NgError
from boringsdp.ng import vocabulary
from boringsdp.ng.parse import parse_request

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rtpengine.md").read_text()
COMMANDS = TEXT.partition("## Commands")[2].partition("\n## ")[0]
SERVED = [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in COMMANDS.splitlines() if row.startswith("| `") and "not built" not in row]
OF_COMMANDS = {"command", "sdp", "address", "all", "limit", "digit", "duration", "volume", "pause"}
"""Keys of commands other than offer and answer, and those that need no word."""
KINSHIPS = {
    r"recording-.*|discard-recording|exclude-recording|skip-recording-db": "recording",
    r"trigger.*|.*-trigger.*": "trigger",
    r"T\.?38.*": "T.38",
    r".*transcod.*": "transcode",
    r"block-egress|block-short.*|inactive|(uni|bi)directional|reorder-codecs|repacketize|from-tags": "other flags",
    r"no-jitter-buffer|no-redis-update": "other flags",
}
"""What the page speaks of by one word."""


def spoken(word: str) -> str:
    return re.sub(r"[ _-]", " ", word).lower()


def test_every_word_of_the_code_is_in_the_page():
    words = {*vocabulary.KEYS, *vocabulary.FLAGS, *vocabulary.KEPT_FLAGS, *vocabulary.WITHOUT_EFFECT, *vocabulary.UNAVAILABLE} - OF_COMMANDS
    text = spoken(TEXT)
    missing = []
    for word in sorted(words):
        kin = next((name for pattern, name in KINSHIPS.items() if re.fullmatch(pattern, word)), word)
        missing += [] if spoken(kin) in text else [word]
    assert missing == []


@pytest.mark.parametrize("command", [command for row in SERVED for command in row])
def test_commands_that_the_page_has_are_known(command: str):
    whole = {"call-id": "1", "from-tag": "a", "to-tag": "b", "sdp": "v=0", "code": "1"}
    assert parse_request({"command": command, **whole}, {}) is not None


def test_every_command_that_is_known_is_in_the_page():
    named = {command for row in SERVED for command in row}
    assert {"ping", "offer", "answer", "delete", "query", "list", "statistics", "block media", "play DTMF"} <= named
    for command in vocabulary.COMMANDS_NOT_BUILT:
        with pytest.raises(NgError, match=f'^Command "{command}" is not available$'):
            parse_request({"command": command}, {})


def test_every_key_of_the_configuration_is_in_the_page_or_in_the_one_on_deployment():
    both = TEXT + (ROOT / "docs" / "deployment.md").read_text()
    assert [key for key in config.KEYS if key.startswith("ng.") and f"`{key}`" not in both and f"`{key}=" not in both] == []
