"""Tells of calls that have ended: to the policy, the log, a file, and in counts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from boringsdp import logs
from boringsdp.b2bua.record import CallRecord

LAST_MESSAGES_S = 1.0
"""How long a record waits for the last messages of its ladders: the answers to BYE and CANCEL."""
log = logs.bind("b2bua")


class Records:
    """`draw` returns the ladder of a Call-ID, `tell` is the policy's `record`; `path` empty: no file."""

    def __init__(self, path: str, draw: Callable[[str], str], tell: Callable[[CallRecord], None]) -> None:
        self.counts: Counter[str] = Counter()
        """Calls by result."""
        self._path = Path(path) if path else None
        self._draw = draw
        self._tell = tell
        self._waiting: dict[asyncio.TimerHandle, CallRecord] = {}
        self._loop = asyncio.get_running_loop()

    def ended(self, record: CallRecord) -> None:
        """Take the record of a call; it is told in a moment."""
        self.counts[record.result] += 1
        facts = {"call": record.id, "caller": record.caller, "called": record.called, "result": record.result, "code": record.code}
        log.info("call over", extra={**facts, "by": record.ended_by, "reason": record.reason, "talked_s": round(record.talked_s, 1)})
        handle: asyncio.TimerHandle | None = None

        def due() -> None:
            assert handle is not None
            self._write(self._waiting.pop(handle))

        handle = self._loop.call_later(LAST_MESSAGES_S, due)
        self._waiting[handle] = record

    def close(self) -> None:
        """Tell of those that still wait."""
        waiting, self._waiting = self._waiting, {}
        for handle, record in waiting.items():
            handle.cancel()
            self._write(record)

    def _write(self, record: CallRecord) -> None:
        record = replace(record, ladders=tuple(map(self._draw, record.call_ids)))
        try:
            self._tell(record)
        except Exception:
            log.exception("the policy failed on a record", extra={"call": record.id})
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(record.to_json(), ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning("record not written", extra={"call": record.id, "file": str(self._path), "reason": error.strerror})
