"""Statements: every payment that is money, a page at a time, in the order of their making."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    and_,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.drive_tables import drive_entries, drives, gifts
from storage.invoice_tables import bills, invoice_entries, invoices
from storage.invoices import SUBJECT, bill_of
from storage.records import EntryKind, InvoiceEntryKind, Status
from storage.schema import intents, payments

__all__ = ["AT", "MOVED", "CashRow", "PaymentRow", "Scope", "Statements", "Whose"]

MOVED = (
    InvoiceEntryKind.CASH,
    InvoiceEntryKind.CASH_UNDONE,
    InvoiceEntryKind.GIVEN_BACK,
    InvoiceEntryKind.WENT_BACK,
    InvoiceEntryKind.BOTH_WENT_BACK,
)
AT = func.coalesce(payments.c.paid_at, payments.c.decided_at, payments.c.created_at)
DAY_US, EAT_US = 86_400_000_000, 3 * 3600 * 1_000_000


class Whose(StrEnum):
    """Whose money a statement is about."""

    EVERYBODY = "everybody"  # for operators
    MERCHANT = "merchant"  # what came for their invoices
    PERSON = "person"  # what this person asked to be paid
    CUSTOMER = "customer"  # what came for a merchant's invoices to one customer
    LINE = "line"  # what was paid from one number
    DRIVE = "drive"  # what came for a drive


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a statement holds: whose, and from when up to when (not included)."""

    whose: Whose
    person_id: int
    about: str = ""  # of a line or a drive: its id
    invoice_ids: tuple[str, ...] = ()  # of a customer
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """A paid payment, as a statement shows it."""

    id: str
    at: datetime
    receipt: str
    phone_mask: str
    cents: int  # as it arrived: what went back of it is another row, of its own day
    push_ref: str
    words: str
    number: int | None  # of the invoice
    customer: str
    what_for: str  # as `Statements.by_customer` adds it up


@dataclass(frozen=True, slots=True, kw_only=True)
class CashRow:
    """An entry that moved money past M-Pesa."""

    id: int
    at: datetime
    is_cash: bool  # else it corrects something
    cents: int
    why: str
    number: int | None
    name: str = ""  # who gave it, where that is written down


class Statements:
    """Pages of statements, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def payments(
        self, scope: Scope, *, after: str, limit: int, went_back: bool = False
    ) -> list[PaymentRow]:
        """
        The next paid payments whose id comes after *after*, by id, which is by time of asking.

        Every id is looked at, for money may come long after it was asked for. *went_back*: those
        instead, of then or of before, of which something has gone back, whenever that was.
        """
        which = payments.c.reversed_cents != 0 if went_back else scope.since <= AT
        query = (
            select(
                payments.c.id,
                payments.c.paid_at,
                payments.c.decided_at,
                payments.c.created_at,
                payments.c.receipt,
                payments.c.phone_mask,
                payments.c.credited_cents,
                payments.c.reversed_cents,
                payments.c.push_ref,
                payments.c.words,
                payments.c.subject,
                invoices.c.id.label("invoice_id"),
                invoices.c.number,
                invoices.c.revision,
            )
            .outerjoin(invoices, invoices.c.id == func.substr(payments.c.subject, 3))
            .where(
                payments.c.id > after,
                payments.c.status == Status.PAID,
                which,
                scope.until > AT,
                *_whose(scope),
            )
            .order_by(payments.c.id)
            .limit(limit)
        )
        if scope.whose is Whose.DRIVE:
            query = query.add_columns(gifts.c.name.label("giver")).outerjoin(
                gifts, gifts.c.intent_id == payments.c.intent_id
            )
        rows = (await self._connection.execute(query)).mappings().all()
        names = await self._customers({row["invoice_id"] for row in rows} - {None})
        return [
            PaymentRow(
                id=row["id"],
                at=row["paid_at"] or row["decided_at"] or row["created_at"],
                receipt=row["receipt"] or "",
                phone_mask=row["phone_mask"],
                cents=row["credited_cents"] + row["reversed_cents"],
                push_ref=row["push_ref"],
                words=row["words"],
                number=row["number"],
                customer=names.get(row["invoice_id"], "") or self._giver(row),
                what_for=row["invoice_id"] or row["subject"] or "",
            )
            for row in rows
        ]

    def _giver(self, row: RowMapping) -> str:
        sealed = row.get("giver")
        return "" if sealed is None else self._crypt.open_text(sealed)

    async def cash(self, scope: Scope, *, after: int, limit: int) -> list[CashRow]:
        """The next entries that moved money past M-Pesa, by id, which is by time."""
        if scope.whose in (Whose.PERSON, Whose.LINE):
            return []
        if scope.whose is Whose.DRIVE:
            return await self._journal(scope, after=after, limit=limit)
        query = (
            select(invoice_entries, invoices.c.number)
            .join(invoices, invoices.c.id == invoice_entries.c.invoice_id)
            .where(
                invoice_entries.c.id > after,
                invoice_entries.c.kind.in_([each.value for each in MOVED]),
                invoice_entries.c.cents != 0,
                invoice_entries.c.at >= scope.since,
                invoice_entries.c.at < scope.until,
            )
            .order_by(invoice_entries.c.id)
            .limit(limit)
        )
        if scope.whose is Whose.MERCHANT:
            query = query.where(invoices.c.merchant_id == scope.person_id)
        if scope.whose is Whose.CUSTOMER:
            query = query.where(_among(invoices.c.id, scope.invoice_ids))
        return [
            CashRow(
                id=row["id"],
                at=row["at"],
                is_cash=row["kind"] == InvoiceEntryKind.CASH.value,
                cents=row["cents"],
                why=self._crypt.open_text(row["why"]),
                number=row["number"],
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def _journal(self, scope: Scope, *, after: int, limit: int) -> list[CashRow]:
        """The same of a drive."""
        query = (
            select(drive_entries)
            .where(
                drive_entries.c.id > after,
                drive_entries.c.drive_id == scope.about,
                drive_entries.c.cents != 0,
                drive_entries.c.at >= scope.since,
                drive_entries.c.at < scope.until,
            )
            .order_by(drive_entries.c.id)
            .limit(limit)
        )
        return [
            CashRow(
                id=row["id"],
                at=row["at"],
                is_cash=row["kind"] == EntryKind.CASH.value,
                cents=row["cents"],
                why=self._crypt.open_text(row["reason"]),
                name=self._crypt.open_text(row["name"]),
                number=None,
            )
            for row in (await self._connection.execute(query)).mappings()
        ]

    async def by_day(self, scope: Scope) -> list[tuple[int, int]]:
        """What M-Pesa brought: days since 1970 in East Africa, and cents as they arrived."""
        at_us = type_coerce(AT, BigInteger)
        query = _summed(scope, ((at_us + EAT_US) // DAY_US).label("day"))
        found = await self._connection.execute(query)
        return [(int(each[0]), int(each[1])) for each in found]

    async def by_customer(
        self, scope: Scope, *, back: Mapping[str, int] = MappingProxyType({})
    ) -> list[tuple[str, int]]:
        """
        What M-Pesa brought by customer's name or drive's title; "" for what was for neither.

        *back*: what is to be taken off it, by `PaymentRow.what_for`.
        """
        what_for = func.coalesce(invoices.c.id, payments.c.subject, "").label("what_for")
        rows = await self._connection.execute(_summed(scope, what_for))
        found = [(each[0], int(each[1])) for each in rows]
        found += [(about, -cents) for about, cents in back.items()]
        ids = {about for about, _ in found} - {""}
        names = await self._customers(ids) | await self._titles(ids)
        sums: dict[str, int] = {}
        for invoice_id, cents in found:
            name = names.get(invoice_id, "")
            sums[name] = sums.get(name, 0) + cents
        return sorted(sums.items(), key=lambda each: -each[1])

    async def _titles(self, subjects: set[str]) -> dict[str, str]:
        """The titles of those that are drives, by subject."""
        ids = sorted(each.removeprefix("d:") for each in subjects if each.startswith("d:"))
        found: dict[str, str] = {}
        for some in _in_pieces(ids):
            query = select(drives.c.id, drives.c.title).where(drives.c.id.in_(some))
            for row in await self._connection.execute(query):
                found[f"d:{row.id}"] = self._crypt.open_text(row.title)
        return found

    async def _customers(self, ids: set[str]) -> dict[str, str]:
        """The customer on the newest bill of each of these invoices."""
        found: dict[str, str] = {}
        for some in _in_pieces(sorted(ids)):
            query = (
                select(bills.c.invoice_id, bills.c.body)
                .join(
                    invoices,
                    and_(
                        invoices.c.id == bills.c.invoice_id,
                        invoices.c.revision == bills.c.revision,
                    ),
                )
                .where(invoices.c.id.in_(some))
            )
            for row in await self._connection.execute(query):
                found[row.invoice_id] = bill_of(self._crypt.open_text(row.body)).customer
        return found


def _among(column: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """
    Whether it is one of these, however many they are.

    Both engines limit how many values a statement has, so they go as one: the names of an object,
    for the names are what the two unpack alike.
    """
    names = func.json_each(literal(dict.fromkeys(values, 0), JSON)).table_valued("key")
    return column.in_(select(names.c.key))


def _whose(scope: Scope) -> Sequence[ColumnElement[bool]]:
    match scope.whose:
        case Whose.EVERYBODY:
            return ()
        case Whose.MERCHANT:
            theirs = select(SUBJECT).where(invoices.c.merchant_id == scope.person_id)
            return (payments.c.subject.in_(theirs),)
        case Whose.PERSON:
            asked = select(intents.c.id).where(intents.c.asked_by == scope.person_id)
            return (payments.c.intent_id.in_(asked),)
        case Whose.CUSTOMER:
            theirs_alone = [f"i:{each}" for each in scope.invoice_ids]
            return (_among(payments.c.subject, theirs_alone),)
        case Whose.LINE:
            return (payments.c.line_id == int(scope.about),)
        case Whose.DRIVE:
            return (payments.c.subject == f"d:{scope.about}",)


def _summed(scope: Scope, by: Any) -> Select[Any]:
    paid = payments.c.status == Status.PAID
    return (
        select(by, func.sum(payments.c.credited_cents + payments.c.reversed_cents))
        .select_from(payments)
        .outerjoin(invoices, invoices.c.id == func.substr(payments.c.subject, 3))
        .where(paid, scope.since <= AT, scope.until > AT, *_whose(scope))
        .group_by(by)
    )


def _in_pieces(ids: list[str], size: int = 500) -> list[list[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]
