"""The documents agree with the code: links lead somewhere, named files, commands, targets and keys exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from boringsdp import config

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LINK = re.compile(r"\[[^]]+\]\(([^)#]+)(?:#[^)]*)?\)")
FILE = re.compile(r"`((?:boringsdp|tests|docs|bench)/[\w./-]+)`")
KEY = re.compile(r"`([a-z0-9]+\.[a-z_]+)(?:=[^`]*)?`")


def ids(path: Path) -> str:
    return path.name


def test_there_are_documents():
    assert {"README.md", "CHANGELOG.md", "architecture.md", "glossary.md", "dependencies.md", "differences.md", "performance.md"} <= {
        path.name for path in DOCUMENTS
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_links_and_files_exist(document: Path):
    text = document.read_text()
    missing = [link for link in LINK.findall(text) if "://" not in link and not (document.parent / link).exists()]
    missing += [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_configuration_keys_exist(document: Path):
    named = {key for key in KEY.findall(document.read_text()) if key.split(".")[0] in config.SECTIONS and key != "janus.js"}
    assert named - config.KEYS.keys() == set()


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)$|`make (\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE):
        name = target[0] or target[1]
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_example_configuration_is_what_the_code_says():
    printed = subprocess.run([sys.executable, "-m", "boringsdp", "check-config", "--example"], capture_output=True, text=True, check=True)
    assert (ROOT / "boringsdp.example.toml").read_text() == printed.stdout
