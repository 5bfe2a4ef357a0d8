"""Asked: what we asked Safaricom, claims of receipts, posts nobody could read, first decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.payment_rows import read_payment
from storage.record_tables import (
    decisions,
    questions,
    receipt_claims,
    record_rows,
    record_unread,
)
from storage.records import AskedLater, DecidedByOne, Payment, QuestionKind, UnreadPost

__all__ = ["Asking"]


class Asking:
    """Questions, claims and decisions, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def claim(self, receipt: str, payment_id: str, *, by: int, at: datetime) -> None:
        """Somebody says that this receipt paid that payment."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        await self._connection.execute(
            make(receipt_claims)
            .values(receipt=receipt, payment_id=payment_id, by=by, at=at)
            .on_conflict_do_nothing()
        )

    async def claims_of(self, receipt: str) -> list[str]:
        """The payments that somebody says this receipt paid."""
        query = select(receipt_claims.c.payment_id).where(receipt_claims.c.receipt == receipt)
        return list((await self._connection.execute(query)).scalars())

    async def unknown_claims(self, *, since: datetime, limit: int) -> list[str]:
        """Receipts that people named and that Safaricom's books have not, the newest first."""
        named = select(record_rows.c.receipt).where(record_rows.c.recorded)
        query = (
            select(receipt_claims.c.receipt)
            .where(receipt_claims.c.at >= since, receipt_claims.c.receipt.not_in(named))
            .group_by(receipt_claims.c.receipt)
            .order_by(func.max(receipt_claims.c.at).desc())
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def ask(self, asked: AskedLater) -> None:
        await self._connection.execute(
            insert(questions).values(
                id=asked.id,
                kind=asked.kind.value,
                receipt=asked.receipt,
                payment_id=asked.payment_id,
                amount_cents=asked.amount_cents,
                by=asked.by,
                asked_at=asked.asked_at,
                bodies=0,
            )
        )

    async def question(self, question_id: str) -> AskedLater | None:
        """A question, its row locked until the transaction ends."""
        found = await self._questions(
            select(questions).where(questions.c.id == question_id).with_for_update()
        )
        return found[0] if found else None

    async def questions_of(self, receipt: str) -> list[AskedLater]:
        """What was asked about a receipt, newest first."""
        return await self._questions(
            select(questions)
            .where(questions.c.receipt == receipt)
            .order_by(questions.c.asked_at.desc())
        )

    async def asked_by(self, person_id: int, *, since: datetime) -> int:
        """How many questions this person had asked since then."""
        # Ids begin with the instant that they were made at: this looks at that time only.
        first_id = f"{int(since.timestamp() * 1000):012x}"
        query = (
            select(func.count())
            .select_from(questions)
            .where(questions.c.id >= first_id, questions.c.by == person_id)
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def heard(self, question_id: str, *, outcome: str, now: datetime) -> None:
        """A question was answered."""
        await self._connection.execute(
            update(questions)
            .where(questions.c.id == question_id)
            .values(heard_at=now, outcome=outcome, bodies=questions.c.bodies + 1)
        )

    async def count_body(self, question_id: str) -> None:
        await self._connection.execute(
            update(questions)
            .where(questions.c.id == question_id)
            .values(bodies=questions.c.bodies + 1)
        )

    async def keep_unread(self, post: UnreadPost, *, kept_max: int) -> bool:
        """Keep a body that could not be read; False where it is kept already, or no more are."""
        count = select(func.count()).select_from(record_unread)
        if (await self._connection.execute(count)).scalar_one() >= kept_max:
            return False
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        added = await self._connection.execute(
            make(record_unread)
            .values(
                digest=post.digest,
                door=post.door,
                why=post.why,
                body=self._crypt.seal(post.body),
                at=post.at,
            )
            .on_conflict_do_nothing()
            .returning(record_unread.c.id)
        )
        return added.first() is not None

    async def unread(self, door: str) -> list[UnreadPost]:
        """What was kept of one door, oldest first."""
        found = await self._connection.execute(
            select(record_unread).where(record_unread.c.door == door).order_by(record_unread.c.id)
        )
        return [
            UnreadPost(**{**row, "body": self._crypt.open(row["body"])}) for row in found.mappings()
        ]

    async def drop_unread(self, post_id: int) -> None:
        """It could be read by now."""
        await self._connection.execute(delete(record_unread).where(record_unread.c.id == post_id))

    async def propose(
        self, deed: str, subject: str, argument: str, *, by: int, why: str, at: datetime
    ) -> None:
        """Keep what one person wants done, until a second one agrees."""
        await self._connection.execute(
            insert(decisions).values(
                deed=deed,
                subject=subject,
                argument=argument,
                by=by,
                why=self._crypt.seal_text(why),
                at=at,
            )
        )

    async def proposed(self, deed: str, subject: str, argument: str) -> list[DecidedByOne]:
        """Who wants this very thing done, and nobody has agreed yet."""
        return await self._decisions(
            select(decisions)
            .where(
                decisions.c.deed == deed,
                decisions.c.subject == subject,
                decisions.c.argument == argument,
                decisions.c.done_at.is_(None),
            )
            .order_by(decisions.c.id)
            .with_for_update()
        )

    async def proposals(self, *, limit: int) -> list[DecidedByOne]:
        """Everything that waits for a second person, oldest first."""
        return await self._decisions(
            select(decisions)
            .where(decisions.c.done_at.is_(None))
            .order_by(decisions.c.id)
            .limit(limit)
        )

    async def agree(self, deed: str, subject: str, argument: str, *, by: int, at: datetime) -> None:
        """A second person agrees: it is done in this transaction."""
        await self._connection.execute(
            update(decisions)
            .where(
                decisions.c.deed == deed,
                decisions.c.subject == subject,
                decisions.c.argument == argument,
                decisions.c.done_at.is_(None),
            )
            .values(done_at=at, seconded_by=by)
        )

    async def _payment(self, query: Select[Any]) -> Payment | None:
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else read_payment(row)

    @staticmethod
    def _payment_of(row: RowMapping | Mapping[str, Any]) -> Payment:
        return read_payment(row)

    async def _questions(self, query: Select[Any]) -> list[AskedLater]:
        return [
            AskedLater(**{**row, "kind": QuestionKind(row["kind"])})
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def _decisions(self, query: Select[Any]) -> list[DecidedByOne]:
        return [
            DecidedByOne(
                id=row["id"],
                deed=row["deed"],
                subject=row["subject"],
                argument=row["argument"],
                by=row["by"],
                why=self._crypt.open_text(row["why"]),
                at=row["at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]
