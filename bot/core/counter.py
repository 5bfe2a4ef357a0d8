"""
Counter: "the customer shows me a code": what a merchant may know of a receipt, and may do with it.

A merchant sees what is theirs, and money that is nobody's yet: how much and when, never whose
number or which account. Of everything else they learn only that it is another part's. What they
take for an invoice of their own is told to the operators.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.core.eat import day_of
from bot.core.placing import may_be_prompts
from bot.core.ports import Clock
from bot.core.rulings import Ruling, Rulings
from bot.core.two_people import Needs
from storage.engine import Store
from storage.invoice_lists import Listed, Which
from storage.records import (
    Decided,
    Invoice,
    OpenDifference,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Status,
)
from storage.tx import Tx

__all__ = ["Counter", "Listed", "Look", "Shown", "Whose"]

log = logging.getLogger(__name__)

ASKED_PER_HOUR_MAX = 20
"""Codes that one merchant may have Safaricom asked about; nobody types more at a counter."""

OPEN_READ = 50
OFFERED = 5


class Whose(StrEnum):
    """What a merchant learns of a receipt."""

    INVOICE = "invoice"  # it is for an invoice of theirs
    PAYMENT = "payment"  # they asked for it themselves, without an invoice
    FREE = "free"  # it is in the books, and nobody's yet
    RETURNED = "returned"  # nobody's, and it or a part of it went back to the payer
    PROMPTED = "prompted"  # nobody's by its code, but a prompt may have brought it, and counts it
    UNNAMED = "unnamed"  # nobody's yet, but the books have not said under which account it came
    ELSEWHERE = "elsewhere"  # it is another part's of this business
    UNKNOWN = "unknown"  # nothing that may be relied on


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    All that a merchant may be told.

    `amount_cents` and `at` are given for what is theirs or free. `sure`: the money is credited, or
    stands in Safaricom's books. `asked`: Safaricom has just been asked; look again.
    """

    receipt: str
    whose: Whose
    sure: bool = False
    amount_cents: int | None = None
    at: datetime | None = None
    invoice: Invoice | None = None
    gone_back_cents: int = 0
    offers: tuple[Listed, ...] = ()  # of a free one: open invoices, the likeliest first
    asked: bool = False
    can_ask: bool = False


class Found(Protocol):
    """What the record knows of a receipt; `bot.core.record_desk.Verified` is one."""

    @property
    def payment(self) -> Payment | None: ...
    @property
    def row(self) -> RecordRow | None: ...
    @property
    def difference(self) -> OpenDifference | None: ...
    @property
    def asked(self) -> bool: ...
    @property
    def can_ask(self) -> bool: ...


class Look(Protocol):
    """Looks a receipt up, and asks Safaricom if it may."""

    def __call__(self, receipt: str, *, by: int, may_ask: bool) -> Awaitable[Found]: ...


class Counter:
    """Answers merchants. Who is one, the caller has checked."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        look: Look,
        rulings: Rulings,
        accounts: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._look = look
        self._rulings = rulings
        self._accounts = accounts  # payers type one: not for a till

    async def shown(self, receipt: str, *, merchant_id: int) -> Shown:
        """What this merchant may know of that receipt. Raises NotKept."""
        receipt = receipt.strip().upper()
        since = self._clock.now() - timedelta(hours=1)
        async with self._store.read() as tx:
            asked = await tx.record.asked_by(merchant_id, since=since)
        found = await self._look(receipt, by=merchant_id, may_ask=asked < ASKED_PER_HOUR_MAX)
        async with self._store.read() as tx:
            known = await self._known(tx, receipt, found, merchant_id)
        # That there is something to be asked about is known to whoever typed the code.
        waits = known.whose is Whose.UNKNOWN
        return replace(known, asked=found.asked and waits, can_ask=found.can_ask)

    async def give(self, receipt: str, invoice_id: str, *, merchant_id: int) -> Ruling:
        """
        Take free money for an open invoice of theirs. Pressed twice, it is given once.

        Raises NotKept.
        """
        async with self._store.read() as tx:
            invoice = await tx.invoices.get(invoice_id)
            row = await tx.record.get(receipt)
            holder = (await tx.evidence.receipt_holders([receipt])).get(receipt)
            prompted = row is not None and await may_be_prompts(tx, row)
            went_back = bool(await tx.record.taking_back(receipt))
        if invoice is None or invoice.merchant_id != merchant_id or row is None:
            return Ruling.UNKNOWN
        if holder is not None:
            return await self._whose(holder, invoice)
        free = _is_free(row) and self._is_named(row) and not went_back
        if invoice.decided is not Decided.ISSUED or invoice.account or not free:
            return Ruling.CANNOT
        rule = self._rulings.two_people.rule
        if rule.needs(row.amount_cents) is not Needs.ONE:
            return Ruling.OPERATORS
        if prompted:
            return Ruling.PROMPTED
        given = await self._rulings.give_to_reference(row, invoice.by_hand_ref, by=merchant_id)
        if isinstance(given, Ruling):
            return given
        log.info("counter.given payment=%s by=%d", given, merchant_id)
        return await self._whose(given, invoice, fresh=True)

    async def _whose(self, payment_id: str, invoice: Invoice, *, fresh: bool = False) -> Ruling:
        """Of two who take the same money at once, one has it."""
        async with self._store.read() as tx:
            payment = await tx.payments.get(payment_id)
        if payment is None or payment.subject != invoice.subject:
            return Ruling.HELD
        return Ruling.DONE if fresh else Ruling.ALREADY

    async def _known(self, tx: Tx, receipt: str, found: Found, merchant_id: int) -> Shown:
        row, payment = found.row, found.payment
        if payment is None and row is not None and row.payment_id is not None:
            payment = await tx.payments.get(row.payment_id)
        if payment is not None:
            return await self._of_payment(tx, receipt, payment, merchant_id)
        if row is None or not row.recorded:
            return Shown(receipt=receipt, whose=Whose.UNKNOWN)
        merchant = await tx.merchants.get(merchant_id)
        elsewhere = merchant is not None and merchant.account != ""
        if not elsewhere and row.kind is RowKind.PAID:
            back = await tx.record.taking_back(receipt)
            if back:
                return await self._returned(tx, row, back)
        differs = found.difference is not None and found.difference.kind is not OpenKind.UNMATCHED
        if elsewhere or differs or not _is_free(row):
            return Shown(receipt=receipt, whose=Whose.ELSEWHERE)
        if await may_be_prompts(tx, row):
            return Shown(receipt=receipt, whose=Whose.PROMPTED)
        if not self._is_named(row):
            return Shown(receipt=receipt, whose=Whose.UNNAMED)
        return Shown(
            receipt=receipt,
            whose=Whose.FREE,
            sure=True,
            amount_cents=row.amount_cents,
            at=row.at,
            offers=await self._offers(tx, merchant_id, row.amount_cents),
        )

    async def _returned(self, tx: Tx, row: RecordRow, back: Sequence[RecordRow]) -> Shown:
        """How much of it went back is told where all the rest of it would be."""
        told = _is_free(row) and not await may_be_prompts(tx, row)
        cents = min(row.amount_cents, sum(each.amount_cents for each in back))
        return Shown(
            receipt=row.receipt, whose=Whose.RETURNED, gone_back_cents=cents if told else 0
        )

    async def _of_payment(self, tx: Tx, receipt: str, payment: Payment, merchant_id: int) -> Shown:
        invoice = None
        kind, _, subject = (payment.subject or "").partition(":")
        if kind == "i":
            invoice = await tx.invoices.get(subject)
            if invoice is None or invoice.merchant_id != merchant_id:
                return Shown(receipt=receipt, whose=Whose.ELSEWHERE)
        elif kind or (await tx.payments.intent(payment.intent_id)).asked_by != merchant_id:
            return Shown(receipt=receipt, whose=Whose.ELSEWHERE)
        sure = payment.status is Status.PAID and payment.receipt == receipt
        return Shown(
            receipt=receipt,
            whose=Whose.PAYMENT if invoice is None else Whose.INVOICE,
            sure=sure,
            amount_cents=payment.arrived_cents if sure else None,
            at=payment.paid_at if sure else None,
            invoice=invoice,
            gone_back_cents=payment.reversed_cents,
        )

    def _is_named(self, row: RecordRow) -> bool:
        """
        Whether the books have said all that they will about whose it is.

        Safaricom's answer about one code tells no account: the list and the statement do, later.
        """
        return not self._accounts or bool(row.reference) or row.sources != {Source.STATUS}

    async def _offers(self, tx: Tx, merchant_id: int, cents: int) -> tuple[Listed, ...]:
        """Their open invoices: those that it pays to the cent, then those that it fits into."""
        found = await tx.invoice_lists.page(
            merchant_id, Which.OPEN, today=day_of(self._clock.now()), limit=OPEN_READ
        )
        # The books are the first account's: others' money is not in them.
        mine = [each for each in found if not each.invoice.account]
        mine.sort(key=lambda each: (each.left_cents != cents, each.left_cents < cents))
        return tuple(mine[:OFFERED])


def _is_free(row: RecordRow) -> bool:
    """Whether it is money that came in, in the books, and nobody's."""
    return row.recorded and row.kind is RowKind.PAID and row.state is RowState.OPEN
