"""Files that are replaced."""

from __future__ import annotations

import os
from pathlib import Path

from boringsdp.sip.transport.renewal import Renewal


def test_a_file_is_due_once_after_each_change(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for file in (certificate, key):
        file.write_text("old")
    renewal = Renewal(certificate, key)
    assert not renewal.due()
    key.write_text("new key")
    assert [renewal.due(), renewal.due()] == [True, False]


def test_a_file_that_is_replaced_is_due_whatever_its_time(tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_text("old")
    renewal = Renewal(certificate, None)
    before = certificate.stat()
    other = tmp_path / "other.pem"
    other.write_text("new")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(certificate)
    assert renewal.due()


def test_while_a_file_is_missing_nothing_is_due(tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_text("old")
    renewal = Renewal(certificate)
    certificate.unlink()
    assert not renewal.due()
    certificate.write_text("newer")
    assert renewal.due()


def test_without_files_nothing_is_due() -> None:
    assert not Renewal(None, None).due()
