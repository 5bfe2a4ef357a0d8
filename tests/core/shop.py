"""A shop: a desk at which merchants issue invoices and people pay them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pytest

from bot.core.ask import Asked
from bot.core.billing import Billing, NewInvoice
from bot.core.cash_book import CashBook
from bot.core.invoice_acts import Acts, Done, No
from bot.core.invoice_news import InvoiceNews
from bot.core.invoice_talk import InvoiceTalk
from bot.core.invoices import Invoices, InvoiceView, PayInvoice, guard_instalment
from bot.core.limits import LimitSettings, Refusal
from bot.core.merchants import Merchants
from bot.core.ports import Collector, Ids
from bot.core.receipts import Receipts
from bot.core.touched import TouchedSubjects
from storage.records import Bill, BillItem, Closing, IntentKind, Kind, Payment
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.fakes import fact, unit_of

__all__ = ["DUE", "NJERI", "OPERATOR", "Shop", "a_bill", "make_shop", "shop"]

OPERATOR = 900
NJERI = 2001
DUE = date(2026, 11, 27)
COLLECTORS = {
    "": Collector(name="Mama Njeri Shop", kind="paybill", number="600000", practice=False),
    "branch": Collector(name="Njeri Branch", kind="paybill", number="600001", practice=False),
}


def a_bill(*items: BillItem, customer: str = "Peter", **changes: Any) -> Bill:
    """A bill of KES 1,500, unless other items are named."""
    known = {"customer": customer, "due_on": DUE}
    shown = items or (BillItem(what="2 bags charcoal", price_cents=150_000),)
    return Bill(**{**known, **changes}, items=shown)


@dataclass
class Shop:
    """The services of invoices, over the services of a desk."""

    desk: Desk
    merchants: Merchants
    invoices: Invoices
    billing: Billing
    cash_book: CashBook
    talk: InvoiceTalk
    receipts: Receipts
    touched: TouchedSubjects
    issued: int = 0
    asked: int = 0

    async def appoint(self, person_id: int = NJERI) -> None:
        await self.merchants.appoint(
            person_id, name="Njeri", language="en", by=OPERATOR, say=lambda _: Closing()
        )

    async def make(self, bill: Bill | None = None, *, by: int = NJERI, **changes: Any) -> Done | No:
        self.issued += 1
        key = changes.pop("issue_key", f"m:{by}:{self.issued}")
        new = NewInvoice(merchant_id=by, bill=bill or a_bill(), issue_key=key, **changes)
        return await self.billing.make(new, Closing())

    async def issue(self, bill: Bill | None = None, *, by: int = NJERI) -> InvoiceView:
        done = await self.make(bill, by=by)
        assert isinstance(done, Done), done
        return done.view

    async def view(self, view: InvoiceView) -> InvoiceView:
        """The same invoice as it is now."""
        found = await self.invoices.by_code(view.invoice.code)
        assert found is not None
        return found

    async def pay(
        self,
        view: InvoiceView,
        amount_kes: int | None = None,
        *,
        phone: str = "254712000001",
        by: int = 3001,
    ) -> Asked | Refusal:
        self.asked += 1
        answer = await self.invoices.pay(
            PayInvoice(
                code=view.invoice.code,
                amount_kes=amount_kes,
                phone=phone,
                ask_key=f"p:{self.asked}",
                language="en",
                asked_by=by,
                chat_id=by,
            )
        )
        await self.desk.finish()
        assert answer is not None
        return answer

    async def paid(self, view: InvoiceView, amount_kes: int | None = None, **more: Any) -> Payment:
        """Ask, and let it be paid."""
        asked = await self.pay(view, amount_kes, **more)
        assert isinstance(asked, Asked), asked
        return await self.complete(asked.payment)

    async def complete(self, payment: Payment) -> Payment:
        """The payer entered the PIN."""
        number = self.number_of(payment)
        body = success(number, amount=payment.amount_kes, receipt=f"UKN{number:07d}")
        return await self.desk.post(payment, body)

    async def reverse(
        self,
        payment: Payment,
        cents: int | None = None,
        *,
        receipt: str | None = None,
        paid_at: datetime | None = None,
    ) -> None:
        """The money of a paid payment went back, or so much of it; told now, whenever it did."""
        gone = fact(
            Kind.REVERSED,
            payment_id=payment.id,
            at=self.desk.clock.now(),
            amount_cents=cents,
            receipt=receipt,
        )
        gone = replace(gone, paid_at=paid_at)
        await self.desk.store.submit(unit_of(gone, claims=False), self.desk.hear._settle)

    async def look(self, view: InvoiceView) -> None:
        """Look at an invoice once more, though nothing has happened to it."""
        look = InvoiceNews(clock=self.desk.clock, operators=[OPERATOR]).look
        await self.desk.store.write(lambda tx: look(tx, view.invoice.subject))

    def number_of(self, payment: Payment) -> int:
        """Which push it was."""
        references = [push.reference for push in self.desk.daraja.pushes]
        return references.index(payment.push_ref) + 1

    async def news(self, chat_id: int) -> Sequence[str]:
        """Topics of what this chat is owed, or has been told, about invoices."""
        from sqlalchemy import select

        from storage.schema import notices

        query = (
            select(notices.c.topic)
            .where(notices.c.chat_id == chat_id, notices.c.subject.is_not(None))
            .order_by(notices.c.id)
        )
        async with self.desk.store.read() as tx:
            return list((await tx.notices._connection.execute(query)).scalars())


def make_shop(desk: Desk, *, seed: int = 11) -> Shop:
    store, clock = desk.store, desk.clock

    def wake() -> None:
        """Nobody sleeps in these tests."""

    merchants = Merchants(
        store=store, clock=clock, operators=[OPERATOR], collectors=COLLECTORS, wake=wake
    )
    acts = Acts(store=store, clock=clock, operators=[OPERATOR], wake=wake)
    desk.asking._guards = {IntentKind.INSTALMENT: guard_instalment}
    return Shop(
        desk=desk,
        merchants=merchants,
        invoices=Invoices(
            store=store,
            clock=clock,
            asking=desk.asking,
            collectors=COLLECTORS,
            public_url="https://pay.example.org",
            wake=wake,
        ),
        billing=Billing(
            store=store,
            clock=clock,
            ids=Ids(random.Random(seed).randbytes),
            merchants=merchants,
            acts=acts,
        ),
        cash_book=CashBook(acts=acts),
        talk=InvoiceTalk(store=store, clock=clock, acts=acts, limits=LimitSettings(), wake=wake),
        receipts=Receipts(store=store, collectors=COLLECTORS, public_url="https://pay.example.org"),
        touched=TouchedSubjects(
            store=store,
            clock=clock,
            looks={"i": InvoiceNews(clock=clock, operators=[OPERATOR]).look},
            wake=wake,
        ),
    )


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    """One in which Njeri may issue."""
    made = make_shop(desk)
    await made.appoint()
    return made
