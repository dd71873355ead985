"""BoringSDP: a media gateway between WebRTC and SIP. It translates the SDP and relays the media."""

__version__ = "0.1.0"
