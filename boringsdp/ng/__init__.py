"""Front: rtpengine's NG protocol, for Kamailio, OpenSIPS and everyone else who drives rtpengine."""
