"""Owns what the people of a history did, as far as they know; the judge looks at the books."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.playground.chats import Message
from bot.playground.people import Person

__all__ = ["BORN", "Claimed", "Diary", "Dropped", "HandedBack", "Kept", "Ruled"]

BORN = "R-"
"""How the account begins of a payment that was made of a line of the books; its code follows."""


@dataclass(eq=False)
class Ruled:
    """An operator's yes to a decision about a payment."""

    ref: str  # the account on its prompt
    what: str  # credit, void or reverse
    code: str
    by: int
    right: bool  # whether Safaricom's books say so
    said: set[str] = field(default_factory=set)  # what we answered


@dataclass(eq=False)
class Dropped:
    """A statement that an operator dropped into the chat."""

    until: datetime
    receipts: Sequence[str]
    everything: bool  # from the first row on
    told: bool = False


@dataclass(eq=False)
class Claimed:
    """Somebody said "I have paid", and pasted a code."""

    by: int
    code: str
    answer: int | None = None  # the message that thanked for it; one may thank for a later one


@dataclass(eq=False)
class HandedBack:
    """What a treasurer said of a gift that came after closing."""

    amount_kes: int
    keep: bool
    question: int
    told: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A button that somebody pressed, and may press again hours later."""

    person: Person
    message: Message
    data: str


@dataclass
class Diary:
    """What people did, as far as they know."""

    cash_said: list[int] = field(default_factory=list)  # shillings, each amount once
    cash_told: list[int] = field(default_factory=list)  # what we answered that we wrote down
    by_hand: dict[str, str] = field(default_factory=dict)  # code of what went past us: its account
    bill_cash_said: list[int] = field(default_factory=list)
    bill_cash_wrong: list[int] = field(default_factory=list)  # and taken back
    corrected_said: list[int] = field(default_factory=list)
    corrected_told: list[int] = field(default_factory=list)
    late: list[HandedBack] = field(default_factory=list)
    ruled: list[Ruled] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    asked: dict[str, bool] = field(default_factory=dict)  # a customer's words: told that passed on
    answered: list[str] = field(default_factory=list)  # a merchant's words
    reminded: int = 0  # how often the merchant pressed for a reminder
    pressed: list[Kept] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)  # what we said, and they knew better
    _hands: dict[int, asyncio.Lock] = field(default_factory=dict)

    def hands(self, person: Person) -> asyncio.Lock:
        """One thing after another: a person who is asked something answers that first."""
        return self._hands.setdefault(person.id, asyncio.Lock())

    def wrong_about(self, ref: str, what: str) -> bool:
        """Whether somebody may have decided so against what Safaricom's books say."""
        return any((each.ref, each.what, each.right) == (ref, what, False) for each in self.ruled)
