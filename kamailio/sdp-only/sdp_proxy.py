"""
Kamailio's script: web phones and telephones call each other, and the gateway is asked over HTTP.

Kamailio loads this file and calls `mod_init`. The routes are those of ../kemi-python; only the way to the gateway is another.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "kemi-python"))

# `kamcmd app_python.reload` runs this file anew: so that it gets the modules as they are now, the old ones are forgotten.
for _name in [name for name in sys.modules if name.partition(".")[0] in ("kemi_routing", "sdp_only")]:
    del sys.modules[_name]

from kemi_routing.media import wishes  # noqa: E402
from kemi_routing.routes import Routes  # noqa: E402
from kemi_routing.settings import definition, read_settings  # noqa: E402
from sdp_only.client import GatewayClient  # noqa: E402
from sdp_only.http_media import HttpMedia  # noqa: E402


def mod_init() -> Routes:
    """Return the object whose methods Kamailio calls."""
    client = GatewayClient(
        definition("NG_URL", "http://127.0.0.1:2224/ng-plain"),
        wait=float(definition("NG_WAIT_MS", "1000")) / 1000,
        pause=float(definition("NG_DISABLE_S", "5")),
    )
    return Routes(read_settings(), HttpMedia(client, wishes(definition("FOR_PHONE"))))
