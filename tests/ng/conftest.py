"""A front over calls that only write down what they are told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from boringsdp.call import CallClosed, CallEvent, CallReport, LegReport, Party
from boringsdp.errors import Exhausted, WrongState
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.sdp import PLAIN, LegStyle


class FakeCall:
    """Passes SDPs on as they are, and keeps `told`."""

    def __init__(self, call_id: str, owner: Callable[[CallEvent], None], calls: FakeCalls) -> None:
        self.id = call_id
        self.owner = owner
        self.calls = calls
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.pending: Party | None = None
        self.legs: dict[tuple[Party, str], str] = {}
        self.current: str | None = None
        self.closed = ""
        self.refuse: Exception | None = None
        self.digits = 1
        self.created = time.time()

    def style(self, party: Party, branch: str = "") -> LegStyle | None:
        return PLAIN if (party, "" if party is Party.A else branch) in self.legs else None

    def suite(self, party: Party, branch: str = "") -> str:
        return ""

    def _take(self, what: str, party: Party, sdp: Any, facts: dict[str, Any]) -> str:
        if self.refuse is not None:
            refused, self.refuse = self.refuse, None
            raise refused
        self.told.append((what, {"party": party, **facts}))
        text: str = sdp.text
        return text

    def offer(self, party: Party, sdp: Any, to: LegStyle, policy: Any, **facts: Any) -> str:
        if self.pending is party.other:
            raise WrongState("reoffered", "its answer first (glare)")
        text = self._take("offer", party, sdp, {"to": to, "policy": policy, **facts})
        self.legs[Party.A, ""] = self.legs[Party.B, facts["branch"]] = ""
        self.pending = party
        return text

    def answer(self, party: Party, sdp: Any, **facts: Any) -> str:
        text = self._take("answer", party, sdp, facts)
        self.pending, self.current = None, facts["branch"]
        return text

    @property
    def branches(self) -> tuple[str, ...]:
        return tuple(branch for party, branch in self.legs if party is Party.B)

    def pending_of(self, branch: str) -> Party | None:
        return self.pending

    def reject(self, branch: str = "") -> None:
        self.told.append(("reject", {"branch": branch}))
        self.pending = None

    def retire(self) -> None:
        self.told.append(("retire", {}))

    def drop_branch(self, branch: str) -> None:
        self.told.append(("drop", {"branch": branch}))
        del self.legs[Party.B, branch]

    def block(self, party: Party, what: Any, on: bool, **facts: Any) -> None:
        self.told.append(("block", {"party": party, "what": what.value, "on": on, **facts}))

    def send_dtmf(self, party: Party, digits: str, duration_ms: int, gap_ms: int, volume_dbm0: int, branch: str) -> int:
        self.told.append(("dtmf", {"party": party, "digits": digits, "duration_ms": duration_ms}))
        return self.digits

    def report(self) -> CallReport:
        legs = tuple(
            LegReport(party=party, branch=branch, created=self.created, joined=party is Party.A or branch == self.current)
            for party, branch in self.legs
        )
        return CallReport(call_id=self.id, created=self.created, last_signal=self.created, state="stable", legs=legs)

    def close(self, reason: str = "closed") -> None:
        if not self.closed:
            self.closed = reason
            del self.calls.calls[self.id]
            self.owner(CallClosed(reason))

    def last(self, what: str) -> dict[str, Any]:
        return [facts for name, facts in self.told if name == what][-1]


@dataclass
class FakeCalls:
    """Makes them."""

    calls: dict[str, FakeCall] = field(default_factory=dict)
    room: int = 100
    fail: Exception | None = None
    timeouts: Any = None

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[FakeCall]:
        return iter(tuple(self.calls.values()))

    def get(self, call_id: str) -> FakeCall | None:
        return self.calls.get(call_id)

    def create(self, owner: Callable[[CallEvent], None], call_id: str | None = None, timeouts: Any = None) -> FakeCall:
        if len(self.calls) >= self.room:
            raise Exhausted("calls")
        name = call_id or f"made-{len(self.calls)}"
        self.timeouts = timeouts
        call = self.calls[name] = FakeCall(name, owner, self)
        call.refuse = self.fail
        return call


def plain_sdp(port: int = 4000, *, host: str = "127.0.0.1", direction: str = "sendrecv") -> str:
    """A telephone's SDP."""
    return (
        f"v=0\r\no=- 7 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )


class Proxy:
    """What sends commands: `proxy.offer("ta")`, `proxy.answer("ta", "tb")`; further keys with underscores for hyphens."""

    def __init__(self, front: NgFront, call_id: str = "c1") -> None:
        self.front = front
        self.call_id = call_id

    def send(self, command: str, **keys: Any) -> dict[str, Any]:
        message: dict[str, Any] = {"command": command, **{key.replace("_", "-"): value for key, value in keys.items() if value != ""}}
        if command not in ("ping", "list", "statistics"):
            message.setdefault("call-id", self.call_id)
        return self.front.execute(message, ("127.0.0.1", 5000))

    def offer(self, from_tag: str, to_tag: str = "", via_branch: str = "", *, sdp: str | None = None, **keys: Any) -> dict[str, Any]:
        text = plain_sdp() if sdp is None else sdp
        return self.send("offer", from_tag=from_tag, to_tag=to_tag, via_branch=via_branch, sdp=text, **keys)

    def answer(self, from_tag: str, to_tag: str, via_branch: str = "", *, sdp: str | None = None, **keys: Any) -> dict[str, Any]:
        text = plain_sdp(4002) if sdp is None else sdp
        return self.send("answer", from_tag=from_tag, to_tag=to_tag, via_branch=via_branch, sdp=text, **keys)


@pytest.fixture
def calls() -> FakeCalls:
    return FakeCalls()


@pytest.fixture
def settings() -> NgSettings:
    return NgSettings(delete_delay_s=0.0)


@pytest.fixture
async def front(calls: FakeCalls, settings: NgSettings) -> AsyncIterator[NgFront]:
    front = NgFront(calls, settings)  # type: ignore[arg-type]
    yield front
    await front.close()


@pytest.fixture
def proxy(front: NgFront) -> Proxy:
    return Proxy(front)
