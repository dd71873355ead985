"""`boringsdp demo`: a page that calls, and an independent plain RTP peer that echoes. Never imported by `boringsdp serve`."""
