"""
Whatever happens to invoices, in whatever order: owed is billed less paid, to the cent.

Two merchants, three invoices each, some hundred random acts a story: payments in parts, doubled,
at the same moment, reversed, cash and its undoing, revisions, void, write-off; and shorter stories
of what was paid too much, given back, and reversed as well. A model that knows
only what Safaricom's statement and the merchants say is held beside the books after each act.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace

import pytest

from bot.core.ask import Asked
from bot.core.bills import Standing
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.core.ledgers import Ledgers, Which
from storage.records import Bill, BillItem, Closing, Decided, InvoiceEntryKind, Payment, Status
from tests.core.conftest import Desk
from tests.core.shop import NJERI, Shop, a_bill, make_shop

AMINA = 2002
MERCHANTS = (NJERI, AMINA)
ACTS = 60
SEEDS = (0,)
REFUND_SEEDS = (0, 1)
PHONES = [f"2547120000{number:02d}" for number in range(40)]


@dataclass
class Returned:
    """What was given back by hand and did not go back through M-Pesa as well."""

    cents: int
    of: frozenset[str]  # the payments that there were


@dataclass
class Story:
    """What truly happened, told by Safaricom and by the merchants."""

    shop: Shop
    dice: random.Random
    views: dict[str, InvoiceView] = field(default_factory=dict)
    statement: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cash: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    given_back: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    billed: dict[str, int] = field(default_factory=dict)
    closed: dict[str, Decided] = field(default_factory=dict)
    prompts: list[tuple[str, Payment]] = field(default_factory=list)
    paid: list[tuple[str, Payment]] = field(default_factory=list)  # and not all went back
    everything: list[tuple[str, Payment]] = field(default_factory=list)
    returned: dict[str, list[Returned]] = field(default_factory=lambda: defaultdict(list))
    back: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by payment
    keys: int = 0
    both: set[int] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def came(self, invoice_id: str) -> int:
        return self.statement[invoice_id] + self.cash[invoice_id] - self.given_back[invoice_id]

    async def act(self) -> None:
        """One random thing happens."""
        acts = [
            *(self.ask, self.ask, self.ask, self.ask, self.complete, self.complete),
            *(self.complete, self.deliver_twice, self.reverse, self.take_cash, self.undo_cash),
            *(self.revise, self.void, self.write_off, self.reopen, self.reopen, self.reopen),
            *(self.settle_excess, self.touch_anothers),
        ]
        await self.dice.choice(acts)()
        self.shop.desk.clock.advance(200)

    def one(self) -> InvoiceView:
        return self.views[self.dice.choice(sorted(self.views))]

    async def ask(self) -> None:
        view = await self.shop.view(self.one())
        left = view.left_cents
        amount_kes = self.dice.choice([None, 1, self.dice.randint(1, 3000)])
        asked = await self.shop.pay(view, amount_kes, phone=self.dice.choice(PHONES))
        if isinstance(asked, Asked):
            assert left > 0, "a prompt went out for what is not owed"
            assert asked.payment.amount_kes * 100 < left + 100
            self.prompts.append((view.invoice.id, asked.payment))

    async def complete(self) -> None:
        if self.prompts:
            at = self.dice.randrange(len(self.prompts))
            invoice_id, payment = self.prompts.pop(at)
            settled = await self.shop.complete(payment)
            assert settled.status is Status.PAID
            self.statement[invoice_id] += payment.amount_kes * 100
            self.paid.append((invoice_id, payment))
            self.everything.append((invoice_id, payment))

    async def deliver_twice(self) -> None:
        if self.paid:
            await self.shop.complete(self.dice.choice(self.paid)[1])

    async def reverse(self) -> None:
        """All of a payment went back, or a part; what was given back of it before counts once."""
        if not self.paid:
            return
        at = self.dice.randrange(len(self.paid))
        invoice_id, payment = self.paid[at]
        left = payment.amount_kes * 100 - self.back[payment.id]
        cents = self.dice.choice([left, self.dice.randint(1, left)])
        self.keys += 1
        await self.shop.reverse(payment, cents, receipt=f"UKN9{self.keys:06d}")
        self.statement[invoice_id] -= cents
        self.back[payment.id] += cents
        self.seen.add("reversed")
        if cents == left:
            self.paid.pop(at)
        for each in self.returned[invoice_id]:
            same = min(cents, each.cents) if payment.id in each.of else 0
            each.cents -= same
            cents -= same
            self.given_back[invoice_id] -= same
            if same:
                self.seen.add("given back, then reversed")
        for _ in range(self.dice.choice([0, 1, 2])):  # the look is late, or comes twice
            await self.shop.touched.run_due()
            await self.shop.look(self.views[invoice_id])

    async def both_went_back(self) -> None:
        """What was taken for the same money is not: the merchant says so, twice."""
        view = self.one()
        await self.shop.look(view)
        found = await self.shop.billing.entries(
            view.invoice.id, InvoiceEntryKind.WENT_BACK, by=view.invoice.merchant_id
        )
        fresh = [each for each in found if each.id not in self.both]
        if not fresh:
            return
        entry = self.dice.choice(fresh)
        self.both.add(entry.id)
        for _ in range(2):
            done = await self.shop.cash_book.both_went_back(
                view.invoice.id,
                entry_id=entry.id,
                by=view.invoice.merchant_id,
                closing=Closing(),
            )
            assert isinstance(done, Done)
        self.given_back[view.invoice.id] += entry.cents
        self.seen.add("both went back")

    async def take_cash(self) -> None:
        view = self.one()
        cents = self.dice.randint(1, 80_000)
        self.keys += 1
        for _ in range(2):  # the same words come twice
            done = await self.shop.cash_book.cash(
                view.invoice.id,
                cents=cents,
                by=view.invoice.merchant_id,
                why="",
                key=f"cash{self.keys}",
                closing=Closing(),
            )
            if isinstance(done, Done) and not done.again:
                self.cash[view.invoice.id] += cents

    async def undo_cash(self) -> None:
        view = self.one()
        found = await self.shop.billing.entries(
            view.invoice.id, InvoiceEntryKind.CASH, by=view.invoice.merchant_id
        )
        if found:
            entry = self.dice.choice(found)
            done = await self.shop.cash_book.undo_cash(
                view.invoice.id,
                entry_id=entry.id,
                by=view.invoice.merchant_id,
                closing=Closing(),
            )
            assert isinstance(done, Done)
            self.cash[view.invoice.id] -= entry.cents

    async def revise(self) -> None:
        view = self.one()
        price = self.dice.randint(100, 400_000)

        def change(bill: Bill) -> Bill:
            return replace(bill, items=(BillItem(what="tiles", price_cents=price),))

        done = await self.shop.billing.revise(
            view.invoice.id, change, by=view.invoice.merchant_id, closing=Closing()
        )
        if isinstance(done, Done):
            self.billed[view.invoice.id] = price

    async def void(self) -> None:
        view = self.one()
        done = await self.shop.billing.void(
            view.invoice.id, by=view.invoice.merchant_id, why="", closing=Closing()
        )
        if isinstance(done, Done):
            assert self.came(view.invoice.id) == 0
            self.closed[view.invoice.id] = Decided.VOID

    async def write_off(self) -> None:
        view = self.one()
        done = await self.shop.billing.write_off(
            view.invoice.id, by=view.invoice.merchant_id, why="", closing=Closing()
        )
        if isinstance(done, Done):
            self.closed[view.invoice.id] = Decided.WRITTEN_OFF

    async def reopen(self) -> None:
        view = self.one()
        done = await self.shop.billing.reopen(
            view.invoice.id, by=view.invoice.merchant_id, closing=Closing()
        )
        if isinstance(done, Done):
            self.closed.pop(view.invoice.id)

    async def settle_excess(self) -> None:
        """Of too much, if there is any anywhere."""
        views = [await self.shop.view(each) for each in self.views.values()]
        over = [each for each in views if each.excess_cents]
        view = self.dice.choice(over or views)
        keep = self.dice.random() < 0.3
        done = await self.shop.cash_book.settle_excess(
            view.invoice.id,
            keep=keep,
            by=view.invoice.merchant_id,
            button=None,
            closing=Closing(),
        )
        if isinstance(done, Done) and not keep:
            # What went back before this was said is less that is too much, and not this money.
            excess = view.excess_cents
            self.given_back[view.invoice.id] += excess
            of = frozenset(payment.id for at, payment in self.everything if at == view.invoice.id)
            self.returned[view.invoice.id].append(Returned(excess, of))

    async def touch_anothers(self) -> None:
        """Every act on another merchant's invoice finds no invoice."""
        view = self.one()
        other = next(each for each in MERCHANTS if each != view.invoice.merchant_id)
        invoice_id = view.invoice.id
        billing, book = self.shop.billing, self.shop.cash_book
        answers = [
            await billing.void(invoice_id, by=other, why="", closing=Closing()),
            await billing.revise(invoice_id, lambda bill: bill, by=other, closing=Closing()),
            await book.cash(
                invoice_id, cents=100, by=other, why="", key="stolen", closing=Closing()
            ),
            await book.settle_excess(
                invoice_id, keep=False, by=other, button=None, closing=Closing()
            ),
        ]
        assert answers == [No.NOT_YOURS] * 4
        assert await billing.view(invoice_id, by=other) is None
        assert await billing.entries(invoice_id, *InvoiceEntryKind, by=other) == []

    async def refund(self) -> None:
        """One random thing of those that make too much and take it back again."""
        acts = [
            *(self.pay_late, self.pay_late, self.pay_late, self.settle_excess, self.settle_excess),
            *(self.reverse, self.reverse, self.reverse, self.both_went_back, self.take_cash),
        ]
        await self.dice.choice(acts)()
        self.shop.desk.clock.advance(200)

    async def pay_late(self) -> None:
        """A prompt that went out when the invoice was not paid yet; it is by now, perhaps."""
        self.keys += 1
        view = self.one()
        payment = await self.shop.desk.ask(
            subject=view.invoice.subject,
            amount_kes=self.dice.randint(1, 3000),
            phone=self.dice.choice(PHONES),
            ask_key=f"late{self.keys}",
        )
        self.prompts.append((view.invoice.id, payment))
        await self.complete()

    async def hold(self) -> None:
        """The books say what happened, and nothing else."""
        await self.shop.touched.run_due()
        for invoice_id, known in self.views.items():
            view = await self.shop.view(known)
            came, billed = self.came(invoice_id), self.billed[invoice_id]
            assert view.sums.paid_cents == came
            assert view.sums.mpesa_cents == self.statement[invoice_id]
            assert view.invoice.total_cents == billed
            closed = self.closed.get(invoice_id)
            over = max(0, came - (0 if closed is Decided.VOID else billed))
            assert 0 <= view.sums.kept_cents <= over, "more stays than is too much"
            assert view.left_cents == (0 if closed else max(0, billed - came))
            if closed is None:
                self.seen.add(view.standing)
                unsaid = over - view.sums.kept_cents >= 100
                assert (view.standing is Standing.OVERPAID) is unsaid
                assert (view.standing in (Standing.OPEN, Standing.PART_PAID)) is (came < billed)
        await self._lists_agree()

    async def _lists_agree(self) -> None:
        ledgers = Ledgers(
            store=self.shop.desk.store, clock=self.shop.desk.clock, operators=frozenset()
        )
        for merchant in MERCHANTS:
            mine = [v for v in self.views.values() if v.invoice.merchant_id == merchant]
            open_ids = {
                v.invoice.id
                for v in mine
                if v.invoice.id not in self.closed
                and self.came(v.invoice.id) < self.billed[v.invoice.id]
            }
            left = sum(self.billed[each] - self.came(each) for each in open_ids)
            assert await ledgers.owed(merchant) == (len(open_ids), left)
            page = await ledgers.page(merchant, Which.OPEN)
            assert {each.invoice.id for each in page.found} == open_ids
            found = await ledgers.search(merchant, "")
            assert {each.invoice.id for each in found} == {v.invoice.id for v in mine}


@pytest.mark.parametrize("seed", SEEDS)
async def test_owed_is_billed_less_paid_whatever_happens(desk: Desk, seed: int) -> None:
    shop = make_shop(desk, seed=seed)
    story = Story(shop, random.Random(seed))
    for merchant in MERCHANTS:
        await shop.appoint(merchant)
        for _ in range(3):
            price = story.dice.randint(100, 300_000)
            view = await shop.issue(a_bill(BillItem(what="tiles", price_cents=price)), by=merchant)
            story.views[view.invoice.id] = view
            story.billed[view.invoice.id] = price

    for _ in range(ACTS):
        await story.act()
        await story.hold()
    await shop.touched.run_due()

    numbers = sorted(v.invoice.number or 0 for v in story.views.values())
    assert numbers == [1, 1, 2, 2, 3, 3]
    happened = {"reversed", *(Standing.OPEN, Standing.PART_PAID, Standing.PAID, Standing.OVERPAID)}
    assert story.seen >= happened, "the story tells too little"


@pytest.mark.parametrize("seed", REFUND_SEEDS)
async def test_what_goes_back_by_hand_and_by_mpesa_counts_once(desk: Desk, seed: int) -> None:
    shop = make_shop(desk, seed=seed)
    story = Story(shop, random.Random(seed))
    await shop.appoint()
    for price in (150_000, 90_050):
        view = await shop.issue(a_bill(BillItem(what="tiles", price_cents=price)))
        story.views[view.invoice.id] = view
        story.billed[view.invoice.id] = price

    for _ in range(ACTS):
        await story.refund()
        await story.hold()

    happened = {"reversed", "given back, then reversed", "both went back"}
    assert story.seen >= happened, "the story tells too little"
