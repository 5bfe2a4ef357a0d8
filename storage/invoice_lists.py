"""Lists and sums over many invoices, always of one merchant; everything is read, nothing stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.invoice_tables import invoice_entries, invoices
from storage.invoices import SUBJECT, WITH_BILL, paid_cents, read_invoice
from storage.records import Decided, Invoice, InvoiceEntryKind, Status
from storage.schema import payments
from storage.statements import AT, MOVED

__all__ = ["Ageing", "InvoiceLists", "Listed", "Stretch", "Takings", "Which"]

SEARCHED_MAX = 5000

# Last days of the steps by which a debt ages; the last step has no end.
STEPS = (0, 30, 60, 90)


class Which(StrEnum):
    """Which invoices are listed."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    CLOSED = "closed"  # void or written off
    DRAFTS = "drafts"


@dataclass(frozen=True, slots=True)
class Listed:
    """An invoice in a list, with what came for it."""

    invoice: Invoice
    paid_cents: int

    @property
    def edge(self) -> str:
        """Its place in a list, beyond which another page goes on."""
        number = self.invoice.number
        return self.invoice.id if number is None else str(number)

    @property
    def left_cents(self) -> int:
        return max(0, self.invoice.total_cents - self.paid_cents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """What is owed, by how long it has been due."""

    label: str  # "0", "1-30", "31-60", "61-90", "90+": days
    count: int
    left_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of time: what came in it is added up, or of that what was known in another."""

    since: datetime | None = None  # None: whenever
    until: datetime
    known_since: datetime | None = None
    known_until: datetime | None = None

    def holds(self, at: datetime, known_at: datetime) -> bool:
        """Whether it holds what came then, and was known then."""
        return (
            (self.since is None or at >= self.since)
            and at < self.until
            and (self.known_since is None or known_at >= self.known_since)
            and (self.known_until is None or known_at < self.known_until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Takings:
    """What a stretch of time brought."""

    mpesa_cents: int  # less what went back in that time, of whatever payment
    cash_cents: int
    earlier_cents: int = 0  # in that: what M-Pesa took back of payments from before; or nothing
    given_back_cents: int  # by hand: what that takes off, which is rarely more than nothing
    paid: int  # payments
    failed: int
    undecided: int

    @property
    def cents(self) -> int:
        """All of it: what a statement of the same time adds up to."""
        return self.mpesa_cents + self.cash_cents + self.given_back_cents


# A payment is known once it is ours and something proves it, and not before it came.
KNOWN_AT = (
    AT,
    payments.c.created_at,
    func.coalesce(payments.c.decided_at, payments.c.created_at),
)


def _left() -> ColumnElement[int]:
    return invoices.c.total_cents - paid_cents()


class InvoiceLists:
    """Lists of a merchant's invoices, inside one open transaction."""

    searched_max = SEARCHED_MAX
    """So many of the newest are looked through for words; books leave none out."""
    read_at_once = 200

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def page(
        self,
        merchant_id: int,
        which: Which,
        *,
        today: date,
        limit: int,
        below: str | None = None,
        above: str | None = None,
    ) -> list[Listed]:
        """
        Newest first; those below, or above, the one that stood at the edge: see `Listed.edge`.

        Drafts have no number, and ids grow with time.
        """
        drafts = which is Which.DRAFTS
        place: ColumnElement[Any] = invoices.c.id if drafts else invoices.c.number
        query = _listed(merchant_id).where(*_conditions(which, today))
        if below is not None:
            query = query.where(place < (below if drafts else int(below)))
        if above is not None:
            query = query.where(place > (above if drafts else int(above)))
        order = place.asc() if above is not None else place.desc()
        found = await self._many(query.order_by(order).limit(limit))
        return found[::-1] if above is not None else found

    async def search(self, merchant_id: int, words: str, *, limit: int) -> list[Listed]:
        """
        Those whose number, customer, items or note hold the words, newest first.

        What is written on a bill is sealed, so the newest 5,000 are opened and looked through.
        """
        wanted = words.casefold().split()
        found: list[Listed] = []
        async for batch in self._scan(merchant_id, most=self.searched_max):
            found += [each for each in batch if _holds(each.invoice, wanted)]
            if len(found) >= limit:
                break
        return found[:limit]

    async def customers(self, merchant_id: int, words: str, *, limit: int) -> list[Invoice]:
        """The newest invoice of each customer whose name holds the words; searched as above."""
        wanted = words.casefold().removeprefix("@").split()
        found: dict[str, Invoice] = {}
        async for batch in self._scan(merchant_id, most=self.searched_max):
            for each in batch:
                bill = each.invoice.bill
                name = f"{bill.customer} {bill.username or ''}".casefold()
                if all(one in name for one in wanted):
                    found.setdefault(bill.customer.casefold(), each.invoice)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]

    async def of_same_customer(self, merchant_id: int, invoice: Invoice) -> list[str]:
        """The ids of all of this merchant's invoices to whoever *invoice* is to."""
        name, person_id = invoice.bill.customer.casefold(), invoice.customer_id
        found: list[str] = []
        async for batch in self._scan(merchant_id, most=None):
            found += [
                each.invoice.id
                for each in batch
                if each.invoice.bill.customer.casefold() == name
                or (person_id is not None and each.invoice.customer_id == person_id)
            ]
        return found

    async def _scan(self, merchant_id: int, *, most: int | None) -> AsyncIterator[list[Listed]]:
        """A merchant's invoices, newest first, a batch at a time; *most*, or all of them."""
        below: tuple[datetime, str] | None = None
        left = most
        while left is None or left > 0:
            size = self.read_at_once if left is None else min(left, self.read_at_once)
            query = _listed(merchant_id).order_by(
                invoices.c.created_at.desc(), invoices.c.id.desc()
            )
            if below is not None:
                at, invoice_id = below
                query = query.where(
                    or_(
                        invoices.c.created_at < at,
                        and_(invoices.c.created_at == at, invoices.c.id < invoice_id),
                    )
                )
            batch = await self._many(query.limit(size))
            yield batch
            if len(batch) < size:
                return
            left = None if left is None else left - size
            below = batch[-1].invoice.created_at, batch[-1].invoice.id

    async def owed(self, merchant_id: int) -> tuple[int, int]:
        """How many are open, and how much is left to come for them, in cents."""
        rows = _open(merchant_id).subquery()
        query = select(func.count(), func.coalesce(func.sum(rows.c.left), 0))
        count, left = (await self._connection.execute(query.select_from(rows))).one()
        return int(count), int(left)

    async def ageing(self, merchant_id: int, *, today: date) -> list[Ageing]:
        """What is owed: not due yet, and by how many days it is late."""
        rows = _open(merchant_id).subquery()
        late = today.toordinal() - rows.c.due_on
        step = case(*((late <= end, number) for number, end in enumerate(STEPS)), else_=len(STEPS))
        query = (
            select(step.label("step"), func.count(), func.sum(rows.c.left))
            .select_from(rows)
            .group_by(step)
        )
        found = {row[0]: row for row in await self._connection.execute(query)}
        labels = ("0", "1-30", "31-60", "61-90", "90+")
        return [
            Ageing(label=label, count=int(found[at][1]), left_cents=int(found[at][2]))
            for at, label in enumerate(labels)
            if at in found
        ]

    async def takings(self, merchant_id: int, stretch: Stretch, *, direct: bool) -> Takings:
        """
        What came in a stretch of time, as it arrived: what went back is in `gone_back`.

        With *direct* also what was paid for nothing in particular: it is the operators' own.
        """
        whose = _whose(merchant_id, direct=direct)
        paid = payments.c.status == Status.PAID
        came = and_(paid, payments.c.credited_cents > 0)
        arrived = payments.c.credited_cents + payments.c.reversed_cents
        failed = payments.c.status.in_((Status.DECLINED, Status.REFUSED, Status.VOID))
        query = select(
            func.coalesce(func.sum(case((paid, arrived), else_=0)), 0),
            func.coalesce(func.sum(case((came, 1), else_=0)), 0),
            func.coalesce(func.sum(case((failed, 1), else_=0)), 0),
            func.coalesce(func.sum(case((or_(paid, failed), 0), else_=1)), 0),
        ).where(whose, *_within(stretch, AT, KNOWN_AT))
        mpesa, count, failures, undecided = (await self._connection.execute(query)).one()
        is_cash = invoice_entries.c.kind.in_(
            [InvoiceEntryKind.CASH.value, InvoiceEntryKind.CASH_UNDONE.value]
        )
        entries = (
            select(
                func.coalesce(func.sum(case((is_cash, invoice_entries.c.cents), else_=0)), 0),
                func.coalesce(func.sum(case((is_cash, 0), else_=invoice_entries.c.cents)), 0),
            )
            .join(invoices, invoices.c.id == invoice_entries.c.invoice_id)
            .where(
                invoices.c.merchant_id == merchant_id,
                invoice_entries.c.kind.in_([each.value for each in MOVED]),
                *_within(stretch, invoice_entries.c.at, [invoice_entries.c.at]),
            )
        )
        cash, given_back = (await self._connection.execute(entries)).one()
        return Takings(
            mpesa_cents=int(mpesa),
            cash_cents=int(cash),
            given_back_cents=int(given_back),
            paid=int(count),
            failed=int(failures),
            undecided=int(undecided),
        )

    async def gone_back(
        self, merchant_id: int, *, until: datetime, direct: bool
    ) -> list[tuple[str, datetime, datetime, int]]:
        """Payments of which something went back: id, when it came and was known, how much came."""
        query = select(
            payments.c.id,
            *KNOWN_AT,
            payments.c.credited_cents + payments.c.reversed_cents,
        ).where(
            _whose(merchant_id, direct=direct),
            payments.c.status == Status.PAID,
            payments.c.reversed_cents != 0,
            until > AT,
        )
        return [
            (row[0], row[1], max(row[1:-1]), int(row[-1]))
            for row in await self._connection.execute(query)
        ]

    async def _many(self, query: Select[Any]) -> list[Listed]:
        rows = (await self._connection.execute(query)).mappings()
        return [Listed(read_invoice(row, self._crypt), int(row["came"])) for row in rows]


def _within(
    stretch: Stretch, at: ColumnElement[datetime], known_at: Sequence[ColumnElement[datetime]]
) -> list[ColumnElement[bool]]:
    """`Stretch.holds` as conditions; what is known is known from the last of *known_at* on."""
    conditions = [at < stretch.until]
    if stretch.since is not None:
        conditions.append(at >= stretch.since)
    if stretch.known_since is not None:
        conditions.append(or_(*(each >= stretch.known_since for each in known_at)))
    if stretch.known_until is not None:
        conditions += [each < stretch.known_until for each in known_at]
    return conditions


def _whose(merchant_id: int, *, direct: bool) -> ColumnElement[bool]:
    theirs = payments.c.subject.in_(select(SUBJECT).where(invoices.c.merchant_id == merchant_id))
    return or_(theirs, payments.c.subject.is_(None)) if direct else theirs


def _listed(merchant_id: int) -> Select[Any]:
    return WITH_BILL.add_columns(paid_cents().label("came")).where(
        invoices.c.merchant_id == merchant_id
    )


def _open(merchant_id: int) -> Select[Any]:
    return select(invoices.c.due_on, _left().label("left")).where(
        invoices.c.merchant_id == merchant_id,
        invoices.c.decided == Decided.ISSUED.value,
        _left() > 0,
    )


def _conditions(which: Which, today: date) -> Sequence[ColumnElement[bool]]:
    issued = invoices.c.decided == Decided.ISSUED.value
    match which:
        case Which.OPEN:
            return (issued, _left() > 0)
        case Which.OVERDUE:
            return (issued, invoices.c.due_on < today.toordinal(), _left() > 0)
        case Which.PAID:
            return (issued, _left() <= 0)
        case Which.CLOSED:
            closed = (Decided.VOID.value, Decided.WRITTEN_OFF.value)
            return (invoices.c.decided.in_(closed),)
        case Which.DRAFTS:
            return (invoices.c.decided == Decided.DRAFT.value,)


def _holds(invoice: Invoice, wanted: Sequence[str]) -> bool:
    bill = invoice.bill
    words = [invoice.label, str(invoice.number), bill.customer, bill.username or "", bill.note]
    text = " ".join([*words, *(each.what for each in bill.items)]).casefold()
    return all(each in text for each in wanted)
