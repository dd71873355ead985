"""Janus itself with its SIP plugin, to see what the reference does: set BORINGSDP_INTEROP_GATEWAY=janus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bench import janus
from tests.interop.conftest import Gateway

VARIABLE = "BORINGSDP_INTEROP_GATEWAY"


@contextlib.asynccontextmanager
async def running_janus() -> AsyncIterator[Gateway]:
    """Debian's Janus with only WebSockets and the SIP plugin."""
    running = janus.running_janus("sip", debug=4)
    started = await asyncio.to_thread(running.__enter__)
    try:
        yield Gateway(started.websocket, "", started.log_file)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
