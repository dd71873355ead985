"""Sessions: offers, answers, early and established calls. `session.py` is the usage, `events.py` what it tells."""

from boringsdp.sip.session.session import HeaderLines, Session, SessionFacts
from boringsdp.sip.session.settings import Prack, SessionSettings
from boringsdp.sip.session.states import State

__all__ = ["HeaderLines", "Prack", "Session", "SessionFacts", "SessionSettings", "State"]
