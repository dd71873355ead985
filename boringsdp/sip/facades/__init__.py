"""
What fronts hold in their hands: accounts, sessions, subscriptions, transfers, requests to answer.

All methods are synchronous and never block; what comes of them is told to `hear`. A command out of turn raises WrongState, one that policy
forbids raises Forbidden; nothing has happened then.
"""

from boringsdp.sip.facades.account import Account, Claim
from boringsdp.sip.facades.incoming import Incoming, Refer
from boringsdp.sip.facades.notifier import NotifierHandle
from boringsdp.sip.facades.session import Session
from boringsdp.sip.facades.subscription import Subscription

__all__ = ["Account", "Claim", "Incoming", "NotifierHandle", "Refer", "Session", "Subscription"]
