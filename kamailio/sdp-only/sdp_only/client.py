"""
One HTTP connection to the gateway for each of Kamailio's processes, kept open.

A worker waits for the reply, as it does with any media module: a routing script has nothing to go on with before it has the SDP. So the
wait is short, and a gateway that was silent is left alone for a while instead of holding up every call for that long.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from sdp_only.ng import GatewayError

LONGEST_REPLY = 1 << 20


class GatewayClient:
    """Posts NG requests as JSON to `url` (http only). `wait` and `pause` are seconds: for a reply, and after one that did not come."""

    def __init__(self, url: str, *, wait: float = 1.0, pause: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is opened before the first request, so that this can be made before Kamailio forks. Raises ValueError for a bad `url`."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http:// URL: {url}")
        self._host, self._port, self._path = parts.hostname, parts.port or 80, parts.path or "/ng-plain"
        self._wait, self._pause, self._clock = wait, pause, clock
        self._connection: http.client.HTTPConnection | None = None
        self._process = 0
        self._down_until = 0.0

    def ask(self, request: Mapping[str, object]) -> bytes:
        """Return the body of the reply. Raises `GatewayError`."""
        if (rest := self._down_until - self._clock()) > 0:
            raise GatewayError(f"the gateway was down a moment ago; asked again in {rest:.1f} s")
        body = json.dumps(request).encode()
        try:
            return self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self._down_until = self._clock() + self._pause
            raise GatewayError(f"no reply from {self._host}:{self._port}: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, body: bytes) -> bytes:
        if self._process != os.getpid():
            self._connection, self._process = None, os.getpid()  # that of the parent is the parent's
        if self._connection is not None:
            # A server may close a connection that idles. What it closed it did not read, and an offer may be made twice.
            with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
                return self._post(self._connection, body)
            self.close()
        self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._wait)
        return self._post(self._connection, body)

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> bytes:
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        reply = response.read(LONGEST_REPLY)
        if response.status != 200:
            self.close()
            raise GatewayError(f"status {response.status}: {reply[:80].decode(errors='replace').strip()}")
        return reply
