"""SIP transactions (RFC 3261 §17, RFC 6026, RFC 4320): the four machines, and the layer that matches messages to them."""

from boringsdp.sip.transaction.layer import MAX_TRANSACTIONS as MAX_TRANSACTIONS
from boringsdp.sip.transaction.layer import Transactions as Transactions
