"""Who may connect: address lists and the origins of web pages. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from boringsdp.janus_api.settings import Access

if TYPE_CHECKING:
    from aiohttp import web

CORS_MAX_AGE = 86_400
SERVER = "BoringSDP"
IPV4_MAPPED = "::ffff:"


async def name_server(request: object, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: say our name, not the versions of what we are built on."""
    response.headers["Server"] = SERVER


class Gatekeeper:
    """Decides by address and origin. `headers` is a case-insensitive mapping, as aiohttp's."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._prefixes: list[str] = []
        for entry in access.acl:
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                self._prefixes.append(entry)

    def admits(self, remote: str | None, headers: Mapping[str, str]) -> bool:
        """Whether this client may speak to us at all."""
        return self._admits_address(remote or "", headers) and self._admits_origin(headers)

    def cors_headers(self, headers: Mapping[str, str], *, preflight: bool = False) -> dict[str, str]:
        """What to say to the browser about pages from elsewhere; to a preflight also that what it asks for is fine."""
        answer = {"Access-Control-Allow-Origin": self._access.allow_origin or "*", "Access-Control-Max-Age": str(CORS_MAX_AGE)}
        if self._access.allow_origin is not None:
            answer["Vary"] = "Origin"
        if preflight:
            for asked, granted in (
                ("Access-Control-Request-Method", "Access-Control-Allow-Methods"),
                ("Access-Control-Request-Headers", "Access-Control-Allow-Headers"),
            ):
                if asked in headers:
                    answer[granted] = headers[asked]
        return answer

    def _admits_address(self, remote: str, headers: Mapping[str, str]) -> bool:
        if not self._access.acl:
            return True
        if self._access.acl_forwarded:
            remote = headers.get("X-Forwarded-For", remote).split(",")[0].strip()
        if remote.lower().startswith(IPV4_MAPPED) and "." in remote:
            remote = remote[len(IPV4_MAPPED) :]  # an IPv4 client of a socket for both families
        if any(remote.startswith(prefix) for prefix in self._prefixes):
            return True
        try:
            address = ipaddress.ip_address(remote)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._networks)

    def _admits_origin(self, headers: Mapping[str, str]) -> bool:
        allowed = self._access.allow_origin
        if not self._access.enforce_cors or allowed is None or allowed == "*":
            return True
        origin = headers.get("Origin")
        if origin is None:
            # The whole origin counts: `https://a.example.org.evil.net` begins like `https://a.example.org` but is another site.
            origin = "/".join(headers.get("Referer", "").split("/")[:3])
        return origin.rstrip("/").lower() == allowed.rstrip("/").lower()
