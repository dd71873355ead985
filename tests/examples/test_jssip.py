"""The web phone's state, figures and texts, by Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("jssip")


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.test.mjs")), ids=lambda file: file.name)
def test_the_phone_without_page_and_sip(file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("apt-get install nodejs (version 20 or later)")
    ran = subprocess.run([node, "--test", "--test-reporter=tap", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
