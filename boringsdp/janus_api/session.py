"""One session: its handles, who owns it, when it ends, and the events that wait to be fetched. Core."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from boringsdp.janus_api import replies
from boringsdp.janus_api.actions import Action, Connection, PollDone, Send
from boringsdp.janus_api.handle import AttachedHandle
from boringsdp.janus_api.settings import JanusSettings


@dataclass(slots=True, frozen=True)
class Poll:
    """A long poll that waits: `most` events at once (1: no array), until `until`."""

    number: int
    most: int
    until: float

    def done(self, events: list[bytes]) -> PollDone:
        """Its end with these events, at most `most`; none for a keepalive."""
        chosen = events or [replies.encode(replies.KEEPALIVE)]
        return PollDone(self.number, chosen[0] if self.most <= 1 else replies.encode_array(chosen))


@dataclass(slots=True)
class Session:
    """
    `owner` is the lasting connection that events go to. Without one they wait in `events`: for polls when the session is `polled`, else
    for the connection that claims it (`lost_at` is when the last one was lost).
    """

    id: int
    owner: Connection | None
    active_at: float
    lost_at: float | None = None
    handles: dict[int, AttachedHandle] = field(default_factory=dict)
    events: deque[bytes] = field(default_factory=deque)
    polls: deque[Poll] = field(default_factory=deque)
    dropped_events: int = 0
    scheduled: float | None = None
    """When the core will look at this session again, at the latest."""

    @property
    def polled(self) -> bool:
        """Its client fetches events by long polls."""
        return self.owner is None and self.lost_at is None

    def deadline(self, settings: JanusSettings) -> float | None:
        """When something happens if nothing else does. A poll that waits keeps the session alive."""
        if self.lost_at is not None:
            return self.lost_at + settings.reclaim_session_timeout
        if self.polls:
            return min(poll.until for poll in self.polls)
        return self.active_at + settings.session_timeout if settings.session_timeout > 0 else None

    def deliver(self, text: bytes, limit: int) -> list[Action]:
        """Send an event now, or keep it with at most `limit` others: the oldest goes, it is the least likely to matter still."""
        if self.owner is not None:
            return [Send(self.owner, text)]
        if len(self.events) >= limit:
            self.events.popleft()
            self.dropped_events += 1
        self.events.append(text)
        return []

    def add_poll(self, poll: Poll, limit: int) -> list[Action]:
        """Let a poll wait; the oldest of too many, whose client has most likely gone, is ended."""
        ended: list[Action] = [self.polls.popleft().done([])] if len(self.polls) >= limit else []
        self.polls.append(poll)
        return ended

    def remove_poll(self, number: int) -> bool:
        """Forget a poll whose client has gone; returns whether it waited here."""
        count = len(self.polls)
        self.polls = deque(poll for poll in self.polls if poll.number != number)
        return len(self.polls) < count

    def settle(self, now: float) -> list[Action]:
        """Answer the polls that can be: those there are events for, oldest first, then those whose time is over."""
        done: list[Action] = []
        while self.polled and self.events and self.polls:
            poll = self.polls.popleft()
            done.append(poll.done([self.events.popleft() for _ in range(min(max(poll.most, 1), len(self.events)))]))
        while self.polls and self.polls[0].until <= now:
            done.append(self.polls.popleft().done([]))
        if done:
            self.active_at = now
        return done

    def end_polls(self) -> list[Action]:
        """End all polls, with the events that are left in the first."""
        ended: list[Action] = []
        while self.polls:
            poll = self.polls.popleft()
            ended.append(poll.done([self.events.popleft() for _ in range(min(max(poll.most, 1), len(self.events)))]))
        return ended

    def claim(self, connection: Connection, now: float) -> list[Action]:
        """Let another connection have the session and what waited for it."""
        ended = self.end_polls() if connection.lasting else []
        self.owner = connection if connection.lasting else None
        self.lost_at, self.active_at = None, now
        if self.owner is None:
            return ended
        waiting: list[Action] = [Send(self.owner, text) for text in self.events]
        self.events.clear()
        return ended + waiting
