"""Which addresses may speak to the NG front: the protocol has no secret of its own. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_MAPPED = "::ffff:"
_REMEMBERED = 4096


class AccessList:
    """Networks such as 192.0.2.0/24; without any, everybody may."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Whether this numeric address may; something that is none may not, where there is a list."""
        if not self._networks:
            return True
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[host] = self._look(host)
        return known

    def _look(self, host: str) -> bool:
        text = host.partition("%")[0]
        if text.lower().startswith(_MAPPED) and "." in text:
            text = text[len(_MAPPED) :]
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._networks)
