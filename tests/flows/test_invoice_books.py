"""
Invoices beside Safaricom's own books: what is paid is what the statement says, to the cent.

Random stories: payments in parts, doubled, at the same moment, cancelled, ignored, with callbacks
lost, twice and before the reply, reversals, cash, revisions, void and written off. What the
statement says for an invoice's references, less reversals, is held beside our books: never above
it, and not below it once everything has been asked about.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.core.ask import Asked
from bot.core.billing import NewInvoice
from bot.core.bills import Standing
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView, PayInvoice
from mpesa.simulator import Behaviour, CallbackFault, Fault, ReplyFault
from mpesa.simulator.books import RowKind
from storage.records import Bill, BillItem, Closing, Decided, InvoiceEntryKind, Status
from storage.schema import payments
from tests.core.shop import a_bill
from tests.flows.shop import Shop, open_shop, phone

SEEDS = (1,)
ACTS = 45
MERCHANT = 900
CALLBACKS = (None, None, None, CallbackFault.NEVER, CallbackFault.TWICE, CallbackFault.BEFORE_REPLY)
HABITS = (Behaviour.PAY, Behaviour.PAY, Behaviour.PAY, Behaviour.CANCEL, Behaviour.WRONG_PIN)


@dataclass
class Story:
    """One random story, and what merchants wrote down themselves."""

    shop: Shop
    dice: random.Random
    codes: list[str] = field(default_factory=list)
    cash: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    billed: dict[str, int] = field(default_factory=dict)
    closed: dict[str, Decided] = field(default_factory=dict)
    numbers: int = 0
    seen: set[object] = field(default_factory=set)

    async def act(self) -> None:
        """One random thing happens."""
        acts = [
            *(self.pay, self.pay, self.pay, self.pay, self.pay_at_once, self.pay_at_once),
            *(
                self.pay_by_hand,
                self.reverse,
                self.take_cash,
                self.undo_cash,
                self.revise,
                self.void,
            ),
            *(self.write_off, self.reopen, self.reopen, self.settle_excess),
        ]
        await self.dice.choice(acts)()
        await self.shop.quiet()
        await self.shop.clock.advance(200)

    async def view(self, code: str | None = None) -> InvoiceView:
        found = await self.shop.core.invoices.by_code(code or self.dice.choice(self.codes))
        assert found is not None
        return found

    async def issue(self) -> None:
        cents = self.dice.randint(100, 300_000)
        bill = a_bill(BillItem(what="tiles", price_cents=cents))
        key = f"m:{len(self.codes)}"
        new = NewInvoice(merchant_id=MERCHANT, bill=bill, issue_key=key)
        done = await self.shop.core.billing.make(new, Closing())
        assert isinstance(done, Done), done
        self.codes.append(done.view.invoice.code)
        self.billed[done.view.invoice.id] = cents

    async def pay(self) -> None:
        """Somebody pays all or a part; what becomes of the prompt and its word is chance."""
        await self._ask(await self.view())

    async def pay_at_once(self) -> None:
        """Two prompts of one invoice are on two phones before either is answered."""
        view = await self.view()
        payers = [await self._ask(view, Behaviour.MANUAL) for _ in range(2)]
        while self.shop.background._tasks:
            await self.shop.clock.advance(0.0005)
        for payer in payers:
            handset = self.shop.simulator.phone(payer)
            if handset.prompt is not None:
                handset.enter_pin("1234")

    async def pay_by_hand(self) -> None:
        """From the phone's own menu, with what stands on the paper as the account."""
        view = await self.view()
        self.numbers += 1
        self.shop.pay(self.numbers, self.dice.randint(1, 2000), view.invoice.by_hand_ref.lower())
        self.seen.add("by hand")

    async def _ask(self, view: InvoiceView, habit: Behaviour | None = None) -> str:
        self.numbers += 1
        payer = phone(self.numbers)
        self.shop.simulator.phone(payer).behave(habit or self.dice.choice(HABITS))
        reply = ReplyFault.LOST if self.dice.random() < 0.1 else None
        callback = self.dice.choice(CALLBACKS)
        if reply is not None and callback is CallbackFault.NEVER:
            callback = None  # then nothing would name it: `tests/flows/test_ways_to_the_truth.py`
        self.shop.simulator.faults.for_phone(payer, Fault(reply=reply, callback=callback))
        asked = await self.shop.core.invoices.pay(
            PayInvoice(
                code=view.invoice.code,
                amount_kes=self.dice.choice([None, self.dice.randint(1, 3000)]),
                phone=payer,
                ask_key=f"p:{self.numbers}",
                language="en",
                asked_by=5000 + self.numbers,
                chat_id=5000 + self.numbers,
            )
        )
        if isinstance(asked, Asked):
            assert asked.payment.amount_kes * 100 < view.left_cents + 100
            self.seen.add((habit, callback))
        return payer

    async def reverse(self) -> None:
        """The business gives a payment back at Safaricom's; an operator tells us."""
        paid = [row for row in self.shop.simulator.books.statement() if row.kind is RowKind.PAID]
        if not paid:
            return
        receipt = self.dice.choice(paid).receipt
        if self.shop.simulator.reverse(receipt) is not None:
            self.seen.add("reversed")

    async def take_cash(self) -> None:
        view = await self.view()
        cents = self.dice.randint(1, 80_000)
        self.numbers += 1
        for _ in range(2):  # the same words come twice
            done = await self.shop.core.cash_book.cash(
                view.invoice.id,
                cents=cents,
                by=MERCHANT,
                why="",
                key=f"cash{self.numbers}",
                closing=Closing(),
            )
            if isinstance(done, Done) and not done.again:
                self.cash[view.invoice.id] += cents

    async def undo_cash(self) -> None:
        view = await self.view()
        entries = await self.shop.core.billing.entries(
            view.invoice.id, InvoiceEntryKind.CASH, by=MERCHANT
        )
        if entries:
            entry = self.dice.choice(entries)
            await self.shop.core.cash_book.undo_cash(
                view.invoice.id, entry_id=entry.id, by=MERCHANT, closing=Closing()
            )
            self.cash[view.invoice.id] -= entry.cents

    async def revise(self) -> None:
        view, cents = await self.view(), self.dice.randint(100, 400_000)

        def change(bill: Bill) -> Bill:
            return replace(bill, items=(BillItem(what="tiles", price_cents=cents),))

        done = await self.shop.core.billing.revise(
            view.invoice.id, change, by=MERCHANT, closing=Closing()
        )
        if isinstance(done, Done):
            self.billed[view.invoice.id] = cents

    async def void(self) -> None:
        view = await self.view()
        done = await self.shop.core.billing.void(
            view.invoice.id, by=MERCHANT, why="", closing=Closing()
        )
        if isinstance(done, Done):
            self.closed[view.invoice.id] = Decided.VOID
            self.seen.add(Decided.VOID)

    async def write_off(self) -> None:
        view = await self.view()
        done = await self.shop.core.billing.write_off(
            view.invoice.id, by=MERCHANT, why="", closing=Closing()
        )
        if isinstance(done, Done):
            self.closed[view.invoice.id] = Decided.WRITTEN_OFF

    async def reopen(self) -> None:
        view = await self.view()
        done = await self.shop.core.billing.reopen(view.invoice.id, by=MERCHANT, closing=Closing())
        if isinstance(done, Done):
            self.closed.pop(view.invoice.id)

    async def settle_excess(self) -> None:
        view, keep = await self.view(), self.dice.random() < 0.5
        done = await self.shop.core.cash_book.settle_excess(
            view.invoice.id, keep=keep, by=MERCHANT, button=None, closing=Closing()
        )
        if not isinstance(done, No) and not keep:
            self.cash[view.invoice.id] -= view.excess_cents

    async def came(self, *, gross: bool = False) -> dict[str, int]:
        """What Safaricom's statement says for each invoice's references; net of reversals."""
        came: dict[str, int] = defaultdict(int)
        async with self.shop.store.read() as tx:
            invoice_of = {
                push_ref: view.invoice.id
                for view in [await self.view(code) for code in self.codes]
                for push_ref in await tx.invoices._connection.scalars(
                    select(payments.c.push_ref).where(payments.c.subject == view.invoice.subject)
                )
            }
            invoice_of |= {
                view.invoice.by_hand_ref.lower(): view.invoice.id
                for view in [await self.view(code) for code in self.codes]
            }
        for row in self.shop.simulator.books.statement():
            if not gross or row.kind is RowKind.PAID:
                came[invoice_of[row.account_reference]] += row.signed_cents
        return came

    async def hold(self, *, settled: bool) -> None:
        """Our books beside theirs; *settled*: everything has been asked about."""
        await self._two_ways_back()
        came, gross = await self.came(), await self.came(gross=True)
        for code in self.codes:
            view = await self.view(code)
            invoice_id = view.invoice.id
            theirs = came[invoice_id] + self.cash[invoice_id]
            if settled:
                assert view.sums.paid_cents == theirs
                assert view.sums.mpesa_cents == came[invoice_id]
                self._owed(view, theirs)
            self.seen.add(view.standing)
            assert view.sums.mpesa_cents <= gross[invoice_id], "more than there ever was"
            assert view.sums.entries_cents == self.cash[invoice_id]
            assert view.invoice.total_cents == self.billed[invoice_id]

    async def _two_ways_back(self) -> None:
        """These merchants give cash back: what M-Pesa took back is never the same money."""
        for code in self.codes:
            invoice_id = (await self.view(code)).invoice.id
            for entry in await self.shop.core.billing.entries(
                invoice_id, InvoiceEntryKind.WENT_BACK, by=MERCHANT
            ):
                done = await self.shop.core.cash_book.both_went_back(
                    invoice_id, entry_id=entry.id, by=MERCHANT, closing=Closing()
                )
                assert isinstance(done, Done)

    def _owed(self, view: InvoiceView, theirs: int) -> None:
        """Owed is billed less paid: nothing is asked for that the statement shows as paid."""
        billed, closed = self.billed[view.invoice.id], self.closed.get(view.invoice.id)
        assert view.left_cents == (0 if closed else max(0, billed - theirs))
        if closed is None:
            over = max(0, theirs - billed)
            assert 0 <= view.sums.kept_cents <= over, "more stays than is too much"
            unsaid = over - view.sums.kept_cents >= 100
            assert (view.standing is Standing.OVERPAID) is unsaid
            assert (view.standing in (Standing.OPEN, Standing.PART_PAID)) is (theirs < billed)

    async def ask_about_everything(self) -> None:
        """What was not told is asked for, and the portal's statement says the rest."""
        for _ in range(8):
            await self.shop.clock.advance(4 * 3600)
            await self.shop.core.reconcile.run_due()
            await self.shop.quiet()
        done = await self.shop.core.record.reconcile(self.shop.exported())
        rows = self.shop.simulator.books.statement()
        paid = [row.amount_cents for row in rows if row.kind is RowKind.PAID]
        assert done.paid_cents == sum(paid)


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_paid_is_what_safaricoms_statement_says(
    tmp_path: Path, store_url: str, seed: int
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        story = Story(shop, random.Random(seed))
        for _ in range(4):
            await story.issue()
        for number in range(ACTS):
            await story.act()
            await story.hold(settled=False)
            if number % 15 == 14:
                await story.ask_about_everything()
                await story.hold(settled=True)
        await shop.core.touched.run_due()

        async with shop.store.read() as tx:
            for row in shop.simulator.books.statement():
                if row.kind is RowKind.PAID:
                    payment = await tx.payments.by_receipt(row.receipt)
                    assert payment is not None
                    assert payment.status is Status.PAID

    happened = {"reversed", "by hand", Standing.PART_PAID, Standing.PAID, Standing.OVERPAID}
    assert story.seen >= happened, "the story tells too little"
