"""Asked: what we asked Safaricom, claims of receipts, posts nobody could read, first decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.columns import Instant, micros
from storage.crypt import Crypt
from storage.payment_rows import read_payment
from storage.record_tables import (
    UNHEARD_REVERSAL,
    UNRECORDED,
    decisions,
    questions,
    receipt_claims,
    record_rows,
    record_unread,
)
from storage.records import AskedLater, DecidedByOne, Payment, QuestionKind, UnreadPost
from storage.schema import UNCONFIRMED, payments

__all__ = ["Asking", "Rounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often a receipt is asked about: less and less often, and then no more."""

    after: Sequence[timedelta]  # since the last question, by how many there were
    spared: Collection[str]  # outcomes of questions that nobody looked into: they use up none
    over: Collection[str]  # outcomes after which there is nothing more to learn


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

    async def named_due(
        self, rounds: Rounds, *, now: datetime, since: datetime, limit: int
    ) -> list[str]:
        """
        Receipts that people named and that Safaricom's books have not, which are to be asked about.

        Those that were asked about least come first, and of these the newest.
        """
        recorded = exists().where(
            record_rows.c.receipt == receipt_claims.c.receipt, record_rows.c.recorded
        )
        # First those of that time, by their age: else all there ever were are walked by receipt.
        recent = (
            select(receipt_claims.c.receipt, receipt_claims.c.at)
            .where(receipt_claims.c.at >= since, ~recorded)
            .cte("recent")
            .prefix_with("MATERIALIZED")
        )
        claims = (
            select(recent.c.receipt, func.max(recent.c.at).label("at"))
            .group_by(recent.c.receipt)
            .subquery()
        )
        asked, due = _due(claims.c.receipt, rounds, now)
        query = select(claims.c.receipt).where(due).order_by(asked, claims.c.at.desc()).limit(limit)
        return list((await self._connection.execute(query)).scalars())

    async def posted_due(
        self, rounds: Rounds, *, now: datetime, before: datetime, limit: int
    ) -> list[str]:
        """
        Receipts that were only posted, before *before*, and are to be asked about.

        Those that were asked about least come first, and of these the oldest.
        """
        asked, due = _due(record_rows.c.receipt, rounds, now)
        query = (
            select(record_rows.c.receipt)
            .where(UNRECORDED, record_rows.c.seen_at <= before, due)
            .order_by(asked, record_rows.c.seen_at)
            .limit(limit)
        )
        return list((await self._connection.execute(query)).scalars())

    async def unconfirmed_due(
        self, rounds: Rounds, *, now: datetime, begun_before: datetime, limit: int
    ) -> list[str]:
        """
        Receipts of credits that nothing but a callback speaks for, which are to be asked about.

        Those that were asked about least come first, and of these the newest.
        """
        asked, due = _due(payments.c.receipt, rounds, now)
        query = (
            select(payments.c.receipt)
            .where(
                UNCONFIRMED,
                # Reckoned with, so that no index of theirs is walked instead: those are long.
                func.coalesce(payments.c.receipt, "") != "",
                type_coerce(payments.c.begun_at, BigInteger) + 0 <= micros(begun_before),
                payments.c.account == "",  # whose initiator asks
                due,
            )
            .order_by(asked, payments.c.begun_at.desc())
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

    async def unheard_reversals(self, *, before: datetime, limit: int) -> list[AskedLater]:
        """Reversals that were asked for before *before*, and about which nothing was posted."""
        return await self._questions(
            select(questions)
            .where(UNHEARD_REVERSAL, questions.c.asked_at <= before)
            .order_by(questions.c.asked_at)
            .limit(limit)
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

    async def proposals(
        self, *, by: Collection[int], since: datetime, limit: int
    ) -> list[DecidedByOne]:
        """What one of these people has said since then, and waits for a second; oldest first."""
        return await self._decisions(
            select(decisions)
            .where(
                decisions.c.done_at.is_(None),
                decisions.c.by.in_(sorted(by)),
                decisions.c.at > since,
            )
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


def _due(
    receipt: ColumnElement[str], rounds: Rounds, now: datetime
) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """How often a receipt was asked about, and whether it is to be asked about now."""
    # Judged here and not by whoever asks: among the first of a list that holds some that are
    # never due, there may be none that is.
    of_it = and_(questions.c.receipt == receipt, questions.c.kind == QuestionKind.STATUS.value)
    looked_into = or_(questions.c.outcome.is_(None), questions.c.outcome.not_in([*rounds.spared]))
    asked = select(func.count()).where(of_it).scalar_subquery()
    counted = select(func.count()).where(of_it, looked_into).scalar_subquery()
    last_at = select(func.max(questions.c.asked_at)).where(of_it).scalar_subquery()
    over = exists().where(of_it, questions.c.outcome.in_([*rounds.over]))
    not_since = [literal(now - each, type_=Instant()) for each in rounds.after]
    return asked, or_(
        asked == 0,
        and_(
            last_at <= case(dict(enumerate(not_since)), value=asked, else_=not_since[-1]),
            counted < len(rounds.after),
            ~over,
        ),
    )
