"""The gateway behind Kamailio's rtpengine module."""

from __future__ import annotations

import KSR

from kemi_routing.media import WISHES, Answer, Candidates, Command, Delete, Offer


class ModuleMedia:
    """A `Media` that calls the module's functions, which replace the body themselves."""

    def perform(self, command: Command) -> bool:
        """Ask; the module writes why not into the log."""
        match command:
            case Offer(reader, leg):
                return KSR.rtpengine.rtpengine_offer(WISHES[reader].words() + _named(leg)) > 0
            case Answer(reader, leg):
                return KSR.rtpengine.rtpengine_answer(WISHES[reader].words() + _named(leg)) > 0
            case Candidates():
                return KSR.rtpengine.rtpengine_offer("fragment trickle-ICE") > 0
            case Delete(leg):
                return KSR.rtpengine.rtpengine_delete(_named(leg).strip()) > 0


def _named(leg: str) -> str:
    """Return the flag that sends `leg` as via-branch: the module reads it from the variable that its `extra_id_pv` names."""
    if not leg:
        return ""
    KSR.pv.sets("$avp(leg)", leg)
    return " via-branch=extra"
