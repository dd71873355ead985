"""Front: Janus sessions, handles and plugins, over WebSocket and HTTP."""
