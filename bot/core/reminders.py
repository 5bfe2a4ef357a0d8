"""
Reminders: a polite word to a customer when the merchant wants it, and to a merchant what is late.

What is due stands in the database, so a process that stops in between forgets nothing and says
nothing twice. At most three reminders for an invoice, between 08:00 and 20:00 in Nairobi. Books
that came from a backup do not know who has paid since: until a person has reconciled that, nobody
is reminded and no merchant is asked about what is late. What was let go until then is asked after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from bot.core.bills import Standing
from bot.core.eat import ASK_HOUR, at_eat, day_of, morning_after, polite
from bot.core.invoice_news import news
from bot.core.invoices import view_of
from bot.core.people import close
from bot.core.ports import Clock
from bot.core.restored import UNASKED, restored
from storage.backups import read_mark
from storage.engine import Store
from storage.records import (
    Closing,
    InvoiceEntry,
    InvoiceEntryKind,
    NewNotice,
    NoticeKind,
    Reminder,
)
from storage.tx import Tx

__all__ = ["SUMMARY_HOUR", "Remind", "Reminded", "Reminders", "plan_anew", "put_off_missed"]

REMINDERS_MAX = 3
SUMMARY_HOUR = 20
SUMMARIES_REACH_BACK = timedelta(days=7)
"""A bot that was stopped for longer tells of the last days only; statements have them all."""
AT_ONCE = 100
SNOOZE_DAYS = 3
PAYABLE = (Standing.OPEN, Standing.PART_PAID)


class Reminded(StrEnum):
    """What came of the wish to remind."""

    SENT = "sent"  # at once, or as soon as it is polite
    PLANNED = "planned"
    BLOCKED = "blocked"  # the same, once they let us in again
    ALREADY = "already"  # planned for that very time before
    ENOUGH = "enough"  # three were sent or are planned
    NOBODY = "nobody"  # nobody opened it yet: there is no chat to write to
    WAITING = "waiting"  # it may be paid: M-Pesa says so, and that is being made sure of
    RESTORED = "restored"  # it may be paid: these books came from a backup
    DISOWNED = "disowned"  # somebody says it is not theirs: the merchant decides first
    PAID = "paid"  # or closed: there is nothing to remind of
    NOT_YOURS = "not-yours"


class Remind(StrEnum):
    """What a merchant wants."""

    NOW = "now"
    PLAN = "plan"  # three: the day before it is due, that day, and three days after
    STOP = "stop"  # those that are planned are dropped
    SNOOZE = "snooze"  # ask me again in three days


class Reminders:
    """Plans reminders and sends those that are due; sums the day up in the evening."""

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def remind(
        self, invoice_id: str, wanted: Remind, *, by: int, closing: Closing
    ) -> Reminded:
        """Do what the merchant wants, and end the update, in one commit."""
        now = self._clock.now()

        async def run(tx: Tx) -> Reminded:
            await close(tx, closing, self._clock)
            invoice = await tx.invoices.lock(invoice_id)
            if invoice is None or invoice.merchant_id != by:
                return Reminded.NOT_YOURS
            if wanted is Remind.STOP:
                await tx.reminders.drop(invoice_id)
                return Reminded.PLANNED
            view = await view_of(tx, invoice)
            if view.standing not in PAYABLE:
                return Reminded.PAID
            if wanted is Remind.SNOOZE:
                day = day_of(now) + timedelta(days=SNOOZE_DAYS)
                await tx.invoices.change(invoice_id, ask_at=at_eat(day, hour=ASK_HOUR))
                return Reminded.PLANNED
            if invoice.disowned_by is not None:
                return Reminded.DISOWNED
            if invoice.customer_id is None or invoice.customer_id == by:
                return Reminded.NOBODY
            if wanted is Remind.NOW and view.may_be_paid:
                return Reminded.WAITING
            if wanted is Remind.NOW and await restored(tx) is not None:
                return Reminded.RESTORED
            planned = [] if wanted is Remind.NOW else _plan(invoice.due_on, now)
            return await _add(tx, invoice_id, invoice.customer_id, wanted, planned or [now])

        answer = await self._store.write(run)
        await self.run_due()
        return answer

    async def run_due(self) -> None:
        """Owe the reminders whose time has come, what merchants are to be asked, and the day."""
        now = self._clock.now()
        async with self._store.read() as tx:
            to_ask = await restored(tx) is None and (
                await tx.reminders.any_due(now=now) or await _to_ask_again(tx, now)
            )
            waiting = to_ask or await tx.merchants.any_due(now=now)
        if not waiting:
            return

        async def run(tx: Tx) -> None:
            if await restored(tx) is None:
                await _ask_again(tx, now)
                await self._remind(tx, now)
                await self._ask(tx, now)
            await self._summarise(tx, now)

        await self._store.write(run)
        self._wake()

    async def _remind(self, tx: Tx, now: datetime) -> None:
        reminded = set[str]()
        for reminder in await tx.reminders.due(now=now, limit=AT_ONCE):
            if reminder.invoice_id in reminded:
                continue
            planned = _is_of_plan(reminder)
            if (polite_at := polite(now)) != now:
                # Of the plan it stays: nobody wanted it at once.
                later = at_eat(day_of(polite_at), hour=ASK_HOUR) if planned else polite_at
                await tx.reminders.put_off(reminder.id, due_at=later)
                continue
            invoice = await tx.invoices.get(reminder.invoice_id)
            assert invoice is not None, "a reminder is about an invoice"
            view = await view_of(tx, invoice)
            payable = view.standing in PAYABLE
            held = payable and (invoice.disowned_by is not None or view.may_be_paid)
            # Beside what nobody knows about, a merchant may want it, who reads that; we do not.
            unknown = planned and view.sums.maybe_cents >= view.left_cents
            if held or (payable and unknown):
                await tx.reminders.put_off(reminder.id, due_at=morning_after(day_of(now)))
                continue
            if invoice.customer_id is None or not payable:
                await tx.reminders.unplan(reminder.id)
                continue
            await tx.reminders.sent(reminder.id, at=now)
            # What fell due while nobody could be reminded is said once, not as often as planned.
            await tx.reminders.unplan_due(invoice.id, now=now)
            reminded.add(invoice.id)
            topic = f"remind:{reminder.number}"
            await tx.notices.owe([news(invoice, topic, chat_id=invoice.customer_id)], now=now)
            await tx.invoices.enter(
                InvoiceEntry(
                    invoice_id=invoice.id,
                    kind=InvoiceEntryKind.REMINDED,
                    by=invoice.merchant_id,
                    at=now,
                    key=f"reminded:{invoice.id}:{reminder.number}",
                )
            )

    async def _ask(self, tx: Tx, now: datetime) -> None:
        """Ask merchants about what is late: once, and again where they said later."""
        for invoice in await tx.invoices.to_ask_about(now=now, limit=AT_ONCE):
            if polite(now) != now:
                await tx.invoices.change(invoice.id, ask_at=polite(now))
                continue
            view = await view_of(tx, invoice)
            again = morning_after(day_of(now)) if view.may_be_paid else None
            await tx.invoices.change(invoice.id, ask_at=again)
            late = view.standing in PAYABLE and invoice.due_on < day_of(now)
            if late and again is None and view.merchant.revoked_at is None:
                topic = f"late:{day_of(now).toordinal()}"
                await tx.notices.owe([news(invoice, topic, chat_id=invoice.merchant_id)], now=now)

    async def _summarise(self, tx: Tx, now: datetime) -> None:
        for merchant in await tx.merchants.to_summarise(now=now, limit=AT_ONCE):
            today = day_of(now)
            day = today
            if merchant.summary_at is not None:
                day = max(day_of(merchant.summary_at), today - SUMMARIES_REACH_BACK)
            while (evening := at_eat(day, hour=SUMMARY_HOUR)) <= now:
                if merchant.summary_at is not None:
                    await tx.notices.owe([_summary(merchant.id, day)], now=now)
                day += timedelta(days=1)
            await tx.merchants.change(merchant.id, summary_at=evening)


async def _to_ask_again(tx: Tx, now: datetime) -> bool:
    """Whether something was let go for a mark that is off since; at night that waits."""
    return polite(now) == now and bool(await tx.shared.get(UNASKED))


async def _ask_again(tx: Tx, now: datetime) -> None:
    """
    What was let go for the mark is owed once more: it counts as asked, and nobody has read it.

    Whether there is still something to ask is seen when it is told.
    """
    if not await _to_ask_again(tx, now):
        return
    since = read_mark(await tx.shared.lock(UNASKED))
    if since is not None:
        await tx.reminders.owe_unsaid(since=since, now=now)
        await tx.shared.put(UNASKED, b"")


def _summary(merchant_id: int, day: date) -> NewNotice:
    topic = f"day:{day.toordinal()}"
    return NewNotice(
        key=f"m:{merchant_id}:{topic}",
        kind=NoticeKind.NEWS,
        chat_id=merchant_id,
        subject=f"m:{merchant_id}",
        topic=topic,
    )


async def _add(
    tx: Tx, invoice_id: str, customer_id: int, wanted: Remind, times: Sequence[datetime]
) -> Reminded:
    known = {each.due_at for each in await tx.reminders.planned(invoice_id)}
    wanted_at = [polite(at) for at in times]
    added = [await tx.reminders.add(invoice_id, due_at=at, most=REMINDERS_MAX) for at in wanted_at]
    if not any(added):
        return Reminded.ALREADY if known.issuperset(wanted_at) else Reminded.ENOUGH
    customer = await tx.people.get(customer_id)
    if customer is not None and not customer.reachable:
        return Reminded.BLOCKED
    return Reminded.SENT if wanted is Remind.NOW else Reminded.PLANNED


async def plan_anew(tx: Tx, invoice_id: str, due_on: date, now: datetime) -> None:
    """What was planned around another due day is planned around this one; what was sent counts."""
    planned = [each for each in await tx.reminders.planned(invoice_id) if _is_of_plan(each)]
    for reminder in planned:
        await tx.reminders.unplan(reminder.id)
    for at in _plan(due_on, now) if planned else []:
        await tx.reminders.add(invoice_id, due_at=at, most=REMINDERS_MAX)


async def put_off_missed(tx: Tx, invoice_id: str, now: datetime) -> None:
    """What fell due while the invoice was closed waits for the morning: there it is said once."""
    for reminder in await tx.reminders.planned(invoice_id):
        if reminder.due_at <= now:
            await tx.reminders.put_off(reminder.id, due_at=morning_after(day_of(now)))


def _is_of_plan(reminder: Reminder) -> bool:
    """One that is not of the plan was wanted at once, and waits for the morning to be polite."""
    return reminder.due_at == at_eat(day_of(reminder.due_at), hour=ASK_HOUR)


def _plan(due_on: date, now: datetime) -> list[datetime]:
    """The day before it is due, that day, and three days after: those that are still to come."""
    days = [due_on - timedelta(days=1), due_on, due_on + timedelta(days=3)]
    times = [at_eat(day, hour=ASK_HOUR) for day in days]
    return [at for at in times if at > now]
