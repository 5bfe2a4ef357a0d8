"""
Acts: something a merchant does to an invoice, in one commit with everything that follows from it.

Every act is for the merchant whose invoice it is; to anybody else the invoice does not exist. What
became of money, operators may say too, once the merchant was forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.given_back import count_once
from bot.core.invoice_news import cards_of, undone_key
from bot.core.invoices import InvoiceView, view_of
from bot.core.people import close, is_forgotten
from bot.core.ports import Clock
from storage.engine import Store
from storage.records import Closing, Invoice, InvoiceEntry, InvoiceEntryKind
from storage.tx import Tx

__all__ = ["Act", "Acts", "Done", "No", "enter"]


class No(StrEnum):
    """Why nothing was done."""

    NOT_A_MERCHANT = "not-a-merchant"
    NOT_YOURS = "not-yours"  # another's, or none at all: the two look the same
    EMPTY = "empty"  # an invoice of nothing
    TOO_LARGE = "too-large"
    NOT_OPEN = "not-open"  # void, written off, a draft: whatever the act cannot be done to
    HAS_MONEY = "has-money"  # money came for it, or may have: it cannot be as if it never was
    NOTHING_LEFT = "nothing-left"
    MORE_THAN_LEFT = "more-than-left"
    NO_EXCESS = "no-excess"
    OTHER_EXCESS = "other-excess"  # what is too much is not what the reader was shown
    STALE = "stale"  # the button was used, or is too old
    ASKER_GONE = "asker-gone"  # was forgotten: an answer would reach nobody
    TAKEN_BACK = "taken-back"  # these very words were carried out, and that was undone since


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The invoice as it is now; `again`: these very words had done it before."""

    view: InvoiceView
    again: bool = False


Act = Callable[[Tx, InvoiceView, datetime], Awaitable[No | None]]


class Acts:
    """Carries acts out."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        wake: Callable[[], None],
        operators: Collection[int] = (),
    ) -> None:
        self._store = store
        self._clock = clock
        self._operators = operators
        self.wake = wake

    def answers_for(self, invoice: Invoice, person_id: int) -> bool:
        """Whether this person says what became of its money."""
        inherited = is_forgotten(invoice.merchant_id) and person_id in self._operators
        return inherited or invoice.merchant_id == person_id

    async def do(
        self,
        invoice_id: str,
        by: int,
        closing: Closing,
        act: Act,
        *,
        known_key: str | None = None,
        of_money: bool = False,
    ) -> Done | No:
        """
        Carry *act* out on one's own invoice, locked; owe its cards; end the update.

        *of_money*: it says what became of money that came, and is also for who inherited that.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> Done | No:
            invoice = await tx.invoices.lock(invoice_id)
            if invoice is None:
                return No.NOT_YOURS
            if invoice.merchant_id != by and not (of_money and self.answers_for(invoice, by)):
                return No.NOT_YOURS
            known = None if known_key is None else await tx.invoices.entered_as(known_key)
            if known is not None:
                if await tx.invoices.entered(undone_key(known.id)):
                    return No.TAKEN_BACK
                return Done(view=await view_of(tx, invoice), again=True)
            await count_once(tx, invoice, now)
            no = await act(tx, await view_of(tx, invoice), now)
            return await self.told(tx, invoice_id, closing, now) if no is None else no

        return await self.write(run)

    async def told(self, tx: Tx, invoice_id: str, closing: Closing, now: datetime) -> Done:
        invoice = await tx.invoices.get(invoice_id)
        assert invoice is not None, "it was there a moment ago"
        # Another bill, or cash that was wrong, may leave less of too much to stay as agreed.
        await count_once(tx, invoice, now)
        await tx.notices.owe(await cards_of(tx, invoice), now=now)
        await tx.touched.touch(invoice.subject)
        await close(tx, closing, self._clock)
        return Done(view=await view_of(tx, invoice))

    async def write(self, run: Callable[[Tx], Awaitable[Done | No]]) -> Done | No:
        answer = await self._store.write(run)
        self.wake()
        return answer


async def enter(
    tx: Tx,
    invoice: Invoice,
    kind: InvoiceEntryKind,
    by: int,
    now: datetime,
    key: str,
    *,
    cents: int = 0,
    about_cents: int = 0,
    why: str = "",
    answers: int | None = None,
) -> bool:
    """Add what somebody did to the books of an invoice; False if that was there before."""
    return await tx.invoices.enter(
        InvoiceEntry(
            invoice_id=invoice.id,
            kind=kind,
            cents=cents,
            about_cents=about_cents,
            why=why,
            by=by,
            at=now,
            key=key,
            answers=answers,
        )
    )
