"""The plugin's own section of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boringsdp.errors import ConfigError
from boringsdp.sdp import DEFAULT_POLICY, CodecPolicy

SECTION = 'plugins."janus.plugin.sip"'


@dataclass(slots=True, frozen=True, kw_only=True)
class PluginSettings:
    """What can be set. Times in seconds."""

    policy: CodecPolicy = DEFAULT_POLICY
    """From `codecs` (the order to prefer) and `remove_codecs`."""
    user_agent: str = ""
    """Of accounts that name none; empty: the endpoint's."""
    register_ttl: int = 3600
    helper_wait: float = 5.0
    """How long a call waits for a helper that the application was asked for."""
    helpers: int = 100
    """Of one account."""
    subscriptions: int = 50
    """Of one handle."""
    transfers: int = 1_000
    """Incoming transfers of all handles that wait for the application."""
    transfer_wait: float = 120.0
    """How long each of them waits."""
    trunks: bool = False
    """Whether applications may make trunks (`identities`, `sources`)."""


def read_settings(config: Mapping[str, Any]) -> PluginSettings:
    """Return the settings. Raises `ConfigError` that names the key."""
    known: dict[str, type] = {
        "codecs": list, "remove_codecs": list, "user_agent": str, "register_ttl": int, "helper_wait": float, "helpers": int,
        "subscriptions": int, "transfers": int, "transfer_wait": float, "trunks": bool,
    }  # fmt: skip
    values: dict[str, Any] = {}
    for key, given in config.items():
        value: Any = given
        kind = known.get(key)
        if kind is None:
            raise ConfigError(f"{SECTION}.{key}", f"unknown; there are {', '.join(known)}")
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) and not (kind is list and type(value) is tuple):
            raise ConfigError(f"{SECTION}.{key}", f"should be a {kind.__name__}")
        if isinstance(value, int | float) and kind is not bool and value <= 0:
            raise ConfigError(f"{SECTION}.{key}", "should be more than 0")
        if isinstance(value, list | tuple) and not all(type(each) is str for each in value):
            raise ConfigError(f"{SECTION}.{key}", "should be a list of names")
        values[key] = value
    policy = CodecPolicy(prefer=tuple(values.pop("codecs", ())), remove=frozenset(values.pop("remove_codecs", ())), own_events=True)
    return PluginSettings(policy=policy, **values)
