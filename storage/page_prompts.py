"""Page prompts: what strangers on public pages have asked for lately, and written, and where."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.page_tables import page_prompts, page_words
from storage.payment_rows import read_payment
from storage.records import PageFacts, Payment, Status
from storage.schema import payments, people

__all__ = ["PagePrompts"]


class PagePrompts:
    """The durable counters of public pages, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def lock(self, *, address: str, page: str) -> None:
        """
        Whoever else asks from this address or on this page waits until the transaction ends.

        The counters are counts of rows, and rows that two transactions are about to add are
        seen by neither (SQLite has one writer anyway).
        """
        if self._connection.dialect.name != "postgresql":
            return
        # Always in one order, so that two who share both do not wait for each other.
        for number in sorted({_number("address", address), _number("page", page)}):
            await self._connection.execute(select(func.pg_advisory_xact_lock(number)))

    async def facts(
        self, line_id: int, *, address: str, page: str, since: datetime, line_since: datetime
    ) -> PageFacts:
        """What the limits of pages ask: of address and page since *since*, of the line longer."""
        of_address = page_prompts.c.address_index.in_(self._crypt.indexes(_address(address)))
        by_address, first_by_address = await self._count(of_address, since)
        on_page, first_on_page = await self._count(page_prompts.c.page == page, since)
        known = select(
            or_(
                exists().where(people.c.line_id == line_id),
                exists().where(payments.c.line_id == line_id, payments.c.status == Status.PAID),
            )
        )
        return PageFacts(
            by_address=by_address,
            first_by_address_at=first_by_address,
            on_page=on_page,
            first_on_page_at=first_on_page,
            known=bool((await self._connection.execute(known)).scalar()),
            to_line=tuple(await self._to_line(line_id, line_since)),
        )

    async def add(self, payment: Payment, *, address: str, page: str) -> None:
        await self._connection.execute(
            insert(page_prompts).values(
                address_index=self._crypt.index(_address(address)),
                page=page,
                payment_id=payment.id,
                line_id=payment.line_id,
                at=payment.created_at,
            )
        )

    async def words(
        self, *, address: str, page: str, since: datetime
    ) -> tuple[int, datetime | None, int, datetime | None]:
        """How often somebody wrote from this address, and on this page, since; and when first."""

        async def written(whose: ColumnElement[bool]) -> tuple[int, datetime | None]:
            query = select(func.count(), func.min(page_words.c.at)).where(
                whose, page_words.c.at > since
            )
            count, first_at = (await self._connection.execute(query)).one()
            return count, first_at

        indexes = self._crypt.indexes(_address(address))
        of_address = await written(page_words.c.address_index.in_(indexes))
        return *of_address, *await written(page_words.c.page == page)

    async def add_words(self, *, address: str, page: str, at: datetime) -> None:
        index = self._crypt.index(_address(address))
        await self._connection.execute(
            insert(page_words).values(address_index=index, page=page, at=at)
        )

    async def purge(self, *, before: datetime) -> int:
        gone = await self._connection.execute(
            delete(page_prompts).where(page_prompts.c.at < before)
        )
        words = await self._connection.execute(delete(page_words).where(page_words.c.at < before))
        return gone.rowcount + words.rowcount

    async def _count(
        self, whose: ColumnElement[bool], since: datetime
    ) -> tuple[int, datetime | None]:
        """How many left for Safaricom, and when the first of them was asked for."""
        query = select(func.count(), func.min(page_prompts.c.at)).where(
            whose,
            page_prompts.c.at > since,
            payments.c.id == page_prompts.c.payment_id,
            payments.c.status != Status.VOID,
        )
        count, first_at = (await self._connection.execute(query)).one()
        return count, first_at

    async def _to_line(self, line_id: int, since: datetime) -> list[Payment]:
        query = (
            select(payments)
            .join(page_prompts, page_prompts.c.payment_id == payments.c.id)
            .where(page_prompts.c.line_id == line_id, page_prompts.c.at > since)
            .order_by(page_prompts.c.at.desc())
        )
        rows = (await self._connection.execute(query)).mappings().all()
        return [read_payment(row) for row in rows]


def _address(address: str) -> str:
    return f"page-address {address}"


def _number(kind: str, name: str) -> int:
    """A lock's number: any that is the same for the same name, in every process."""
    digest = sha256(f"page-prompts {kind} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
