"""Janus beside us, for comparison in the same run: Debian's package with only WebSocket and the NoSIP plugin."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.gateway import Gateway, free_port

MAIN = """\
general: {{
    configs_folder = "{folder}"
    debug_level = 0
    session_timeout = 0
}}
certificates: {{}}
media: {{}}
nat: {{}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "libjanus_http.so,libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
events: {{ broadcast = false }}
"""
OTHER_PLUGINS = (
    "audiobridge", "duktape", "echotest", "lua", "recordplay", "sip", "streaming", "textroom", "videocall", "videoroom", "voicemail",
)  # fmt: skip
WEBSOCKETS = """\
general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false, json = "compact" }}
admin: {{ admin_ws = false }}
certificates: {{}}
"""
NOSIP = 'general: { local_ip = "127.0.0.1", rtp_port_range = "10000-19999" }\n'


@contextlib.contextmanager
def running_janus() -> Iterator[Gateway]:
    """Run Janus until the block ends. Raises FileNotFoundError when it is not installed (Debian: `apt-get install janus`)."""
    program = shutil.which("janus")
    if program is None:
        raise FileNotFoundError("janus")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugins = ",".join(f"libjanus_{plugin}.so" for plugin in OTHER_PLUGINS)
        (folder / "janus.jcfg").write_text(MAIN.format(folder=folder, plugins=plugins))
        (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=port))
        (folder / "janus.plugin.nosip.jcfg").write_text(NOSIP)
        log_file = folder / "janus.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen([program, "-F", name, "-C", str(folder / "janus.jcfg")], stdout=log, stderr=subprocess.STDOUT)
        try:
            time.sleep(2.0)
            if process.poll() is not None:
                raise RuntimeError(f"janus ended:\n{log_file.read_text(errors='replace')[-2000:]}")
            yield Gateway(process.pid, f"ws://127.0.0.1:{port}/", "", 0, 0, log_file)
        finally:
            process.terminate()
            process.wait(15)
