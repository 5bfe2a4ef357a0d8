"""Invoices: what is owed is what was billed less what came, whoever pays, whenever, how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from functools import partial

import pytest

from bot.core.accounts import Accounts
from bot.core.ask import Asked
from bot.core.bills import Standing
from bot.core.invoice_acts import Done, No
from bot.core.limits import Refusal, RefusalReason
from bot.core.merchants import Appointed
from storage.records import NOBODY, Bill, BillItem, Closing, Etims, Kind, Status
from tests.core.bodies import failure
from tests.core.conftest import Desk, ScriptedDaraja
from tests.core.shop import DUE, NJERI, OPERATOR, Shop, a_bill, shop
from tests.fakes import fact, unit_of

__all__ = ["shop"]

OTHER = 2002
PETER, MARY = 3001, 3002


def reason(answer: Asked | Refusal) -> RefusalReason:
    assert isinstance(answer, Refusal), answer
    return answer.reason


async def test_an_invoice_is_issued_paid_and_told_to_both_sides(shop: Shop) -> None:
    view = await shop.issue()
    assert view.invoice.label == "INV-0001"
    assert (view.standing, view.ask_kes) == (Standing.OPEN, 1500)
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())

    payment = await shop.paid(view, by=PETER)
    await shop.touched.run_due()

    view = await shop.view(view)
    assert (view.standing, view.left_cents) == (Standing.PAID, 0)
    assert payment.push_ref.startswith("INV1-")
    assert await shop.news(NJERI) == ["merchant", f"paid:{payment.id}"]
    assert await shop.news(PETER) == ["customer", "receipt"]


async def test_what_was_paid_is_told_once_however_often_it_is_looked_at(shop: Shop) -> None:
    view = await shop.issue()
    payment = await shop.paid(view)
    for _ in range(2):
        await shop.touched.run_due()
        await shop.desk.store.write(lambda tx: tx.touched.touch(view.invoice.subject))

    assert await shop.news(NJERI) == ["merchant", f"paid:{payment.id}"]


async def test_money_that_may_be_there_is_not_asked_for_again(shop: Shop) -> None:
    view = await shop.issue(a_bill(BillItem(what="a cow", price_cents=600_000)))
    waiting = await shop.paid(view)  # so much counts only once Safaricom confirms it
    assert waiting.status is Status.CONFIRMING

    answer = await shop.pay(view, phone="254712000002", by=MARY)

    assert reason(answer) is RefusalReason.INVOICE_WAITING


@pytest.mark.both_engines
async def test_of_a_part_that_may_be_there_only_the_rest_is_asked_for(shop: Shop) -> None:
    view = await shop.issue(a_bill(BillItem(what="two cows", price_cents=4_000_000)))
    part = await shop.paid(view, 30_000)
    assert part.status is Status.CONFIRMING
    shop.desk.clock.advance(200)

    too_much = await shop.pay(view, 10_001)
    rest = await shop.pay(view)  # all of it

    assert reason(too_much) is RefusalReason.INVOICE_LESS_LEFT
    assert isinstance(rest, Asked)
    assert rest.payment.amount_kes == 10_000
    both = await shop.complete(rest.payment)
    for each in (part, both):
        said = fact(Kind.OPERATOR_PAID, payment_id=each.id, at=shop.desk.clock.now())
        await shop.desk.store.submit(unit_of(said), shop.desk.hear._settle)
    now = await shop.view(view)
    assert (now.standing, now.excess_cents) == (Standing.PAID, 0)


async def test_a_part_that_did_not_come_after_all_is_asked_for_again(shop: Shop) -> None:
    view = await shop.issue(a_bill(BillItem(what="two cows", price_cents=4_000_000)))
    part = await shop.paid(view, 30_000)
    now = await shop.view(view)
    assert (now.left_cents, now.beside_cents, now.ask_kes) == (4_000_000, 1_000_000, 10_000)
    assert not now.may_be_paid

    said = fact(Kind.OPERATOR_VOID, payment_id=part.id, at=shop.desk.clock.now())
    await shop.desk.store.submit(unit_of(said), shop.desk.hear._settle)

    assert (await shop.view(view)).ask_kes == 40_000


async def test_who_did_not_ask_for_the_payment_is_told_of_it_too(shop: Shop) -> None:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())

    payment = await shop.paid(view, by=MARY)
    await shop.touched.run_due()
    await shop.touched.run_due()

    assert await shop.news(PETER) == ["customer", f"paid:{payment.id}"]


async def test_numbers_have_no_gap_whatever_fails_between(shop: Shop) -> None:
    await shop.appoint(OTHER)
    labels = [(await shop.issue()).invoice.label]
    assert await shop.make(Bill(customer="Peter", due_on=DUE)) is No.EMPTY
    assert isinstance(await shop.make(draft=True), Done)
    labels.append((await shop.issue()).invoice.label)
    others = await shop.issue(by=OTHER)

    assert labels == ["INV-0001", "INV-0002"]
    assert others.invoice.label == "INV-0001"


async def test_merchants_who_issue_at_the_same_moment_get_different_numbers(shop: Shop) -> None:
    made = await asyncio.gather(*(shop.make() for _ in range(8)))

    numbers = [each.view.invoice.number for each in made if isinstance(each, Done)]
    assert sorted(filter(None, numbers)) == list(range(1, 9))


async def test_the_same_words_twice_are_one_invoice(shop: Shop) -> None:
    first = await shop.make(issue_key="m:1:1")
    second = await shop.make(issue_key="m:1:1")

    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert second.again
    assert first.view.invoice.id == second.view.invoice.id


@pytest.mark.both_engines
async def test_nobody_but_a_merchant_issues(shop: Shop) -> None:
    assert await shop.make(by=PETER) is No.NOT_A_MERCHANT
    assert isinstance(await shop.make(by=OPERATOR), Done)

    gone = await shop.merchants.revoke(NJERI, by=OPERATOR, say=lambda _: Closing())
    assert gone is Appointed.DONE
    assert await shop.make() is No.NOT_A_MERCHANT
    back = await shop.merchants.appoint(
        NJERI, name="Njeri", language="en", by=OPERATOR, say=lambda _: Closing()
    )
    assert back is Appointed.DONE
    assert (await shop.issue()).invoice.label == "INV-0001"


@pytest.mark.both_engines
async def test_who_is_no_operator_any_more_issues_no_more_until_appointed(shop: Shop) -> None:
    issued = await shop.issue(by=OPERATOR)
    asked = await shop.pay(issued)
    shop.merchants._operators = [OTHER]

    async def known() -> tuple[bool, bool, bool]:
        """Whether they may issue, are listed, and are to lose the menu."""
        merchants = shop.merchants
        return (
            await merchants.get(OPERATOR) is not None,
            OPERATOR in [each.id for each in await merchants.all()],
            OPERATOR in await merchants.revoked(),
        )

    assert await known() == (False, False, True)
    assert await shop.make(by=OPERATOR) is No.NOT_A_MERCHANT
    assert not await shop.merchants.change(OPERATOR, closing=Closing(), name="Still here")
    assert isinstance(asked, Asked)
    assert (await shop.complete(asked.payment)).status is Status.PAID
    appointed = await shop.merchants.appoint(
        OPERATOR, name="Boss", language="en", by=OTHER, say=lambda _: Closing()
    )
    assert appointed is Appointed.DONE
    assert await known() == (True, True, False)
    assert (await shop.issue(by=OPERATOR)).invoice.label == "INV-0002"


async def test_a_draft_has_no_number_and_takes_no_payment(shop: Shop) -> None:
    done = await shop.make(Bill(customer="Peter", due_on=DUE), draft=True)
    assert isinstance(done, Done)
    invoice = done.view.invoice
    assert invoice.number is None
    assert await shop.invoices.by_code(invoice.code) is None
    assert await shop.billing.issue(invoice.id, by=NJERI, closing=Closing()) is No.EMPTY

    def filled(bill: Bill) -> Bill:
        return replace(bill, items=(BillItem(what="maize", price_cents=5000),))

    await shop.billing.revise(invoice.id, filled, by=NJERI, closing=Closing())
    issued = await shop.billing.issue(invoice.id, by=NJERI, closing=Closing())

    assert isinstance(issued, Done)
    assert (issued.view.invoice.label, issued.view.invoice.shown_revision) == ("INV-0001", 1)


async def test_a_paid_invoice_takes_no_second_payment(shop: Shop) -> None:
    view = await shop.issue()
    await shop.paid(view)

    assert reason(await shop.pay(view, phone="254722000001")) is RefusalReason.INVOICE_PAID
    assert reason(await shop.pay(view, 500, phone="254722000001")) is RefusalReason.INVOICE_PAID


async def test_an_old_try_again_button_of_a_paid_invoice_pays_nothing(shop: Shop) -> None:
    view = await shop.issue()
    asked = await shop.pay(view)
    assert isinstance(asked, Asked)
    await shop.desk.post(asked.payment, failure(number=1))
    await shop.paid(view, phone="254722000001", by=MARY)

    again = await shop.desk.asking.again(asked.payment.id, by=PETER, update_id=None, language="en")

    assert reason(again) is RefusalReason.INVOICE_PAID


async def test_parts_are_paid_until_nothing_is_left(shop: Shop) -> None:
    view = await shop.issue()
    await shop.paid(view, 500)
    view = await shop.view(view)
    assert (view.standing, view.left_cents) == (Standing.PART_PAID, 100_000)
    assert reason(await shop.pay(view, 1200)) is RefusalReason.INVOICE_LESS_LEFT

    shop.desk.clock.advance(300)
    await shop.paid(view, 1000)

    assert (await shop.view(view)).standing is Standing.PAID


async def test_two_people_who_pay_at_the_same_moment_have_both_paid(shop: Shop) -> None:
    view = await shop.issue()
    first = await shop.pay(view, phone="254712000001", by=PETER)
    second = await shop.pay(view, phone="254722000001", by=MARY)
    assert isinstance(first, Asked)
    assert isinstance(second, Asked)

    await asyncio.gather(shop.complete(first.payment), shop.complete(second.payment))
    await shop.touched.run_due()

    view = await shop.view(view)
    assert (view.standing, view.excess_cents) == (Standing.OVERPAID, 150_000)
    assert "overpaid:300000:300000" in await shop.news(NJERI)
    assert reason(await shop.pay(view, phone="254733000001")) is RefusalReason.INVOICE_PAID


@pytest.mark.parametrize("keep", [True, False])
async def test_the_merchant_says_what_became_of_too_much(shop: Shop, keep: bool) -> None:
    view = await shop.issue()
    first, second = await shop.pay(view), await shop.pay(view, phone="254722000001")
    for each in (first, second):
        assert isinstance(each, Asked)
        await shop.complete(each.payment)

    done = await shop.cash_book.settle_excess(
        view.invoice.id, keep=keep, by=NJERI, button=None, closing=Closing()
    )

    assert isinstance(done, Done)
    assert done.view.standing is Standing.PAID
    assert done.view.sums.paid_cents == (300_000 if keep else 150_000)
    twice = await shop.cash_book.settle_excess(
        view.invoice.id, keep=keep, by=NJERI, button=None, closing=Closing()
    )
    assert twice is No.NO_EXCESS


async def test_a_reversal_makes_the_invoice_owed_again(shop: Shop) -> None:
    view = await shop.issue()
    payment = await shop.paid(view)
    await shop.touched.run_due()
    await shop.reverse(payment)
    await shop.touched.run_due()

    view = await shop.view(view)
    assert (view.standing, view.left_cents) == (Standing.OPEN, 150_000)
    assert f"reversed:{payment.id}" in await shop.news(NJERI)
    receipt = await shop.receipts.by_code(shop.receipts.code(payment.id))
    assert receipt is not None
    assert receipt.reversed


async def test_whoever_paid_gets_the_receipt_once_and_without_asking(shop: Shop) -> None:
    view = await shop.issue()
    part = await shop.paid(view, 500, by=3001)
    await shop.touched.run_due()
    await shop.paid(view, None, by=3002, phone="254712000002")
    await shop.touched.run_due()

    for person in (3001, 3002):
        assert (await shop.news(person)).count("receipt") == 1
    assert "receipt" not in await shop.news(NJERI)
    await shop.reverse(part)
    await shop.touched.run_due()
    assert (await shop.news(3001)).count("receipt") == 1


async def test_a_page_has_no_chat_to_send_a_receipt_to(shop: Shop) -> None:
    view = await shop.issue()
    await shop.paid(view, by=NOBODY)
    await shop.touched.run_due()

    assert await shop.news(NOBODY) == []


async def test_cash_is_an_entry_and_a_wrong_one_is_taken_back_by_another(shop: Shop) -> None:
    view = await shop.issue()
    invoice_id = view.invoice.id

    async def cash(cents: int, key: str) -> Done | No:
        return await shop.cash_book.cash(
            invoice_id, cents=cents, by=NJERI, why="", key=key, closing=Closing()
        )

    assert await cash(200_000, "k0") is No.MORE_THAN_LEFT
    assert isinstance(await cash(150_000, "k1"), Done)
    again = await cash(150_000, "k1")
    assert isinstance(again, Done)
    assert again.again
    assert await cash(100, "k2") is No.NOTHING_LEFT
    assert reason(await shop.pay(view)) is RefusalReason.INVOICE_PAID

    async with shop.desk.store.read() as tx:
        [entry] = await tx.invoices.entries(invoice_id)
    for _ in range(2):
        await shop.cash_book.undo_cash(invoice_id, entry_id=entry.id, by=NJERI, closing=Closing())

    assert (await shop.view(view)).left_cents == 150_000
    assert await cash(150_000, "k1") is No.TAKEN_BACK
    assert (await shop.view(view)).left_cents == 150_000


@pytest.mark.both_engines
async def test_a_void_invoice_takes_no_payment_and_one_with_money_is_not_voided(
    shop: Shop,
) -> None:
    view, other = await shop.issue(), await shop.issue()
    await shop.paid(other, 500)

    done = await shop.billing.void(view.invoice.id, by=NJERI, why="twice", closing=Closing())
    assert isinstance(done, Done)
    assert reason(await shop.pay(view)) is RefusalReason.INVOICE_CLOSED
    denied = await shop.billing.void(other.invoice.id, by=NJERI, why="", closing=Closing())
    assert denied is No.HAS_MONEY

    off = await shop.billing.write_off(other.invoice.id, by=NJERI, why="", closing=Closing())
    assert isinstance(off, Done)
    assert (off.view.standing, off.view.left_cents) == (Standing.WRITTEN_OFF, 0)
    await shop.billing.reopen(other.invoice.id, by=NJERI, closing=Closing())
    assert (await shop.view(other)).left_cents == 100_000


async def test_money_that_comes_after_it_was_void_is_kept_and_told(shop: Shop) -> None:
    view = await shop.issue()
    asked = await shop.pay(view)
    assert isinstance(asked, Asked)
    await shop.billing.void(view.invoice.id, by=NJERI, why="", closing=Closing())

    payment = await shop.complete(asked.payment)
    await shop.touched.run_due()

    assert payment.status is Status.PAID
    assert f"paid:{payment.id}" in await shop.news(NJERI)
    assert "overpaid:150000:150000" in await shop.news(NJERI)
    assert (await shop.view(view)).excess_cents == 150_000
    assert (await shop.view(view)).sums.paid_cents == 150_000


@pytest.mark.both_engines
async def test_a_change_after_issue_is_a_revision_and_the_old_bill_stays(shop: Shop) -> None:
    view = await shop.issue()
    await shop.paid(view, 500)

    def dearer(bill: Bill) -> Bill:
        return replace(bill, items=(*bill.items, BillItem(what="sack", price_cents=50_000)))

    done = await shop.billing.revise(view.invoice.id, dearer, by=NJERI, closing=Closing())

    assert isinstance(done, Done)
    assert (done.view.invoice.shown_revision, done.view.left_cents) == (2, 150_000)
    async with shop.desk.store.read() as tx:
        bills = await tx.invoices.revisions(view.invoice.id)
    assert [(number, total) for number, _, total, _ in bills] == [(1, 150_000), (2, 200_000)]

    same = await shop.billing.revise(
        view.invoice.id, lambda bill: bill, by=NJERI, closing=Closing()
    )
    assert isinstance(same, Done)
    assert same.view.invoice.revision == 2


@pytest.mark.both_engines
async def test_bills_and_entries_cannot_be_changed_even_by_us(shop: Shop) -> None:
    from sqlalchemy import Table, update
    from sqlalchemy.exc import DBAPIError

    from storage.errors import StoreFailed
    from storage.invoice_tables import bills, invoice_entries
    from storage.tx import Tx

    view = await shop.issue()
    await shop.cash_book.cash(
        view.invoice.id, cents=100, by=NJERI, why="", key="k", closing=Closing()
    )

    async def spoil(tx: Tx, table: Table, what: str) -> None:
        await tx.invoices._connection.execute(update(table).values({what: 1}))

    for table, what in ((bills, "total_cents"), (invoice_entries, "cents")):
        with pytest.raises((DBAPIError, StoreFailed)):
            await shop.desk.store.write(partial(spoil, table=table, what=what))


async def test_another_merchants_invoice_does_not_exist(shop: Shop) -> None:
    await shop.appoint(OTHER)
    view = await shop.issue()
    invoice_id, closing = view.invoice.id, Closing()

    answers = [
        await shop.billing.void(invoice_id, by=OTHER, why="", closing=closing),
        await shop.billing.write_off(invoice_id, by=OTHER, why="", closing=closing),
        await shop.billing.revise(
            invoice_id, lambda bill: replace(bill, note="x"), by=OTHER, closing=closing
        ),
        await shop.billing.note_etims(
            invoice_id, etims=Etims(number="1"), by=OTHER, closing=closing
        ),
        await shop.cash_book.cash(
            invoice_id, cents=100, by=OTHER, why="", key="k", closing=closing
        ),
        await shop.billing.view(invoice_id, by=OTHER),
    ]

    assert answers == [No.NOT_YOURS] * 5 + [None]
    assert (await shop.view(view)).invoice == view.invoice


async def test_the_first_who_opens_it_is_its_customer_unless_it_is_not_theirs(shop: Shop) -> None:
    view = await shop.issue()
    code = view.invoice.code
    for person in (NJERI, PETER, MARY):
        await shop.invoices.open(code, person_id=person, closing=Closing())
    assert (await shop.view(view)).invoice.customer_id == PETER

    for _ in range(2):
        await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())

    assert (await shop.view(view)).invoice.customer_id == MARY
    told = [each for each in await shop.news(NJERI) if each.startswith("not-mine")]
    assert len(told) == 1


async def test_a_question_reaches_the_merchant_once(shop: Shop) -> None:
    view = await shop.issue()
    for _ in range(2):
        await shop.talk.ask(
            view.invoice.code,
            person_id=PETER,
            text="Which bags?",
            key="q:1",
            closing=Closing(),
            gone=Closing(),
        )

    told = [each for each in await shop.news(NJERI) if each.startswith("question")]
    assert len(told) == 1


async def test_a_code_that_we_never_gave_out_finds_nothing(shop: Shop) -> None:
    payment = await shop.paid(await shop.issue())
    code = shop.receipts.code(payment.id)

    found = await shop.receipts.by_code(code)
    assert found is not None
    assert found.payee == "Njeri"
    wrong = [*(code[:at] + ("A" if code[at] != "A" else "B") + code[at + 1 :] for at in range(43))]
    for each in (*wrong, "", "x" * 43, "é" * 43, code + "=", "i" * 500):
        assert await shop.receipts.by_code(each) is None
        assert await shop.invoices.by_code(each) is None


async def test_a_receipt_is_of_a_paid_payment_only(shop: Shop) -> None:
    asked = await shop.pay(await shop.issue())
    assert isinstance(asked, Asked)

    assert await shop.receipts.by_code(shop.receipts.code(asked.payment.id)) is None


async def test_a_receipts_code_with_another_signature_is_none_of_ours(shop: Shop) -> None:
    payment = await shop.paid(await shop.issue())
    code = shop.receipts.code(payment.id)
    other = code[:-9] + ("B" if code[-9] == "A" else "A") + code[-8:]

    found = [await shop.receipts.by_code(each) for each in (code, other)]

    assert [each is None for each in found] == [False, True]


async def test_the_page_shows_what_came_and_no_whole_number(shop: Shop) -> None:
    view = await shop.issue()
    await shop.paid(view, 500)

    page = await shop.invoices.page_view(view.invoice.code)

    assert page is not None
    assert [(each.amount_cents, each.phone_mask) for each in page.payments] == [
        (50_000, "0712***001")
    ]
    assert page.collector.number == "600000"
    assert "254712000001" not in repr(page)


@pytest.mark.both_engines
async def test_a_due_day_moves_with_a_revision(shop: Shop) -> None:
    view = await shop.issue(a_bill(due_on=date(2026, 12, 1)))

    done = await shop.billing.revise(
        view.invoice.id, lambda bill: replace(bill, due_on=DUE), by=NJERI, closing=Closing()
    )

    assert isinstance(done, Done)
    assert done.view.invoice.due_on == DUE


async def test_a_payment_goes_through_the_account_that_it_was_stamped_with(
    desk: Desk, shop: Shop
) -> None:
    branch = ScriptedDaraja()
    desk.sending._accounts = Accounts(desk.daraja, {"branch": branch})
    desk.reconcile._accounts = Accounts(desk.daraja, {"branch": branch})
    await shop.merchants.change(NJERI, closing=Closing(), account="branch")
    view = await shop.issue()
    await shop.merchants.change(NJERI, closing=Closing(), account="")

    asked = await shop.pay(view)

    assert isinstance(asked, Asked)
    assert (asked.payment.account, len(branch.pushes), desk.daraja.pushes) == ("branch", 1, [])
    desk.clock.advance(30)
    await desk.reconcile.run_due()
    assert (len(branch.queries), desk.daraja.queries) == (1, [])
    again = await shop.issue()
    assert again.invoice.account == ""


async def test_an_account_that_is_gone_sends_nothing_and_says_so(desk: Desk, shop: Shop) -> None:
    await shop.merchants.change(NJERI, closing=Closing(), account="sold")

    asked = await shop.pay(await shop.issue())

    assert isinstance(asked, Asked)
    assert desk.daraja.pushes == []
    assert (await desk.get(asked.payment.id)).status is Status.VOID


@pytest.mark.both_engines
async def test_a_draft_is_issued_to_the_account_that_its_merchant_has_by_then(shop: Shop) -> None:
    drafted = await shop.make(draft=True)
    assert isinstance(drafted, Done)
    issued = await shop.issue()
    assert await shop.merchants.change(NJERI, closing=Closing(), account="branch")

    done = await shop.billing.issue(drafted.view.invoice.id, by=NJERI, closing=Closing())

    assert isinstance(done, Done)
    assert done.view.invoice.account == "branch"
    asked = await shop.pay(done.view, phone="254712000002")
    assert isinstance(asked, Asked)
    assert asked.payment.account == "branch"
    # What customers have already stays where they were told to pay it.
    assert (await shop.view(issued)).invoice.account == ""
