"""The configuration: precedence, complaints, what is shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from boringsdp import config
from boringsdp.b2bua.configuration import b2bua_settings
from boringsdp.config import ConfigErrors, load
from boringsdp.janus_api.plugins import plugin_settings
from boringsdp.sip_plugin.settings import PluginSettings, read_settings


def complaints(**sources: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigErrors) as caught:
        load(**sources)  # type: ignore[arg-type]
    return {complaint.key: complaint.reason for complaint in caught.value.complaints}


def test_needs_nothing():
    loaded = load()
    assert loaded.config == config.Config()
    assert set(loaded.origins.values()) == {"default"}


def test_a_flag_wins_over_the_environment_over_the_file(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text("[janus]\nhttp_port = 1\nwebsocket_port = 2\nbase_path = '/gateway'\n")
    loaded = load(file, {"BORINGSDP_JANUS_HTTP_PORT": "3", "BORINGSDP_JANUS_WEBSOCKET_PORT": "4", "HOME": "/"}, {"janus.http_port": "5"})
    assert (loaded.config.janus.http_port, loaded.config.janus.websocket_port, loaded.config.janus.base_path) == (5, 4, "/gateway")
    assert loaded.origins["janus.http_port"] == "flag --janus.http_port"
    assert loaded.origins["janus.websocket_port"] == "environment BORINGSDP_JANUS_WEBSOCKET_PORT"
    assert loaded.origins["janus.base_path"] == f"file {file}"


def test_every_kind_of_value_can_be_given_as_text():
    loaded = load(
        flags={
            "webrtc.addresses": "192.0.2.1, 2001:db8::1",
            "webrtc.advertised": "192.0.2.1=203.0.113.9",
            "rtp.port_rest": "2.5",
            "rtp.latch": "strict",
            "janus.tokens": "",
        }
    ).config
    assert loaded.webrtc.addresses == ("192.0.2.1", "2001:db8::1")
    assert dict(loaded.webrtc.advertised) == {"192.0.2.1": "203.0.113.9"}
    assert loaded.rtp.port_rest == 2.5
    assert loaded.rtp.latch == "strict"
    assert loaded.janus.tokens == ()


def test_lists_and_tables_can_be_written_as_in_toml():
    loaded = load(flags={"nosip.codecs": '["opus", "PCMU"]', "webrtc.advertised": '{"192.0.2.1" = "203.0.113.9"}'}).config
    assert loaded.nosip.codecs == ("opus", "PCMU")
    assert dict(loaded.webrtc.advertised) == {"192.0.2.1": "203.0.113.9"}
    found = complaints(flags={"nosip.codecs": '["opus"', "rtp.allow": "[1]"})
    assert "as in TOML or separated by commas" in found["nosip.codecs"]
    assert "a list of texts" in found["rtp.allow"]


def test_interfaces_are_lists_by_name():
    wanted = {"in": ("10.0.0.5",), "out": ("192.0.2.5!203.0.113.5", "2001:db8::5")}
    text = "in=10.0.0.5, out=192.0.2.5!203.0.113.5/2001:db8::5"
    toml = '{in = "10.0.0.5", out = ["192.0.2.5!203.0.113.5", "2001:db8::5"]}'
    for written in (text, toml):
        loaded = load(flags={"ng.interfaces": written, "ng.listen": ""})
        assert dict(loaded.config.ng.interfaces) == wanted
        assert loaded.config.ng.listen == ()
    assert 'interfaces = {"in" = ["10.0.0.5"], "out" = ["192.0.2.5!203.0.113.5", "2001:db8::5"]}' in config.effective(loaded)
    assert "from=to pairs" in complaints(flags={"ng.interfaces": "10.0.0.5"})["ng.interfaces"]
    shared = {"in": ("10.0.0.5",), "out": ("10.0.0.5!203.0.113.9",)}
    assert dict(load(flags={"ng.interfaces": "in=10.0.0.5,out=10.0.0.5!203.0.113.9"}).config.ng.interfaces) == shared


def test_keys_that_do_not_go_together_are_reported_with_the_others_and_their_source(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text(f"[rtp]\nport_min = 30000\n[janus]\ntls_key = '{file}'\n[wbrtc]\nport = 1\n")
    with pytest.raises(ConfigErrors) as caught:
        load(file, {}, {"rtp.port_max": "30001", "nosip.codecs": "opsu,PCMU", "webrtc.port": "high"})
    found = {complaint.key: complaint.reason for complaint in caught.value.complaints}
    assert found["rtp.port_max"] == f"must be at least 3 above rtp.port_min (30000) (flag --rtp.port_max, file {file})"
    assert found["janus.tls_certificate"] == f"is needed too: certificate and key go together (file {file})"
    assert found["wbrtc"] == f"no such section; did you mean webrtc? (file {file})"
    assert found["nosip.codecs"] == "must be encoding names such as PCMU, not 'opsu'; did you mean opus? (flag --nosip.codecs)"
    assert "whole number" in found["webrtc.port"]


def test_every_complaint_is_reported_at_once_and_names_its_key():
    found = complaints(
        environment={"BORINGSDP_JANUS_APISECRET": "x"},
        flags={"rtp.prt_min": "30000", "rtp.latch": "maybe", "webrtc.port": "high", "webrtc.addresses": "example.org"},
    )
    assert "did you mean BORINGSDP_JANUS_API_SECRET?" in found["BORINGSDP_JANUS_APISECRET"]
    assert "did you mean rtp.port_min?" in found["rtp.prt_min"]
    assert "strict, once, follow" in found["rtp.latch"]
    assert "whole number" in found["webrtc.port"]
    assert "IP address" in found["webrtc.addresses"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[webrtc\n", "FILE"),
        ("[webrtcc]\n", "webrtcc"),
        ("rtp = 1\n", "rtp"),
        ("[rtp]\nport_min = '20000'\n", "rtp.port_min"),
        ("[rtp]\nport_min = true\n", "rtp.port_min"),
        ("[rtp]\nport_min = 20001\n", "rtp.port_min"),
        ("[rtp]\nport_min = 30000\nport_max = 30001\n", "rtp.port_max"),
        ("[rtp]\nport_min = 8000\n", "webrtc.port"),
        ("[rtp]\nallow = ['10.0.0.1/8']\n", "rtp.allow"),
        ("[rtp]\ntrunks = ['198.51.100.0/26']\n", "rtp.trunk_port"),
        ("[rtp]\ntrunk_port = 18000\n", "rtp.trunks"),
        ("[rtp]\ntrunk_port = 18001\ntrunks = ['198.51.100.0/26']\n", "rtp.trunk_port"),
        ("[rtp]\ntrunk_port = 20000\ntrunks = ['198.51.100.0/26']\n", "rtp.trunk_port"),
        ("[rtp]\ntrunk_port = 8188\ntrunks = ['198.51.100.0/26']\n", "rtp.trunk_port"),
        ("[rtp]\ntrunk_port = 2222\ntrunks = ['198.51.100.0/26']\n", "rtp.trunk_port"),
        ("[rtp]\ntrunk_port = 18000\ntrunks = ['198.51.100.0/26']\ntrunk_interfaces = ['out']\n", "rtp.trunk_interfaces"),
        ("[webrtc]\naddresses = '192.0.2.1'\n", "webrtc.addresses"),
        ("[webrtc]\naddresses = ['192.0.2.1', '192.0.2.1']\n", "webrtc.addresses"),
        ("[webrtc]\naddresses = ['192.0.2.1']\n[webrtc.advertised]\n'192.0.2.2' = '203.0.113.1'\n", "webrtc.advertised"),
        ("[webrtc]\nconsent_timeout = 1\n", "webrtc.consent_timeout"),
        ("[janus]\nhttp_port = 8188\n", "janus.websocket_port"),
        ("[janus]\nbase_path = 'janus'\n", "janus.base_path"),
        ("[janus]\nenabled = false\n[ng]\nlisten = []\n", "janus.enabled"),
        ("[nosip]\ncodecs = ['opus; rm']\n", "nosip.codecs"),
        ("[ng]\nlisten = ['localhost:2223']\n", "ng.listen"),
        ("[ng]\nlisten = ['127.0.0.1']\n", "ng.listen"),
        ("[ng]\nlisten = ['::1:2223']\n", "ng.listen"),
        ("[ng]\nlisten = ['127.0.0.1:70000']\n", "ng.listen"),
        ("[ng]\nlisten = ['127.0.0.1:1', '127.0.0.1:1']\n", "ng.listen"),
        ("[ng]\nlisten = ['127.0.0.1:20001']\n", "ng.listen"),
        ("[ng]\nlisten = ['127.0.0.1:8189']\n", "ng.listen"),
        ("[ng]\ntcp = ['127.0.0.1:1']\nhttp = ['127.0.0.1:1']\n", "ng.http"),
        ("[ng]\nacl = ['localhost']\n", "ng.acl"),
        ("[ng]\ninterfaces = ['10.0.0.5']\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = []\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = [1]\n", "ng.interfaces"),
        ("[ng.interfaces]\n'o ut' = ['10.0.0.5']\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = ['out.example.org']\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = ['10.0.0.5!']\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = ['10.0.0.5!2001:db8::1']\n", "ng.interfaces"),
        ("[ng.interfaces]\nout = ['10.0.0.5', '10.0.0.5!203.0.113.9']\n", "ng.interfaces"),
        ("[ng]\ntimeout_url = 'ftp://example.org'\n", "ng.timeout_url"),
        ("[ng]\ntimeout_format = 'yaml'\n", "ng.timeout_format"),
        ("[ng]\ndtmf_log = '127.0.0.1'\n", "ng.dtmf_log"),
        ("[ng]\ntos = 256\n", "ng.tos"),
        ("[ng]\nendpoint_learning = 'never'\n", "ng.endpoint_learning"),
    ],
)
def test_a_bad_file_is_complained_about(tmp_path: Path, text: str, key: str):
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    assert [complaint.key for complaint in caught.value.complaints] == [key.replace("FILE", str(file))]


def test_a_missing_file_is_complained_about(tmp_path: Path):
    with pytest.raises(ConfigErrors, match="cannot be read"):
        load(tmp_path / "absent.toml")


def test_secrets_are_masked():
    shown = config.effective(load(flags={"janus.api_secret": "sesame", "janus.tokens": "alpha,beta", "rtp.latch": "strict"}))
    assert "sesame" not in shown
    assert "alpha" not in shown
    assert 'api_secret = "********"' in shown
    assert "# flag --rtp.latch" in shown


def test_what_is_shown_can_be_read_again(tmp_path: Path):
    file = tmp_path / "again.toml"
    file.write_text(config.effective(load(flags={"webrtc.advertised": "192.0.2.1=203.0.113.9", "rtp.allow": "10.0.0.0/8"})))
    again = load(file).config
    assert dict(again.webrtc.advertised) == {"192.0.2.1": "203.0.113.9"}
    assert again.rtp.allow == ("10.0.0.0/8",)


def test_the_example_file_holds_every_key_with_its_default(tmp_path: Path):
    committed = Path(__file__).parent.parent / "boringsdp.example.toml"
    kinds = plugin_settings()
    assert committed.read_text() == config.example(kinds), "run: boringsdp check-config --example > boringsdp.example.toml"
    file = tmp_path / "all.toml"
    lines = [line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in config.example(kinds).splitlines()]
    file.write_text("\n".join(lines))
    loaded = load(file, plugins=kinds)
    assert replace(loaded.config, plugins={}) == config.Config()
    assert read_settings(loaded.config.plugins["janus.plugin.sip"]) == PluginSettings()
    assert set(loaded.origins.values()) == {f"file {file}"}


def test_plugins_of_others_have_tables_of_their_own(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text('[plugins."janus.plugin.hello"]\ngreeting = "hi"\n')
    assert config.load(file).config.plugins == {"janus.plugin.hello": {"greeting": "hi"}}
    with pytest.raises(config.ConfigErrors, match=r"no such plugin is installed; did you mean janus\.plugin\.hallo\?"):
        config.load(file, plugins={"janus.plugin.hallo": None})
    assert config.load(file, plugins={"janus.plugin.hello": None}).config.plugins == {"janus.plugin.hello": {"greeting": "hi"}}
    file.write_text("[plugins]\ngreeting = 1\n")
    with pytest.raises(config.ConfigErrors, match="plugins: holds one table for each plugin"):
        config.load(file)


def test_tables_of_plugins_are_checked_with_all_else(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text("""
        [log]
        level = "loud"
        [plugins."janus.plugin.sip"]
        codec = ["PCMA"]
        codecs = ["PCMX"]
        helpers = "a"
        helper_wait = 0
    """)
    with pytest.raises(ConfigErrors) as caught:
        load(file, plugins=plugin_settings())
    found = {complaint.key: complaint.reason for complaint in caught.value.complaints}
    section = 'plugins."janus.plugin.sip"'
    assert found.keys() == {"log.level", *(f"{section}.{name}" for name in ("codec", "codecs", "helpers", "helper_wait"))}
    assert found[f"{section}.codec"] == f"no such key; did you mean codecs? (file {file})"
    assert found[f"{section}.helpers"] == f"wanted a whole number, not 'a' (file {file})"
    assert "did you mean PCMU?" in found[f"{section}.codecs"]


def test_tables_of_plugins_are_shown(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text('[plugins."janus.plugin.sip"]\nhelpers = 7\n')
    shown = config.effective(load(file, plugins=plugin_settings())).partition('[plugins."janus.plugin.sip"]')[2].splitlines()
    assert [line for line in shown if line.startswith("helpers")] == [f"{'helpers = 7':<48}  # file {file}"]
    assert [line for line in shown if line.startswith("trunks")] == [f"{'trunks = false':<48}  # default"]
    again = tmp_path / "again.toml"
    again.write_text(config.effective(load(file, plugins=plugin_settings())))
    assert load(again, plugins=plugin_settings()).config.plugins["janus.plugin.sip"]["helpers"] == 7


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"engine.hold_above": "10000001"}, "must be 0 to 10000000, not 10000001"),
        ({"media.slow_link": "123456789"}, "not 123456789 (flag"),
        ({"rtp.trunk_port": "8188"}, "8189, the RTCP port beside 8188, is one of browsers (webrtc.port)"),
        ({"rtp.trunk_port": "2222"}, "2223, the RTCP port beside 2222, is one of NG (ng.listen)"),
        ({"rtp.trunk_port": "2220", "engine.workers": "2"}, "2223, the RTCP port of worker 2 beside 2222, is one of NG (ng.listen)"),
        ({"rtp.trunk_port": "9000", "webrtc.port": "9000"}, "9000 is one of browsers (webrtc.port)"),
        ({"engine.hold": "1"}, "did you mean engine.hold_us?"),
        ({"ng.port_min": "1"}, "did you mean rtp.port_min?"),
    ],
)
def test_complaints_say_what_is_meant(flags: dict[str, str], told: str):
    trunks = {"rtp.trunks": "198.51.100.0/26"} if "rtp.trunk_port" in flags else {}
    with pytest.raises(ConfigErrors) as caught:
        load(flags=flags | trunks)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["engine.speed", "janus.elephant", "rtp.port_fast", "webrtc.colour"])
def test_a_guess_that_is_far_is_not_made(name: str):
    with pytest.raises(ConfigErrors) as caught:
        load(flags={name: "1"})
    assert "did you mean" not in str(caught.value)


DOMAINS = """
    [b2bua]
    grace = 10
    [b2bua.domains."Example.com"]
    mode = "pass-through"
    pbx = ["sip:192.0.2.1", "sip:pbx.example.com;transport=tls"]
    [b2bua.domains."other.example"]
    token_secret = "0123456789abcdef"
"""


def test_domains_are_read_and_shown(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text(DOMAINS)
    loaded = load(file)
    assert loaded.config.domains.keys() == {"example.com", "other.example"}
    assert loaded.config.domains["example.com"].pbx[1] == "sip:pbx.example.com;transport=tls"
    shown = config.effective(loaded)
    assert '[b2bua.domains."example.com"]' in shown
    assert "0123456789abcdef" not in shown
    settings = b2bua_settings(loaded.config)
    assert settings is not None
    assert (settings.grace_s, settings.domains["example.com"].mode.value) == (10, "pass-through")
    assert b2bua_settings(load(file, flags={"b2bua.enabled": "false"}).config) is None
    assert b2bua_settings(load().config) is None


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        ("mode = 1", "mode", "wanted a text"),
        ('modes = "registrar"', "modes", "no such key; did you mean mode?"),
        ('mode = "registrar"', "mode", '"registrar" needs users, users_url or token_secret'),
        ('mode = "pass-through"\nusers_url = "http://a/b"', "users_url", 'means nothing with mode = "pass-through"'),
        ('mode = "trunk"\ntoken_secret = "0123456789abcdef"', "pbx", "is needed by mode"),
        ('users_url = "http://a/b"\ncaller = "+49{user}"', "caller", 'means nothing with mode = "registrar"'),
        ('mode = "trunk"\nusers_url = "http://a/b"\npbx = ["sip:a"]\nregister = true', "register", "needs account and password"),
        ('pbx = ["pbx.example.com"]', "pbx", "must be a SIP URI"),
        ('pbx = ["sip:a", "sip:a"]', "pbx", "names one twice"),
        ('token_secret = "short"', "token_secret", "must have at least 16 characters"),
        ('caller = "{name}"', "caller", "must be a user part such as +4930{user}"),
        ('algorithms = ["SHA-1"]', "algorithms", "must be some of MD5, SHA-256, SHA-512-256"),
        ('users = "/nowhere/at/all"', "users", "cannot be read"),
    ],
)
def test_a_domain_that_cannot_be_served_is_complained_of(tmp_path: Path, table: str, key: str, told: str):
    file = tmp_path / "gateway.toml"
    file.write_text(f'[b2bua.domains."example.com"]\n{table}\n')
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    found = {complaint.key: complaint.reason for complaint in caught.value.complaints}
    assert told in found[f'b2bua.domains."example.com".{key}']
    assert "short" not in str(caught.value)


def test_domains_are_tables_with_names_of_hosts(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    for text, told in (
        ('[b2bua]\ndomains = ["example.com"]', "holds one table for each domain"),
        ('[b2bua.domains."*.example.com"]\nusers_url = "http://a/b"', "must be a domain such as example.com"),
        ('[b2bua.domains.A]\nusers_url = "http://a/b"\n[b2bua.domains.a]\nusers_url = "http://a/b"', "stands there twice"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigErrors, match=told):
            load(file)


def test_a_word_that_is_nearly_right_is_suggested():
    with pytest.raises(config.ConfigErrors, match="not 'asyncoi'; did you mean asyncio"):
        config.load(None, {}, {"engine.kind": "asyncoi"})
