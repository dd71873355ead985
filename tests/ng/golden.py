"""
Runs golden cases in rtpengine's vocabulary: tests/golden/ng_flags/*.txt, each a list of steps between lines of `---`.

    # a offer @phone RTP/SAVP DTLS=off     who sends what (a file of tests/golden/ng_flags/parties), and the flags as a proxy writes them
    # warning: …                           what the reply's `warning` says, if anything
    v=0 …                                  what goes out to the other party

A new case is a new file with the first lines only; `python -m tests.ng.golden [file …]` writes the rest. Read it before you commit it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from boringsdp.errors import BoringError
from boringsdp.ng.parse import parse_request
from boringsdp.ng.requests import Description
from boringsdp.ng.translate import Plan, plan_answer, plan_offer
from boringsdp.sdp import (
    LegStyle,
    accept_answer,
    accept_offer,
    describe,
    edit,
    make_answer,
    make_offer,
    needs_for_answer,
    needs_for_offer,
)
from tests.sdp.golden import OTHER, Gateway

ROOT = Path(__file__).parent.parent / "golden" / "ng_flags"
MARK = "0123456789ab"


def cases() -> list[Path]:
    """Every case file."""
    return sorted(ROOT.glob("*.txt"))


class Proxied:
    """A call as the NG front would run it, without ports."""

    def __init__(self) -> None:
        self.gateway = Gateway()
        self.offer: Description | None = None
        self.plan: Plan | None = None

    def step(self, header: str) -> str:
        """Return what goes out for one message."""
        _, party, command, name, *flags = header.split(" ")
        sdp = (ROOT / "parties" / f"{name[1:]}.sdp").read_text().replace("\n", "\r\n")
        message = {"command": command, "sdp": sdp, "call-id": "c", "from-tag": "f", "to-tag": "t", "rtpp-flags": " ".join(flags)}
        try:
            request = parse_request(message)
            assert isinstance(request, Description)
            text, plan = (self._offer if command == "offer" else self._answer)(party, request)
        except BoringError as error:
            return f"! {type(error).__name__}: {error}\n"
        warnings = "".join(f"# warning: {warning}\n" for warning in (*request.warnings, *plan.warnings))
        return warnings + edit(text, request.sdp_edits).replace("\r\n", "\n")

    def _offer(self, party: str, request: Description) -> tuple[str, Plan]:
        legs, other = self.gateway.legs, OTHER[party]
        received = describe(request.sdp)
        codecs = [each.codec for media in received.medias for each in media.formats]
        plan = plan_offer(request, received.style, self._style(other), offered=codecs, loop_mark=MARK)
        legs[party] = accept_offer(legs[party], received)
        needs = needs_for_offer(legs[other], plan.to, legs[party], plan.policy, plan.passing)
        locals_ = self.gateway.locals_for(other, needs)
        written = make_offer(legs[other], plan.to, legs[party], locals_, plan.policy, plan.passing)
        legs[other], self.offer, self.plan = written.memory, request, plan
        return written.text, plan

    def _answer(self, party: str, request: Description) -> tuple[str, Plan]:
        assert self.plan is not None
        legs, other = self.gateway.legs, OTHER[party]
        received = describe(request.sdp)
        plan = plan_answer(request, received.style, self._style(other), offer=self.offer, agreed=self.plan.policy, loop_mark=MARK)
        legs[party] = accept_answer(legs[party], received)
        needs = needs_for_answer(legs[other], legs[party], plan.policy, plan.to, plan.passing)
        written = make_answer(legs[other], legs[party], self.gateway.locals_for(other, needs), plan.policy, plan.to, plan.passing)
        legs[other] = written.memory
        return written.text, plan

    def _style(self, party: str) -> LegStyle | None:
        """What a party speaks: what its last offer said, or what we offered."""
        memory = self.gateway.legs[party]
        return memory.received.style if memory.received is not None and not memory.we_offered else memory.style


def read(text: str) -> list[tuple[str, str]]:
    """Split a case into (header, what goes out) for each step."""
    steps = []
    for section in text.split("---\n"):
        header, _, body = section.partition("\n")
        steps.append((header.rstrip(), body))
    return steps


def rewrite(text: str) -> str:
    """Return the case with what goes out written anew."""
    call = Proxied()
    return "---\n".join(f"{header}\n{call.step(header)}" for header, _ in read(text))


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or cases():
        path.write_text(rewrite(path.read_text()))
