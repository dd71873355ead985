"""A person at a browser whose page is a SIP user agent through janus.plugin.sip: asks, waits for events, speaks and hears."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from tests.interop.calls import drain
from tests.interop.rig import Rig
from tests.interop.sip.registrar import Registrar
from tests.interop.tones import Burst, bursts, samples_of

PATIENCE_S = 15


class User:
    """One handle of the SIP plugin in a page of its own; `name` is the user part of its account."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.rig = rig
        self.user = name

    async def do(self, method: str, *arguments: Any) -> Any:
        """What a method of the page's SipRig gives."""
        return await self.rig.call(method, *arguments)

    async def ask(self, request: str, **body: Any) -> None:
        """Sends a request; what comes of it are events."""
        await self.rig.call("ask", {"request": request, **body})

    async def said(self, event: str) -> list[dict[str, Any]]:
        """The plugin's events of one name since `forget`: the whole message, with `event` (`error` for errors) beside."""
        return list(await self.rig.get(f"rig.said({json.dumps(event)})"))

    async def until(self, event: str, count: int = 1, seconds: float = PATIENCE_S, **match: Any) -> dict[str, Any]:
        """The `result` of the event number `count` of a name that has what `match` says. Raises AssertionError with all events."""
        message = await self.until_message(event, count, seconds, **match)
        return dict(message.get("result") or message)

    async def until_message(self, event: str, count: int = 1, seconds: float = PATIENCE_S, **match: Any) -> dict[str, Any]:
        """The same, with what stands beside the `result`: `call_id`, `jsep` (its type), `sdp`."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            found = [one for one in await self.said(event) if match.items() <= (one.get("result") or one).items()]
            if len(found) >= count:
                return dict(found[count - 1])
            if asyncio.get_running_loop().time() > end:
                events = await self.rig.get("rig.events.filter(one => ['sip', 'webrtcState', 'refused'].includes(one.name))")
                raise AssertionError(
                    f"{self.user}: no {event} {match or ''} number {count} in {seconds} s, but {json.dumps(events)[-4000:]}"
                )
            await asyncio.sleep(0.05)

    async def forget(self) -> None:
        """Lets the events so far be the past."""
        await self.rig.call("forgetEvents")

    # --- what people do -------------------------------------------------------------------------------------------------------------------

    async def register(self, pbx: Registrar, *, secret: str | None = None, transport: str = "", **extra: Any) -> dict[str, Any]:
        """Registers at the PBX; the event that tells how it went, `registered` or `registration_failed`."""
        proxy = f"sip:{pbx.tls if transport == 'tls' else pbx.domain}{f';transport={transport}' if transport else ''}"
        account: dict[str, Any] = {"secret": pbx.secret if secret is None else secret, "proxy": proxy}
        if transport:
            account["outbound_proxy"] = proxy
        await self.ask("register", username=f"sip:{self.user}@{pbx.domain}", **{**account, **extra})
        for _ in range(PATIENCE_S * 20):
            for event in ("registered", "registration_failed", "error"):
                if told := await self.said(event):
                    return {**(told[-1].get("result") or {}), **told[-1]}
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.user} heard nothing of its registration: {await self.rig.get('rig.events')}")

    async def place(self, uri: str, **options: Any) -> str:
        """Calls; the Call-ID."""
        await self.rig.call("place", uri, options)
        return str((await self.until_message("calling"))["call_id"])

    async def take(self, **options: Any) -> None:
        """Answers what rings, once it does."""
        await self.until("incomingcall")
        await self.rig.call("take", options)
        await self.until("accepted")

    async def talking(self) -> None:
        """Waits until the call is answered and media can flow."""
        await self.until("accepted")
        await self.settled()

    async def settled(self) -> None:
        """Waits until media can flow, and what gathered in the browser's jitter buffer while it began is played."""
        await self.rig.call("connected")
        await drain(self.rig)

    async def hang_up(self) -> dict[str, Any]:
        """Ends the call; what the `hangup` event says."""
        await self.ask("hangup")
        return await self.until("hangup")

    # --- what they say and hear -----------------------------------------------------------------------------------------------------------

    async def samples(self) -> tuple[bytes, int]:
        """What was heard since `do("forget")`, 16-bit mono, and its rate."""
        got = await self.rig.call("heard")
        return base64.b64decode(got["data"]), int(got["rate"])

    async def heard(self) -> list[Burst]:
        """The tones in it."""
        data, rate = await self.samples()
        return bursts(samples_of(data), rate)
