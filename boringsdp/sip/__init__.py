"""SIP: messages, transactions, dialogs, sessions, digest, registration. Cores; `endpoint.py` and `transport/` are the shells."""
