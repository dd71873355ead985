"""Where calls of the demo's users go: to each other, and to the echo."""

from __future__ import annotations

from collections.abc import Awaitable

from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToEcho
from boringsdp.demo.ready_users import ECHO


class DemoRouting(DefaultRouting):
    """As ever, but `echo` is nobody's name."""

    def from_browser(self, asked: Asked) -> Decision | Awaitable[Decision]:
        return Route(groups=((ToEcho(),),)) if asked.called.user == ECHO else super().from_browser(asked)

    def from_pbx(self, asked: Asked) -> Decision | Awaitable[Decision]:
        return Route(groups=((ToEcho(),),)) if asked.called.user == ECHO else super().from_pbx(asked)
