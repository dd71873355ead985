"""The Janus plugin `janus.plugin.sip`: a browser becomes a SIP user agent."""
