from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from boringsdp.errors import ConfigError
from boringsdp.janus_api import JanusServer, JanusSettings, plugins
from boringsdp.janus_api.plugin import PluginContext
from tests.janus_api.build import PuppetPlugin
from tests.janus_api.sockets import running

GROUP = "boringsdp.janus_plugins"


def make_puppet(context: PluginContext) -> PuppetPlugin:
    return PuppetPlugin()


def test_plugins_are_found_by_entry_point(monkeypatch):
    installed = EntryPoints(
        [
            EntryPoint("janus.plugin.puppet", "tests.janus_api.test_plugins:make_puppet", GROUP),
            EntryPoint("janus.plugin.broken", "tests.janus_api.no_such_module:Plugin", GROUP),
            EntryPoint("janus.plugin.unwanted", "tests.janus_api.test_plugins:make_puppet", GROUP),
        ]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: installed.select(group=group))
    assert list(plugins.find_plugins({"janus.plugin.unwanted"})) == ["janus.plugin.puppet"]


def test_a_plugin_that_cannot_be_built_costs_only_itself():
    def broken(context):
        raise RuntimeError

    def misconfigured(context):
        raise ConfigError("janus.plugins.x", "odd")

    def context(package):
        return PluginContext(calls=None, config={})

    built = plugins.build_plugins({"a": broken, "b": make_puppet}, context)
    assert list(built) == ["b"]
    with pytest.raises(ConfigError):
        plugins.build_plugins({"c": misconfigured}, context)


class Unstartable(PuppetPlugin):
    package = "janus.plugin.unstartable"

    async def start(self):
        raise RuntimeError


class Recorder(PuppetPlugin):
    package = "janus.plugin.recorder"

    def __init__(self):
        super().__init__()
        self.life = []

    async def start(self):
        self.life.append("start")

    async def close(self):
        self.life.append("close")
        raise RuntimeError


async def test_plugins_are_started_and_closed():
    recorder = Recorder()
    async with running(Unstartable(), recorder) as gateway:
        assert recorder.life == ["start"]
        assert set((await gateway.post(janus="info"))["plugins"]) == {"janus.plugin.puppet", "janus.plugin.recorder"}
        socket = await gateway.connect()
        session_id = await socket.create()
        reply = await socket.ask("attach", session_id=session_id, plugin="janus.plugin.unstartable")
        assert reply["error"]["code"] == 460
    assert recorder.life == ["start", "close"]


async def test_a_taken_address_leaves_nothing_open():
    async with running() as gateway:
        host, port = gateway.server.http_addresses[0]
        listener = type(JanusSettings().http[0])
        settings = JanusSettings(websockets=(listener(host, 0),), http=(listener(host, port),))
        second = JanusServer(settings, {})
        with pytest.raises(OSError):
            await second.start()
