"""
Billing: what a merchant does to invoices: issue, revise, void, write off.

Every act is for the merchant whose invoice it is; to anybody else it does not exist. A number is
given out in the commit that issues, so the series has no gap; what was issued is never changed
but by a further revision, and entries are only ever added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.bills import SHILLING, amounts_of
from bot.core.eat import morning_after
from bot.core.invoice_acts import Acts, Done, No, enter
from bot.core.invoice_news import card, undone_key
from bot.core.invoices import InvoiceView, view_of
from bot.core.merchants import Merchants
from bot.core.people import close
from bot.core.ports import Clock, Ids
from bot.core.reminders import plan_anew, put_off_missed
from storage.engine import Store
from storage.errors import NotKept
from storage.records import (
    Bill,
    Closing,
    Decided,
    Etims,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
    Merchant,
)
from storage.tx import Tx

__all__ = ["Billing", "NewInvoice"]

REFERENCE_TRIES = 8
TOTAL_CENTS_MAX = 100_000_000 * 100
"""A hundred million shillings: more is a slip of the finger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    """What a merchant wants billed."""

    merchant_id: int
    bill: Bill
    issue_key: str  # the same key twice is one invoice
    draft: bool = False


class Billing:
    """A merchant's own acts."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        merchants: Merchants,
        acts: Acts,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._merchants = merchants
        self._acts = acts

    async def make(self, new: NewInvoice, closing: Closing) -> Done | No:
        """
        Issue an invoice (or keep a draft), owe its card and end the update, in one commit.

        A No wrote nothing: the caller answers.
        """
        total_cents = amounts_of(new.bill).total_cents
        if (no := _bad_total(total_cents, draft=new.draft)) is not None:
            return no
        now = self._clock.now()

        async def run(tx: Tx) -> Done | No:
            known = await tx.invoices.by_key(new.issue_key)
            if known is not None:
                return Done(view=await view_of(tx, known), again=True)
            merchant = await self._merchants.locked(tx, new.merchant_id)
            if merchant is None:
                return No.NOT_A_MERCHANT
            invoice = Invoice(
                id=self._ids.new(now),
                merchant_id=merchant.id,
                number=None,
                code=self._ids.button(),
                by_hand_ref=await self._reference(tx),
                decided=Decided.DRAFT,
                revision=1,
                bill=new.bill,
                total_cents=total_cents,
                due_on=new.bill.due_on,
                language=merchant.language,
                account=merchant.account,
                issue_key=new.issue_key,
                created_at=now,
            )
            await tx.invoices.add(invoice, by=merchant.id, at=now)
            if not new.draft:
                await self._issue(tx, invoice, merchant, now)
            return await self._acts.told(tx, invoice.id, closing, now)

        return await self._acts.write(run)

    async def issue(self, invoice_id: str, *, by: int, closing: Closing) -> Done | No:
        """A draft becomes an invoice: it gets its number, and can be paid."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            invoice = view.invoice
            if invoice.decided is not Decided.DRAFT:
                return No.NOT_OPEN
            if (no := _bad_total(invoice.total_cents)) is not None:
                return no
            merchant = await self._merchants.locked(tx, by)
            if merchant is None:
                return No.NOT_A_MERCHANT
            await self._issue(tx, invoice, merchant, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def revise(
        self, invoice_id: str, change: Callable[[Bill], Bill], *, by: int, closing: Closing
    ) -> Done | No:
        """
        Bill otherwise from now on; what was billed before stays to be read.

        *change* is made from the newest bill, inside the transaction. A bill that stays the
        same makes no revision.
        """

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            invoice = view.invoice
            if invoice.decided not in (Decided.DRAFT, Decided.ISSUED):
                return No.NOT_OPEN
            bill = change(invoice.bill)
            total_cents = amounts_of(bill).total_cents
            draft = invoice.decided is Decided.DRAFT
            if (no := _bad_total(total_cents, draft=draft)) is not None:
                return no
            if bill == invoice.bill:
                return None
            revised = replace(
                invoice,
                revision=invoice.revision + 1,
                bill=bill,
                total_cents=total_cents,
                due_on=bill.due_on,
            )
            await tx.invoices.revise(revised, by=by, at=now)
            if not draft:
                key = f"revised:{invoice.id}:{revised.revision}"
                await enter(tx, invoice, InvoiceEntryKind.REVISED, by, now, key=key)
                await tx.invoices.change(invoice.id, ask_at=_ask_at(revised, now))
            if bill.due_on != invoice.due_on:
                await plan_anew(tx, invoice.id, bill.due_on, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def void(self, invoice_id: str, *, by: int, why: str, closing: Closing) -> Done | No:
        """It should not have been issued. Refused where money came for it, or may have."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            invoice, sums = view.invoice, view.sums
            if invoice.decided is not Decided.ISSUED:
                return No.NOT_OPEN
            if sums.paid_cents or sums.waiting_cents:
                return No.HAS_MONEY
            await self._decide(tx, invoice, Decided.VOID, InvoiceEntryKind.VOIDED, by, now, why=why)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def write_off(self, invoice_id: str, *, by: int, why: str, closing: Closing) -> Done | No:
        """What is left will not come."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            if view.invoice.decided is not Decided.ISSUED:
                return No.NOT_OPEN
            if view.sums.waiting_cents:
                return No.HAS_MONEY
            if not view.left_cents:
                return No.NOTHING_LEFT
            await self._decide(
                tx,
                view.invoice,
                Decided.WRITTEN_OFF,
                InvoiceEntryKind.WRITTEN_OFF,
                by,
                now,
                why=why,
            )
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def reopen(self, invoice_id: str, *, by: int, closing: Closing) -> Done | No:
        """Void, or written off, by mistake: it can be paid again."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            if view.invoice.decided not in (Decided.VOID, Decided.WRITTEN_OFF):
                return No.NOT_OPEN
            await self._decide(tx, view.invoice, Decided.ISSUED, InvoiceEntryKind.REOPENED, by, now)
            await put_off_missed(tx, view.invoice.id, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def note_etims(
        self, invoice_id: str, *, etims: Etims, by: int, closing: Closing
    ) -> Done | No:
        """What the tax authority's own invoice says."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            if view.invoice.decided is Decided.DRAFT:
                return No.NOT_OPEN
            await tx.invoices.put_etims(view.invoice.id, etims)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def show(self, invoice_id: str, *, by: int, closing: Closing) -> InvoiceView | None:
        """One's own invoice as the newest message of the chat."""
        now = self._clock.now()

        async def run(tx: Tx) -> InvoiceView | None:
            invoice = await tx.invoices.get(invoice_id)
            if invoice is None or invoice.merchant_id != by:
                return None
            shown = card(invoice, by, "merchant")
            await tx.notices.owe([shown], now=now)
            await tx.notices.send_anew(shown.key, now=now)
            await close(tx, closing, self._clock)
            return await view_of(tx, invoice)

        view = await self._store.write(run)
        self._acts.wake()
        return view

    async def entries(
        self, invoice_id: str, *kinds: InvoiceEntryKind, by: int
    ) -> list[InvoiceEntry]:
        """What was done about one's own invoice; of cash, what still counts."""
        async with self._store.read() as tx:
            invoice = await tx.invoices.get(invoice_id)
            if invoice is None or invoice.merchant_id != by:
                return []
            undoing = (*kinds, InvoiceEntryKind.CASH_UNDONE)
            found = await tx.invoices.entries(invoice_id, *undoing)
        undone = {each.key for each in found if each.kind is InvoiceEntryKind.CASH_UNDONE}
        return [each for each in found if each.kind in kinds and undone_key(each.id) not in undone]

    async def view(self, invoice_id: str, *, by: int) -> InvoiceView | None:
        """One's own invoice, or one whose money one answers for."""
        async with self._store.read() as tx:
            invoice = await tx.invoices.get(invoice_id)
            if invoice is None or not self._acts.answers_for(invoice, by):
                return None
            return await view_of(tx, invoice)

    async def _issue(self, tx: Tx, invoice: Invoice, merchant: Merchant, now: datetime) -> None:
        """
        The number, and the next one's, in this commit: none is left out, none is used twice.

        It is paid to the account that its merchant has now: a draft may be older than that.
        """
        number = merchant.next_number
        await tx.merchants.change(merchant.id, next_number=number + 1)
        await tx.invoices.change(
            invoice.id,
            number=number,
            account=merchant.account,
            decided=Decided.ISSUED.value,
            issued_revision=invoice.revision,
            issued_at=now,
            ask_at=_ask_at(invoice, now),
        )

    async def _decide(
        self,
        tx: Tx,
        invoice: Invoice,
        decided: Decided,
        kind: InvoiceEntryKind,
        by: int,
        now: datetime,
        *,
        why: str = "",
    ) -> None:
        ask_at = _ask_at(invoice, now) if decided is Decided.ISSUED else None
        await tx.invoices.change(invoice.id, decided=decided.value, ask_at=ask_at)
        key = f"{kind}:{invoice.id}:{now.timestamp():.6f}"
        await enter(tx, invoice, kind, by, now, key, why=why)

    async def _reference(self, tx: Tx) -> str:
        for _ in range(REFERENCE_TRIES):
            reference = self._ids.by_hand_reference()
            if not await tx.payments.reference_taken(reference):
                return reference
        raise NotKept("no free reference was found")


def _bad_total(total_cents: int, *, draft: bool = False) -> No | None:
    if total_cents > TOTAL_CENTS_MAX:
        return No.TOO_LARGE
    return No.EMPTY if total_cents < SHILLING and not draft else None


def _ask_at(invoice: Invoice, now: datetime) -> datetime:
    """The morning after it was due, when its merchant is asked about it if it is not paid."""
    return max(morning_after(invoice.due_on), now)
