"""The README's commands run; its page is tried in tests/interop."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from boringsdp import config
from tests.support.gateway import running_gateway

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", re.findall(r"^boringsdp translate < (\S+)$", README, re.MULTILINE))
def test_the_sample_translates(path: str):
    done = subprocess.run([sys.executable, "-m", "boringsdp", "translate", path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "RTP/AVP" in done.stdout


@pytest.mark.parametrize("flag", re.findall(r" --(\w+\.\S+)", "\n".join(re.findall(r"^boringsdp serve .*$", README, re.MULTILINE))))
def test_the_flag_is_taken(flag: str):
    key, _, value = flag.partition("=")
    assert config.load(None, {}, {key: value}).origins[key] == f"flag --{key}"


def test_the_commands_of_a_proxy_are_answered():
    commands = re.findall(r"^boringsdp (ng-send .*)$", README, re.MULTILINE)
    with running_gateway() as gateway:
        for command in commands:
            words, _, file = command.partition(" < ")
            line = f"{sys.executable} -m boringsdp {words} --to 127.0.0.1:{gateway.ng_port} < {file or '/dev/null'}"
            done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert len(commands) == 3


def test_the_extras_exist():
    project = (ROOT / "pyproject.toml").read_text()
    (extras,) = set(re.findall(r"pip install '\.\[([\w,]+)\]'", README))
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))


def test_every_module_that_is_run_can_be():
    modules = re.findall(r"^python -m (\S+)", README, re.MULTILINE)
    assert modules
    for module in modules:
        assert 'if __name__ == "__main__":' in (ROOT / (module.replace(".", "/") + ".py")).read_text()
