"""Privacy in invoices: who a customer or a merchant was in Telegram goes; the books stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.invoice_tables import (
    bills,
    invoice_entries,
    invoice_readers,
    invoices,
    merchants,
)
from storage.invoices import SUBJECT, paid_cents
from storage.privacy_keys import renamed
from storage.records import OPEN, Decided, InvoiceEntryKind, Status, invoice_label
from storage.schema import payments

__all__ = ["OnInvoice", "PrivacyInInvoices"]

OWN_WORDS = (InvoiceEntryKind.QUESTION.value, InvoiceEntryKind.NOT_MINE.value)
"""What customers write; all else that an entry says is the merchant's book."""

TOO_MUCH_FROM_CENTS = 100
"""Prompts are whole shillings: less than one too much is not called so."""
_ON_ITS_WAY = (*OPEN, Status.CONFIRMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnInvoice:
    """What a person did about an invoice: opened it as a customer, or wrote an entry."""

    what: str  # "opened", or the kind of the entry
    label: str  # INV-0042
    merchant: str = field(repr=False)  # as its customers read the name
    words: str = field(default="", repr=False)
    cents: int = 0
    at: datetime


class PrivacyInInvoices:
    """One person in all invoices, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def kept(self, person_id: int, *, limit: int) -> tuple[OnInvoice, ...]:
        """What of a person stands on invoices, the newest first."""
        found = [*await self._opened(person_id, limit), *await self._written(person_id, limit)]
        return tuple(sorted(found, key=lambda each: each.at, reverse=True))

    async def _opened(self, person_id: int, limit: int) -> list[OnInvoice]:
        query = (
            select(invoice_readers.c.at, invoices.c.number, merchants.c.name)
            .join(invoices, invoices.c.id == invoice_readers.c.invoice_id)
            .join(merchants, merchants.c.id == invoices.c.merchant_id)
            .where(invoice_readers.c.person_id == person_id)
            .order_by(invoice_readers.c.at.desc())
            .limit(limit)
        )
        return [
            OnInvoice(
                what="opened",
                label=invoice_label(row.number),
                merchant=self._crypt.open_text(row.name),
                at=row.at,
            )
            for row in await self._connection.execute(query)
        ]

    async def _written(self, person_id: int, limit: int) -> list[OnInvoice]:
        entries = invoice_entries.c
        query = (
            select(entries.kind, entries.why, entries.cents, entries.at)
            .add_columns(invoices.c.number, merchants.c.name)
            .join(invoices, invoices.c.id == entries.invoice_id)
            .join(merchants, merchants.c.id == invoices.c.merchant_id)
            .where(entries.by == person_id)
            .order_by(entries.id.desc())
            .limit(limit)
        )
        return [
            OnInvoice(
                what=row.kind,
                label=invoice_label(row.number),
                merchant=self._crypt.open_text(row.name),
                words=self._crypt.open_text(row.why),
                cents=row.cents,
                at=row.at,
            )
            for row in await self._connection.execute(query)
        ]

    async def unsettled(self, person_id: int) -> int:
        """
        How many invoices of this person wait for something that only they could settle.

        Such as are not paid, void or written off; those for which too much came, while they have
        not said what became of it; and those of which a payment is on its way. What we stopped
        asking about, and what an operator is to decide first, may take for ever: if it comes when
        they are gone, operators are told.

        As a merchant they are locked until the transaction ends: nothing is issued meanwhile.
        """
        own = select(merchants.c.id).where(merchants.c.id == person_id).with_for_update()
        await self._connection.execute(own)
        query = (
            select(func.count())
            .select_from(invoices)
            .where(
                invoices.c.merchant_id == person_id,
                or_(_unpaid(), _too_much(), _awaited()),
            )
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def forget(self, person_id: int, *, pseudonym: int, now: datetime) -> None:
        """
        Nothing about an invoice leads to this person in Telegram any more.

        Amounts, times, and what a bill says stay: the name of a customer as the merchant wrote
        it, and the name under which a merchant issued. A merchant issues no more.
        """
        await self._entries(person_id, pseudonym)
        await self._customer_of(person_id, pseudonym)
        execute = self._connection.execute
        await execute(update(bills).where(bills.c.by == person_id).values(by=pseudonym))
        await self._merchant(person_id, pseudonym, now)
        for column in (merchants.c.appointed_by, merchants.c.revoked_by):
            await execute(
                update(merchants).where(column == person_id).values({column.name: pseudonym})
            )

    async def _entries(self, person_id: int, pseudonym: int) -> None:
        query = select(invoice_entries.c.id, invoice_entries.c.key, invoice_entries.c.kind)
        found = await self._connection.execute(query.where(invoice_entries.c.by == person_id))
        for row in found.all():
            values: dict[str, object] = {
                "by": pseudonym,
                "key": renamed(row.key, person_id, pseudonym),
            }
            if row.kind in OWN_WORDS:
                values["why"] = self._crypt.seal_text("")
            await self._connection.execute(
                update(invoice_entries).where(invoice_entries.c.id == row.id).values(**values)
            )

    async def _customer_of(self, person_id: int, pseudonym: int) -> None:
        """Who opened it next is its customer now; nobody, if there is no other."""
        execute = self._connection.execute
        await execute(delete(invoice_readers).where(invoice_readers.c.person_id == person_id))
        next_reader = (
            select(invoice_readers.c.person_id)
            .where(invoice_readers.c.invoice_id == invoices.c.id, ~invoice_readers.c.not_mine)
            .order_by(invoice_readers.c.at, invoice_readers.c.person_id)
            .limit(1)
            .correlate(invoices)
            .scalar_subquery()
        )
        await execute(
            update(invoices)
            .where(invoices.c.customer_id == person_id)
            .values(customer_id=next_reader)
        )
        await execute(
            update(invoices)
            .where(invoices.c.disowned_by == person_id)
            .values(disowned_by=pseudonym)
        )

    async def _merchant(self, person_id: int, pseudonym: int, now: datetime) -> None:
        """Their books go to a merchant of the same name whom nobody in Telegram is."""
        execute = self._connection.execute
        row = (await execute(select(merchants).where(merchants.c.id == person_id))).mappings()
        profile = row.first()
        if profile is None:
            return
        values = {**profile, "id": pseudonym, "summary": False, "summary_at": None}
        if profile["revoked_at"] is None:
            values |= {"revoked_by": pseudonym, "revoked_at": now}
        await execute(insert(merchants).values(**values))
        issued = select(invoices.c.id, invoices.c.issue_key).where(
            invoices.c.merchant_id == person_id
        )
        for each in (await execute(issued)).all():
            await execute(
                update(invoices)
                .where(invoices.c.id == each.id)
                .values(
                    merchant_id=pseudonym,
                    issue_key=renamed(each.issue_key, person_id, pseudonym),
                )
            )
        await execute(delete(merchants).where(merchants.c.id == person_id))


def _unpaid() -> ColumnElement[bool]:
    issued = invoices.c.decided == Decided.ISSUED.value
    return and_(issued, paid_cents() < invoices.c.total_cents)


def _too_much() -> ColumnElement[bool]:
    """As `bot.core.bills.excess_cents` says it: of a void one, all is too much."""
    void = invoices.c.decided == Decided.VOID.value
    billed = case((void, 0), else_=invoices.c.total_cents)
    kept = (
        select(func.coalesce(func.sum(invoice_entries.c.about_cents), 0))
        .where(
            invoice_entries.c.invoice_id == invoices.c.id,
            invoice_entries.c.kind == InvoiceEntryKind.KEPT.value,
        )
        .correlate(invoices)
        .scalar_subquery()
    )
    return paid_cents() - billed - kept >= TOO_MUCH_FROM_CENTS


def _awaited() -> ColumnElement[bool]:
    return exists().where(payments.c.subject == SUBJECT, payments.c.status.in_(_ON_ITS_WAY))
