"""The counter: what a merchant learns of a code that a customer shows, and what they can take."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.core.ask import Asked
from bot.core.bills import Standing
from bot.core.counter import ASKED_PER_HOUR_MAX, Shown, Whose
from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.records import (
    Alarm,
    Closing,
    Invoice,
    OpenKind,
    Payment,
    RowKind,
    Source,
    Status,
)
from storage.schema import payments
from tests.core.bodies import failure
from tests.core.conftest import Desk
from tests.core.shop import NJERI, OPERATOR, Shop, make_shop
from tests.core.test_hear import alarms
from tests.core.test_record import RECEIPT, a_row, opens
from tests.desk import ScriptedOffice, a_desk
from tests.stores import TestClock

RIVAL = 2002


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    made = make_shop(desk)
    await made.appoint()
    await made.appoint(RIVAL)
    return made


async def came(record: RecordDesk, clock: TestClock, *, kes: float = 1500, **more: object) -> None:
    """Safaricom's books name money."""
    await record.rows.take([a_row(clock.now(), kes=kes, **more)])  # type: ignore[arg-type]  # a_row's


async def seen(record: RecordDesk, by: int = NJERI) -> Shown:
    return await record.counter.shown(RECEIPT.lower(), merchant_id=by)


def nothing_told(shown: Shown) -> bool:
    """Whether all that is said of it is whose it is not."""
    bare = Shown(receipt=shown.receipt, whose=shown.whose, can_ask=shown.can_ask)
    return all(getattr(shown, each.name) == getattr(bare, each.name) for each in fields(Shown))


async def paid(shop: Shop, view: InvoiceView) -> str:
    payment = await shop.paid(view)
    assert payment.receipt is not None
    return payment.receipt


async def test_a_payment_of_their_own_invoice_is_shown_with_it(
    shop: Shop, record: RecordDesk
) -> None:
    view = await shop.issue()
    receipt = await paid(shop, view)

    shown = await record.counter.shown(receipt, merchant_id=NJERI)

    assert shown.whose is Whose.INVOICE
    assert shown.invoice is not None
    assert (shown.invoice.id, shown.amount_cents, shown.sure) == (view.invoice.id, 1500_00, True)


async def test_of_another_merchants_receipt_nothing_is_told(shop: Shop, record: RecordDesk) -> None:
    receipt = await paid(shop, await shop.issue())

    shown = await record.counter.shown(receipt, merchant_id=RIVAL)

    assert shown.whose is Whose.ELSEWHERE
    assert nothing_told(shown)


async def test_nor_of_a_direct_payment_of_somebody(
    shop: Shop, desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.ask()
    await came(record, clock, kes=50, reference=payment.push_ref)

    shown = await seen(record)
    async with desk.store.read() as tx:
        own = (await tx.payments.intent(payment.intent_id)).asked_by

    assert shown.whose is Whose.ELSEWHERE
    assert nothing_told(shown)
    assert (await seen(record, own)).whose is Whose.PAYMENT


async def test_money_of_nobody_shows_how_much_and_when_and_is_taken_once(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    small, view = await shop.issue(), await shop.issue()
    await shop.paid(small, 700)
    await came(record, clock, reference="CHARCOAL")

    shown = await seen(record)
    assert (shown.whose, shown.amount_cents, shown.at) == (Whose.FREE, 1500_00, clock.now())
    assert [each.invoice.id for each in shown.offers] == [view.invoice.id, small.invoice.id]
    ruled = [await give(record, view.invoice), await give(record, view.invoice)]

    assert ruled == [Ruling.DONE, Ruling.ALREADY]
    assert (await shop.view(view)).standing is Standing.PAID
    assert await opens(record) == []
    assert (await seen(record)).whose is Whose.INVOICE
    async with shop.desk.store.read() as tx:
        closed = await tx.record.of_receipt(RECEIPT)
    assert [(each.kind, each.closed_by) for each in closed] == [(OpenKind.UNMATCHED, NJERI)]
    assert (await alarms(shop.desk)).count(Alarm.MERCHANT_TOOK) == 2  # one to each operator


async def give(record: RecordDesk, invoice: Invoice, by: int = NJERI) -> Ruling:
    return await record.counter.give(RECEIPT, invoice.id, merchant_id=by)


async def test_nobody_takes_it_for_an_invoice_that_is_not_theirs(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await came(record, clock)

    assert await give(record, view.invoice, by=RIVAL) is Ruling.UNKNOWN
    assert (await shop.view(view)).standing is Standing.OPEN
    assert (await seen(record, RIVAL)).offers == ()


async def test_of_two_merchants_who_take_it_at_once_one_has_it(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    mine, theirs = await shop.issue(), await shop.issue(by=RIVAL)
    await came(record, clock)

    ruled = await asyncio.gather(give(record, mine.invoice), give(record, theirs.invoice, by=RIVAL))

    assert sorted(ruled) == [Ruling.DONE, Ruling.HELD]
    paid_now = [(await shop.view(each)).standing for each in (mine, theirs)]
    assert sorted(paid_now) == sorted([Standing.PAID, Standing.OPEN])


async def test_stopped_in_between_it_is_neither_lost_nor_given_twice(
    shop: Shop, desk: Desk, clock: TestClock
) -> None:
    view = await shop.issue()
    before = a_desk(desk.store, clock)
    await came(before, clock)
    row = await before.rows.get(RECEIPT)
    assert row is not None
    # As far as the first commit, and no further.
    await before.rows.placing.bear(row, view.invoice.by_hand_ref, alarm=Alarm.MERCHANT_TOOK)

    after = a_desk(desk.store, clock, seed=12)
    assert (await seen(after)).whose is Whose.INVOICE
    assert await give(after, view.invoice) is Ruling.ALREADY
    await after.rows.look_again()

    assert (await shop.view(view)).sums.paid_cents == 1500_00
    assert await opens(after) == []
    assert (await alarms(desk)).count(Alarm.MERCHANT_TOOK) == 2


@pytest.mark.parametrize("source", [Source.C2B, None])
async def test_what_the_books_do_not_name_is_worth_nothing(
    shop: Shop, record: RecordDesk, clock: TestClock, source: Source | None
) -> None:
    view = await shop.issue()
    if source is not None:
        await record.rows.claim(a_row(clock.now(), kes=1500, source=source))

    shown = await seen(record)

    assert shown.whose is Whose.UNKNOWN
    assert shown.asked
    assert shown.amount_cents is None
    assert await give(record, view.invoice) in (Ruling.UNKNOWN, Ruling.CANNOT)
    assert (await shop.view(view)).sums.paid_cents == 0


async def test_what_was_closed_what_went_back_and_what_differs_is_not_theirs_to_take(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await came(record, clock)
    [open_one] = await record.open_differences()
    await record.dismiss(open_one.id, by=OPERATOR, why="rent")

    assert (await seen(record)).whose is Whose.ELSEWHERE
    assert await give(record, view.invoice) is Ruling.CANNOT

    back = a_row(clock.now(), receipt="UKN7BACKBA", kind=RowKind.REVERSAL, linked="UKN8NONENO")
    await record.rows.take([back])
    shown = await record.counter.shown("UKN7BACKBA", merchant_id=NJERI)
    assert shown.whose is Whose.ELSEWHERE
    assert nothing_told(shown)


@pytest.mark.both_engines
async def test_a_closed_invoice_takes_nothing(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await came(record, clock)
    await shop.desk.store.write(lambda tx: tx.invoices.change(view.invoice.id, decided="void"))

    assert await give(record, view.invoice) is Ruling.CANNOT


async def test_so_much_money_only_operators_give_away(
    shop: Shop, desk: Desk, clock: TestClock
) -> None:
    record = a_desk(desk.store, clock, two_people_above_kes=1000)
    view = await shop.issue()
    await came(record, clock, kes=1000.01)

    assert await give(record, view.invoice) is Ruling.OPERATORS
    assert [kind for kind, _ in await opens(record)] == [OpenKind.UNMATCHED]


async def test_a_merchant_of_another_till_is_not_offered_this_ones_money(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    await shop.merchants.change(NJERI, account="branch", closing=Closing())
    view = await shop.issue()
    await came(record, clock, reference=view.invoice.by_hand_ref)

    shown = await seen(record)

    assert shown.whose is Whose.ELSEWHERE
    assert nothing_told(shown)
    assert await give(record, view.invoice) is Ruling.CANNOT
    assert (await shop.view(view)).sums.paid_cents == 0


async def test_a_reversal_is_told(shop: Shop, record: RecordDesk, clock: TestClock) -> None:
    view = await shop.issue()
    receipt = await paid(shop, view)
    back = a_row(clock.now(), receipt="UKN7BACKBA", kes=1500, kind=RowKind.REVERSAL, linked=receipt)
    await record.rows.take([back])

    shown = await record.counter.shown(receipt, merchant_id=NJERI)

    assert (shown.amount_cents, shown.gone_back_cents) == (1500_00, 1500_00)


async def test_one_merchant_cannot_have_safaricom_asked_about_every_code_there_is(
    shop: Shop, record: RecordDesk, office: ScriptedOffice, clock: TestClock
) -> None:
    for number in range(ASKED_PER_HOUR_MAX + 5):
        clock.advance(1)
        await record.counter.shown(f"UKN{number:07d}", merchant_id=NJERI)
    assert len(office.asked) == ASKED_PER_HOUR_MAX

    assert (await seen(record, RIVAL)).asked
    clock.advance(3600)
    assert (await seen(record)).asked


@pytest.mark.both_engines
async def test_money_with_an_invoices_own_account_pays_it_in_any_writing(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    typed = view.invoice.by_hand_ref.lower().replace("-", " ")
    await came(record, clock, kes=1000.5, reference=typed)
    await came(record, clock, kes=1000.5, reference=typed)
    await shop.touched.run_due()

    view = await shop.view(view)
    assert view.sums.paid_cents == 1000_50
    assert await opens(record) == []
    assert [topic.partition(":")[0] for topic in await shop.news(NJERI)] == ["merchant", "paid"]


async def test_a_draft_takes_no_money_by_its_account(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    draft = await shop.make(draft=True)
    assert isinstance(draft, Done)
    await came(record, clock, reference=draft.view.invoice.by_hand_ref)

    assert [kind for kind, _ in await opens(record)] == [OpenKind.UNMATCHED]


# --- Money that a prompt may have brought ---


async def prompted(
    shop: Shop, *answers: str, kes: int | None = None
) -> tuple[InvoiceView, Payment]:
    """An invoice, and a prompt for it whose callback is lost; *answers* are those to questions."""
    view = await shop.issue()
    asked = await shop.pay(view, kes)
    assert isinstance(asked, Asked), asked
    shop.desk.daraja.answers = list(answers)
    shop.desk.clock.advance(26)
    await shop.desk.reconcile.run_due()
    return view, await shop.desk.get(asked.payment.id)


async def test_money_that_a_prompt_counts_without_its_receipt_is_not_given_out_again(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    paid_one, payment = await prompted(shop, "0")
    assert (payment.status, payment.receipt) == (Status.PAID, None)
    other = await shop.issue()
    await came(record, clock)  # as a till's books name it: without an account
    clock.advance(1800)

    shown = await seen(record)

    assert shown.whose is Whose.PROMPTED
    assert nothing_told(shown)
    assert await give(record, other.invoice) is Ruling.PROMPTED
    assert (await shop.view(other)).sums.paid_cents == 0
    assert await record.rows.net_cents() == 1500_00
    # A person says that it is the prompt's, and then that is known.
    [open_one] = await record.open_differences()
    assert await record.assign(open_one.id, to=payment.id, by=OPERATOR, why="") is Ruling.DONE
    assert (await seen(record)).whose is Whose.INVOICE
    assert (await shop.view(paid_one)).sums.paid_cents == 1500_00
    assert await record.rows.net_cents() == 1500_00


async def test_nor_when_it_becomes_so_after_the_merchant_was_shown_it(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    other = await shop.issue()
    await came(record, clock)
    assert (await seen(record)).whose is Whose.FREE
    row = await record.rows.get(RECEIPT)
    assert row is not None
    await prompted(shop, "0")

    # As if the first look had been before: what counts is decided where it is born.
    given = await record.rulings.give_to_reference(row, other.invoice.by_hand_ref, by=NJERI)

    assert given is Ruling.PROMPTED
    assert (await shop.view(other)).sums.paid_cents == 0


async def test_a_second_receipt_is_free_once_the_prompt_has_its_own(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    _, payment = await prompted(shop, "0")
    other = await shop.issue()
    await came(record, clock)
    await came(record, clock, receipt="UKN2ABCDEF")
    assert await give(record, other.invoice) is Ruling.PROMPTED
    first, _ = await record.open_differences()
    assert first.receipt == RECEIPT
    await record.assign(first.id, to=payment.id, by=OPERATOR, why="")

    given = await record.counter.give("UKN2ABCDEF", other.invoice.id, merchant_id=NJERI)

    assert given is Ruling.DONE
    assert await record.rows.net_cents() == 3000_00


@pytest.mark.parametrize(
    ("answers", "kes", "began_s", "whose"),
    [
        ([], 1500, -60, Whose.PROMPTED),  # nobody has answered yet
        (["4999"], 1500, -60, Whose.PROMPTED),  # it is being worked on
        (["0"], 1500, -600, Whose.PROMPTED),
        (["0"], 1500, 60, Whose.PROMPTED),  # the clocks differ a little
        (["0"], 1500, -601, Whose.FREE),  # no prompt lives as long
        (["0"], 1500, 61, Whose.FREE),  # it came before the prompt
        (["0"], 1499, -60, Whose.FREE),
        (["1032"], 1500, -60, Whose.FREE),  # cancelled, and then paid by hand
    ],
)
async def test_what_was_declined_and_other_amounts_and_times_leave_it_free(
    shop: Shop,
    record: RecordDesk,
    clock: TestClock,
    answers: list[str],
    kes: int,
    began_s: int,
    whose: Whose,
) -> None:
    _, payment = await prompted(shop, *answers, kes=kes)
    assert payment.begun_at is not None
    at = payment.begun_at - timedelta(seconds=began_s)
    await record.rows.take([a_row(at, kes=1500)])
    clock.advance(1800)

    assert (await seen(record)).whose is whose


async def test_however_many_were_declined_before_the_one_that_was_paid(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    for number in range(6):
        view = await shop.issue()
        asked = await shop.pay(view, phone=f"25471200010{number}")
        assert isinstance(asked, Asked), asked
        await shop.desk.post(asked.payment, failure(1032, shop.number_of(asked.payment)))
    _, payment = await prompted(shop, "0")
    await came(record, clock)

    assert (await seen(record)).whose is Whose.PROMPTED
    assert (await record.rows.suggestions(RECEIPT))[0].payment.id == payment.id


async def test_money_without_a_time_is_for_operators(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    view = await shop.issue()
    await record.rows.take([replace(a_row(clock.now(), kes=1500), at=None)])

    assert (await seen(record)).whose is Whose.PROMPTED
    assert await give(record, view.invoice) is Ruling.PROMPTED


@pytest.mark.both_engines
async def test_a_prompt_of_another_till_has_no_part_in_these_books(
    shop: Shop, record: RecordDesk, clock: TestClock
) -> None:
    _, payment = await prompted(shop, "0")
    await came(record, clock)
    assert (await seen(record)).whose is Whose.PROMPTED

    theirs = update(payments).where(payments.c.id == payment.id).values(account="branch")
    await shop.desk.store.write(lambda tx: tx.payments._connection.execute(theirs))

    assert (await seen(record)).whose is Whose.FREE


@pytest.mark.parametrize("which", ["push", "by hand"])
async def test_what_was_to_go_to_another_account_is_no_other_merchants(
    shop: Shop, record: RecordDesk, clock: TestClock, which: str
) -> None:
    await shop.merchants.change(RIVAL, account="branch", closing=Closing())
    theirs = await shop.issue(by=RIVAL)
    reference = theirs.invoice.by_hand_ref
    if which == "push":
        asked = await shop.pay(theirs)
        assert isinstance(asked, Asked), asked
        reference = asked.payment.push_ref
    mine = await shop.issue()

    await came(record, clock, reference=reference)

    assert (await seen(record)).whose is Whose.PROMPTED
    assert await give(record, mine.invoice) is Ruling.PROMPTED
    assert await opens(record) == [(OpenKind.UNMATCHED, RECEIPT)]
