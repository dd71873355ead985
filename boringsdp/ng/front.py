"""The NG front: one command dictionary in, one reply dictionary out. It translates into calls and knows no wire format."""

from __future__ import annotations

from typing import Any

from boringsdp import logs
from boringsdp.call import Calls
from boringsdp.errors import NgError

Address = tuple[str, int]
log = logs.bind("ng")


class NgFront:
    """
    Executes commands on `calls`. `settings` is the front's own part of the configuration.

    `execute` is synchronous and never raises: what is wrong becomes `{"result": "error", "error-reason": …}`.
    """

    def __init__(self, calls: Calls, settings: Any) -> None:
        self._calls = calls
        self._settings = settings

    def execute(self, message: dict[str, Any], source: Address | None = None) -> dict[str, Any]:
        """Run one command; `source` is who sent it, for the log."""
        try:
            return self._run(message)
        except NgError as error:
            return {"result": "error", "error-reason": error.reason}

    def _run(self, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("command"):
            case None:
                raise NgError('Dictionary contains no key "command"', "command")
            case "ping":
                return {"result": "pong"}
            case "list":
                return {"result": "ok", "calls": [call.id for call in self._calls][:32]}
            case _:
                raise NgError("Unrecognized command", "command")
