"""STUN messages, the ICE-lite responder and candidate arithmetic; cores."""
