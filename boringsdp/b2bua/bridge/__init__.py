"""One call through the gateway: the caller's dialog, those of whom it is led to, and the media between."""
