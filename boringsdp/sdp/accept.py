"""Taking what a leg's peer sent into the leg's memory."""

from __future__ import annotations

from boringsdp.sdp.description import Description
from boringsdp.sdp.memory import LegMemory


def accept_offer(memory: LegMemory, received: Description | str | bytes) -> LegMemory:
    """
    Return the memory after the peer's offer or re-offer; `make_answer` is due.

    Raises `SdpError` when the text cannot be read or m-lines vanished. Glare is the caller's: an offer while ours is out replaces it here.
    """
    raise NotImplementedError


def accept_answer(memory: LegMemory, received: Description | str | bytes) -> LegMemory:
    """
    Return the memory after the peer's answer to our last offer; may be called again with a further answer (183 then 200, forked branches).

    Raises `SdpError` when it cannot be an answer to what we offered (other number or kinds of m-lines, only formats never offered), and
    `WrongState` when we have offered nothing.
    """
    raise NotImplementedError


def withdraw(before: LegMemory, after: LegMemory) -> LegMemory:
    """Return `before` for use after the offer that led to `after` failed: the o= version goes on, nothing else is kept."""
    raise NotImplementedError
