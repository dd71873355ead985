"""The command line, as a person or a script meets it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boringsdp import __version__, config
from boringsdp.cli import main
from boringsdp.janus_api.plugins import plugin_settings
from boringsdp.ng.message import format_of, parse_body, write_body
from tests.support.engines import engine_arguments

OFFER = Path(__file__).parent / "golden" / "captured" / "chromium-offer-audio.sdp"
PLAIN = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    """Put a text on standard input."""

    def give(text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BORINGSDP_"):
            monkeypatch.delenv(name)


def test_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"boringsdp {__version__}\n"


@pytest.mark.parametrize("command", [[], ["serve"], ["demo"], ["translate"], ["check-config"], ["ng-send"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "usage: boringsdp" in capsys.readouterr().out


def test_unknown_commands_and_flags_are_usage_errors():
    for arguments in (["dance"], ["serve", "--fast"], []):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2


def test_a_flag_without_its_section_is_told_its_name(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["serve", "--port", "80"])
    assert "did you mean --webrtc.port or --rtp.trunk_port or --janus.websocket_port or --janus.http_port?" in capsys.readouterr().err


# --- translate ---------------------------------------------------------------------------------------------------------------------------


def test_a_webrtc_offer_becomes_plain(given, capsys: pytest.CaptureFixture[str]):
    given(OFFER.read_bytes())
    assert main(["translate", "--sdp"]) == 0
    out = capsys.readouterr().out
    assert "m=audio 20000 RTP/AVP 111" in out
    assert "ice-ufrag" not in out


def test_a_plain_offer_becomes_webrtc(given, capsys: pytest.CaptureFixture[str]):
    given(PLAIN)
    assert main(["translate", "--sdp"]) == 0
    out = capsys.readouterr().out
    assert "UDP/TLS/RTP/SAVPF" in out
    assert "a=fingerprint:sha-256" in out


def test_the_difference_says_why(given, capsys: pytest.CaptureFixture[str]):
    given(OFFER.read_bytes())
    assert main(["translate", "--prefer", "PCMU", "--remove", "opus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("-  a=ice-ufrag") and "# ICE ends at the gateway" in line for line in lines)
    assert any(line.startswith("~+ m=audio 20000 RTP/AVP 0 ") for line in lines)
    assert any(line.startswith("   s=-") for line in lines)


def test_removing_every_codec_is_said(given, capsys: pytest.CaptureFixture[str]):
    given(PLAIN)
    assert main(["translate", "--remove", "pcmu"]) == 1
    assert "--remove takes every codec of m=audio" in capsys.readouterr().err
    given(PLAIN + "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")
    assert main(["translate", "--remove", "PCMU"]) == 0
    assert "note: --remove takes every codec of m=audio, so it is left out" in capsys.readouterr().err


def test_an_address_that_the_gateway_would_refuse_is_noted(given, capsys: pytest.CaptureFixture[str]):
    given(PLAIN.replace("c=IN IP4 192.0.2.9", "c=IN IP4 127.0.0.1"))
    assert main(["translate", "--sdp"]) == 0
    captured = capsys.readouterr()
    assert "note: a running gateway with default settings refuses this SDP: the address of m=audio (127.0.0.1)" in captured.err
    assert "m=audio" in captured.out


def test_what_an_error_quotes_is_short_and_does_not_reach_the_terminal(given, capsys: pytest.CaptureFixture[str]):
    given("\x1b[31m\u009b" + "x" * 500)
    assert main(["translate"]) == 1
    error = capsys.readouterr().err
    assert len(error) < 160
    assert error.rstrip("\n").isprintable()


def test_sdes_keys_can_be_asked_for(given, capsys: pytest.CaptureFixture[str]):
    for arguments, expected in (
        (["--sdes", "optional"], "RTP/AVP"),
        (["--sdes", "mandatory"], "RTP/SAVP"),
        (["--to", "RTP/SAVP"], "RTP/SAVP"),
    ):
        given(OFFER.read_bytes())
        assert main(["translate", "--sdp", *arguments]) == 0
        out = capsys.readouterr().out
        assert f" {expected} " in out
        assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80" in out


def test_json(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("sdp_transform", reason="pip install boringsdp[json]")
    assert main(["translate", "--json", str(OFFER)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["after"]["media"][0]["protocol"] == "RTP/AVP"
    assert {line["change"] for line in record["lines"]} >= {"kept", "removed", "changed"}


@pytest.mark.parametrize(
    ("text", "named"), [("garbage", "line 1"), (PLAIN.replace("4000", "x"), "line 6"), ("", ""), (b"\xff\xfe\x00", "")]
)
def test_an_sdp_that_cannot_be_served_is_an_error_that_names_the_line(given, capsys: pytest.CaptureFixture[str], text: str, named: str):
    given(text)
    assert main(["translate"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("boringsdp translate: ")
    assert named in captured.err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]):
    assert main(["translate", "/nowhere/offer.sdp"]) == 1
    assert "/nowhere/offer.sdp" in capsys.readouterr().err


# --- check-config ------------------------------------------------------------------------------------------------------------------------


def test_check_config_shows_what_is_in_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "gateway.toml"
    file.write_text("[janus]\nhttp_port = 9000\napi_secret = 'sesame'\n")
    monkeypatch.setenv("BORINGSDP_LOG_LEVEL", "debug")
    assert main(["check-config", str(file), "--rtp.latch", "strict"]) == 0
    out = capsys.readouterr().out
    assert "http_port = 9000" in out
    assert "sesame" not in out
    assert "# environment BORINGSDP_LOG_LEVEL" in out
    assert "# flag --rtp.latch" in out


def test_every_key_is_a_flag(capsys: pytest.CaptureFixture[str]):
    """Those with a digit in their name, too."""
    sections = {field.name: getattr(config.Config(), field.name) for field in dataclasses.fields(config.Config)}
    keys = [f"{name}.{key.name}" for name, one in sections.items() if dataclasses.is_dataclass(one) for key in dataclasses.fields(one)]
    assert "rtp.address_v6" in keys
    main(["check-config", *(f"--{key}=?" for key in keys)])
    assert "unrecognized" not in capsys.readouterr().err


def test_check_config_takes_the_engine_as_serve_does(capsys: pytest.CaptureFixture[str]):
    assert main(["check-config", "--engine", "asyncio"]) == 0
    assert re.search(r'kind = "asyncio" +# flag --engine\.kind', capsys.readouterr().out)


def test_check_config_complains_about_everything_at_once(capsys: pytest.CaptureFixture[str]):
    assert main(["check-config", "--janus.htp_port=1", "--log.level=loud", "--rtp.port_min"]) == 2
    errors = capsys.readouterr().err
    assert "did you mean janus.http_port?" in errors
    assert "log.level" in errors
    assert "rtp.port_min" in errors


def test_check_config_prints_an_example(capsys: pytest.CaptureFixture[str]):
    assert main(["check-config", "--example"]) == 0
    out = capsys.readouterr().out
    assert '[plugins."janus.plugin.sip"]' in out
    assert out == config.example(plugin_settings())


def test_check_config_complains_about_plugins_as_serve_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "gateway.toml"
    file.write_text('[plugins."janus.plugin.sip"]\ncodec = ["PCMA"]\n')
    said = []
    for command in ("check-config", "serve"):
        assert main([command, "--config", str(file)]) == 2
        said.append(capsys.readouterr().err)
    assert said == [f'boringsdp: plugins."janus.plugin.sip".codec: no such key; did you mean codecs? (file {file})\n'] * 2


# --- ng-send -----------------------------------------------------------------------------------------------------------------------------


class NgPeer:
    """Answers every datagram with `reply`, the first `deaf` ones not; keeps what came."""

    def __init__(self, reply: dict[str, object], deaf: int = 0) -> None:
        self.reply = reply
        self.deaf = deaf
        self.got: list[bytes] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.to = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        for _ in range(self.deaf + 1):
            data, source = self.socket.recvfrom(65_535)
            self.got.append(data)
        cookie, _, body = data.partition(b" ")
        for reply in (b"another d6:result5:wronge", cookie + b" " + write_body(self.reply, format_of(body))):
            self.socket.sendto(reply, source)

    def end(self) -> list[tuple[bytes, dict[str, object]]]:
        self.thread.join()
        self.socket.close()
        return [(data.partition(b" ")[0], parse_body(data.partition(b" ")[2])) for data in self.got]


def test_ng_send_prints_the_reply(capsys: pytest.CaptureFixture[str]):
    peer = NgPeer({"result": "ok", "calls": ["a"]}, deaf=1)
    assert main(["ng-send", "list", "limit=5", "--to", peer.to, "--json", 'flags=["a"]']) == 0
    (first, request), (second, _) = peer.end()
    assert first == second
    assert request == {"command": "list", "limit": "5", "flags": ["a"]}
    assert json.loads(capsys.readouterr().out) == {"result": "ok", "calls": ["a"]}


def test_ng_send_passes_the_sdp_through(given, capsys: pytest.CaptureFixture[str]):
    given(PLAIN)
    peer = NgPeer({"result": "ok", "sdp": "v=0\r\n"})
    assert main(["ng-send", "offer", "call-id=1", "--flags", "ICE=remove", "--to", peer.to]) == 0
    ((_, request),) = peer.end()
    assert request == {"command": "offer", "call-id": "1", "rtpp-flags": "ICE=remove", "sdp": PLAIN}
    out, errors = capsys.readouterr()
    assert (out, json.loads(errors)) == ("v=0\r\n", {"result": "ok"})


def test_ng_send_fails_with_the_command(capsys: pytest.CaptureFixture[str]):
    peer = NgPeer({"result": "error", "error-reason": "Unknown call-id"})
    assert main(["ng-send", "query", "call-id=1", "--to", peer.to]) == 1
    peer.end()
    assert "Unknown call-id" in capsys.readouterr().out
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert main(["ng-send", "ping", "--timeout", "0.05", "--to", f"127.0.0.1:{silent.getsockname()[1]}"]) == 1
        port = silent.getsockname()[1]
    assert f"127.0.0.1:{port}: no reply within 0.05 s" in capsys.readouterr().err
    for transport in ([], ["--tcp"]):
        assert main(["ng-send", "ping", "--to", f"127.0.0.1:{port}", *transport]) == 1
        assert f"127.0.0.1:{port}: nobody listens there; is `boringsdp serve` running" in capsys.readouterr().err
    assert main(["ng-send", "offer", "--sdp", "nowhere.sdp"]) == 1
    assert capsys.readouterr().err == "boringsdp ng-send: nowhere.sdp: No such file or directory\n"
    for wrong in (["nonsense"], ["--to", "nowhere"], ["x=[1"], ["--unknown"]):
        with pytest.raises(SystemExit):
            main(["ng-send", "ping", *wrong])


# --- serve -------------------------------------------------------------------------------------------------------------------------------


class Serving:
    """A gateway in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        ports = "--janus.http_port=0 --janus.websocket_port=0 --webrtc.port=0 --janus.http_host=127.0.0.1 --janus.websocket_host=127.0.0.1"
        ports = f"{ports} --ng.listen=127.0.0.1:0 {' '.join(engine_arguments())}"
        command = [sys.executable, "-m", "boringsdp", "serve", "--webrtc.addresses=127.0.0.1", "--rtp.address=127.0.0.1", *ports.split()]
        self.process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def http(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "metrics" in line:
                return line.split()[-1].removesuffix("/metrics")
        raise AssertionError(self.process.communicate()[1])

    def end(self, *signals: int) -> tuple[int, str]:
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.3)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@pytest.fixture
def serve() -> Iterator[type[Serving]]:
    started: list[Serving] = []

    class Started(Serving):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            started.append(self)

    yield Started
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def test_serve_says_where_it_listens_answers_and_ends_on_sigterm(serve: type[Serving]):
    gateway = serve()
    base = gateway.http()
    with urllib.request.urlopen(f"{base}/janus/info", timeout=5) as reply:
        info = json.load(reply)
    assert {"janus.plugin.nosip", "janus.plugin.echotest"} <= set(info["plugins"])
    with urllib.request.urlopen(f"{base}/metrics", timeout=5) as reply:
        assert "boringsdp_calls_active 0.0" in reply.read().decode()
    gateway.process.send_signal(signal.SIGHUP)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{base}/demo/", timeout=5)
    assert refused.value.code == 404
    status, errors = gateway.end(signal.SIGTERM)
    assert status == 0
    assert "certificates read again" in errors
    assert "draining" in errors
    assert "Traceback" not in errors


def test_serve_takes_the_open_files_it_may_have(serve: type[Serving]):
    gateway = serve()
    gateway.http()
    limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
    soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
    assert soft == hard


def test_a_port_that_is_taken_is_named(serve: type[Serving]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, errors = serve(f"--janus.http_port={port}").end()
    assert status == 2
    assert f"janus.http_port: cannot listen on tcp 127.0.0.1:{port}: address already in use" in errors
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        status, errors = serve(f"--webrtc.port={port}", "--rtp.port_min=10000", "--rtp.port_max=11999").end()
    assert status == 2
    assert "webrtc.port: cannot listen on udp" in errors


def test_every_port_that_is_taken_is_named_at_once(serve: type[Serving]):
    with socket.socket() as first, socket.socket() as second:
        for taken in (first, second):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        one, two = (taken.getsockname()[1] for taken in (first, second))
        status, errors = serve(f"--janus.http_port={one}", f"--janus.websocket_port={two}").end()
    assert status == 2
    assert f"boringsdp: janus.websocket_port: cannot listen on tcp 127.0.0.1:{two}: address already in use" in errors
    assert f"boringsdp: janus.http_port: cannot listen on tcp 127.0.0.1:{one}: address already in use" in errors


def test_a_certificate_that_cannot_be_used_is_named(serve: type[Serving]):
    status, errors = serve(f"--janus.tls_certificate={__file__}", f"--janus.tls_key={__file__}").end()
    assert status == 2
    assert "janus.tls_certificate: cannot be used" in errors


def test_a_module_can_be_run():
    done = subprocess.run([sys.executable, "-m", "boringsdp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"boringsdp {__version__}\n"


# --- the policy of web phones ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], list[str]]:
    """What makes a module of that name and text beside a configuration that names it, and returns the arguments that name the file."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def make(module: str, text: str) -> list[str]:
        (tmp_path / "users").write_text("alice:secret\n")
        (tmp_path / f"{module}.py").write_text(text)
        file = tmp_path / "gateway.toml"
        domain = f'[b2bua.domains."example.com"]\nusers = "{tmp_path}/users"\n'
        file.write_text(f'[b2bua]\nrouting = "{module}:Office"\n{domain}')
        return ["--config", str(file)]

    return make


def test_a_policy_lies_beside_the_configuration(with_policy: Callable[[str, str], list[str]], capsys: pytest.CaptureFixture[str]):
    file = with_policy("policy_beside", "from boringsdp.b2bua.policy import DefaultRouting\nclass Office(DefaultRouting): pass\n")
    assert main(["check-config", *file]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("policy_torn", "class Office(:\n", "SyntaxError"),
        ("policy_failing", "\nprint(1 / 0)\n", "policy_failing.py:2"),
        ("policy_lacking", "import there_is_none_such\n", "there_is_none_such"),
        ("policy_other", "class Offices: pass\n", "Office"),
        ("policy_half", "class Office:\n    def from_pbx(self, asked): pass\n", "Office has no from_browser, record"),
    ],
)
def test_a_policy_that_cannot_be_had(
    with_policy: Callable[[str, str], list[str]], module: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
):
    file = with_policy(module, text)
    for command in ("check-config", "serve"):
        assert main([command, *file]) == 2
        error = capsys.readouterr().err
        assert error.startswith("boringsdp: b2bua.routing: ")
        assert said in error


def test_a_policy_that_is_nowhere(with_policy: Callable[[str, str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = with_policy("policy_gone", "")
    (tmp_path / "policy_gone.py").unlink()
    for command in ("check-config", "serve"):
        assert main([command, *file]) == 2
        assert "no module 'policy_gone', neither beside the configuration file nor where Python looks" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["records", "bindings_file"])
def test_a_file_in_no_folder(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for command in ("check-config", "serve"):
        assert main([command, f"--b2bua.{key}={tmp_path}/none/calls.jsonl"]) == 2
        assert f"b2bua.{key}: {tmp_path}/none/calls.jsonl: there is no folder {tmp_path}/none" in capsys.readouterr().err
    assert main(["check-config", f"--b2bua.{key}={tmp_path}/calls.jsonl"]) == 0
    assert main(["check-config", f"--b2bua.{key}={tmp_path}"]) == 2
