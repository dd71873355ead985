"""Incoming transfers that wait for what the application makes of them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from boringsdp.sip.facades import Account, Refer

GONE = 480
BUSY = 486
MOST_OF_ACCOUNT = 32
"""Transfers of one account that wait: whoever talks with it can ask for as many as it likes, and others want theirs."""


@dataclass(slots=True)
class Transfer:
    """A REFER that was accepted; `account` is the one that it came to."""

    refer: Refer
    account: Account
    timer: asyncio.TimerHandle


class Transfers:
    """By `refer_id`. What nobody takes up within `wait` seconds is refused."""

    def __init__(self, limit: int, wait: float) -> None:
        self._limit = limit
        self._wait = wait
        self._waiting: dict[int, Transfer] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, refer: Refer, account: Account) -> int | None:
        """Keep a transfer; returns its number, None when there are too many: it has been refused then."""
        if len(self._waiting) >= self._limit or sum(each.account is account for each in self._waiting.values()) >= MOST_OF_ACCOUNT:
            refer.reject(BUSY)
            return None
        number = secrets.randbits(31) | 1
        while number in self._waiting:
            number = secrets.randbits(31) | 1
        timer = asyncio.get_running_loop().call_later(self._wait, self._expire, number)
        self._waiting[number] = Transfer(refer, account, timer)
        return number

    def take(self, number: int, account: Account | None) -> Refer | None:
        """Take a transfer out, for the application of the account that it came to; None when there is none."""
        waiting = self._waiting.get(number)
        if waiting is None or waiting.account is not account:
            return None
        del self._waiting[number]
        waiting.timer.cancel()
        return waiting.refer

    def drop(self, account: Account) -> None:
        """The account is gone."""
        for number in [number for number, waiting in self._waiting.items() if waiting.account is account]:
            self._waiting.pop(number).timer.cancel()

    def close(self) -> None:
        for waiting in self._waiting.values():
            waiting.timer.cancel()
        self._waiting.clear()

    def _expire(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting.refer.reject(GONE)
