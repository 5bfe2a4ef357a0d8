"""
Talk: what customers say about an invoice, and what its merchant says to that.

Who says that an invoice is not theirs gets no more of it, and nobody is reminded of it until the
merchant has decided. People without Telegram write on the invoice's page, counted as prompts are.
Words to a merchant who was forgotten reach nobody: they are not kept, and who wrote them is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.core.ask import PageAsk
from bot.core.invoice_acts import Acts, Done, No, enter
from bot.core.invoice_news import card, news
from bot.core.invoices import InvoiceView, found_by_code, view_of
from bot.core.limits import PAGE_COUNTS_FOR, LimitSettings, Refusal, RefusalReason
from bot.core.people import close, is_forgotten
from bot.core.ports import Clock
from storage.engine import Store
from storage.records import (
    NOBODY,
    Closing,
    Decided,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
)
from storage.tx import Tx

__all__ = ["WORDS_CHARS_MAX", "InvoiceTalk", "OnPage"]

WORDS_CHARS_MAX = 500
SHOWN_ON_PAGE = 5
READ_FOR_PAGE = 2000
FROM_CUSTOMERS = (InvoiceEntryKind.QUESTION, InvoiceEntryKind.NOT_MINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPage:
    """A question that was written on the page, with what the merchant answered so far."""

    text: str
    at: datetime
    answers: tuple[str, ...]


class InvoiceTalk:
    """Carries words between a customer and a merchant."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        acts: Acts,
        limits: LimitSettings,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._acts = acts
        self._limits = limits
        self._wake = wake

    async def ask(
        self, code: str, *, person_id: int, text: str, key: str, closing: Closing, gone: Closing
    ) -> InvoiceView | None:
        """
        A question of somebody who has the link reaches the merchant; None: no such invoice.

        *gone* is what is said instead where the merchant was forgotten.
        """

        async def act(tx: Tx, invoice: Invoice, now: datetime) -> None:
            await self._tell(tx, invoice, InvoiceEntryKind.QUESTION, person_id, now, key, why=text)

        return await self._about(code, closing, gone, act)

    async def not_mine(
        self, code: str, *, person_id: int, closing: Closing, gone: Closing
    ) -> InvoiceView | None:
        """Somebody who was sent it says that it is not theirs: the merchant is told, if any is."""

        async def act(tx: Tx, invoice: Invoice, now: datetime) -> None:
            readers = await tx.invoices.readers(invoice.id)
            if person_id not in readers and await _said_not_mine(tx, invoice, person_id):
                return
            await tx.invoices.disown(invoice.id, person_id, not_mine=True)
            if invoice.customer_id == person_id:
                readers.remove(person_id)
                await tx.invoices.change(invoice.id, customer_id=readers[0] if readers else None)
            await self._disown(tx, invoice, person_id, now)

        return await self._about(code, closing, gone, act)

    async def from_page(
        self, code: str, *, text: str, key: str, page: PageAsk
    ) -> InvoiceView | Refusal | None:
        """
        What somebody wrote on the page; no text: "not mine". None: no such invoice.

        It was carried on unless the merchant of the view was forgotten. The same key twice is one.
        Counted by address and by page, for nobody knows who it is.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> InvoiceView | Refusal | None:
            found = await found_by_code(tx, code)
            if found is None:
                return None
            await tx.page_prompts.lock(address=page.address, page=page.page)
            invoice = await tx.invoices.lock(found.id)
            assert invoice is not None, "found a moment ago"
            if await tx.invoices.entered(key):
                return await view_of(tx, invoice)
            if (refusal := await self._too_many(tx, page, now)) is not None:
                return refusal
            await tx.page_prompts.add_words(address=page.address, page=page.page, at=now)
            if text:
                kind = InvoiceEntryKind.QUESTION
                await self._tell(tx, invoice, kind, NOBODY, now, key, why=text)
            else:
                await self._disown(tx, invoice, NOBODY, now)
            return await view_of(tx, invoice)

        answer = await self._store.write(run)
        self._wake()
        return answer

    async def on_page(self, code: str) -> tuple[OnPage, ...]:
        """The newest questions that were written on the page; none of those asked in chats."""
        async with self._store.read() as tx:
            found = await found_by_code(tx, code)
            if found is None:
                return ()
            said = await tx.invoices.entries(
                found.id,
                InvoiceEntryKind.QUESTION,
                InvoiceEntryKind.ANSWER,
                limit=READ_FOR_PAGE,
            )
        asked = [each for each in said if each.by == NOBODY]
        return tuple(
            OnPage(
                text=each.why,
                at=each.at,
                answers=tuple(one.why for one in said if one.answers == each.id),
            )
            for each in asked[-SHOWN_ON_PAGE:]
        )

    async def answer(
        self, invoice_id: str, *, entry_id: int, by: int, text: str, key: str, closing: Closing
    ) -> Done | No:
        """What the merchant says to a question, or to "not mine", goes to whoever said it."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            asked = await tx.invoices.entry(view.invoice.id, entry_id)
            if asked is None or asked.kind not in FROM_CUSTOMERS:
                return No.NOT_YOURS
            if is_forgotten(asked.by):
                return No.ASKER_GONE
            kind = InvoiceEntryKind.ANSWER
            await self._to_customer(tx, view.invoice, kind, asked, now, key, why=text)
            return None

        return await self._acts.do(invoice_id, by, closing, act, known_key=key)

    async def decide(
        self, invoice_id: str, *, theirs: bool, by: int, closing: Closing
    ) -> Done | No:
        """The merchant has heard "not mine": it is theirs all the same, or somebody else's."""

        async def act(tx: Tx, view: InvoiceView, now: datetime) -> No | None:
            invoice, person_id = view.invoice, view.invoice.disowned_by
            if person_id is None:
                return No.STALE
            await tx.invoices.change(invoice.id, disowned_by=None)
            kind = InvoiceEntryKind.THEIRS if theirs else InvoiceEntryKind.NOT_THEIRS
            key = f"{kind}:{invoice.id}:{now.timestamp():.6f}"
            said = await _said_not_mine(tx, invoice, person_id)
            assert said is not None, "whoever disowned it said so"
            if not theirs:
                await _enter(tx, invoice, kind, by, now, key, answers=said.id)
                return None
            if person_id != NOBODY and not is_forgotten(person_id):
                await tx.invoices.disown(invoice.id, person_id, not_mine=False)
                if invoice.customer_id is None:
                    await tx.invoices.change(invoice.id, customer_id=person_id)
            await self._to_customer(tx, invoice, kind, said, now, key)
            return None

        return await self._acts.do(invoice_id, by, closing, act)

    async def _too_many(self, tx: Tx, page: PageAsk, now: datetime) -> Refusal | None:
        by_address, first_by_address, on_page, first_on_page = await tx.page_prompts.words(
            address=page.address, page=page.page, since=now - PAGE_COUNTS_FOR
        )

        def no(reason: RefusalReason, since: datetime | None) -> Refusal:
            until = (since or now) + PAGE_COUNTS_FOR
            return Refusal(reason=reason, phone_mask="", amount_kes=0, until=until)

        if by_address >= self._limits.page_prompts_per_address_per_hour:
            return no(RefusalReason.PAGE_ADDRESS, first_by_address)
        if on_page >= self._limits.page_prompts_per_page_per_hour:
            return no(RefusalReason.PAGE_FULL, first_on_page)
        return None

    async def _about(
        self,
        code: str,
        closing: Closing,
        gone: Closing,
        act: Callable[[Tx, Invoice, datetime], Awaitable[None]],
    ) -> InvoiceView | None:
        now = self._clock.now()

        async def run(tx: Tx) -> InvoiceView | None:
            found = await found_by_code(tx, code)
            invoice = None if found is None else await tx.invoices.lock(found.id)
            if invoice is None:
                return None
            await act(tx, invoice, now)
            nobody = is_forgotten(invoice.merchant_id)
            await close(tx, gone if nobody else closing, self._clock)
            return await view_of(tx, invoice)

        view = await self._store.write(run)
        self._wake()
        return view

    async def _disown(self, tx: Tx, invoice: Invoice, person_id: int, now: datetime) -> None:
        """Mark it until the merchant has decided: till then once for a person."""
        key = await _not_mine_key(tx, invoice, person_id)
        told = await self._tell(tx, invoice, InvoiceEntryKind.NOT_MINE, person_id, now, key)
        if told and invoice.decided is Decided.ISSUED:
            await tx.invoices.change(invoice.id, disowned_by=person_id)
            await tx.notices.owe([card(invoice, invoice.merchant_id, "merchant")], now=now)

    async def _tell(
        self,
        tx: Tx,
        invoice: Invoice,
        kind: InvoiceEntryKind,
        person_id: int,
        now: datetime,
        key: str,
        *,
        why: str = "",
    ) -> bool:
        """
        Write down what a customer says and owe it to the merchant.

        False if that was done before, or there is nobody to read it.
        """
        if is_forgotten(invoice.merchant_id):
            return False
        entry = await _enter(tx, invoice, kind, person_id, now, key, why=why)
        if entry is None:
            return False
        topic = f"{kind}:{entry.id}"
        await tx.notices.owe([news(invoice, topic, chat_id=invoice.merchant_id)], now=now)
        return True

    async def _to_customer(
        self,
        tx: Tx,
        invoice: Invoice,
        kind: InvoiceEntryKind,
        asked: InvoiceEntry,
        now: datetime,
        key: str,
        *,
        why: str = "",
    ) -> None:
        """The same the other way; on the page it is read there, and the forgotten read nothing."""
        by = invoice.merchant_id
        entry = await _enter(tx, invoice, kind, by, now, key, why=why, answers=asked.id)
        if entry is not None and not is_forgotten(asked.by):
            await tx.notices.owe([news(invoice, f"{kind}:{entry.id}", chat_id=asked.by)], now=now)


async def _enter(
    tx: Tx,
    invoice: Invoice,
    kind: InvoiceEntryKind,
    by: int,
    now: datetime,
    key: str,
    *,
    why: str = "",
    answers: int | None = None,
) -> InvoiceEntry | None:
    """The entry as it is kept now; None if it was there before."""
    fresh = await enter(tx, invoice, kind, by, now, key, why=why, answers=answers)
    return await tx.invoices.entered_as(key) if fresh else None


async def _said_not_mine(tx: Tx, invoice: Invoice, person_id: int) -> InvoiceEntry | None:
    """When this person said so last; None: never."""
    said = await tx.invoices.entries(invoice.id, InvoiceEntryKind.NOT_MINE, limit=None)
    return next((each for each in reversed(said) if each.by == person_id), None)


async def _not_mine_key(tx: Tx, invoice: Invoice, person_id: int) -> str:
    """What is said after the merchant has decided is news, and wants a decision of its own."""
    kinds = (InvoiceEntryKind.THEIRS, InvoiceEntryKind.NOT_THEIRS)
    decisions = len(await tx.invoices.entries(invoice.id, *kinds, limit=None))
    key = f"not-mine:{invoice.id}:{person_id}"
    return f"{key}:{decisions}" if decisions else key
