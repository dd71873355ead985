"""What `kamailio.cfg` and `kamailio -A NAME=VALUE` define."""

from __future__ import annotations

from dataclasses import dataclass

import KSR


@dataclass(slots=True, frozen=True, kw_only=True)
class Settings:
    """`trunk`, a SIP URI or empty, takes what is not registered and needs no password; only `gateway_address` may send notices."""

    with_auth: bool = False
    trunk: str = ""
    gateway_address: str = "127.0.0.1"


def read_settings() -> Settings:
    """Return what is in effect."""
    return Settings(
        with_auth=KSR.kx.ifdef("WITH_AUTH"),
        trunk=definition("TRUNK"),
        gateway_address=definition("GATEWAY_ADDRESS", Settings().gateway_address),
    )


def definition(name: str, default: str = "") -> str:
    """Return a definition without its quotes, `default` when there is none."""
    value = KSR.kx.get_def(name) if KSR.kx.ifdef(name) else None
    return default if value is None else str(value).strip().strip('"')
