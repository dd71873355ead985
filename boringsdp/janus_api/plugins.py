"""Finds the plugins that are installed and builds them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points

from boringsdp.errors import ConfigError
from boringsdp.janus_api.plugin import ENTRY_POINT_GROUP, Plugin, PluginContext, PluginFactory

log = logging.getLogger(__name__)


def installed_plugins() -> frozenset[str]:
    """The package names of all plugins that are installed, whether or not they can be imported."""
    return frozenset(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))


def find_plugins(disabled: Iterable[str] = ()) -> dict[str, PluginFactory]:
    """
    The factories that installed packages offer, by package name, without those `disabled`.

    One that cannot be imported is logged and left out: somebody else's broken package is no reason to serve nobody.
    """
    found: dict[str, PluginFactory] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in disabled:
            continue
        try:
            found[entry.name] = entry.load()
        except Exception:
            log.exception("plugin cannot be imported", extra={"plugin": entry.name})
    return found


def plugin_settings() -> dict[str, type | None]:
    """What each installed plugin says that its section may hold (see `Plugin.settings`); None for one that does not, or is broken."""
    found: dict[str, type | None] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda each: each.name):
        try:
            found[entry.name] = getattr(entry.load(), "settings", None)
        except Exception:  # somebody else's broken package is told of where it should serve
            found[entry.name] = None
    return found


def build_plugins(factories: Mapping[str, PluginFactory], context: Callable[[str], PluginContext]) -> dict[str, Plugin]:
    """
    The plugins themselves, by package name; `context` makes what each is built from.

    One whose factory raises is logged and left out, but a `ConfigError` is the operator's to mend and passes through.
    """
    plugins: dict[str, Plugin] = {}
    for package, factory in factories.items():
        try:
            plugins[package] = factory(context(package))
        except ConfigError:
            raise
        except Exception:
            log.exception("plugin cannot be built", extra={"plugin": package})
    return plugins
