"""Reminders: which customers are to be written to about which invoice, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.invoice_tables import TO_REMIND, invoices, reminders
from storage.records import Decided, NoticeKind, Reminder
from storage.schema import notices

__all__ = ["Reminders"]


class Reminders:
    """Reminders, inside one open transaction that has the invoice locked where it adds one."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, invoice_id: str, *, due_at: datetime, most: int) -> bool:
        """Plan one more; False where there are *most* already, or one at that very time."""
        query = select(reminders.c.number).where(reminders.c.invoice_id == invoice_id)
        taken = set((await self._connection.execute(query)).scalars())
        # One that was not sent has left its number free.
        free = [number for number in range(1, most + 1) if number not in taken]
        same = select(reminders.c.id).where(
            reminders.c.invoice_id == invoice_id, reminders.c.due_at == due_at
        )
        if not free or (await self._connection.execute(same)).first() is not None:
            return False
        await self._connection.execute(
            insert(reminders).values(invoice_id=invoice_id, number=free[0], due_at=due_at)
        )
        return True

    async def drop(self, invoice_id: str) -> int:
        """Those that were not sent yet are not sent."""
        gone = await self._connection.execute(
            delete(reminders).where(reminders.c.invoice_id == invoice_id, TO_REMIND)
        )
        return gone.rowcount

    async def unplan(self, reminder_id: int) -> None:
        """This one is not sent, and does not count as if it were; but what was sent stays."""
        await self._connection.execute(
            delete(reminders).where(reminders.c.id == reminder_id, TO_REMIND)
        )

    async def unplan_due(self, invoice_id: str, *, now: datetime) -> None:
        """None of those whose time has come is sent, but for what another process has in hand."""
        query = (
            select(reminders.c.id)
            .where(reminders.c.invoice_id == invoice_id, reminders.c.due_at <= now, TO_REMIND)
            .with_for_update(skip_locked=True)
        )
        for reminder_id in (await self._connection.execute(query)).scalars().all():
            await self.unplan(reminder_id)

    async def last_sent(self, invoice_id: str) -> int | None:
        """The number of the one that was sent last."""
        query = (
            select(reminders.c.number)
            .where(reminders.c.invoice_id == invoice_id, reminders.c.sent_at.is_not(None))
            .order_by(reminders.c.sent_at.desc(), reminders.c.number.desc())
            .limit(1)
        )
        return (await self._connection.execute(query)).scalar()

    async def planned(self, invoice_id: str) -> list[Reminder]:
        """Those that were not sent yet."""
        query = select(reminders).where(reminders.c.invoice_id == invoice_id, TO_REMIND)
        return await self._many(query)

    async def any_due(self, *, now: datetime) -> bool:
        """Whether a reminder is due, or a merchant is to be asked about an invoice."""
        query = select(reminders.c.id).where(_due(now)).limit(1)
        if (await self._connection.execute(query)).first() is not None:
            return True
        other = (
            select(invoices.c.id)
            .where(invoices.c.ask_at <= now, invoices.c.decided == Decided.ISSUED.value)
            .limit(1)
        )
        return (await self._connection.execute(other)).first() is not None

    async def due(self, *, now: datetime, limit: int) -> list[Reminder]:
        """Those whose time has come, locked: no other process sends them."""
        query = (
            select(reminders)
            .where(_due(now))
            .order_by(reminders.c.due_at, reminders.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._many(query)

    async def _many(self, query: Select[Any]) -> list[Reminder]:
        return [
            Reminder(
                id=row["id"],
                invoice_id=row["invoice_id"],
                number=row["number"],
                due_at=row["due_at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def sent(self, reminder_id: int, *, at: datetime) -> None:
        await self._connection.execute(
            update(reminders).where(reminders.c.id == reminder_id).values(sent_at=at)
        )

    async def put_off(self, reminder_id: int, *, due_at: datetime) -> None:
        await self._connection.execute(
            update(reminders).where(reminders.c.id == reminder_id).values(due_at=due_at)
        )

    async def owe_unsaid(self, *, since: datetime, now: datetime) -> int:
        """
        Owe again what counts as told since then and went out by no message: reminders, and the
        newest question about what is late, where the merchant is not to be asked anyway.

        Reads every notice: there is no index for what happens after a restore alone.
        """
        of_it = and_(
            notices.c.subject == literal("i:").concat(invoices.c.id),
            invoices.c.decided == Decided.ISSUED.value,
        )
        reminded = select(invoices.c.id).where(
            of_it,
            invoices.c.customer_id == notices.c.chat_id,
            invoices.c.disowned_by.is_(None),
        )
        late = select(invoices.c.id).where(of_it, invoices.c.ask_at.is_(None))
        asks = notices.c.topic.startswith("late:")
        newest = select(func.max(notices.c.id)).where(asks).group_by(notices.c.subject)
        again = await self._connection.execute(
            update(notices)
            .where(
                notices.c.kind == NoticeKind.NEWS.value,
                notices.c.state == "told",
                notices.c.message_id.is_(None),
                notices.c.due_at >= since,  # when it was told
                or_(
                    and_(notices.c.topic.startswith("remind:"), reminded.exists()),
                    and_(notices.c.id.in_(newest), late.exists()),
                ),
            )
            .values(state="due", due_at=now, owed_at=now)
        )
        return again.rowcount


def _due(now: datetime) -> ColumnElement[bool]:
    """Of an invoice that was closed by mistake they wait until it is open again."""
    closed = exists().where(
        invoices.c.id == reminders.c.invoice_id,
        invoices.c.decided.in_((Decided.VOID.value, Decided.WRITTEN_OFF.value)),
    )
    return and_(reminders.c.due_at <= now, TO_REMIND, ~closed)
