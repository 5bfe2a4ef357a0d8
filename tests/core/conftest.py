"""A core on a real store, with a Safaricom that does what the test says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.core.ask import Asked, Asking, AskRequest, AskSettings
from bot.core.books import Books
from bot.core.hear import Hear
from bot.core.limits import LimitSettings, Refusal
from bot.core.outage import Outages
from bot.core.people import People
from bot.core.ports import Ids
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.record_desk import RecordDesk
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.skew import Skew
from mpesa.callbacks import parse_callback
from mpesa.errors import NoAnswer
from mpesa.models import Accepted, Push, QueryAnswer
from mpesa.results import look_up
from storage.engine import Store
from storage.records import Payment, Status
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

CHECKS = (25, 60, 130, 300)


class ScriptedDaraja:
    """A Daraja whose next answers a test lays down; accepts everything otherwise."""

    def __init__(self) -> None:
        self.pushes: list[Push] = []
        self.queries: list[str] = []
        self.tokens: list[Exception] = []
        self.replies: list[Exception | Callable[[], Any]] = []
        self.answers: list[str | Exception | Callable[[], str]] = []
        self.hold: asyncio.Event | None = None
        self.pushed = asyncio.Event()

    async def ready(self) -> None:
        if self.tokens:
            raise self.tokens.pop(0)

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        assert leave_within_s <= 20
        self.pushes.append(push)
        self.pushed.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, Exception):
                raise reply
            await reply()
        return self.ids(len(self.pushes))

    @staticmethod
    def ids(number: int) -> Accepted:
        return Accepted(f"merchant-{number}", f"ws_CO_{number}712345678")

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        self.queries.append(checkout_request_id)
        answer = self.answers.pop(0) if self.answers else NoAnswer("nothing was laid down")
        if isinstance(answer, Exception):
            raise answer
        code = answer if isinstance(answer, str) else answer()
        return QueryAnswer(checkout_request_id, None, look_up(code))


@dataclass
class Disk:
    """What is free on the disk of the database; None: it is another machine's."""

    free: int | None = None

    def free_bytes(self) -> int | None:
        return self.free


@dataclass
class Desk:
    """One process at work: the services, and what a test does with them."""

    store: Store
    clock: TestClock
    daraja: ScriptedDaraja
    asking: Asking
    sending: Sending
    hear: Hear
    reconcile: Reconcile
    people: People
    books: Books
    disk: Disk
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    request = AskRequest(
        asked_by=1001,
        chat_id=1001,
        thread_id=None,
        reply_to=7,
        private=True,
        language="en",
        amount_kes=50,
        phone=PHONE,
        note="lunch",
        ask_key="m:1001:7",
        update_id=None,
    )

    async def ask(self, **changes: Any) -> Payment:
        """Ask, wait for the push, and give the payment as it stands then."""
        asked = await self.open(**changes)
        assert isinstance(asked, Asked), asked
        await self.finish()
        return await self.get(asked.payment.id)

    async def open(self, **changes: Any) -> Asked | Refusal:
        return await self.asking.open(replace(self.request, **changes))

    async def finish(self) -> None:
        while self.tasks:
            await self.tasks.pop()

    async def get(self, payment_id: str) -> Payment:
        async with self.store.read() as tx:
            payment = await tx.payments.get(payment_id)
        assert payment is not None
        return payment

    async def post(self, payment: Payment, body: bytes) -> Payment:
        """What Safaricom (or a liar who knows the address) posts for *payment*."""
        await self.hear.callback(payment.id, parse_callback(body), body, source="test")
        return await self.get(payment.id)

    def next_process(self) -> Sending:
        """The sending side of a process that starts now and knows only what is on disk."""
        return Sending(
            store=self.store,
            daraja=self.daraja,
            settle=self.hear._settle,
            clock=self.clock,
            settings=self.sending._settings,
            background=lambda work: self.tasks.append(asyncio.create_task(work)),
            wake=lambda: None,
        )

    async def close(self) -> None:
        """Stop what is still at work."""
        for task in self.tasks:
            task.cancel()
        # While the store is open: a look that is cut needs the loop to give its connection back.
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def complete(self, payment: Payment, status: Status = Status.PAID) -> None:
        assert (await self.get(payment.id)).status is status


@pytest.fixture
def daraja() -> ScriptedDaraja:
    return ScriptedDaraja()


def make_desk(
    store: Store,
    clock: TestClock,
    daraja: ScriptedDaraja,
    *,
    seed: int = 7,
    accounts: Mapping[str, ScriptedDaraja] | None = None,
    skew: Skew | None = None,
) -> Desk:
    """A process at work on *store*. Another *seed* makes other ids, as another process does."""
    tasks: list[asyncio.Task[None]] = []
    settle = Settle(operators=[900])
    limits = LimitSettings()
    outages, disk = Outages(clock), Disk()

    def background(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.create_task(work))

    def wake() -> None:
        """Nobody sleeps in these tests."""

    sending = Sending(
        store=store,
        daraja=daraja,
        accounts=accounts,
        settle=settle,
        clock=clock,
        settings=SendSettings(
            callback_base="https://pay.example.org", first_check_after_s=25, pushes_per_second=20
        ),
        background=background,
        wake=wake,
        outages=outages,
        skew=skew,
    )
    return Desk(
        store=store,
        clock=clock,
        daraja=daraja,
        sending=sending,
        asking=Asking(
            store=store,
            clock=clock,
            ids=Ids(random.Random(seed).randbytes),
            settings=AskSettings(confirm_above_kes=5000, limits=limits, operators=[900]),
            start=sending.start,
            wake=wake,
            outages=outages,
            free_bytes=disk.free_bytes,
        ),
        hear=Hear(
            store=store, settle=settle, clock=clock, unconfirmed_total_kes=100_000, wake=wake
        ),
        reconcile=Reconcile(
            store=store,
            daraja=daraja,
            settle=settle,
            clock=clock,
            settings=ReconcileSettings(check_after_s=CHECKS, queries_per_minute=5),
            wake=wake,
            skew=skew,
        ),
        people=People(store=store, settle=settle, clock=clock, wake=wake),
        books=Books(store=store, clock=clock, limits=limits),
        disk=disk,
        tasks=tasks,
    )


@pytest.fixture
async def desk(store: Store, clock: TestClock, daraja: ScriptedDaraja) -> AsyncIterator[Desk]:
    made = make_desk(store, clock, daraja)
    yield made
    await made.close()


@pytest.fixture
def office() -> ScriptedOffice:
    """Safaricom's back office, that answers as the test says."""
    return ScriptedOffice()


@pytest.fixture
def record(store: Store, clock: TestClock, office: ScriptedOffice) -> RecordDesk:
    """The record, with Transaction Status alone to ask by."""
    return a_desk(store, clock, office)
