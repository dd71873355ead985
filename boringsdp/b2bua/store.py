"""Bindings on disk, so that a restart forgets nobody: one JSON file, replaced as a whole."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from boringsdp import logs
from boringsdp.b2bua.bindings import Binding, Bindings
from boringsdp.errors import SipError
from boringsdp.sip.uri import parse_sip_uri

VERSION = 1
SAVE_S = 2.0
"""After a change it is saved so much later, together with what has changed by then."""
log = logs.bind("b2bua")


def to_json(bindings: Iterable[Binding], now: float, wallclock: float) -> dict[str, Any]:
    """Return what a file holds of bindings; times are seconds since 1970."""
    kept = [
        {
            "aor": binding.aor.to_text(),
            "contact": binding.uri,
            "params": [list(pair) for pair in binding.params],
            "instance": binding.instance,
            "reg_id": binding.reg_id,
            "q": binding.q,
            "expires": round(wallclock + binding.expires_at - now, 3),
            "call_id": binding.call_id,
            "cseq": binding.cseq,
            "user_agent": binding.user_agent,
        }
        for binding in bindings
        if binding.account is None  # those of a PBX need its account, and their browser's password
    ]
    return {"version": VERSION, "bindings": kept}


def from_json(read: Any, now: float, wallclock: float) -> list[Binding]:
    """Return the bindings of a file that are not over, without their connections. Raises ValueError for what is no such file."""
    if not isinstance(read, dict) or read.get("version") != VERSION or not isinstance(read.get("bindings"), list):
        raise ValueError("no bindings of this version")
    found = (_binding(entry, now, wallclock) for entry in read["bindings"])
    return [binding for binding in found if binding.expires_at > now]


def _binding(entry: Any, now: float, wallclock: float) -> Binding:
    try:
        return Binding(
            number=0,
            aor=parse_sip_uri(entry["aor"]),
            uri=str(entry["contact"]),
            params=tuple((str(name), None if value is None else str(value)) for name, value in entry["params"]),
            flow=None,
            instance=str(entry["instance"]),
            reg_id=int(entry["reg_id"]),
            q=float(entry["q"]),
            expires_at=now + float(entry["expires"]) - wallclock,
            call_id=str(entry["call_id"]),
            cseq=int(entry["cseq"]),
            user_agent=str(entry["user_agent"]),
        )
    except (KeyError, TypeError, SipError) as error:
        raise ValueError(f"a binding that cannot be read: {error!r}") from None


class BindingStore:
    """Keeps a file up to date. `load` at start, `changed` after changes, `close` at the end."""

    def __init__(self, path: str, bindings: Bindings, *, wallclock: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._bindings = bindings
        self._wallclock = wallclock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None
        self._again = False

    def load(self) -> int:
        """Take in what the file holds; the number of bindings. A file that is none is left alone and begun anew."""
        now = self._loop.time()
        try:
            read = from_json(json.loads(self._path.read_bytes()), now, self._wallclock())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, RecursionError) as error:
            log.warning("bindings of before not read", extra={"file": str(self._path), "why": str(error)})
            return 0
        return sum(self._bindings.restore(binding, now) for binding in read)

    def changed(self) -> None:
        """Save soon."""
        if self._saving is not None:
            self._again = True
        elif self._timer is None:
            self._timer = self._loop.call_later(SAVE_S, self._save)

    async def close(self) -> None:
        """Save now."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saving is not None:
            await self._saving
        await self._write(self._taken())

    def _save(self) -> None:
        self._timer = None
        self._saving = self._loop.create_task(self._saved())

    async def _saved(self) -> None:
        await self._write(self._taken())
        self._saving = None
        if self._again:
            self._again = False
            self.changed()

    def _taken(self) -> dict[str, Any]:
        return to_json(self._bindings, self._loop.time(), self._wallclock())

    async def _write(self, what: dict[str, Any]) -> None:
        try:
            await self._loop.run_in_executor(None, _replace, self._path, what)
        except OSError as error:
            log.warning("bindings not saved", extra={"file": str(self._path), "why": error.strerror or str(error)})


def _replace(path: Path, what: dict[str, Any]) -> None:
    """Write beside it and move it there: whoever reads, and a crash at any moment, finds the old one or the new."""
    beside = path.with_name(f".{path.name}.new")
    with open(beside, "w", encoding="utf-8", opener=_private) as file:
        json.dump(what, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
