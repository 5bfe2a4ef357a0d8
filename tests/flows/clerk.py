"""
A clerk: storage and core alone, at work in a child process that dies at a named step.

It says over a pipe what it was promised, each time after the await returned: an update is kept,
a payment is opened, a callback is kept, a notice is told. Safaricom is a double that says over
the same pipe that it took a push, before it answers; what becomes of the push follows from its
reference, so that the next clerk's Safaricom knows it too.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from multiprocessing.connection import Connection
from typing import Any

from bot.core.ask import Asked, Asking, AskRequest, AskSettings
from bot.core.hear import Hear
from bot.core.inbox import Inbox
from bot.core.limits import LimitSettings
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.takeover import Takeover
from mpesa.callbacks import parse_callback
from mpesa.errors import OutcomeUnknown
from mpesa.models import Accepted, Push, QueryAnswer
from mpesa.results import look_up
from storage.engine import Store, open_store
from storage.hearing import Decision
from storage.records import Evidence, Kind, Payment
from tests.core.bodies import failure, success
from tests.flows.mortal import Death, arm
from tests.inline import sqlite_inline
from tests.stores import KEY, NOON, TestClock

__all__ = ["Fate", "Life", "Taken", "fate_of", "receipt_of", "work"]

AT_ONCE = 6
ROUNDS = 4
STEP_S = 60.0


class Fate(StrEnum):
    """What becomes of a push that Safaricom took."""

    PAID = "paid"
    PAID_TWICE_TOLD = "paid, told twice"
    PAID_REPLY_LOST = "paid, reply lost"
    PAID_SILENT = "paid, no callback"
    DECLINED = "declined"

    @property
    def is_paid(self) -> bool:
        return self is not Fate.DECLINED


def fate_of(reference: str) -> Fate:
    """The same for every clerk's Safaricom."""
    return list(Fate)[_number(reference) % len(Fate)]


def receipt_of(reference: str) -> str:
    return f"U{_number(reference) % 36**5:09d}"[:10]


def _number(reference: str) -> int:
    return int.from_bytes(sha256(reference.encode()).digest()[:6])


def _checkout(reference: str) -> str:
    return f"ws_CO_{reference}712345678"


@dataclass(frozen=True, slots=True)
class Taken:
    """A push that Safaricom took."""

    reference: str
    payment_id: str
    amount_kes: int

    def callback(self) -> bytes:
        merchant, checkout = f"merchant-{self.reference}", _checkout(self.reference)
        if not fate_of(self.reference).is_paid:
            return failure(merchant=merchant, checkout=checkout)
        return success(
            amount=float(self.amount_kes),
            receipt=receipt_of(self.reference),
            merchant=merchant,
            checkout=checkout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One life of a clerk."""

    url: str
    number: int
    asks: int
    late: Sequence[Taken] = ()  # callbacks that Safaricom brings in this life, again or at last
    death: Death | None = None
    settles: bool = True  # whether this version of the bot can settle everything
    begins_s: float = 0.0  # after noon


class Bank:
    """Safaricom, which tells the judge of every push that it takes."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self.taken: list[Taken] = []

    async def ready(self) -> None:
        """There is always a token."""

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        assert leave_within_s <= 20
        payment_id = push.callback_url.rpartition("/")[2].partition(".")[0]
        self._say("took", push.reference, payment_id, push.amount_kes)
        self.taken.append(Taken(push.reference, payment_id, push.amount_kes))
        if fate_of(push.reference) is Fate.PAID_REPLY_LOST:
            raise OutcomeUnknown("the reply was lost")
        return Accepted(f"merchant-{push.reference}", _checkout(push.reference))

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        reference = checkout_request_id.removeprefix("ws_CO_").removesuffix("712345678")
        code = "0" if fate_of(reference).is_paid else "1032"
        return QueryAnswer(checkout_request_id, None, look_up(code))


class OddSettle(Settle):
    """A settle with a bug that some payments meet once they are heard of."""

    def __call__(self, payment: Payment, evidence: Sequence[Evidence]) -> Decision:
        told = any(each.kind is Kind.CALLBACK_PAID for each in evidence)
        if told and _number(payment.push_ref) % 3 == 0:
            raise ZeroDivisionError("a bug in settle")
        return super().__call__(payment, evidence)


@dataclass
class Clerk:
    """One process at work."""

    life: Life
    store: Store
    clock: TestClock
    bank: Bank
    say: Callable[..., None]

    def __post_init__(self) -> None:
        settle = (Settle if self.life.settles else OddSettle)(operators=[900])
        limits = LimitSettings(strangers_per_person_per_hour=10**6)
        common: dict[str, Any] = {"store": self.store, "clock": self.clock}
        self.tasks: set[asyncio.Task[None]] = set()
        self.post = Post(**common)
        wake = self.post.wake.set
        self.inbox = Inbox(**common, wake=wake)
        self.takeover = Takeover(**common, wake=wake)
        self.sending = Sending(
            **common,
            daraja=self.bank,
            settle=settle,
            settings=SendSettings(
                callback_base="https://pay.example.org",
                first_check_after_s=25,
                pushes_per_second=1000,
            ),
            background=self._begin,
            wake=wake,
        )
        self.asking = Asking(
            **common,
            ids=Ids(random.Random(self.life.number).randbytes),
            settings=AskSettings(confirm_above_kes=5000, limits=limits, operators=[900]),
            start=self.sending.start,
            wake=wake,
        )
        self.hear = Hear(**common, settle=settle, unconfirmed_total_kes=10**9, wake=wake)
        self.reconcile = Reconcile(
            **common,
            daraja=self.bank,
            settle=settle,
            settings=ReconcileSettings(check_after_s=(25, 60, 130), queries_per_minute=60_000),
            wake=wake,
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def live(self) -> None:
        """Pick up the pieces, take this life's updates, and work until nothing is due."""
        if self.store.exclusive:
            await self.sending.sweep(starting=True)
        await self.reconcile.start()
        await self.post.start()
        await self.inbox.start()
        await self.carry_out_waiting()
        await self._each([self.bring(each) for each in self.life.late])
        first = self.life.number * 1000
        await self._each([self.take(first + n) for n in range(self.life.asks)])
        for _ in range(3 * ROUNDS if self.life.late else ROUNDS):
            while self.tasks:
                await asyncio.gather(*self.tasks)
            fresh, self.bank.taken = self.bank.taken, []
            loud = [each for each in fresh if fate_of(each.reference) is not Fate.PAID_SILENT]
            await self._each([self.bring(each) for each in loud])
            await self.reconcile.run_due()
            await self.reconcile.settle_again()
            await self.sending.sweep()
            await self.carry_out_waiting()
            await self.tell()
            self.say("clock", (self.clock.advance(STEP_S) - NOON).total_seconds())

    async def _each(self, works: Sequence[Coroutine[Any, Any, None]]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(work: Coroutine[Any, Any, None]) -> None:
            async with free:
                await work

        await asyncio.gather(*map(one, works))

    async def take(self, update_id: int) -> None:
        """An update comes in, is kept, and is carried out."""
        if await self.inbox.take(update_id, "a /pay"):
            self.say("kept", update_id)
            await self.carry_out(update_id)

    async def carry_out_waiting(self) -> None:
        """What nobody has in hand, or a clerk had that is dead."""
        await self.takeover.run()
        while items := await self.inbox.claim():
            await self._each([self.carry_out(item.update_id) for item in items])

    async def carry_out(self, update_id: int) -> None:
        asked = await self.asking.open(
            AskRequest(
                asked_by=1001 + update_id,
                chat_id=1001 + update_id,
                thread_id=None,
                reply_to=None,
                private=True,
                language="en",
                amount_kes=10 + update_id % 90,
                phone=f"2547{update_id:08d}",
                note="",
                ask_key=f"m:{update_id}",
                update_id=update_id,
            )
        )
        assert isinstance(asked, Asked), asked
        self.say("opened", update_id, asked.payment.id)
        if asked.again:
            await self.inbox.done(update_id)

    async def bring(self, taken: Taken) -> None:
        """Safaricom brings the callback; once or twice."""
        times = 2 if fate_of(taken.reference) is Fate.PAID_TWICE_TOLD else 1
        body = taken.callback()
        for _ in range(times):
            await self.hear.callback(taken.payment_id, parse_callback(body), body, source="bank")
            self.say("heard", taken.payment_id)

    async def tell(self) -> None:
        """Whatever is owed is told: the chat, like Safaricom, is on the judge's side."""
        while notices := await self.post.due():
            for notice in notices:
                message_id = notice.message_id
                if message_id is None:
                    message_id = notice.id
                    self.say("message", notice.id, notice.resent)
                await self.post.sent(notice, message_id=message_id)
                self.say("told", notice.id, notice.wanted)


async def _live(life: Life, say: Callable[..., None]) -> None:
    clock = TestClock(NOON + timedelta(seconds=life.begins_s))
    async with open_store(life.url, key=KEY, now=clock.now) as store:
        clerk = Clerk(life, store, clock, Bank(say), say)
        await clerk.live()
    say("finished")


def work(life: Life, pipe: Connection) -> None:
    """The whole life of a clerk, in a process forked for it."""
    logging.disable()
    if life.death is not None:
        arm(life.death)

    def say(*words: object) -> None:
        pipe.send(words)

    with sqlite_inline():
        asyncio.run(_live(life, say))
