"""
Structured logging: constant texts, facts as fields.

    log = logs.bind(call=call_id, leg="caller")
    log.info("answered", extra={"codec": "opus", "setup_ms": 412})

`setup` is called once, by the program; a library user who configures logging otherwise gets the same fields as attributes of the record.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

ROOT = "boringsdp"
SECRETS = frozenset({"password", "pwd", "secret", "token", "key", "salt", "apisecret", "api_secret", "token_secret", "response", "inline"})
MASK = "********"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class BoundLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines all carry the bound fields; `extra` of a single line is added to them."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs

    def bind(self, **fields: object) -> BoundLogger:
        """Return a logger with more fields bound."""
        return BoundLogger(self.logger, {**(self.extra or {}), **fields})


def bind(part: str = "", /, **fields: object) -> BoundLogger:
    """Return a logger of one part of the gateway (`call`, `relay`, …) with `fields` on every line."""
    return BoundLogger(logging.getLogger(f"{ROOT}.{part}" if part else ROOT), fields)


def setup(level: str = "info", style: str = "text", stream: TextIO | None = None) -> None:
    """Write the gateway's lines to `stream` (standard error): `style` is `text` or `json`. Call again to change."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """Yield the structured fields of a record, secrets masked."""
    for name, value in vars(record).items():
        if name not in _STANDARD:
            yield name, MASK if name in SECRETS and value else _masked(value)


def _masked(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: MASK if name in SECRETS and part else _masked(part) for name, part in value.items()}
    return value


class TextFormatter(logging.Formatter):
    """`17:18:00.123 INFO  call: answered call=4f codec=opus`; a value with spaces or line ends is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        part = record.name.removeprefix(f"{ROOT}.") if record.name != ROOT else "gateway"
        told = "".join(f" {name}={_text(value)}" for name, value in fields(record))
        line = f"{at:%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {part}: {record.getMessage()}{told}"
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (UTC), `level`, `part`, `text`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name,
            "text": record.getMessage(),
            **dict(fields(record)),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _text(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text and '"' not in text else json.dumps(text, ensure_ascii=False)
