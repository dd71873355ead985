"""Questions to DNS: A, AAAA, SRV and NAPTR, remembered as long as they may be. Shell, on dnspython."""

from __future__ import annotations


class Resolver:
    """Asks the system's name servers (or those given); names in the hosts file come from there."""

    def __init__(self, servers: tuple[str, ...] = (), *, timeout_s: float = 4.0) -> None:
        raise NotImplementedError
