"""Owns which of the things that people do are done in a history, and when."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.prove.histories.desk import DeskStory
from tests.prove.histories.hands import CustomerActs, MerchantActs, TreasurerActs
from tests.prove.histories.virtual import passes

__all__ = ["Acts"]

MANY = (3, 5)
TRIES = 8
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
    done: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Until all are done."""
        rng, loop = self.rng, asyncio.get_running_loop()
        doing = []
        for _ in range(rng.randint(*MANY)):
            at_s = self.chaos_s * rng.uniform(FROM, UNTIL)
            doing.append(loop.create_task(self._one(at_s)))
        if rng.random() < BOOKS_COMPARED:
            at_s = self.chaos_s * rng.uniform(COMPARED_FROM, COMPARED_UNTIL)
            doing.append(loop.create_task(self._compare(at_s)))
        await asyncio.gather(*doing)

    @property
    def _kinds(self) -> dict[Callable[[], Awaitable[bool]], int]:
        return {
            self.desk.rule: 6,
            self.desk.contradict: 3,
            self.desk.reverse: 4,
            self.desk.drop: 3,
            self.desk.give: 2,
            self.treasurer.correct: 1,
            self.treasurer.mistake_the_question: 1,
            self.treasurer.decide_late: 8,
            self.merchant.settle_excess: 6,
            self.merchant.take_cash_back: 2,
            self.merchant.add_cash: 2,
            self.merchant.close: 2,
            self.merchant.remind: 3,
            self.merchant.talk: 2,
            self.customers.claim: 4,
            self.customers.by_hand: 4,
            self.customers.edit: 2,
            self.customers.press_again: 4,
        }

    async def _one(self, at_s: float) -> None:
        """One of them; another, where there was nothing to be done by it."""
        await _until(at_s)
        kinds, weights = list(self._kinds), list(self._kinds.values())
        for _ in range(TRIES):
            act = self.rng.choices(kinds, weights)[0]
            if await act():
                self.done[act.__name__] += 1
                return
            await passes(self.rng.uniform(10, 600))

    async def _compare(self, at_s: float) -> None:
        await _until(at_s)
        await self.desk.drop(everything=True)


async def _until(at_s: float) -> None:
    await passes(at_s - asyncio.get_running_loop().time())
