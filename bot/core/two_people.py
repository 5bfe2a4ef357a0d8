"""Two people: from which amount one operator is not enough, and how long whose first word waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

__all__ = ["Needs", "TwoPeopleRule"]

PROPOSAL_LIFE = timedelta(hours=72)
"""After that an operator proposes anew: what was looked up may have changed."""


class Needs(Enum):
    """What it takes to decide."""

    ONE = auto()
    SECOND = auto()  # another operator must want the same
    ANOTHER_OPERATOR = auto()  # and there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPeopleRule:
    """The rule, as configured."""

    above_kes: int
    operators: frozenset[int]

    def needs(self, amount_cents: int, *, always: bool = False) -> Needs:
        """What it takes for so much money; *always*: whatever the amount."""
        if amount_cents <= self.above_kes * 100 and not always:
            return Needs.ONE
        return Needs.SECOND if len(self.operators) > 1 else Needs.ANOTHER_OPERATOR

    def waits(self, by: int | None, proposed_at: datetime, now: datetime) -> bool:
        """Whether a first word still waits for a second: not for ever, and only an operator's."""
        # Of who is none any more, dismissed or robbed of the account, no word moves money.
        return by in self.operators and proposed_at > self.since(now)

    @staticmethod
    def since(now: datetime) -> datetime:
        """What was said first before then waits no more."""
        return now - PROPOSAL_LIFE
