"""A stage on a gateway within the test's own process, whose endpoint gets what no configuration can say: quick timers, names of our own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import pytest

from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.net.records import Question, Records
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.settings import SipSettings
from tests.interop.sip.scripts import stage as stages
from tests.interop.sip.scripts.stage import Stage
from tests.load.test_leaks import SETTINGS
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient


@dataclass
class Names:
    """DNS as the test says; of all else there is nothing."""

    zone: Mapping[tuple[str, str], Records] = field(default_factory=dict)

    async def ask(self, question: Question) -> Records:
        return self.zone.get((question.name, question.kind), ())


@contextlib.asynccontextmanager
async def stage_inside(
    *, zone: Mapping[tuple[str, str], Records] | None = None, session: Mapping[str, Any] | None = None, **more: str
) -> AsyncIterator[Stage]:
    """`session` changes `SessionSettings`, `more` the configuration (`sip_t1` for sip.t1)."""
    if problem := stages.missing():
        pytest.skip(problem)

    def endpoint(settings: SipSettings) -> Endpoint:
        changed = replace(settings, session=replace(settings.session, **(session or {})))
        return Endpoint(changed, resolver=Names({} if zone is None else zone))

    own = {"sip.listen": "udp:127.0.0.1:0,tcp:127.0.0.1:0", "sip.sources": "127.0.0.0/8", "webrtc.port": str(free_port(socket.SOCK_DGRAM))}
    own |= {name.replace("_", ".", 1): text for name, text in more.items()}
    with patch("boringsdp.sip_part.Endpoint", endpoint):
        gateway = Gateway(config.load(None, {}, SETTINGS | own).config)
    await gateway.start()
    try:
        host, port = gateway.janus.websocket_addresses[0]
        assert gateway.sip.endpoint is not None
        here = gateway.sip.endpoint.addresses()[0]
        async with JanusClient(f"ws://{host}:{port}/") as janus:
            yield Stage(None, f"{here.host}:{here.port}", janus)
    finally:
        await gateway.close()
