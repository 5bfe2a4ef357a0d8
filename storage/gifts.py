"""Gifts: what drives have come to, and who gave; read from payments and the journal, never kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.drive_tables import drive_entries, drive_thanked, gifts
from storage.payment_rows import read_payment
from storage.records import (
    NOBODY,
    OPEN,
    UNDECIDED,
    EntryKind,
    Gift,
    GiftRow,
    Payment,
    Status,
    Totals,
    Word,
)
from storage.schema import intents, payments

__all__ = ["Gifts", "awaits_a_word"]

OTHERS_TURN_AFTER = 500
"""To open what is sealed takes a while: whoever waits for the loop gets it in between."""

# Written out: the indexes over some rows only say it in these words.
_PAID = payments.c.status == literal_column("'paid'")
_SUBJECT = payments.c.subject == bindparam("subject")

# Built once: a card is written anew after every gift.
_HANDED_BACK = (  # gifts of which nothing stays, though M-Pesa took back none of it, or a part
    select(payments.c.id)
    .join(drive_entries, drive_entries.c.payment_id == payments.c.id)
    .where(drive_entries.c.drive_id == bindparam("drive_id"), payments.c.credited_cents > 0)
    .group_by(payments.c.id, payments.c.credited_cents)
    .having(payments.c.credited_cents + func.sum(drive_entries.c.cents) <= 0)
)
_CREDITED = select(
    func.coalesce(func.sum(payments.c.credited_cents), 0),
    func.coalesce(func.sum(case((payments.c.credited_cents > 0, 1), else_=0)), 0),
).where(_SUBJECT, _PAID)
_JOURNAL = select(
    func.coalesce(func.sum(drive_entries.c.cents), 0),
    func.coalesce(func.sum(case((drive_entries.c.kind == EntryKind.CASH.value, 1), else_=0)), 0),
    select(func.count()).select_from(_HANDED_BACK.subquery()).scalar_subquery(),
).where(drive_entries.c.drive_id == bindparam("drive_id"))
_GIVERS = (
    select(func.count(func.distinct(func.coalesce(gifts.c.who, payments.c.intent_id))))
    .select_from(payments)
    .outerjoin(gifts, gifts.c.intent_id == payments.c.intent_id)
    .where(_SUBJECT, _PAID, payments.c.credited_cents > 0, payments.c.id.not_in(_HANDED_BACK))
)
_SHOWN = (
    payments.c.id,
    payments.c.line_id,
    payments.c.phone_mask,
    payments.c.receipt,
    payments.c.words,
    payments.c.credited_cents,
    payments.c.reversed_cents,
    payments.c.paid_at,
    payments.c.decided_at,
    gifts.c.name,
    gifts.c.on_behalf,
    gifts.c.anonymous,
    gifts.c.hide_amount,
    gifts.c.giver_id,
    gifts.c.created_at.label("asked_at"),
)
_LIST = (
    select(*_SHOWN)
    .select_from(payments)
    .outerjoin(gifts, gifts.c.intent_id == payments.c.intent_id)
    .where(_SUBJECT, _PAID)
)


_ON_ITS_WAY = (*OPEN, Status.CONFIRMING)
_UNANSWERED = and_(  # money of which nobody has said whether it stays
    _PAID,
    payments.c.credited_cents > 0,
    ~exists().where(drive_entries.c.payment_id == payments.c.id),
)


def awaits_a_word(drive_id: ColumnElement[str]) -> ColumnElement[bool]:
    """
    Whether a closed drive's treasurers have, or may soon get, a late gift to decide about.

    What we stopped asking about, and what an operator is to decide first, may take for ever: if
    it comes when nobody looks after the drive any more, operators are asked.
    """
    asked = exists().where(
        drive_thanked.c.drive_id == drive_id,
        drive_thanked.c.thanks < 0,
        payments.c.id == drive_thanked.c.payment_id,
        _UNANSWERED,
    )
    on_its_way = exists().where(
        payments.c.subject == literal("d:") + drive_id, payments.c.status.in_(_ON_ITS_WAY)
    )
    return or_(asked, on_its_way)


class Gifts:
    """Gifts, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, gift: Gift) -> None:
        await self._connection.execute(
            insert(gifts).values(
                intent_id=gift.intent_id,
                drive_id=gift.drive_id,
                giver_id=gift.giver_id,
                who=gift.who,
                name=self._crypt.seal_text(gift.name),
                on_behalf=self._crypt.seal_text(gift.on_behalf),
                anonymous=gift.anonymous,
                hide_amount=gift.hide_amount,
                created_at=gift.created_at,
            )
        )

    async def get(self, intent_id: str) -> Gift | None:
        return await self._one(select(gifts).where(gifts.c.intent_id == intent_id))

    async def latest(self, drive_id: str, giver_id: int) -> Gift | None:
        """How somebody was shown the last time they gave, or began to."""
        query = select(gifts).where(gifts.c.drive_id == drive_id, gifts.c.giver_id == giver_id)
        return await self._one(query.order_by(gifts.c.created_at.desc()).limit(1))

    async def change(self, gift: Gift) -> None:
        """Show a gift otherwise from now on."""
        await self._connection.execute(
            update(gifts)
            .where(gifts.c.intent_id == gift.intent_id)
            .values(
                who=gift.who,
                on_behalf=self._crypt.seal_text(gift.on_behalf),
                anonymous=gift.anonymous,
                hide_amount=gift.hide_amount,
            )
        )

    async def hide(
        self, drive_id: str, *, since: datetime | None, what: Literal["anonymous", "hide_amount"]
    ) -> bool:
        """
        Hide the name or the amount of every gift begun since then; whether any was shown.

        Begun anew is begun: whoever tries again is told what the drive shows by then.
        """
        column = gifts.c[what]
        query = update(gifts).where(gifts.c.drive_id == drive_id, column.is_(False))
        if since is not None:
            anew = exists().where(
                payments.c.intent_id == gifts.c.intent_id, payments.c.created_at >= since
            )
            query = query.where(or_(gifts.c.created_at >= since, anew))
        return (await self._connection.execute(query.values({column: True}))).rowcount > 0

    async def newest_told(self, drive_id: str, *, limit: int) -> list[str]:
        """The payments of the newest gifts whose givers are told in private how they are shown."""
        query = (
            select(payments.c.id)
            .join(gifts, gifts.c.intent_id == payments.c.intent_id)
            .where(payments.c.subject == f"d:{drive_id}", _PAID, gifts.c.giver_id != NOBODY)
            .order_by(payments.c.decided_at.desc(), payments.c.id)
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def totals(self, drive_id: str) -> Totals:
        """
        What a drive has come to: credits, which are net of what went back, and the journal.

        A gift of which nothing stays is none, however it went back.
        """
        named = {"subject": f"d:{drive_id}"}
        execute = self._connection.execute
        credited, gave = (await execute(_CREDITED, named)).one()
        journal, cash, handed_back = (await execute(_JOURNAL, {"drive_id": drive_id})).one()
        return Totals(
            mpesa_cents=int(credited),
            mpesa_gifts=int(gave) - int(handed_back),
            cash_cents=int(journal),
            cash_gifts=int(cash),
        )

    async def givers(self, drive_id: str) -> int:
        """How many people gave through M-Pesa; reads every gift, unlike `totals`."""
        named = {"subject": f"d:{drive_id}", "drive_id": drive_id}
        return (await self._connection.execute(_GIVERS, named)).scalar_one()

    async def newest(
        self, drive_id: str, *, limit: int | None, oldest: bool = False
    ) -> list[GiftRow]:
        """Credited gifts, those that were decided last first."""
        order = payments.c.decided_at.asc() if oldest else payments.c.decided_at.desc()
        query = _LIST.order_by(order, payments.c.id).limit(limit)
        return await self._rows(query, {"subject": f"d:{drive_id}"})

    async def among(self, payment_ids: Sequence[str]) -> list[GiftRow]:
        """These credited gifts, in the order in which they were decided."""
        query = (
            select(*_SHOWN)
            .select_from(payments)
            .outerjoin(gifts, gifts.c.intent_id == payments.c.intent_id)
            .where(payments.c.id.in_(payment_ids), _PAID)
        )
        return await self._rows(query.order_by(payments.c.decided_at, payments.c.id), {})

    async def unthanked(self, drive_id: str, *, since: datetime, limit: int) -> list[Payment]:
        """Gifts credited since then that no thanks, and no question, has named yet."""
        query = (
            select(payments)
            .outerjoin(drive_thanked, drive_thanked.c.payment_id == payments.c.id)
            .where(
                payments.c.subject == f"d:{drive_id}",
                _PAID,
                payments.c.decided_at >= since,
                drive_thanked.c.payment_id.is_(None),
            )
            .order_by(payments.c.decided_at, payments.c.id)
            .limit(limit)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [read_payment(row) for row in rows]

    async def undecided(self, drive_id: str) -> list[Payment]:
        """Attempts at gifts of which nobody can say yet whether money moved, oldest first."""
        query = select(payments).where(
            payments.c.subject == f"d:{drive_id}", payments.c.status.in_(UNDECIDED)
        )
        rows = (await self._connection.execute(query.order_by(payments.c.created_at))).mappings()
        return [read_payment(row) for row in rows]

    async def awaits_a_word(self, drive_id: str) -> bool:
        """See `awaits_a_word`."""
        query = select(awaits_a_word(literal(drive_id)))
        return bool((await self._connection.execute(query)).scalar_one())

    async def thank(self, drive_id: str, payment_ids: Sequence[str], *, thanks: int) -> None:
        """These are named in that grouped thanks, whatever was noted of them before."""
        if payment_ids:
            statement = self._insert(drive_thanked)
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["payment_id"], set_={"thanks": statement.excluded.thanks}
                ),
                [
                    {"payment_id": each, "drive_id": drive_id, "thanks": thanks}
                    for each in payment_ids
                ],
            )

    async def mark_undecided(self, drive_id: str, *, thanks: int) -> None:
        """Attempts of which nobody can say whether they come, and that no thanks names, get it."""
        found = select(payments.c.id, literal(drive_id), literal(thanks)).where(
            payments.c.subject == f"d:{drive_id}", payments.c.status.in_(UNDECIDED)
        )
        statement = self._insert(drive_thanked).from_select(
            ["payment_id", "drive_id", "thanks"], found
        )
        await self._connection.execute(
            statement.on_conflict_do_nothing(index_elements=["payment_id"])
        )

    async def marked(self, drive_id: str, *, thanks: int) -> list[Payment]:
        """Those of the drive that have that number and are money, as they were decided."""
        return await self._marked(drive_id, thanks, _PAID)

    async def unanswered(self, drive_id: str, *, thanks: int) -> list[Payment]:
        """Those of them about which nobody has decided."""
        return await self._marked(drive_id, thanks, _UNANSWERED)

    async def _marked(
        self, drive_id: str, thanks: int, where: ColumnElement[bool]
    ) -> list[Payment]:
        query = (
            select(payments)
            .join(drive_thanked, drive_thanked.c.payment_id == payments.c.id)
            .where(drive_thanked.c.drive_id == drive_id, drive_thanked.c.thanks == thanks, where)
            .order_by(payments.c.decided_at, payments.c.id)
        )
        rows = (await self._connection.execute(query)).mappings()
        return [read_payment(row) for row in rows]

    async def thanks_of(self, payment_id: str) -> int | None:
        """Which thanks names a gift."""
        query = select(drive_thanked.c.thanks).where(drive_thanked.c.payment_id == payment_id)
        return (await self._connection.execute(query)).scalar()

    def _insert(self, table: Table) -> Any:
        postgres = self._connection.dialect.name == "postgresql"
        return (pg_insert if postgres else sqlite_insert)(table)

    async def thanked(self, drive_id: str, *, thanks: int) -> list[GiftRow]:
        """Whom one grouped thanks names, in the order in which they gave."""
        named = and_(drive_thanked.c.drive_id == drive_id, drive_thanked.c.thanks == thanks)
        return await self._joined(named)

    async def _joined(self, named: ColumnElement[bool]) -> list[GiftRow]:
        query = (
            select(*_SHOWN)
            .select_from(drive_thanked)
            .join(payments, payments.c.id == drive_thanked.c.payment_id)
            .outerjoin(gifts, gifts.c.intent_id == payments.c.intent_id)
            .where(named, _PAID)
            .order_by(payments.c.decided_at, payments.c.id)
        )
        return await self._rows(query, {})

    async def home(self, intent_id: str) -> int | None:
        """The chat that is told how a gift goes."""
        query = select(intents.c.chat_id).where(intents.c.id == intent_id)
        return (await self._connection.execute(query)).scalar()

    async def _rows(self, query: Select[Any], values: dict[str, Any]) -> list[GiftRow]:
        found: list[GiftRow] = []
        for row in await self._connection.execute(query, values):
            found.append(self._read(row))
            if len(found) % OTHERS_TURN_AFTER == 0:
                await asyncio.sleep(0)
        return found

    def _read(self, row: Any) -> GiftRow:
        known = row.name is not None
        return GiftRow(
            at=row.paid_at or row.decided_at,
            cents=row.credited_cents,
            name=self._crypt.open_text(row.name) if known else "",
            on_behalf=self._crypt.open_text(row.on_behalf) if known else "",
            anonymous=bool(row.anonymous),
            hide_amount=bool(row.hide_amount),
            giver_id=row.giver_id or 0,
            asked_at=row.asked_at,
            payment_id=row.id,
            line_id=row.line_id,
            phone_mask=row.phone_mask,
            receipt=row.receipt,
            words=frozenset(Word(word) for word in row.words.split()),
            reversed_cents=row.reversed_cents,
        )

    async def _one(self, query: Select[Any]) -> Gift | None:
        row = (await self._connection.execute(query)).mappings().first()
        if row is None:
            return None
        sealed = {name: self._crypt.open_text(row[name]) for name in ("name", "on_behalf")}
        return Gift(**{**row, **sealed})
