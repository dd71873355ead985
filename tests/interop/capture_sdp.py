"""Runs real programs and writes the SDPs that they really produce to tests/golden/captured/<program>-<case>.sdp.

    python -m tests.interop.capture_sdp [program ...]

Programs that are missing are named and passed over. Addresses of this machine become documentation addresses.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.interop import browsers, capture_phones, capture_web

OUT = Path(__file__).parents[1] / "golden" / "captured"

PRIVATE = re.compile(r"\b(?:127\.0\.[01]\.1|10\.\d+\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|192\.168\.\d+\.\d+|169\.254\.\d+\.\d+)\b")
PRIVATE6 = re.compile(r"(?<![0-9a-fA-F:])(?:f[cde][0-9a-f]{2}:[0-9a-f:]+|::1)(?![0-9a-fA-F:])", re.I)


def tidy(sdp: str) -> str:
    """`sdp` with the addresses and the host name of this machine replaced by documentation ones."""
    sdp = PRIVATE6.sub("2001:db8::2", PRIVATE.sub("192.0.2.2", sdp))
    return re.sub(r"\b[\w.+-]+@(?:localhost|[\w-]*host[\w.-]*)\b", "user@host.example", sdp)


async def of_browser(name: str) -> dict[str, str]:
    program = browsers.find(browsers.CHROMIUM if name == "chromium" else browsers.FIREFOX)
    if program is None:
        raise FileNotFoundError(name)
    launch = browsers.chromium if name == "chromium" else browsers.firefox
    async with launch(program) as browser:
        page = await browser.new_page()
        await page.goto("data:text/html,<title>capture</title>")
        return dict(await page.evaluate(capture_web.SCENARIOS, {"gateway": capture_web.GATEWAY_OFFERS}))


PROGRAMS: dict[str, Callable[[], Awaitable[dict[str, str]]]] = {
    "chromium": lambda: of_browser("chromium"),
    "firefox": lambda: of_browser("firefox"),
    "aiortc": capture_web.of_aiortc,
    "baresip": capture_phones.of_baresip,
    "linphone": capture_phones.of_linphone,
    "sipp": capture_phones.of_sipp,
    "ffmpeg": capture_phones.of_ffmpeg,
}


async def main(names: list[str]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names or PROGRAMS:
        try:
            cases = await PROGRAMS[name]()
        except FileNotFoundError as error:
            print(f"{name}: not installed ({error})")
            continue
        for case, sdp in cases.items():
            if sdp.strip():
                (OUT / f"{name}-{case}.sdp").write_text(tidy(sdp), newline="")
            print(f"{name}-{case}: {sdp.count(chr(10))} lines")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
