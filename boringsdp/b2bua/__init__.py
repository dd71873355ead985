"""
The front for web phones: SIP over WebSocket (RFC 7118) on one side, SIP over UDP, TCP or TLS on the other; a back-to-back user agent.

    REGISTER of a browser  -> front -> the mode of its domain -> bindings
    INVITE of either side  -> front -> mode (who is it) -> policy (where to) -> plan -> bridge (two dialogs, one call, a record)
"""
