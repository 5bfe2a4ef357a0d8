"""
Outage: while no push gets an answer, one person at a time is asked to pay, to see if it is over.

A push whose reply is lost may have rung: its payer waits, may not be asked again, and is a step
nearer to the pause of their line. So after a few in a row new prompts stop, and the chat says why.
What was sent stays watched. Each process sees its own outage: a restart begins by looking anew.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.core.ports import Clock

__all__ = ["LOST_IN_A_ROW", "UNHEARD", "Outage"]

LOST_IN_A_ROW = 5
"""So many lost replies without an answer between them are Safaricom's trouble, not one phone's."""

UNHEARD = "unheard"
"""Why a reply is lost, where we were there to hear it."""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=60), timedelta(minutes=5)


class Outage:
    """Hears how each push ended, and says whether the next one may be opened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost = 0
        self._wait = FIRST_WAIT
        self._until: datetime | None = None
        self._looking = False

    def answered(self) -> None:
        """Safaricom took a push, or said no to one: it is there."""
        self._lost = 0
        self._wait = FIRST_WAIT
        self._until = None
        self._looking = False

    def lost(self) -> None:
        """The bytes of a push left, and no clear answer came."""
        self._lost += 1
        if self._lost < LOST_IN_A_ROW or (self._until is not None and not self._looking):
            return  # sent before the others were lost, it says nothing new
        self._until = self._clock.now() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._looking = False

    def try_ask(self) -> datetime | None:
        """
        None: this one may be asked; else when somebody may be again.

        Once that instant has passed the first who comes looks for everybody: the others are put
        off for as long as an answer may take.
        """
        now = self._clock.now()
        if self._until is None:
            return None
        # A clock that was set back since does not make it last longer.
        if now < self._until <= now + LONGEST_WAIT:
            return self._until
        self._until = now + FIRST_WAIT
        self._looking = True
        return None
