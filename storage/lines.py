"""Lines: phone numbers as M-Pesa knows them, found by blind index, locked for limits."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.payment_rows import read_payment
from storage.records import OPEN, Line, LineFacts, Status
from storage.schema import intents, lines, payments, people

__all__ = ["Lines"]

CREDITED_OR_CLAIMED = (Status.PAID, Status.CONFIRMING, Status.REVIEW)
NOT_A_PROMPT = (Status.CREATED, Status.REFUSED, Status.VOID)
NOT_INCOMPLETE = (*NOT_A_PROMPT, Status.PAID, Status.CONFIRMING)


class Lines:
    """Lines, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def find(self, phone: str) -> Line | None:
        query = (
            select(lines.c.id)
            .where(lines.c.phone_index.in_(self._crypt.indexes(phone)))
            # Two processes may write one number under two keys at one instant: the first counts.
            .order_by(lines.c.id)
        )
        row_id = (await self._connection.execute(query)).scalar()
        return None if row_id is None else Line(id=row_id, phone=phone)

    async def lock(self, phone: str) -> Line:
        """
        The line of *phone*, made if new, its row locked until the transaction ends.

        Two people who aim at one phone at the same instant therefore pass the limits one
        after the other (SQLite has one writer anyway).
        """
        found = await self.find(phone)
        if found is None:
            postgres = self._connection.dialect.name == "postgresql"
            insert = pg_insert if postgres else sqlite_insert
            await self._connection.execute(
                insert(lines)
                .values(phone_index=self._crypt.index(phone), phone=self._crypt.seal_text(phone))
                .on_conflict_do_nothing(index_elements=["phone_index"])
            )
            found = await self.find(phone)
            assert found is not None, "inserted, or inserted by another a moment ago"
        await self._connection.execute(
            select(lines.c.id).where(lines.c.id == found.id).with_for_update()
        )
        return found

    async def phone(self, line_id: int) -> str:
        """The whole number of a line, `2547…`."""
        query = select(lines.c.phone).where(lines.c.id == line_id)
        return self._crypt.open_text((await self._connection.execute(query)).scalar_one())

    async def facts(
        self,
        line_id: int,
        *,
        by: int,
        amount_kes: int,
        now: datetime,
        prompt_life: timedelta,
        same_amount_within: timedelta,
    ) -> LineFacts:
        """What the limits ask about this line and this person, as of *now*."""
        own = select(people.c.id).where(people.c.id == by, people.c.line_id == line_id)
        same_amount = select(func.max(payments.c.decided_at)).where(
            payments.c.line_id == line_id,
            payments.c.amount_kes == amount_kes,
            payments.c.status.in_(CREDITED_OR_CLAIMED),
            payments.c.decided_at > now - same_amount_within,
        )
        is_open = and_(
            payments.c.line_id == line_id,
            payments.c.status.in_(OPEN),
            or_(
                payments.c.begun_at > now - prompt_life,
                and_(payments.c.begun_at.is_(None), payments.c.created_at > now - prompt_life),
            ),
        )
        newest_open = (
            select(payments).where(is_open).order_by(payments.c.created_at.desc()).limit(1)
        )
        execute = self._connection.execute
        open_row = (await execute(newest_open)).mappings().first()
        asks, oldest = (
            await execute(self._stranger_asks(line_id, by=by, since=now - timedelta(hours=1)))
        ).one()
        return LineFacts(
            own=(await execute(own)).first() is not None,
            streak=await self.streak(line_id),
            last_begun_at=await self.last_begun(line_id),
            open_payment=None if open_row is None else read_payment(open_row),
            same_amount_paid_at=(await execute(same_amount)).scalar(),
            stranger_asks=asks,
            oldest_stranger_ask_at=oldest,
        )

    async def streak(self, line_id: int, *, up_to: datetime | None = None) -> int:
        """
        Prompts to this line in a row that were not completed, begun no later than *up_to*.

        Counted since the line's last paid push; refused and not-sent ones never reached it.
        """
        last_paid = select(func.coalesce(func.max(payments.c.begun_at), 0)).where(
            payments.c.line_id == line_id, payments.c.status == Status.PAID
        )
        query = select(func.count()).where(
            payments.c.line_id == line_id,
            payments.c.begun_at > last_paid.scalar_subquery(),
            payments.c.status.not_in(NOT_INCOMPLETE),
        )
        if up_to is not None:
            query = query.where(payments.c.begun_at <= up_to)
        return (await self._connection.execute(query)).scalar_one()

    async def last_begun(self, line_id: int) -> datetime | None:
        query = select(func.max(payments.c.begun_at)).where(
            payments.c.line_id == line_id, payments.c.status.not_in(NOT_A_PROMPT)
        )
        found: datetime | None = (await self._connection.execute(query)).scalar()
        return found

    @staticmethod
    def _stranger_asks(line_id: int, *, by: int, since: datetime):  # type: ignore[no-untyped-def]  # Select of two columns: its type says less than the code
        own_line = select(people.c.line_id).where(people.c.id == by).scalar_subquery()
        return select(func.count(), func.min(payments.c.created_at)).where(
            payments.c.intent_id == intents.c.id,
            intents.c.asked_by == by,
            payments.c.created_at > since,
            payments.c.begun_at.is_not(None) | payments.c.status.in_(OPEN),  # not paid by hand
            payments.c.status.not_in((Status.REFUSED, Status.VOID)),
            or_(own_line.is_(None), payments.c.line_id != own_line),
        )
