"""Janus itself with its SIP plugin, to see what the reference does: set BORINGSDP_INTEROP_GATEWAY=janus."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.interop.conftest import Gateway, _listening, free_port
from tests.support.processes import end

VARIABLE = "BORINGSDP_INTEROP_GATEWAY"
OTHERS = (
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "streaming",
    "textroom",
    "videocall",
    "videoroom",
    "voicemail",
)
MAIN = """\
general: {{ configs_folder = "{folder}", debug_level = 4 }}
certificates: {{}}
media: {{}}
nat: {{}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "libjanus_http.so,libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
events: {{ broadcast = false }}
"""
WEBSOCKETS = 'general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false }}\nadmin: {{ admin_ws = false }}\n'
SIP = 'general: { local_ip = "127.0.0.1", rtp_port_range = "10000-19999", behind_nat = false }\n'


@contextlib.asynccontextmanager
async def running_janus() -> AsyncIterator[Gateway]:
    """Debian's Janus with only WebSockets and the SIP plugin."""
    program = shutil.which("janus")
    assert program is not None, "apt-get install janus"
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugins = ",".join(f"libjanus_{plugin}.so" for plugin in OTHERS)
        (folder / "janus.jcfg").write_text(MAIN.format(folder=folder, plugins=plugins))
        (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=port))
        (folder / "janus.plugin.sip.jcfg").write_text(SIP)
        log = folder / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program, "-F", name, "-C", str(folder / "janus.jcfg"), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            await _listening(process, port, log)
            yield Gateway(f"ws://127.0.0.1:{port}", "", log)
        finally:
            await end(process)
