"""Invoices: bills with all their revisions, what people did about them, and what came for them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    String,
    and_,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.invoice_tables import bills, invoice_entries, invoice_readers, invoices
from storage.payment_rows import MADE_SURE, NOBODY_KNOWS, UNDER_WAY, read_payment
from storage.records import (
    Bill,
    BillItem,
    Decided,
    Etims,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
    InvoiceSums,
    Payment,
    Status,
    VatMode,
)
from storage.schema import payments

__all__ = [
    "SUBJECT",
    "WITH_BILL",
    "Invoices",
    "bill_of",
    "paid_cents",
    "read_invoice",
    "written_bill",
]

SUBJECT = literal("i:", String) + invoices.c.id
WITH_BILL = select(invoices, bills.c.body).join(
    bills, and_(bills.c.invoice_id == invoices.c.id, bills.c.revision == invoices.c.revision)
)


def paid_cents() -> ColumnElement[int]:
    """What has come for the invoice of the row, in cents: M-Pesa net of reversals, and entries."""
    mpesa = (
        select(func.coalesce(func.sum(payments.c.credited_cents), 0))
        .where(payments.c.subject == SUBJECT, payments.c.status == Status.PAID)
        .correlate(invoices)
        .scalar_subquery()
    )
    entries = (
        select(func.coalesce(func.sum(invoice_entries.c.cents), 0))
        .where(invoice_entries.c.invoice_id == invoices.c.id)
        .correlate(invoices)
        .scalar_subquery()
    )
    return mpesa + entries


class Invoices:
    """
    Invoices, inside one open transaction.

    What a merchant asks goes through `of_merchant` and its neighbours, which name the merchant:
    nobody sees another's.
    """

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def add(self, invoice: Invoice, *, by: int, at: datetime) -> None:
        """A new invoice with its first bill."""
        values = {
            column.name: getattr(invoice, column.name)
            for column in invoices.c
            if column.name not in ("due_on", "etims")
        }
        await self._connection.execute(
            insert(invoices).values(**values, due_on=invoice.due_on.toordinal(), etims=None)
        )
        await self._add_bill(invoice, by=by, at=at)

    async def revise(self, invoice: Invoice, *, by: int, at: datetime) -> None:
        """Write a further bill and make it the one that counts; the others stay."""
        await self._add_bill(invoice, by=by, at=at)
        await self.change(
            invoice.id,
            revision=invoice.revision,
            total_cents=invoice.total_cents,
            due_on=invoice.due_on.toordinal(),
        )

    async def _add_bill(self, invoice: Invoice, *, by: int, at: datetime) -> None:
        await self._connection.execute(
            insert(bills).values(
                invoice_id=invoice.id,
                revision=invoice.revision,
                body=self._crypt.seal_text(written_bill(invoice.bill)),
                total_cents=invoice.total_cents,
                by=by,
                at=at,
            )
        )

    async def change(self, invoice_id: str, **changes: Any) -> None:
        """Write these columns of an invoice anew."""
        await self._connection.execute(
            sql_update(invoices).where(invoices.c.id == invoice_id).values(**changes)
        )

    async def put_etims(self, invoice_id: str, etims: Etims) -> None:
        await self.change(invoice_id, etims=self._crypt.seal_text(json.dumps(asdict(etims))))

    async def get(self, invoice_id: str) -> Invoice | None:
        return await self._one(WITH_BILL.where(invoices.c.id == invoice_id))

    async def lock(self, invoice_id: str) -> Invoice | None:
        """The invoice, its row locked until the transaction ends."""
        query = select(invoices.c.id).where(invoices.c.id == invoice_id).with_for_update()
        if (await self._connection.execute(query)).first() is None:
            return None
        return await self.get(invoice_id)

    async def by_code(self, code: str) -> Invoice | None:
        return await self._one(WITH_BILL.where(invoices.c.code == code))

    async def by_key(self, issue_key: str) -> Invoice | None:
        return await self._one(WITH_BILL.where(invoices.c.issue_key == issue_key))

    async def by_hand_ref(self, reference: str) -> Invoice | None:
        return await self._one(WITH_BILL.where(invoices.c.by_hand_ref == reference))

    async def of_merchant(self, merchant_id: int, *, number: int) -> Invoice | None:
        return await self._one(
            WITH_BILL.where(invoices.c.merchant_id == merchant_id, invoices.c.number == number)
        )

    async def revisions(self, invoice_id: str) -> list[tuple[int, Bill, int, datetime]]:
        """Every bill there was, the first one first: revision, bill, total in cents, when."""
        query = select(bills).where(bills.c.invoice_id == invoice_id).order_by(bills.c.revision)
        return [
            (
                row["revision"],
                bill_of(self._crypt.open_text(row["body"])),
                row["total_cents"],
                row["at"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def sums(self, invoice_id: str) -> InvoiceSums:
        """What has come for it so far."""
        paid = func.sum(payments.c.credited_cents).filter(payments.c.status == Status.PAID)
        asked = [
            func.sum(payments.c.amount_kes).filter(which)
            for which in (MADE_SURE, NOBODY_KNOWS, UNDER_WAY)
        ]
        prompts = select(*(func.coalesce(each, 0) for each in (paid, *asked))).where(
            payments.c.subject == f"i:{invoice_id}"
        )
        entries = select(func.coalesce(func.sum(invoice_entries.c.cents), 0)).where(
            invoice_entries.c.invoice_id == invoice_id
        )
        kept = select(func.coalesce(func.sum(invoice_entries.c.about_cents), 0)).where(
            invoice_entries.c.invoice_id == invoice_id,
            invoice_entries.c.kind == InvoiceEntryKind.KEPT.value,
        )
        said = (InvoiceEntryKind.KEPT.value, InvoiceEntryKind.GIVEN_BACK.value)
        words = select(func.count()).where(
            invoice_entries.c.invoice_id == invoice_id,
            invoice_entries.c.kind.in_(said),
            # That less of it was kept, or not less after all, is no word of theirs.
            invoice_entries.c.about_cents > 0,
            invoice_entries.c.answers.is_(None),
        )

        async def added_up(query: Select[Any]) -> int:
            return int((await self._connection.execute(query)).scalar_one())

        row = (await self._connection.execute(prompts)).one()
        mpesa_cents, waiting_kes, unknown_kes, under_way_kes = map(int, row)
        return InvoiceSums(
            mpesa_cents=mpesa_cents,
            entries_cents=await added_up(entries),
            waiting_cents=waiting_kes * 100,
            unknown_cents=unknown_kes * 100,
            under_way_cents=under_way_kes * 100,
            kept_cents=await added_up(kept),
            excess_words=await added_up(words),
        )

    async def credited(self, invoice_id: str) -> list[Payment]:
        """Every payment of it that is money, the oldest first, as of one instant."""
        query = select(payments).where(
            payments.c.subject == f"i:{invoice_id}", payments.c.status == Status.PAID
        )
        query = query.order_by(payments.c.created_at, payments.c.id)
        return [read_payment(row) for row in (await self._connection.execute(query)).mappings()]

    async def enter(self, entry: InvoiceEntry) -> bool:
        """Add what somebody did; False if that very entry is there already."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        added = await self._connection.execute(
            make(invoice_entries)
            .values(
                invoice_id=entry.invoice_id,
                kind=entry.kind.value,
                cents=entry.cents,
                about_cents=entry.about_cents,
                why=self._crypt.seal_text(entry.why),
                by=entry.by,
                at=entry.at,
                key=entry.key,
                answers=entry.answers,
            )
            .on_conflict_do_nothing(index_elements=["key"])
        )
        return added.rowcount == 1

    async def entered(self, key: str) -> bool:
        """Whether the entry with this key is there."""
        query = select(invoice_entries.c.id).where(invoice_entries.c.key == key)
        return (await self._connection.execute(query)).first() is not None

    async def entries(
        self, invoice_id: str, *kinds: InvoiceEntryKind, limit: int | None = 200
    ) -> list[InvoiceEntry]:
        """The newest that was done about it, the oldest first; of some kinds only, if named."""
        query = select(invoice_entries).where(invoice_entries.c.invoice_id == invoice_id)
        if kinds:
            query = query.where(invoice_entries.c.kind.in_([kind.value for kind in kinds]))
        query = query.order_by(invoice_entries.c.id.desc()).limit(limit)
        rows = (await self._connection.execute(query)).mappings().all()
        return [self._entry(row) for row in rows[::-1]]

    async def entry(self, invoice_id: str, entry_id: int) -> InvoiceEntry | None:
        """One of them."""
        query = select(invoice_entries).where(
            invoice_entries.c.invoice_id == invoice_id, invoice_entries.c.id == entry_id
        )
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else self._entry(row)

    async def entered_as(self, key: str) -> InvoiceEntry | None:
        """The entry with this key."""
        query = select(invoice_entries).where(invoice_entries.c.key == key)
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else self._entry(row)

    def _entry(self, row: RowMapping) -> InvoiceEntry:
        opened = {
            "kind": InvoiceEntryKind(row["kind"]),
            "why": self._crypt.open_text(row["why"]),
        }
        return InvoiceEntry(**{**row, **opened})

    async def opened(self, invoice_id: str, person_id: int, *, at: datetime) -> bool:
        """Note that this person has opened it; True for the first time."""
        make = pg_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        added = await self._connection.execute(
            make(invoice_readers)
            .values(invoice_id=invoice_id, person_id=person_id, at=at, not_mine=False)
            .on_conflict_do_nothing(index_elements=["invoice_id", "person_id"])
        )
        return added.rowcount == 1

    async def disown(self, invoice_id: str, person_id: int, *, not_mine: bool) -> None:
        """Whether this person says that it is not theirs."""
        await self._connection.execute(
            sql_update(invoice_readers)
            .where(
                invoice_readers.c.invoice_id == invoice_id,
                invoice_readers.c.person_id == person_id,
            )
            .values(not_mine=not_mine)
        )

    async def readers(self, invoice_id: str, *, by: datetime | None = None) -> list[int]:
        """Who has opened it (by then) and did not say that it is not theirs, the first first."""
        query = (
            select(invoice_readers.c.person_id)
            .where(invoice_readers.c.invoice_id == invoice_id, ~invoice_readers.c.not_mine)
            .order_by(invoice_readers.c.at, invoice_readers.c.person_id)
        )
        if by is not None:
            query = query.where(invoice_readers.c.at <= by)
        return list((await self._connection.execute(query)).scalars())

    async def to_ask_about(self, *, now: datetime, limit: int) -> list[Invoice]:
        """Issued ones about which the merchant is to be asked; locked."""
        ids = (
            select(invoices.c.id)
            .where(invoices.c.ask_at <= now, invoices.c.decided == Decided.ISSUED.value)
            .order_by(invoices.c.ask_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = list((await self._connection.execute(ids)).scalars())
        return await self._many(WITH_BILL.where(invoices.c.id.in_(found)))

    async def _one(self, query: Select[Any]) -> Invoice | None:
        row = (await self._connection.execute(query)).mappings().first()
        return None if row is None else read_invoice(row, self._crypt)

    async def _many(self, query: Select[Any]) -> list[Invoice]:
        return [
            read_invoice(row, self._crypt)
            for row in (await self._connection.execute(query)).mappings()
        ]


def read_invoice(row: Any, crypt: Crypt) -> Invoice:
    """A row of `WITH_BILL`."""
    values = {column.name: row[column.name] for column in invoices.c}
    etims = values["etims"]
    values |= {
        "decided": Decided(values["decided"]),
        "due_on": date.fromordinal(values["due_on"]),
        "etims": None if etims is None else Etims(**json.loads(crypt.open_text(etims))),
        "bill": bill_of(crypt.open_text(row["body"])),
    }
    return Invoice(**values)


def written_bill(bill: Bill) -> str:
    """A bill as it is stored."""
    return json.dumps(asdict(bill) | {"due_on": bill.due_on.isoformat()}, ensure_ascii=False)


def bill_of(text: str) -> Bill:
    """What `written_bill` wrote."""
    raw: dict[str, Any] = json.loads(text)
    raw["items"] = tuple(BillItem(**each) for each in raw["items"])
    raw["vat"] = VatMode(raw["vat"])
    raw["due_on"] = date.fromisoformat(raw["due_on"])
    return Bill(**raw)
