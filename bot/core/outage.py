"""
Outage: while no push gets an answer, one person at a time is asked to pay, to see if it is over.

A push whose reply is lost may have rung: its payer waits, may not be asked again, and is a step
nearer to the pause of their line. So after a few in a row new prompts stop, and the chat says why.
What was sent stays watched. Each process sees its own outage: a restart begins by looking anew. So
does each account: a shortcode that Safaricom cannot serve shuts none of the others out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.core.ports import Clock

__all__ = ["LOST_IN_A_ROW", "UNHEARD", "Outage", "Outages"]

LOST_IN_A_ROW = 5
"""So many lost replies without an answer between them are Safaricom's trouble, not one phone's."""

UNHEARD = "unheard"
"""Why a reply is lost, where we were there to hear it."""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=60), timedelta(minutes=5)


class Outages:
    """The outage of each account, by its name; the main one is called "" everywhere."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Outage] = {}

    def of(self, account: str) -> Outage:
        return self._known.setdefault(account, Outage(self._clock))


class Outage:
    """Hears how each push of an account ended, and says whether the next one may be opened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = 0
        self._answered = 0
        self._lost: list[int] = []
        self._wait = FIRST_WAIT
        self._until: datetime | None = None
        self._looker: str | None = None

    def begins(self) -> int:
        """
        A push leaves; this is its number.

        A reply is lost only when its time is up: by then, pushes that left later have long been
        answered. So what counts is the order in which they left.
        """
        self._begun += 1
        return self._begun

    def answered(self, number: int) -> None:
        """Safaricom took that push, or said no to it: it was there when that one left."""
        self._answered = max(self._answered, number)
        self._lost = [each for each in self._lost if each > self._answered]
        if len(self._lost) < LOST_IN_A_ROW:
            self._wait = FIRST_WAIT
            self._until = None
            self._looker = None

    def lost(self, number: int) -> None:
        """The bytes of that push left, and no clear answer came."""
        if number <= self._answered:
            return
        self._lost = sorted([*self._lost, number])[-LOST_IN_A_ROW:]
        if len(self._lost) < LOST_IN_A_ROW or (self._until is not None and self._looker is None):
            return  # sent before the others were lost, it says nothing new
        self._until = self._clock.now() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._looker = None

    def try_ask(self, who: str) -> datetime | None:
        """
        None: *who* may be asked; else when somebody may be again.

        Once that instant has passed the first who comes looks for everybody: the others are put
        off for as long as an answer may take. Asked twice, as where a write is run again, that
        one still looks.
        """
        now = self._clock.now()
        if self._until is None or who == self._looker:
            return None
        # A clock that was set back since does not make it last longer.
        if now < self._until <= now + LONGEST_WAIT:
            return self._until
        self._until = now + FIRST_WAIT
        self._looker = who
        return None
