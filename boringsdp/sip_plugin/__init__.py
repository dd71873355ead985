"""The Janus plugin `janus.plugin.sip`: a browser becomes a SIP user agent."""

from boringsdp.sip_plugin.plugin import SipPlugin

__all__ = ["SipPlugin"]
