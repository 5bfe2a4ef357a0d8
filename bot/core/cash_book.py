"""
Cash book: money that came past M-Pesa, and what was paid too much.

Entries are only ever added: a wrong one is taken back by another, with who and when.
"""

from __future__ import annotations

from datetime import datetime

from bot.core.bills import SHILLING, excess_cents, excess_mark
from bot.core.given_back import (
    SAID_OF_EXCESS,
    count_once,
    note_standing,
    still_once_cents,
    sums_of,
)
from bot.core.invoice_acts import Acts, Done, No, enter
from bot.core.invoice_news import ask_anew, tell_given_back, tell_undone, undone_key
from bot.core.invoices import InvoiceView
from storage.records import Closing, Decided, InvoiceEntryKind
from storage.tx import Tx

__all__ = ["CashBook"]


class CashBook:
    """A merchant's entries beside what M-Pesa brought."""

    def __init__(self, *, acts: Acts) -> None:
        self._acts = acts

    async def cash(
        self, invoice_id: str, *, cents: int, by: int, why: str, key: str, closing: Closing
    ) -> Done | No:
        """Money that came past M-Pesa; *key* makes the same words one entry."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            if view.invoice.decided is not Decided.ISSUED:
                return No.NOT_OPEN
            if not view.left_cents:
                return No.NOTHING_LEFT
            if cents >= view.left_cents + SHILLING:
                return No.MORE_THAN_LEFT
            await enter(tx, view.invoice, InvoiceEntryKind.CASH, by, now, key, cents=cents, why=why)
            return None

        return await self._acts.do(invoice_id, by, closing, act, known_key=key)

    async def undo_cash(
        self, invoice_id: str, *, entry_id: int, by: int, closing: Closing
    ) -> Done | No:
        """An entry of cash was wrong: another takes it back."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            entries = await tx.invoices.entries(view.invoice.id, InvoiceEntryKind.CASH)
            wrong = next((each for each in entries if each.id == entry_id), None)
            if wrong is None:
                return No.NOT_YOURS
            key = undone_key(entry_id)
            kind = InvoiceEntryKind.CASH_UNDONE
            if await enter(tx, view.invoice, kind, by, now, key, cents=-wrong.cents):
                await tell_undone(tx, view.invoice, entry_id, now)
                await ask_anew(tx, view.invoice, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def settle_excess(
        self,
        invoice_id: str,
        *,
        keep: bool,
        by: int,
        button: str | None,
        closing: Closing,
        mark: str | None = None,
    ) -> Done | No:
        """
        What was paid too much was given back, or stays with the merchant as agreed.

        *mark* is `InvoiceView.excess_mark` of what they were shown: of money that came since,
        they have said nothing. None: they mean all that there is.
        """

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            invoice = view.invoice
            credited = await tx.invoices.credited(invoice.id)
            await count_once(tx, invoice, now, credited)
            sums = await sums_of(tx, invoice, credited)
            excess = excess_cents(invoice, sums)
            if not excess:
                return No.NO_EXCESS
            if mark not in (None, excess_mark(invoice, sums)):
                return No.OTHER_EXCESS
            if button is not None and not await tx.buttons.take(button, by=by, now=now):
                return No.STALE
            kind = InvoiceEntryKind.KEPT if keep else InvoiceEntryKind.GIVEN_BACK
            moved, named = (0, excess) if keep else (-excess, excess)
            # The same sum may be too much again: what tells it apart is what was said before it.
            before = await tx.invoices.entries(invoice.id, *SAID_OF_EXCESS, limit=None)
            key = f"{kind}:{invoice.id}:{len(before) + 1}"
            written = await enter(tx, invoice, kind, by, now, key, cents=moved, about_cents=named)
            assert written, "the invoice is locked, and this is its next number"
            await note_standing(tx, invoice, key, credited, now)
            if not keep:
                await tell_given_back(tx, invoice, key, credited, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act, of_money=True)

    async def both_went_back(
        self, invoice_id: str, *, entry_id: int, by: int, closing: Closing
    ) -> Done | No:
        """What was counted once is not the same money: it was given back, and M-Pesa took it."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            once = await tx.invoices.entry(view.invoice.id, entry_id)
            if once is None or once.kind is not InvoiceEntryKind.WENT_BACK or once.about_cents < 0:
                return No.NOT_YOURS
            kind = InvoiceEntryKind.BOTH_WENT_BACK
            key = f"{kind}:{entry_id}"  # said again, it is so already
            cents = -await still_once_cents(tx, once)
            if not cents and not await tx.invoices.entered(key):
                return No.STALE  # M-Pesa took nothing back after all
            if await enter(tx, view.invoice, kind, by, now, key, cents=cents, answers=entry_id):
                await ask_anew(tx, view.invoice, now)
            return None

        return await self._acts.do(invoice_id, by, closing, act, of_money=True)
