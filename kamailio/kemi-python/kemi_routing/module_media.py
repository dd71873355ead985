"""The gateway behind Kamailio's rtpengine module."""

from __future__ import annotations

from collections.abc import Mapping

import KSR

from kemi_routing.media import WISHES, Answer, Candidates, Command, Delete, Offer, Side, Wish, settings_of


class ModuleMedia:
    """A `Media` that calls the module's functions, which replace the body themselves."""

    def __init__(self, wishes: Mapping[Side, Wish] = WISHES) -> None:
        self._wishes = wishes

    def perform(self, command: Command) -> bool:
        """Ask; the module writes why not into the log."""
        match command:
            case Offer():
                return KSR.rtpengine.rtpengine_offer(self._words(command)) > 0
            case Answer():
                return KSR.rtpengine.rtpengine_answer(self._words(command)) > 0
            case Candidates():
                return KSR.rtpengine.rtpengine_offer("fragment trickle-ICE") > 0
            case Delete(leg):
                return KSR.rtpengine.rtpengine_delete(_named(leg).strip()) > 0

    def _words(self, command: Offer | Answer) -> str:
        settings = "".join(f" {name}={value}" for name, value in settings_of(command).items())
        return self._wishes[command.reader].words() + settings + _named(command.leg)


def _named(leg: str) -> str:
    """Return the flag that sends `leg` as via-branch: the module reads it from the variable that its `extra_id_pv` names."""
    if not leg:
        return ""
    KSR.pv.sets("$avp(leg)", leg)
    return " via-branch=extra"
