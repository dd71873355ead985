"""Janus beside us, for comparison: Debian's package with only WebSocket and one plugin."""

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
    debug_level = {debug}
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
PLUGINS = (
    "audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom", "videocall", "videoroom",
    "voicemail",
)  # fmt: skip
WEBSOCKETS = """\
general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false, json = "compact" }}
admin: {{ admin_ws = false }}
certificates: {{}}
"""
PLUGIN = 'general: { local_ip = "127.0.0.1", rtp_port_range = "10000-19999", behind_nat = false }\n'


@contextlib.contextmanager
def running_janus(plugin: str = "nosip", *, debug: int = 0) -> Iterator[Gateway]:
    """
    Run Janus with the plugin (`nosip`, `sip`) until the block ends; `debug` is how much it logs, 0 to 7.

    Raises FileNotFoundError when it is not installed (Debian: `apt-get install janus`).
    """
    program = shutil.which("janus")
    if program is None:
        raise FileNotFoundError("janus")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = ",".join(f"libjanus_{other}.so" for other in PLUGINS if other != plugin)
        (folder / "janus.jcfg").write_text(MAIN.format(folder=folder, plugins=others, debug=debug))
        (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=port))
        (folder / f"janus.plugin.{plugin}.jcfg").write_text(PLUGIN)
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
