"""Owns which of the things that people do are done in a history, and when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.prove.histories.desk import DeskStory
from tests.prove.histories.hands import CustomerActs, MerchantActs, TreasurerActs
from tests.prove.histories.virtual import passes

__all__ = ["Acts"]

MANY = (3, 5)
BOOKS_COMPARED = 0.5  # how often everything is reconciled in the end
FROM, UNTIL = 0.15, 2.2  # of the hours of faults: some of it is done when all is quiet
COMPARED_FROM, COMPARED_UNTIL = 2.4, 3.0


@dataclass
class Acts:
    """A few of them in each history."""

    rng: random.Random
    chaos_s: float
    desk: DeskStory
    treasurer: TreasurerActs
    merchant: MerchantActs
    customers: CustomerActs

    async def run(self) -> None:
        """Until all are done; what somebody cannot do yet, nobody does."""
        rng, loop = self.rng, asyncio.get_running_loop()
        kinds = rng.choices(
            list(self._kinds), weights=list(self._kinds.values()), k=rng.randint(*MANY)
        )
        doing = []
        for act in kinds:
            at_s = self.chaos_s * rng.uniform(FROM, UNTIL)
            doing.append(loop.create_task(self._at(at_s, act)))
        if rng.random() < BOOKS_COMPARED:
            at_s = self.chaos_s * rng.uniform(COMPARED_FROM, COMPARED_UNTIL)
            doing.append(loop.create_task(self._at(at_s, self._compare)))
        await asyncio.gather(*doing)

    @property
    def _kinds(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {
            self.desk.rule: 6,
            self.desk.contradict: 2,
            self.desk.reverse: 4,
            self.desk.drop: 3,
            self.treasurer.correct: 1,
            self.treasurer.mistake_the_question: 1,
            self.treasurer.decide_late: 6,
            self.merchant.settle_excess: 5,
            self.merchant.take_cash_back: 2,
            self.merchant.add_cash: 2,
            self.merchant.close: 2,
            self.merchant.remind: 2,
            self.merchant.talk: 2,
            self.customers.claim: 4,
            self.customers.edit: 2,
            self.customers.press_again: 5,
        }

    async def _at(self, at_s: float, act: Callable[[], Awaitable[None]]) -> None:
        await passes(at_s - asyncio.get_running_loop().time())
        await act()

    async def _compare(self) -> None:
        await self.desk.drop(everything=True)
