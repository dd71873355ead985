"""BoringSDP over HTTP: `ng` writes requests and reads replies, `client` carries them, `http_media` does it for a SIP message."""
