"""Pledges: promises to give by a day, and when to remind of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.columns import Instant
from storage.crypt import Crypt
from storage.drive_tables import drive_entries, gifts, pledges
from storage.payment_rows import MADE_SURE, NOBODY_KNOWS, UNDER_WAY
from storage.records import Pledge, PledgeState
from storage.schema import payments

__all__ = ["Pledges"]

_PAID = payments.c.status == literal_column("'paid'")
_CREDITED = and_(_PAID, payments.c.credited_cents > 0)


def _givers(drive_id: str, person_id: int | None) -> Select[Any]:
    """Whose open promise is older than a gift of theirs: it was asked for, or paid, later."""
    gave = exists().where(
        gifts.c.giver_id == pledges.c.person_id,
        gifts.c.drive_id == pledges.c.drive_id,
        or_(
            gifts.c.created_at >= pledges.c.created_at,
            func.coalesce(payments.c.paid_at, payments.c.decided_at) >= pledges.c.created_at,
        ),
        payments.c.intent_id == gifts.c.intent_id,
        _CREDITED,
    )
    query = select(pledges.c.person_id).where(
        pledges.c.drive_id == drive_id, pledges.c.state == PledgeState.OPEN.value, gave
    )
    return query if person_id is None else query.where(pledges.c.person_id == person_id)


def _refunded(drive_id: str) -> Select[Any]:
    """Who has kept a promise with what went back, through M-Pesa or by a treasurer's hand."""
    returned = select(drive_entries.c.payment_id).where(
        drive_entries.c.drive_id == drive_id, drive_entries.c.payment_id.is_not(None)
    )
    went_back = exists().where(
        gifts.c.giver_id == pledges.c.person_id,
        gifts.c.drive_id == pledges.c.drive_id,
        payments.c.intent_id == gifts.c.intent_id,
        _PAID,
        or_(payments.c.reversed_cents > 0, payments.c.id.in_(returned)),
    )
    return select(pledges.c.person_id).where(
        pledges.c.drive_id == drive_id, pledges.c.state == PledgeState.KEPT.value, went_back
    )


class Pledges:
    """Pledges, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, pledge: Pledge) -> bool:
        """A new promise; False if this very one was made before."""
        values = {field.name: getattr(pledge, field.name) for field in fields(Pledge)}
        values["name"] = self._crypt.seal_text(pledge.name)
        values["state"] = pledge.state.value
        postgres = self._connection.dialect.name == "postgresql"
        statement = (pg_insert if postgres else sqlite_insert)(pledges).values(**values)
        added = await self._connection.execute(
            statement.on_conflict_do_nothing(index_elements=["key"]).returning(pledges.c.id)
        )
        return added.first() is not None

    async def get(self, pledge_id: str) -> Pledge | None:
        found = await self._many(select(pledges).where(pledges.c.id == pledge_id))
        return found[0] if found else None

    async def lock(self, pledge_id: str) -> Pledge | None:
        """The same, its row held until the transaction ends."""
        query = select(pledges).where(pledges.c.id == pledge_id).with_for_update()
        found = await self._many(query)
        return found[0] if found else None

    async def by_key(self, key: str) -> Pledge | None:
        found = await self._many(select(pledges).where(pledges.c.key == key))
        return found[0] if found else None

    async def of_drive(self, drive_id: str) -> list[Pledge]:
        """All promises to a drive, oldest first."""
        query = select(pledges).where(pledges.c.drive_id == drive_id)
        return await self._many(query.order_by(pledges.c.created_at, pledges.c.id))

    async def of_givers(
        self, drive_id: str, *, person_id: int | None = None, refunded: bool = False
    ) -> list[Pledge]:
        """
        All promises of those who gave since an open one: of everybody, or of one person.

        If *refunded*, of those to whom something went back.
        """
        givers = _refunded(drive_id) if refunded else _givers(drive_id, person_id)
        query = select(pledges).where(
            pledges.c.drive_id == drive_id, pledges.c.person_id.in_(givers)
        )
        return await self._many(query.order_by(pledges.c.created_at, pledges.c.id))

    async def given(
        self, drive_id: str, *, person_id: int | None = None, refunded: bool = False
    ) -> list[tuple[int, datetime, datetime, int]]:
        """
        What those people gave: who, when it was asked for, when it was paid, and the cents.

        Net of what treasurers handed back, as `credited_cents` is of what M-Pesa took back.
        """
        givers = _refunded(drive_id) if refunded else _givers(drive_id, person_id)
        paid_at = func.coalesce(
            payments.c.paid_at, payments.c.decided_at, gifts.c.created_at, type_=Instant
        )
        journal = (
            select(drive_entries.c.payment_id, func.sum(drive_entries.c.cents).label("cents"))
            .where(drive_entries.c.drive_id == drive_id, drive_entries.c.payment_id.is_not(None))
            .group_by(drive_entries.c.payment_id)
            .subquery()
        )
        query = (
            select(
                gifts.c.giver_id,
                gifts.c.created_at,
                paid_at.label("paid_at"),
                (payments.c.credited_cents + func.coalesce(journal.c.cents, 0)).label("cents"),
            )
            .join(payments, payments.c.intent_id == gifts.c.intent_id)
            .outerjoin(journal, journal.c.payment_id == payments.c.id)
            .where(gifts.c.drive_id == drive_id, gifts.c.giver_id.in_(givers), _CREDITED)
        )
        rows = await self._connection.execute(query)
        return [(row.giver_id, row.created_at, row.paid_at, int(row.cents)) for row in rows]

    async def may_be_kept(self, pledge: Pledge) -> bool:
        """
        Whether money that they gave to its drive since may be there, and nobody can say so yet.

        What was asked for before counts if somebody says since that it is paid.
        """
        since = or_(
            payments.c.created_at >= pledge.created_at,
            and_(MADE_SURE, payments.c.decided_at >= pledge.created_at),
        )
        query = (
            select(payments.c.id)
            .join(gifts, gifts.c.intent_id == payments.c.intent_id)
            .where(
                gifts.c.giver_id == pledge.person_id,
                gifts.c.drive_id == pledge.drive_id,
                or_(MADE_SURE, NOBODY_KNOWS, UNDER_WAY),
                since,
            )
            .limit(1)
        )
        return (await self._connection.execute(query)).first() is not None

    async def keep(self, pledge_ids: Sequence[str]) -> bool:
        """These are kept, but for those that were taken back meanwhile; whether any is."""
        if not pledge_ids:
            return False
        kept = await self._connection.execute(
            update(pledges)
            .where(pledges.c.id.in_(pledge_ids), pledges.c.state == PledgeState.OPEN.value)
            .values(state=PledgeState.KEPT.value, remind_at=None)
        )
        return kept.rowcount > 0

    async def reopen(self, pledge_ids: Sequence[str], *, nobody_from: int) -> None:
        """
        These are kept no more; whom money went back to is not reminded of them.

        From the number *nobody_from* on they are of somebody who was forgotten: nobody could take
        such a one back, and it is waited for no more.
        """
        if pledge_ids:
            gone, waits = PledgeState.WITHDRAWN.value, PledgeState.OPEN.value
            await self._connection.execute(
                update(pledges)
                .where(pledges.c.id.in_(pledge_ids), pledges.c.state == PledgeState.KEPT.value)
                .values(
                    state=case((pledges.c.person_id >= nobody_from, gone), else_=waits),
                    remind_at=None,
                )
            )

    async def promised(self, drive_id: str) -> tuple[int, int]:
        """How many promises are open, and how many shillings they come to."""
        query = select(func.count(), func.coalesce(func.sum(pledges.c.amount_kes), 0)).where(
            pledges.c.drive_id == drive_id, pledges.c.state == PledgeState.OPEN.value
        )
        count, amount = (await self._connection.execute(query)).one()
        return count, int(amount)

    async def due(self, *, now: datetime, limit: int) -> list[Pledge]:
        """Promises of which somebody is to be reminded now."""
        query = (
            select(pledges)
            .where(pledges.c.remind_at <= now)
            .order_by(pledges.c.remind_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self._many(query)

    async def any_due(self, *, now: datetime) -> bool:
        """Whether `due` might find something; a look that takes no lock."""
        query = select(pledges.c.id).where(pledges.c.remind_at <= now).limit(1)
        return (await self._connection.execute(query)).first() is not None

    async def change(self, pledge_id: str, **values: Any) -> None:
        """Set fields of a pledge, as `Pledge` has them."""
        if "state" in values:
            values["state"] = PledgeState(values["state"]).value
        await self._connection.execute(
            update(pledges).where(pledges.c.id == pledge_id).values(**values)
        )

    async def _many(self, query: Select[Any]) -> list[Pledge]:
        return [
            Pledge(
                **{
                    **row,
                    "name": self._crypt.open_text(row["name"]),
                    "state": PledgeState(row["state"]),
                }
            )
            for row in (await self._connection.execute(query)).mappings()
        ]
