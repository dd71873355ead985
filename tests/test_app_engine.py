"""The gateway and its engine: what is told at start, and what is complained about."""

from __future__ import annotations

import logging
import socket
import sys

import pytest

from boringsdp import app, config
from boringsdp.app import Gateway
from boringsdp.cli import main
from boringsdp.config import ConfigErrors, load
from boringsdp.errors import ConfigError
from boringsdp.listening import check_free
from tests.load.test_leaks import SETTINGS

BARE = {key: value for key, value in SETTINGS.items() if not key.startswith("engine.")} | {
    "webrtc.port": "0",
    "ng.listen": "",
    "engine.kind": "asyncio",
}


async def test_the_engine_is_told_on_the_screen_in_the_log_and_in_the_metrics(caplog: pytest.LogCaptureFixture):
    gateway = Gateway(load(flags=BARE).config)
    with caplog.at_level(logging.INFO):
        await gateway.start()
    try:
        assert next(gateway.addresses()) == ("engine", "asyncio: as configured, packets taken together for up to 1 ms under load")
        (line,) = [record for record in caplog.records if record.message == "engine chosen"]
        assert (line.engine, line.why) == ("asyncio", "as configured")  # type: ignore[attr-defined]
        assert b'boringsdp_engine_info{engine="asyncio",hold_us="1000",sockets="per-call",workers="1"} 1.0' in gateway.metrics.expose()
    finally:
        await gateway.close()


async def test_a_setting_that_the_engine_does_not_heed_is_in_the_log(caplog: pytest.LogCaptureFixture):
    gateway = Gateway(load(flags=BARE | {"engine.hold_us": "300"}).config)
    await gateway.start()
    await gateway.close()
    (line,) = [record for record in caplog.records if record.message == "setting not heeded"]
    told = (line.levelname, line.setting, line.value, line.why)  # type: ignore[attr-defined]
    assert told == ("WARNING", "engine.hold_us", 300, "is taken as 1000 with the asyncio engine")


async def test_a_wildcard_address_is_not_said_to_be_steered(caplog: pytest.LogCaptureFixture):
    pytest.importorskip("boringsdp_native")
    flags = BARE | {"engine.kind": "native", "rtp.address": "0.0.0.0", "rtp.advertised": "127.0.0.1"}
    gateway = Gateway(load(flags=flags).config)
    with caplog.at_level(logging.INFO):
        await gateway.start()
    try:
        assert "a socket for each plain port (0.0.0.0 is not one address; see" in next(gateway.addresses())[1]
        (line,) = [record for record in caplog.records if record.message == "engine chosen"]
        assert (line.sockets, line.why) == ("per-call", "0.0.0.0 is not one address")  # type: ignore[attr-defined]
        assert b'sockets="per-call"' in gateway.metrics.expose()
    finally:
        await gateway.close()
    with pytest.raises(ConfigError, match=r"engine\.sockets: .*0\.0\.0\.0 is not one address"):
        Gateway(load(flags=flags | {"engine.sockets": "steered"}).config)


def test_a_missing_engine_ends_the_start_with_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "boringsdp_native", None)  # type: ignore[arg-type]
    assert main(["serve", "--engine", "native"]) == 2
    assert capsys.readouterr().err == "boringsdp: engine.kind: boringsdp-native is not installed (pip install ./native)\n"


def test_a_wrong_engine_is_named(capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--engine=quick"]) == 2
    assert "engine.kind: must be one of auto, asyncio, native, not 'quick'" in capsys.readouterr().err


def test_keys_of_the_engine_go_together():
    with pytest.raises(ConfigErrors) as caught:
        load(flags={"engine.kind": "asyncio", "engine.workers": "2", "engine.sockets": "steered", "webrtc.port": "19999"})
    found = {complaint.key: complaint.reason for complaint in caught.value.complaints}
    assert "one thread" in found["engine.workers"]
    assert "native engine" in found["engine.sockets"]
    assert found["webrtc.port"].startswith("with the ports of 2 workers lies in the range of plain legs")
    with pytest.raises(ConfigErrors, match="leaves no ports for 8 workers"):
        load(flags={"engine.workers": "8", "webrtc.port": "65530"})


def test_every_key_of_the_engine_section_reaches_the_engine():
    flags = {"engine.kind": "native", "engine.workers": "2", "engine.hold_us": "0", "engine.hold_above": "9", "engine.sockets": "steered"}
    settings = app.engine_settings(load(flags=flags | {"rtp.port_min": "30000", "rtp.port_max": "30099"}).config)
    told = (settings.kind, settings.workers, settings.hold_us, settings.hold_above, settings.sockets, settings.plain_ports)
    assert told == ("native", 2, 0, 9, "steered", (30000, 30099))
    assert {key.name for key in config.KEYS.values() if key.section == "engine"} <= {*settings.__slots__}


def test_a_port_of_a_further_worker_that_is_taken_is_named():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        loaded = load(flags=BARE | {"webrtc.port": str(port - 1)}).config
        with pytest.raises(ConfigError, match=rf"webrtc\.port.*127\.0\.0\.1:{port}"):
            check_free(loaded, app.relay_settings(loaded), app.ng_settings(loaded), workers=2)
