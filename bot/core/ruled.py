"""
Ruled: what became of a decision about the books, and whether it takes two people.

Above a configured amount a second operator must agree: the first word is kept, and nothing
happens by it.
"""

from __future__ import annotations

from enum import StrEnum

from bot.core.ports import Clock
from bot.core.two_people import Needs, TwoPeopleRule
from storage.engine import Store
from storage.records import DecidedByOne
from storage.tx import Tx

__all__ = ["Deed", "Ruling", "TwoPeople"]


class Ruling(StrEnum):
    """What became of an operator's decision."""

    DONE = "done"
    NEEDS_SECOND = "needs-second"  # kept; another operator must want the same
    ALONE = "alone"  # it needs another operator, and there is none
    UNKNOWN = "unknown"  # there is no such payment, difference or receipt
    HELD = "held"  # the receipt is another payment's
    ALREADY = "already"  # it stands so, or was closed by somebody
    CANNOT = "cannot"  # not for this kind of difference, or no payment was named
    OFF = "off"  # not enabled in the configuration
    RESTORED = "restored"  # the books came from a backup, and the gap is not reconciled yet
    OPERATORS = "operators"  # only operators decide about so much
    UNSURE = "unsure"  # it may have been sent to Safaricom, who has not said how it ended
    NOT_TAKEN = "not-taken"  # Safaricom did not take the request; nothing has moved
    COUNTED = "counted"  # the prompt whose account the books name counts that money, it seems
    TWICE = "twice"  # the prompt whose account the books name counts it, and who has its code too
    PROMPTED = "prompted"  # a prompt may have brought that money: operators decide


class Deed(StrEnum):
    """What may need a second person."""

    ASSIGN = "assign"
    REVERSE = "reverse"


class TwoPeople:
    """Whether a decision may be carried out, or waits for a second person."""

    def __init__(
        self, *, store: Store, clock: Clock, above_kes: int, operators: frozenset[int]
    ) -> None:
        self._store = store
        self._clock = clock
        self.rule = TwoPeopleRule(above_kes=above_kes, operators=operators)

    async def agreed(
        self,
        deed: Deed,
        subject: str,
        argument: str,
        *,
        amount_cents: int,
        by: int,
        why: str,
        always: bool = False,
    ) -> Ruling:
        """DONE if it may be done now; NEEDS_SECOND if *by* is the first, whose word is now kept."""
        needs = self.rule.needs(amount_cents, always=always)
        if needs is not Needs.SECOND:
            return Ruling.DONE if needs is Needs.ONE else Ruling.ALONE
        now = self._clock.now()

        async def run(tx: Tx) -> Ruling:
            others = [
                each
                for each in await tx.record.proposed(deed, subject, argument)
                if self.rule.waits(each.by, each.at, now)
            ]
            if any(each.by != by for each in others):
                return Ruling.DONE
            if not others:
                await tx.record.propose(deed, subject, argument, by=by, why=why, at=now)
            return Ruling.NEEDS_SECOND

        return await self._store.write(run)

    async def done(self, deed: Deed, subject: str, argument: str, *, by: int) -> None:
        """It was carried out: nothing waits any more."""
        now = self._clock.now()
        await self._store.write(lambda tx: tx.record.agree(deed, subject, argument, by=by, at=now))

    async def waiting(self, *, limit: int = 20) -> list[DecidedByOne]:
        """What waits for a second person, oldest first."""
        by, since = self.rule.operators, self.rule.since(self._clock.now())
        async with self._store.read() as tx:
            return await tx.record.proposals(by=by, since=since, limit=limit)
