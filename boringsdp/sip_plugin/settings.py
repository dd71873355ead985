"""The plugin's own section of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boringsdp import config_checks as checks
from boringsdp.config_keys import read_table, setting
from boringsdp.sdp import CodecPolicy

SECTION = 'plugins."janus.plugin.sip"'


@dataclass(slots=True, frozen=True, kw_only=True)
class PluginSettings:
    """The SIP plugin: browsers as SIP user agents."""

    codecs: tuple[str, ...] = setting((), "Codecs to put first in SDP, in this order; others follow.", checks.codecs)
    remove_codecs: tuple[str, ...] = setting((), "Codecs that are never offered.", checks.codecs)
    user_agent: str = setting("", "User-Agent of accounts that name none; empty: that of the section sip.")
    register_ttl: int = setting(3600, "Seconds that registrations ask for where `register` says nothing.", checks.between(1, 2**31 - 1))
    helpers: int = setting(100, "Helpers of one account.", checks.between(1, 100_000))
    helper_wait: float = setting(5.0, "Seconds that a call waits for a helper on demand.", checks.between(0.01, 300))
    subscriptions: int = setting(50, "Subscriptions of one handle.", checks.between(1, 100_000))
    transfers: int = setting(1000, "Incoming transfers that wait for their applications, of all handles.", checks.between(1, 1_000_000))
    transfer_wait: float = setting(120.0, "Seconds that each of them waits.", checks.between(0.01, 86_400))
    trunks: bool = setting(False, "Whether applications may ask for trunks (identities, sources).")

    def policy(self) -> CodecPolicy:
        """Return what is asked of codecs."""
        return CodecPolicy(prefer=self.codecs, remove=frozenset(self.remove_codecs), own_events=True)


def read_settings(config: Mapping[str, Any]) -> PluginSettings:
    """Return the settings. Raises `ConfigError` that names the key."""
    settings, complaints = read_table(SECTION, PluginSettings, config)
    if complaints:
        raise complaints[0]
    return settings
