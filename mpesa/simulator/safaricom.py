"""Owns Safaricom as a whole, without HTTP: merchant, phones, books, and every push under way."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from mpesa.simulator import messages
from mpesa.simulator.books import Books, ReversalReason, Row
from mpesa.simulator.callbacks import Courier, Delivery, Posted
from mpesa.simulator.changes import Changes, Topic
from mpesa.simulator.clock import Clock, RealClock, seconds_to_midnight
from mpesa.simulator.faults import Fault, FaultScript
from mpesa.simulator.handsets import (
    Habit,
    Handset,
    Plan,
    Sms,
    habit_for_amount,
    plan_for,
)
from mpesa.simulator.ids import Ids
from mpesa.simulator.org import OrgDesk
from mpesa.simulator.prompting import AcceptedPush, Prompter
from mpesa.simulator.pushes import PushLog, PushOrder, PushRecord
from mpesa.simulator.settings import SimulatorSettings
from mpesa.simulator.tokens import TokenDesk

_PHONE = re.compile(r"254[17][0-9]{8}")


class Safaricom:
    """What stands behind the addresses. Everything in it may be read and set from Python."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        settings: SimulatorSettings | None = None,
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self.clock: Clock = clock or RealClock()
        self.ids = Ids(seed)
        self.changes = Changes()
        self.books = Books(
            ids=self.ids,
            now=self.clock.now,
            opening_cents=self.settings.opening_balance_kes * 100,
        )
        self.faults = FaultScript(magic_amounts=self.settings.magic_amounts)
        self.tokens = TokenDesk(self.settings, self.clock, self.ids)
        self._prompter = Prompter(self.settings, self.clock, self.books, self.changes)
        self._courier = Courier(self.settings, self.clock, self.changes)
        self._log = PushLog(self.settings.remembered_pushes)
        self._handsets: dict[str, Handset] = {}
        self._session: aiohttp.ClientSession | None = None
        self._lives: set[asyncio.Task[None]] = set()
        self._broken: list[BaseException] = []
        self.org = OrgDesk(self)

    @property
    def pushes(self) -> list[PushRecord]:
        """Every push request that came in, accepted or not, oldest first."""
        return self._log.all()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every callback posted, oldest first."""
        return list(self._courier.deliveries)

    @property
    def posts(self) -> list[Posted]:
        """Every result, confirmation and validation posted, oldest first."""
        return list(self._courier.posts)

    @property
    def phones(self) -> list[Handset]:
        """Every phone that was named so far, in the order of their first naming."""
        return list(self._handsets.values())

    def phone(self, phone: str) -> Handset:
        """The phone with that number (2547… or 2541…, twelve digits), made at first naming.

        Raises ValueError for anything else.
        """
        if phone not in self._handsets:
            if not _PHONE.fullmatch(phone):
                raise ValueError("a phone is 254, then 7 or 1, then eight digits")
            standing = Habit(self.settings.default_behaviour)
            self._handsets[phone] = Handset(phone, self.books, self.changes, standing)
            self.changes.announce(Topic.PHONE, phone)
        return self._handsets[phone]

    def pushes_to(self, phone: str) -> list[PushRecord]:
        """Every push request that named the phone, accepted or not, oldest first."""
        return [push for push in self._log.all() if push.phone == phone]

    def find_push(self, checkout_request_id: str) -> PushRecord | None:
        """The accepted push of that id."""
        return self._log.by_checkout.get(checkout_request_id)

    def note_push(self, record: PushRecord) -> None:
        """Keep a push request in the log, before anything is decided about it."""
        self._log.add(record)

    def finds_line_busy(self, phone: str) -> bool:
        """Whether a push finds the line in another session, ours or one the phone is set to."""
        handset = self.phone(phone)
        return handset.session is not None or handset.take_busy()

    def accept(self, record: PushRecord, order: PushOrder) -> None:
        """Take the push: give it ids, take the line, and let it live."""
        handset = self.phone(order.phone)
        assert handset.session is None, "a busy line is refused before this"
        record.merchant_request_id = self.ids.request()
        record.checkout_request_id = self.ids.checkout(order.phone, self.clock.now())
        self._log.by_checkout[record.checkout_request_id] = record
        handset.session = record.checkout_request_id
        accepted = AcceptedPush(
            order=order,
            merchant_request_id=record.merchant_request_id,
            checkout_request_id=record.checkout_request_id,
            handset=handset,
            plan=self._plan(handset, order),
        )
        self.start(self._live(record, accepted))
        self.changes.announce(Topic.PUSH, order.phone)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen by itself, until it is done or we close."""
        life = asyncio.create_task(work)
        self._lives.add(life)
        life.add_done_callback(self._bury)

    async def tell(self, about: str, url: str, body: str, fault: Fault) -> None:
        """Post something that is no push's callback."""
        assert self._session is not None, "nothing is posted unless we are running"
        await self._courier.tell(self._session, about, url, body, fault)

    async def ask(self, url: str, body: str) -> str:
        """Post something and read the answer; "" if there is none."""
        assert self._session is not None, "nothing is posted unless we are running"
        return (await self._courier.send(self._session, url, body)).text

    async def settled(self) -> None:
        """Return when no prompt is open and no callback is still to be delivered.

        A phone that waits for a person is not settled until the prompt's time is up.
        """
        while self._lives:
            await asyncio.wait(self._lives)
        self._raise_broken()

    def pay_by_hand(self, phone: str, amount_kes: int, account_reference: str) -> Row | None:
        """Pay at the Paybill from the phone's menu, without a push; None if the balance is short.

        Told to the business, if it registered an address and we are running.

        Raises ValueError unless the amount is whole shillings above zero.
        """
        if amount_kes < 1:
            raise ValueError("at least one shilling")
        row = self.books.pay(
            phone=self.phone(phone).phone,
            amount_cents=amount_kes * 100,
            account_reference=account_reference,
        )
        if row is None:
            return None
        text = messages.paid_text(
            row,
            business=self.settings.business_name,
            balance_cents=self.books.balance_cents(phone),
            till=self.settings.transaction_type == "till",
        )
        self.phone(phone).receive(Sms(row.completed_at, text))
        self.changes.announce(Topic.STATEMENT, phone)
        if self._session is not None:
            self.org.tell_paid(row)
        return row

    async def pay_by_hand_if_valid(
        self, phone: str, amount_kes: int, account_reference: str
    ) -> Row | None:
        """As `pay_by_hand`, once the business has been asked and does not mind."""
        welcome = await self.org.validates(self.phone(phone).phone, amount_kes, account_reference)
        return self.pay_by_hand(phone, amount_kes, account_reference) if welcome else None

    def reverse(self, receipt: str) -> Row | None:
        """Reverse one payment as the business may; None if there is nothing to reverse."""
        row = self.books.reverse(receipt, ReversalReason.OPERATOR)
        if row is not None:
            self._tell_reversed(row)
        return row

    def return_test_money(self) -> list[Row]:
        """Give back all that was paid, as the sandbox does at midnight."""
        rows = self.books.return_test_money()
        for row in rows:
            self._tell_reversed(row)
        return rows

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry callbacks and keep midnight until the end of the block."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            self._session = session
            nightly = asyncio.create_task(self._keep_midnight())
            try:
                yield
            finally:
                nightly.cancel()
                for life in self._lives:
                    life.cancel()
                await asyncio.gather(nightly, *self._lives, return_exceptions=True)
                self._session = None
        self._raise_broken()

    def _plan(self, handset: Handset, order: PushOrder) -> Plan:
        magic = habit_for_amount(order.amount_kes) if self.settings.magic_amounts else None
        return plan_for(handset.take_habit(magic), handset.pin)

    async def _live(self, record: PushRecord, accepted: AcceptedPush) -> None:
        assert self._session is not None, "pushes are accepted only while running"
        try:
            try:
                record.outcome = await self._prompter.play(accepted)
            finally:
                accepted.handset.session = None
            record.decided_at = self.clock.now()
            self.changes.announce(Topic.PUSH, record.phone)
            row = self.books.row_of_push(accepted.checkout_request_id)
            if row is not None and self.settings.c2b_tells_pushes:
                self.org.tell_paid(row)
            await self._courier.deliver(self._session, record, row)
        finally:
            record.told.set()

    def _bury(self, life: asyncio.Task[None]) -> None:
        self._lives.discard(life)
        if not life.cancelled() and (bug := life.exception()) is not None:
            self._broken.append(bug)

    def _raise_broken(self) -> None:
        if self._broken:
            raise self._broken.pop()

    def _tell_reversed(self, row: Row) -> None:
        text = messages.reversed_text(row, balance_cents=self.books.balance_cents(row.phone))
        self.phone(row.phone).receive(Sms(row.completed_at, text))
        self.changes.announce(Topic.STATEMENT, row.phone)

    async def _keep_midnight(self) -> None:
        while self.settings.returns_test_money:
            await self.clock.sleep(seconds_to_midnight(self.clock.now()))
            self.return_test_money()
