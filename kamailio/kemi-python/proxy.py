"""
Kamailio's script: web phones and telephones call each other, with the rtpengine module as the way to the gateway.

Kamailio loads this file and calls `mod_init`; the routes are in `kemi_routing`. Python knows that package because Kamailio puts the folder
of its script into `sys.path`.
"""

from __future__ import annotations

import sys

# `kamcmd app_python.reload` runs this file anew: so that it gets the modules as they are now, the old ones are forgotten.
for _name in [name for name in sys.modules if name.partition(".")[0] == "kemi_routing"]:
    del sys.modules[_name]

from kemi_routing.media import wishes  # noqa: E402
from kemi_routing.module_media import ModuleMedia  # noqa: E402
from kemi_routing.routes import Routes  # noqa: E402
from kemi_routing.settings import definition, read_settings  # noqa: E402


def mod_init() -> Routes:
    """Return the object whose methods Kamailio calls."""
    return Routes(read_settings(), ModuleMedia(wishes(definition("FOR_PHONE"))))
