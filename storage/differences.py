"""Differences: where Safaricom's books and ours disagree, until a person has closed each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.asked import Asking
from storage.columns import micros
from storage.record_tables import OPEN, record_open, record_rows
from storage.records import OpenDifference, OpenKind, RowKind
from storage.schema import payments
from storage.setwise import Among, Many

__all__ = ["Differences"]

_OPEN = Many(
    {
        "sqlite": sqlite_insert(record_open)
        .on_conflict_do_nothing(index_elements=["key"])
        .inline(),
        "postgresql": pg_insert(record_open)
        .on_conflict_do_nothing(index_elements=["key"])
        .inline(),
    },
    [column.name for column in record_open.c if column.name != "id"],
)


# Of a statement's thousands of rows hardly one is open: who is, is looked up before it is closed.
_SOME_OPEN = select(record_open.c.id).where(OPEN).exists()
_STILL_OPEN = Among(select(record_open.c.key).where(OPEN), record_open.c.key)
_ASKED_AT_ONCE = 4096


# They differ from themselves, not from ours: theirs is not what their row says, or it is and
# so is ours, where they differ about what it was.
_TWO_AMOUNTS = and_(
    record_open.c.kind == OpenKind.AMOUNT_DIFFERS.value,
    exists().where(
        record_rows.c.receipt == record_open.c.receipt,
        or_(
            record_rows.c.amount_cents != record_open.c.theirs_cents,
            record_open.c.ours_cents == record_open.c.theirs_cents,
        ),
    ),
)


def _still_open(connection: Connection, keys: Sequence[str]) -> list[str]:
    return [
        row[0]
        for start in range(0, len(keys), _ASKED_AT_ONCE)
        for row in _STILL_OPEN(connection, keys[start : start + _ASKED_AT_ONCE])
    ]


class Differences(Asking):
    """What is open, inside one open transaction."""

    async def open_up(self, new: Sequence[OpenDifference]) -> None:
        """Note differences; one that is known, open or closed, stays as it is."""
        rows = [
            {
                "key": _key(each),
                "kind": each.kind.value,
                "receipt": each.receipt,
                "payment_id": each.payment_id,
                "theirs_cents": each.theirs_cents,
                "ours_cents": each.ours_cents,
                "at": micros(each.at),
                "found_at": micros(each.found_at),
                "closed_at": None,
                "closed_by": None,
                "given_to": None,
                "why": None,
            }
            for each in new
        ]
        if rows:
            await self._connection.run_sync(_OPEN, rows)

    async def differences(
        self, *, limit: int, after: int = 0, kind: OpenKind | None = None
    ) -> list[OpenDifference]:
        """What is open, oldest first."""
        query = select(record_open).where(OPEN, record_open.c.id > after)
        if kind is not None:
            query = query.where(record_open.c.kind == kind.value)
        return await self._differences(query.order_by(record_open.c.id).limit(limit))

    async def newest(self, *, but: OpenKind) -> OpenDifference | None:
        """What was opened last of what is open, but those of one kind."""
        query = select(record_open).where(OPEN, record_open.c.kind != but.value)
        found = await self._differences(query.order_by(record_open.c.id.desc()).limit(1))
        return found[0] if found else None

    async def unknown(self, some: Sequence[OpenDifference]) -> list[OpenDifference]:
        """Those that were never noted, to be told with their noting."""
        keys = [_key(each) for each in some]
        query = select(record_open.c.key).where(record_open.c.key.in_(keys))
        known = set((await self._connection.execute(query)).scalars()) if keys else set()
        return [each for key, each in zip(keys, some, strict=True) if key not in known]

    async def difference(self, difference_id: int) -> OpenDifference | None:
        found = await self._differences(
            select(record_open).where(record_open.c.id == difference_id).with_for_update()
        )
        return found[0] if found else None

    async def still_open(self, difference_id: int) -> bool:
        """Whether nobody has closed it; nobody else does before this transaction ends."""
        found = await self.difference(difference_id)
        return found is not None and found.closed_at is None

    async def of_receipt(self, receipt: str) -> list[OpenDifference]:
        """What is or was open about a receipt."""
        return await self._differences(select(record_open).where(record_open.c.receipt == receipt))

    async def count_open(self) -> dict[OpenKind, int]:
        query = select(record_open.c.kind, func.count()).where(OPEN).group_by(record_open.c.kind)
        return {OpenKind(kind): count for kind, count in await self._connection.execute(query)}

    async def close(
        self,
        keys: Collection[tuple[OpenKind, str]],
        *,
        now: datetime,
        by: int | None = None,
        why: str = "",
        given_to: str | None = None,
    ) -> int:
        """
        Close differences by kind and receipt (or payment, where it is only ours).

        Which of two amounts counts that the books have named for one receipt only a person says.
        """
        wanted = [f"{kind}:{about}" for kind, about in keys]
        if wanted and await self._connection.scalar(select(_SOME_OPEN)):
            wanted = await self._connection.run_sync(_still_open, wanted)
        else:
            wanted = []
        if not wanted:
            return 0
        closing = update(record_open).where(record_open.c.key.in_(wanted), OPEN)
        if by is None:
            closing = closing.where(~_TWO_AMOUNTS)
        closed = await self._connection.execute(
            closing.values(
                closed_at=now, closed_by=by, given_to=given_to, why=self._crypt.seal_text(why)
            )
        )
        return closed.rowcount

    async def close_of_other_accounts(self, *, now: datetime) -> None:
        """What was noted as only ours of an account whose books never come to us is none."""
        of_another = exists().where(
            payments.c.id == record_open.c.payment_id, payments.c.account != ""
        )
        await self._connection.execute(
            update(record_open)
            .where(OPEN, record_open.c.kind == OpenKind.ONLY_OURS.value, of_another)
            .values(closed_at=now)
        )

    async def close_named(self, *, now: datetime) -> None:
        """What was noted as only ours, and stands in the books by now, whoever told its receipt."""
        named = exists().where(
            payments.c.id == record_open.c.payment_id,
            record_rows.c.receipt == payments.c.receipt,
            record_rows.c.recorded,
            record_rows.c.kind == RowKind.PAID.value,
        )
        await self._connection.execute(
            update(record_open)
            .where(OPEN, record_open.c.kind == OpenKind.ONLY_OURS.value, named)
            .values(closed_at=now)
        )

    async def _differences(self, query: Select[Any]) -> list[OpenDifference]:
        return [
            OpenDifference(
                **{
                    name: row[name]
                    for name in (
                        *("id", "receipt", "payment_id", "theirs_cents", "ours_cents", "at"),
                        *("found_at", "closed_at", "closed_by", "given_to"),
                    )
                },
                kind=OpenKind(row["kind"]),
                why="" if row["why"] is None else self._crypt.open_text(row["why"]),
            )
            for row in (await self._connection.execute(query)).mappings()
        ]


def _key(each: OpenDifference) -> str:
    about = each.payment_id if each.kind is OpenKind.ONLY_OURS else each.receipt
    assert about is not None, "a difference is about a receipt, or about a payment"
    return f"{each.kind}:{about}"
