"""The commands of kamailio/sdp-only/README.md, typed as they stand there."""

import json
import re
import shutil
import subprocess

import pytest

from tests.kamailio.conftest import KAMAILIO
from tests.support.gateway import free_port, running_gateway

README = (KAMAILIO / "sdp-only" / "README.md").read_text()
COMMANDS = re.findall(r"^curl (?:'[^']*'|[^'\n])*$", README, re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt-get install curl")
def test_commands_by_hand():
    port = free_port()
    with running_gateway(f"--ng.http=127.0.0.1:{port}", "--rtp.allow=192.0.2.0/24"):
        typed = [command.replace("127.0.0.1:2224", f"127.0.0.1:{port}") for command in COMMANDS]
        said = [subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout for command in typed]
    offer, query, delete, ping = said
    assert (json.loads(offer)["result"], json.loads(query)["result"], json.loads(delete)["result"]) == ("ok", "ok", "ok")
    assert re.search(r"^m=audio \d+ UDP/TLS/RTP/SAVPF 0\b", json.loads(offer)["sdp"], re.MULTILINE)
    assert json.loads(query)["tags"].keys() >= {"alice"}
    assert "warning" not in json.loads(delete)
    assert ping == "pong\n"
