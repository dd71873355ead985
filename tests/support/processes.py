"""Programs that tests start."""

from __future__ import annotations

import asyncio


async def end(process: asyncio.subprocess.Process, patience_s: float = 10) -> None:
    """Return when the program has ended: asked first, forced after `patience_s`."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience_s)
        except TimeoutError:
            process.kill()
            await process.wait()
