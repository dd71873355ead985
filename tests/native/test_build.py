"""How the native engine comes to be built: which Rust is taken, what is said where there is none, and that versions agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import boringsdp

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "native"
WANTED = tomllib.loads((NATIVE / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]


def run(script: str, *arguments: str, path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/nowhere", "RUST_PLACES": f"{home}/.cargo/bin:/nowhere"}
    shell = shutil.which("sh") or "/bin/sh"
    return subprocess.run([shell, str(NATIVE / script), *arguments], env=environment, capture_output=True, text=True)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with what scripts need, and without any Rust."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "sed", "sort", "head", "dirname", "cut", "tr"):
        folder.joinpath(name).symlink_to(str(shutil.which(name)))
    folder.joinpath("cc").symlink_to("/bin/true")
    return folder


def rust(folder: Path, version: str) -> Path:
    """Put a Rust of that version into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cargo", "rustc"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} {version} (of a test)'\n")
        program.chmod(0o755)
    return folder


def test_without_rust_one_line_says_what_to_install(tools: Path, tmp_path: Path):
    done = run("toolchain.sh", path=tools, home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Rust {WANTED} or later is needed; on Debian: apt-get install rustc-web cargo-web, elsewhere rustup\n"
    done = run("install.sh", "/nowhere/python", path=tools, home=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("native engine: not built (Rust ")
    assert done.stdout.count("\n") == 1


def test_a_rust_that_is_too_old_is_named(tools: Path, tmp_path: Path):
    rust(tools, "1.63.0")
    done = run("toolchain.sh", path=tools, home=tmp_path)
    assert done.returncode == 1
    assert "only Rust 1.63 is here" in done.stderr


@pytest.mark.parametrize("version", [f"{WANTED}.0", "1.100.1", "2.0.0-nightly"])
def test_a_rust_that_is_new_enough_is_taken_past_an_old_one(tools: Path, tmp_path: Path, version: str):
    rust(tools, "1.9.0")
    home = tmp_path / "home of somebody"
    folder = rust(home / ".cargo" / "bin", version)
    done = run("toolchain.sh", path=tools, home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}\n", "")


def test_versions_agree():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    native = tomllib.loads((NATIVE / "pyproject.toml").read_text())["project"]
    workspace = tomllib.loads((NATIVE / "Cargo.toml").read_text())["workspace"]["package"]
    assert package["optional-dependencies"]["native"] == [f"{native['name']}=={native['version']}"]
    assert native["version"] == workspace["version"] == package["version"] == boringsdp.__version__
    assert native["requires-python"] == package["requires-python"]


def test_the_package_itself_needs_no_compiler():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not [name for name in package["project"]["dependencies"] if "native" in name]
    assert package["build-system"]["requires"] == ["setuptools>=68"]


def test_dependencies_are_locked():
    assert (NATIVE / "Cargo.lock").exists()
    assert tomllib.loads((NATIVE / "pyproject.toml").read_text())["tool"]["maturin"]["locked"] is True
    for folder in ("core", "python"):
        text = (NATIVE / folder / "Cargo.toml").read_text()
        assert not re.search(r"\bgit\s*=", text)


def test_the_engine_that_is_installed_is_that_of_this_tree():
    native = pytest.importorskip("boringsdp_native", reason="make native (needs Rust)")
    assert native.__version__ == boringsdp.__version__
