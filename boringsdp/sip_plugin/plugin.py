"""`janus.plugin.sip`: a browser becomes a SIP user agent."""

from __future__ import annotations

from typing import ClassVar

from boringsdp.errors import LocalError
from boringsdp.janus_api.plugin import Handle, Plugin, PluginContext, PluginHandle
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip_plugin.handle import SipHandle
from boringsdp.sip_plugin.master import Master
from boringsdp.sip_plugin.settings import PluginSettings, read_settings
from boringsdp.sip_plugin.transfers import Transfers


class NoSip(LocalError):
    """The gateway has no SIP endpoint."""


class SipPlugin(Plugin):
    """The plugin. Without a SIP endpoint handles are refused, in words that say so."""

    package: ClassVar[str] = "janus.plugin.sip"
    name: ClassVar[str] = "JANUS SIP plugin"
    version: ClassVar[int] = 10
    version_string: ClassVar[str] = "0.0.10"
    author: ClassVar[str] = "The BoringSDP authors"
    description: ClassVar[str] = "A browser registers, calls and is called as a SIP user agent."
    repeated_answers: ClassVar[bool] = True
    """Clients send theirs with `progress` and once more with `accept`."""
    settings: ClassVar[type | None] = PluginSettings

    def __init__(self, context: PluginContext) -> None:
        self.calls = context.calls
        self.limits = read_settings(context.config)
        self.policy = self.limits.policy()
        self.masters: dict[int, Master] = {}
        self.transfers = Transfers(self.limits.transfers, self.limits.transfer_wait)
        self._endpoint = context.sip

    @property
    def endpoint(self) -> Endpoint:
        """The SIP stack. Raises `NoSip`."""
        if self._endpoint is None:
            raise NoSip("the gateway has no SIP endpoint: the configuration's section sip names no address to listen on")
        return self._endpoint

    def attach(self, handle: Handle) -> PluginHandle:
        assert self.endpoint is not None
        return SipHandle(handle, self)

    async def close(self) -> None:
        self.transfers.close()
