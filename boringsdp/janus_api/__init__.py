"""
Front: Janus sessions, handles and plugins, over WebSocket and HTTP.

Plugins are written against `boringsdp.janus_api.plugin`. The gateway builds a `JanusServer` from `JanusSettings`.
"""

from boringsdp.janus_api.auth import Authorization, SignedTokens, TokenStore
from boringsdp.janus_api.plugins import build_plugins, find_plugins, installed_plugins
from boringsdp.janus_api.server import JanusServer
from boringsdp.janus_api.server_info import ServerFacts
from boringsdp.janus_api.settings import Access, Authentication, JanusSettings, Limits, Listener

__all__ = [
    "Access",
    "Authentication",
    "Authorization",
    "JanusServer",
    "JanusSettings",
    "Limits",
    "Listener",
    "ServerFacts",
    "SignedTokens",
    "TokenStore",
    "build_plugins",
    "find_plugins",
    "installed_plugins",
]
