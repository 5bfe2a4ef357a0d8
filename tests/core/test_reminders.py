"""Reminders: three at most, never at night, never for what is paid; and the evening's summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from bot.core.ask import Asked
from bot.core.eat import day_of, polite
from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView
from bot.core.post import Post
from bot.core.reminders import Remind, Reminded, Reminders
from bot.core.restored import lift, mark
from mpesa.errors import OutcomeUnknown
from storage.records import (
    BillItem,
    Closing,
    InvoiceEntryKind,
    Kind,
    Payment,
    Person,
    Status,
)
from tests.core.conftest import Desk
from tests.core.shop import NJERI, OPERATOR, Shop, a_bill, shop
from tests.fakes import fact, unit_of

__all__ = ["shop"]

PETER = 3001
DAY_S = 24 * 3600


@pytest.fixture
def reminders(desk: Desk) -> Reminders:
    return Reminders(store=desk.store, clock=desk.clock, wake=lambda: None)


async def an_opened_invoice(shop: Shop) -> str:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    return view.invoice.id


async def wish(reminders: Reminders, invoice_id: str, wanted: Remind) -> Reminded:
    return await reminders.remind(invoice_id, wanted, by=NJERI, closing=Closing())


async def reminded(shop: Shop) -> list[str]:
    return [each for each in await shop.news(PETER) if each.startswith("remind")]


async def test_three_are_sent_and_no_fourth(shop: Shop, reminders: Reminders) -> None:
    invoice_id = await an_opened_invoice(shop)
    for _ in range(3):
        assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
        shop.desk.clock.advance(3600)
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.ENOUGH

    assert await reminded(shop) == ["remind:1", "remind:2", "remind:3"]


async def test_nothing_is_sent_at_night(shop: Shop, reminders: Reminders) -> None:
    invoice_id = await an_opened_invoice(shop)
    shop.desk.clock.advance(9 * 3600)  # 21:00 in Nairobi
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
    assert await reminded(shop) == []

    shop.desk.clock.advance(11 * 3600 - 1)
    await reminders.run_due()
    assert await reminded(shop) == []
    shop.desk.clock.advance(1)
    await reminders.run_due()
    assert await reminded(shop) == ["remind:1"]


async def test_what_is_planned_already_is_not_called_enough(
    shop: Shop, reminders: Reminders
) -> None:
    invoice_id = await an_opened_invoice(shop)
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.ALREADY
    await wish(reminders, invoice_id, Remind.STOP)
    shop.desk.clock.advance(9 * 3600)  # 21:00 in Nairobi

    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.ALREADY
    shop.desk.clock.advance(11 * 3600)
    await reminders.run_due()
    assert await reminded(shop) == ["remind:1"]


async def test_of_a_customer_who_blocked_us_it_is_not_said_that_they_are_reminded(
    shop: Shop, reminders: Reminders
) -> None:
    invoice_id = await an_opened_invoice(shop)
    peter = Person(id=PETER, first_name="Peter", reachable=False)
    await shop.desk.store.write(lambda tx: tx.people.put(peter))

    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.BLOCKED
    assert await reminded(shop) == ["remind:1"]


@pytest.mark.both_engines
async def test_a_merchant_is_not_asked_at_night_about_what_is_late(
    shop: Shop, reminders: Reminders
) -> None:
    """It fell due at nine on Saturday, while the bot was stopped until that evening."""
    await an_opened_invoice(shop)

    async def late() -> int:
        await reminders.run_due()
        return len([each for each in await shop.news(NJERI) if each.startswith("late")])

    shop.desk.clock.advance(5 * DAY_S + 9 * 3600)  # 21:00 in Nairobi
    assert await late() == 0
    shop.desk.clock.advance(11 * 3600 - 1)
    assert await late() == 0
    shop.desk.clock.advance(1)
    assert (await late(), await late()) == (1, 1)


@pytest.mark.both_engines
async def test_a_reminder_that_waited_for_a_stopped_bot_is_not_sent_at_night(
    shop: Shop, reminders: Reminders
) -> None:
    invoice_id = await an_opened_invoice(shop)
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED
    shop.desk.clock.advance(3 * DAY_S + 11 * 3600)  # Thursday 23:00: the one of 09:00 is overdue
    await reminders.run_due()
    assert await reminded(shop) == []

    shop.desk.clock.advance(10 * 3600)  # Friday 09:00: the next one is due as well
    await reminders.run_due()
    assert await reminded(shop) == ["remind:1"]


@pytest.mark.both_engines
async def test_what_fell_due_while_it_was_disowned_is_said_once(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    invoice_id, code = view.invoice.id, view.invoice.code
    await shop.invoices.open(code, person_id=PETER, closing=Closing())
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED
    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    for _ in range(8):
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    await shop.talk.decide(invoice_id, theirs=True, by=NJERI, closing=Closing())
    assert await reminded(shop) == []

    for _ in range(2):
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()

    assert await reminded(shop) == ["remind:1"]
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT, "the others are free"


async def revised(shop: Shop, invoice_id: str, due_on: date) -> None:
    done = await shop.billing.revise(
        invoice_id, lambda bill: replace(bill, due_on=due_on), by=NJERI, closing=Closing()
    )
    assert isinstance(done, Done)


async def days_reminded(shop: Shop, reminders: Reminders, days: int) -> list[str]:
    """On which days of so many the customer is reminded."""
    found = []
    for _ in range(days):
        shop.desk.clock.advance(DAY_S)
        before = len(await reminded(shop))
        await reminders.run_due()
        found += [str(day_of(shop.desk.clock.now()))] * (len(await reminded(shop)) - before)
    return found


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("due_on", "told"),
    [
        (date(2026, 12, 29), ["2026-12-28", "2026-12-29", "2027-01-01"]),
        (date(2026, 11, 24), ["2026-11-24", "2026-11-27"]),
        (date(2026, 11, 1), []),
    ],
)
async def test_what_is_planned_moves_with_the_due_day(
    shop: Shop, reminders: Reminders, due_on: date, told: list[str]
) -> None:
    invoice_id = await an_opened_invoice(shop)
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED

    await revised(shop, invoice_id, due_on)

    assert await days_reminded(shop, reminders, 42) == told


async def test_one_that_was_sent_counts_when_the_due_day_moves(
    shop: Shop, reminders: Reminders
) -> None:
    invoice_id = await an_opened_invoice(shop)
    await wish(reminders, invoice_id, Remind.PLAN)
    assert await days_reminded(shop, reminders, 3) == ["2026-11-26"]
    await revised(shop, invoice_id, date(2026, 12, 10))

    assert await days_reminded(shop, reminders, 30) == ["2026-12-09", "2026-12-10"]


@pytest.mark.parametrize("wanted", [None, Remind.NOW])
async def test_nothing_else_is_planned_or_dropped_when_the_due_day_moves(
    shop: Shop, reminders: Reminders, wanted: Remind | None
) -> None:
    invoice_id = await an_opened_invoice(shop)
    shop.desk.clock.advance(9 * 3600)  # 21:00 in Nairobi: one of now is for the morning
    if wanted is not None:
        assert await wish(reminders, invoice_id, wanted) is Reminded.SENT

    await revised(shop, invoice_id, date(2026, 12, 10))

    shop.desk.clock.advance(14 * 3600)
    told = await days_reminded(shop, reminders, 20)
    assert told == ([] if wanted is None else ["2026-11-25"])


async def test_who_can_be_written_to_again_hears_the_last_reminder_only(
    shop: Shop, reminders: Reminders
) -> None:
    """All of them wait in the outbox; what they say is made when they are told."""
    invoice_id = await an_opened_invoice(shop)
    for _ in range(3):
        assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
        shop.desk.clock.advance(3600)

    told = [await shop.invoices.news_view(invoice_id, each) for each in await reminded(shop)]

    assert [each is not None for each in told] == [False, False, True]


async def test_what_is_paid_meanwhile_is_not_reminded_of(shop: Shop, reminders: Reminders) -> None:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    await wish(reminders, view.invoice.id, Remind.PLAN)
    await shop.paid(view)
    shop.desk.clock.advance(10 * DAY_S)
    await reminders.run_due()

    assert await reminded(shop) == []
    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.PAID


@pytest.mark.both_engines
async def test_after_a_restore_nobody_is_asked_until_the_gap_is_reconciled(
    shop: Shop, reminders: Reminders
) -> None:
    """Peter may have paid in the gap, and the copy does not know it."""
    invoice_id, store = await an_opened_invoice(shop), shop.desk.store
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED
    await mark(store, as_of=shop.desk.clock.now())

    async def asked() -> list[str]:
        late = [each for each in await shop.news(NJERI) if each.startswith("late")]
        return await reminded(shop) + late

    for _ in range(9):
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.RESTORED
    assert await asked() == []
    assert len(await shop.news(NJERI)) > 1, "the day is still summed up"

    await lift(store)
    await reminders.run_due()
    told = await asked()
    assert (told[:1], len(told)) == (["remind:1"], 2)
    shop.desk.clock.advance(DAY_S)
    await reminders.run_due()
    assert await asked() == told


@pytest.mark.parametrize("topic", ["remind:1", "late:740000"])
async def test_what_a_backup_still_owed_asks_nobody(shop: Shop, topic: str) -> None:
    """The letter was in the outbox when the copy was made."""
    invoice_id = await an_opened_invoice(shop)
    assert await shop.invoices.news_view(invoice_id, topic) is not None

    await mark(shop.desk.store, as_of=shop.desk.clock.now())

    assert await shop.invoices.news_view(invoice_id, topic) is None
    assert await shop.invoices.news_view(invoice_id, "customer") is not None


async def asked_now(shop: Shop) -> list[str]:
    """Tell everything that is owed: which questions and reminders were told, and not let go."""
    post, said = Post(store=shop.desk.store, clock=shop.desk.clock), list[str]()
    while notices := await post.due():
        for each in notices:
            asks = each.topic.startswith(("late", "remind"))
            invoice_id = (each.subject or "").partition(":")[2]
            found = await shop.invoices.news_view(invoice_id, each.topic) if asks else None
            await post.sent(each, message_id=each.id if found is not None or not asks else None)
            said += [each.topic.partition(":")[0]] if found is not None else []
    return sorted(said)


@pytest.mark.both_engines
@pytest.mark.parametrize("hours", [1, 9, 72])
async def test_what_a_backup_still_owed_is_asked_once_the_gap_is_reconciled(
    shop: Shop, reminders: Reminders, hours: int
) -> None:
    invoice_id = await an_opened_invoice(shop)
    shop.desk.clock.advance(5 * DAY_S)
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
    await mark(shop.desk.store, as_of=shop.desk.clock.now())
    assert await asked_now(shop) == []

    shop.desk.clock.advance(hours * 3600)
    await lift(shop.desk.store)
    await reminders.run_due()
    told = await asked_now(shop)
    if polite(shop.desk.clock.now()) != shop.desk.clock.now():
        assert told == []
        shop.desk.clock.advance(11 * 3600)
        await reminders.run_due()
        told = await asked_now(shop)

    assert told == ["late", "remind"]
    shop.desk.clock.advance(DAY_S)
    await reminders.run_due()
    assert await asked_now(shop) == []


@pytest.mark.parametrize("why", ["told before", "not theirs", "marked again", "asked anew"])
async def test_what_need_not_be_asked_after_a_gap_is_not(
    shop: Shop, reminders: Reminders, why: str
) -> None:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    shop.desk.clock.advance(5 * DAY_S)
    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.SENT
    if why == "told before":
        assert await asked_now(shop) == ["late", "remind"]
        shop.desk.clock.advance(60)
    await mark(shop.desk.store, as_of=shop.desk.clock.now())
    assert await asked_now(shop) == []
    if why == "not theirs":
        await shop.talk.not_mine(
            view.invoice.code, person_id=PETER, closing=Closing(), gone=Closing()
        )
    elif why == "asked anew":
        await wish(reminders, view.invoice.id, Remind.SNOOZE)

    await lift(shop.desk.store)
    if why == "marked again":
        await mark(shop.desk.store, as_of=shop.desk.clock.now())
    await reminders.run_due()

    told = await asked_now(shop)
    expected = {"asked anew": ["remind"], "not theirs": ["late"]}
    assert told == expected.get(why, [])
    if why == "marked again":
        shop.desk.clock.advance(3600)
        await lift(shop.desk.store)
        await reminders.run_due()
        assert await asked_now(shop) == ["late", "remind"]


async def a_cow(shop: Shop) -> tuple[InvoiceView, Payment]:
    """An invoice that Peter has opened and paid, of more than a callback alone may credit."""
    view = await shop.issue(a_bill(BillItem(what="a cow", price_cents=2_000_000)))
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    waiting = await shop.paid(view, by=PETER)
    assert waiting.status is Status.CONFIRMING
    return view, waiting


async def decided(shop: Shop, payment: Payment, kind: Kind) -> None:
    """An operator has looked the payment up."""
    said = fact(kind, payment_id=payment.id, at=shop.desk.clock.now())
    await shop.desk.store.submit(unit_of(said), shop.desk.hear._settle)
    await shop.touched.run_due()


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("kind", "told"),
    [(Kind.OPERATOR_PAID, []), (Kind.OPERATOR_VOID, ["remind:1"])],
)
async def test_what_may_be_paid_already_is_not_reminded_of_until_that_is_known(
    shop: Shop, reminders: Reminders, kind: Kind, told: list[str]
) -> None:
    view, waiting = await a_cow(shop)
    assert await wish(reminders, view.invoice.id, Remind.PLAN) is Reminded.PLANNED
    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.WAITING
    for _ in range(4):  # to Friday noon: one was due the day before, one that day
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    assert await reminded(shop) == []

    await decided(shop, waiting, kind)
    shop.desk.clock.advance(DAY_S)
    await reminders.run_due()

    assert await reminded(shop) == told


@pytest.mark.both_engines
@pytest.mark.parametrize(("kind", "asked"), [(Kind.OPERATOR_PAID, 0), (Kind.OPERATOR_VOID, 1)])
async def test_a_merchant_is_not_asked_about_what_may_be_paid_already(
    shop: Shop, reminders: Reminders, kind: Kind, asked: int
) -> None:
    _, waiting = await a_cow(shop)

    async def late() -> int:
        await reminders.run_due()
        return len([each for each in await shop.news(NJERI) if each.startswith("late")])

    for _ in range(6):  # to Sunday: it was due on Friday
        shop.desk.clock.advance(DAY_S)
        assert await late() == 0

    await decided(shop, waiting, kind)
    shop.desk.clock.advance(DAY_S)
    assert (await late(), await late()) == (asked, asked)


async def nobody_knows(shop: Shop, *kinds: Kind) -> tuple[InvoiceView, Payment]:
    """An invoice that Peter has opened and tried to pay, and what was heard of that."""
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    if Kind.REPLY_LOST in kinds:
        shop.desk.daraja.replies = [OutcomeUnknown("timeout")]
    asked = await shop.pay(view, by=PETER)
    assert isinstance(asked, Asked), asked
    for kind in kinds:
        if kind is not Kind.REPLY_LOST:
            await decided(shop, asked.payment, kind)
    return view, await shop.desk.get(asked.payment.id)


NOBODY_KNOWS = [
    ((Kind.LAPSED,), Status.LAPSED),
    ((Kind.REPLY_LOST,), Status.UNSURE),
    ((), Status.PROMPTED),
    ((Kind.CLAIM,), Status.PROMPTED),
    ((Kind.QUERY_FAILED, Kind.CLAIM), Status.DECLINED),
]


@pytest.mark.parametrize(("kinds", "status"), NOBODY_KNOWS)
async def test_nobody_is_reminded_by_itself_beside_an_attempt_that_nobody_knows_about(
    shop: Shop, reminders: Reminders, kinds: tuple[Kind, ...], status: Status
) -> None:
    view, attempt = await nobody_knows(shop, *kinds)
    assert attempt.status is status
    assert await wish(reminders, view.invoice.id, Remind.PLAN) is Reminded.PLANNED
    for _ in range(4):  # to Friday noon: one was due the day before, one that day
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    assert await reminded(shop) == []
    now = await shop.view(view)
    assert (now.sums.maybe_cents, now.left_cents, now.beside_cents) == (150_000,) * 3

    # The merchant may, who reads what may have come.
    assert await wish(reminders, view.invoice.id, Remind.STOP) is Reminded.PLANNED
    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.SENT
    assert await reminded(shop) == ["remind:1"]


@pytest.mark.both_engines
@pytest.mark.parametrize(("kinds", "status"), NOBODY_KNOWS)
@pytest.mark.parametrize(
    ("kind", "told"),
    [(Kind.OPERATOR_PAID, []), (Kind.OPERATOR_VOID, ["remind:1"])],
)
async def test_a_reminder_waits_until_an_attempt_is_known_about(
    shop: Shop,
    reminders: Reminders,
    kinds: tuple[Kind, ...],
    status: Status,
    kind: Kind,
    told: list[str],
) -> None:
    view, attempt = await nobody_knows(shop, *kinds)
    assert attempt.status is status
    await wish(reminders, view.invoice.id, Remind.PLAN)
    # Thursday 23:00: the bot was stopped when one was due, and by night nobody is reminded.
    shop.desk.clock.advance(3 * DAY_S + 11 * 3600)
    await reminders.run_due()
    for _ in range(20):  # to Friday 19:00
        shop.desk.clock.advance(3600)
        await reminders.run_due()
    assert await reminded(shop) == []

    await decided(shop, attempt, kind)
    shop.desk.clock.advance(DAY_S)
    await reminders.run_due()

    assert await reminded(shop) == told
    assert (await shop.view(view)).sums.maybe_cents == 0


async def test_nobody_is_reminded_of_what_may_have_come_in_two_ways_together(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    for amount_kes, kind in ((500, Kind.CALLBACK_BARE), (1000, Kind.LAPSED)):
        asked = await shop.pay(view, by=PETER, amount_kes=amount_kes)
        assert isinstance(asked, Asked), asked
        await decided(shop, asked.payment, kind)
        shop.desk.clock.advance(300)
    await wish(reminders, view.invoice.id, Remind.PLAN)

    for _ in range(4):
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()

    sums = (await shop.view(view)).sums
    assert (sums.waiting_cents, sums.unknown_cents) == (50_000, 100_000)
    assert await reminded(shop) == []


async def test_what_is_left_beside_a_part_that_may_be_paid_is_reminded_of(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue(a_bill(BillItem(what="two cows", price_cents=4_000_000)))
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    await shop.paid(view, 20_000, by=PETER)

    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.SENT
    assert await reminded(shop) == ["remind:1"]


@pytest.mark.both_engines
async def test_what_is_owed_again_is_reminded_of_as_if_it_had_not_been_paid(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    invoice_id = view.invoice.id
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
    shop.desk.clock.advance(60)
    await wish(reminders, invoice_id, Remind.PLAN)
    payment = await shop.paid(view)
    shop.desk.clock.advance(10 * DAY_S)
    await reminders.run_due()
    await shop.reverse(payment)
    await shop.touched.run_due()

    for number in (2, 3):
        assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.SENT
        shop.desk.clock.advance(3600)
        assert len(await reminded(shop)) == number
    assert await wish(reminders, invoice_id, Remind.NOW) is Reminded.ENOUGH


async def test_the_place_of_a_reminder_that_was_not_sent_is_free(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    await wish(reminders, view.invoice.id, Remind.PLAN)
    payment = await shop.paid(view)
    for _ in range(5):  # to Saturday: two of the three were due
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    await shop.reverse(payment)
    await shop.touched.run_due()

    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.SENT
    assert await reminded(shop) == ["remind:1"]


async def test_what_was_to_go_out_in_the_morning_does_not_if_it_may_be_paid_by_then(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue(a_bill(BillItem(what="a cow", price_cents=2_000_000)))
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    shop.desk.clock.advance(11 * 3600)  # 23:00
    await wish(reminders, view.invoice.id, Remind.NOW)
    assert (await shop.paid(view, by=PETER)).status is Status.CONFIRMING

    shop.desk.clock.advance(11 * 3600)
    await reminders.run_due()

    assert await reminded(shop) == []


async def late_since(shop: Shop, reminders: Reminders, days: int) -> int:
    """How often the merchant was asked about what is late, after so many days more."""
    for _ in range(days):
        await shop.touched.run_due()
        shop.desk.clock.advance(DAY_S)
        await reminders.run_due()
    return len([each for each in await shop.news(NJERI) if each.startswith("late")])


@pytest.mark.parametrize("part", [True, False])
async def test_a_merchant_is_asked_about_what_is_late_again_once_money_went_back(
    shop: Shop, reminders: Reminders, part: bool
) -> None:
    view = await shop.issue()
    payment = await shop.paid(view)
    assert await late_since(shop, reminders, 6) == 0

    await shop.reverse(payment, 50_000 if part else None, receipt="UKN9BACK01")

    assert await late_since(shop, reminders, 0) == 0
    await shop.look(view)
    assert await late_since(shop, reminders, 1) == 1
    await shop.look(view)
    assert await late_since(shop, reminders, 3) == 1, "once"
    if part:
        await shop.reverse(payment, 30_000, receipt="UKN9BACK02")
        assert await late_since(shop, reminders, 3) == 2


async def test_a_merchant_is_asked_about_what_is_late_again_once_cash_is_taken_back(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    await shop.cash_book.cash(
        view.invoice.id, cents=150_000, by=NJERI, why="", key="cash", closing=Closing()
    )
    [cash] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.CASH, by=NJERI)
    assert await late_since(shop, reminders, 6) == 0

    await shop.cash_book.undo_cash(view.invoice.id, entry_id=cash.id, by=NJERI, closing=Closing())

    assert await late_since(shop, reminders, 1) == 1
    await shop.cash_book.undo_cash(view.invoice.id, entry_id=cash.id, by=NJERI, closing=Closing())
    assert await late_since(shop, reminders, 3) == 1, "a press that comes twice asks once"


async def test_what_went_back_before_it_is_due_is_asked_about_the_day_after(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()
    await shop.reverse(await shop.paid(view))

    assert await late_since(shop, reminders, 4) == 0  # Friday noon: due that day
    assert await late_since(shop, reminders, 1) == 1
    assert await late_since(shop, reminders, 5) == 1


@pytest.mark.both_engines
async def test_planned_ones_can_be_dropped(shop: Shop, reminders: Reminders) -> None:
    invoice_id = await an_opened_invoice(shop)
    await wish(reminders, invoice_id, Remind.PLAN)
    await wish(reminders, invoice_id, Remind.STOP)
    shop.desk.clock.advance(10 * DAY_S)
    await reminders.run_due()

    assert await reminded(shop) == []


async def test_nobody_is_reminded_of_what_nobody_opened_or_anothers(
    shop: Shop, reminders: Reminders
) -> None:
    view = await shop.issue()

    assert await wish(reminders, view.invoice.id, Remind.NOW) is Reminded.NOBODY
    other = await reminders.remind(view.invoice.id, Remind.NOW, by=PETER, closing=Closing())
    assert other is Reminded.NOT_YOURS


async def test_a_merchant_is_asked_once_about_what_is_late_and_again_after_a_snooze(
    shop: Shop, reminders: Reminders
) -> None:
    invoice_id = await an_opened_invoice(shop)

    async def asked() -> int:
        await reminders.run_due()
        return len([each for each in await shop.news(NJERI) if each.startswith("late")])

    shop.desk.clock.advance(4 * DAY_S)  # Friday noon: due that day, and not late
    assert await asked() == 0
    shop.desk.clock.advance(DAY_S)
    assert (await asked(), await asked()) == (1, 1)
    await wish(reminders, invoice_id, Remind.SNOOZE)
    shop.desk.clock.advance(DAY_S)
    assert await asked() == 1
    shop.desk.clock.advance(2 * DAY_S)
    assert await asked() == 2


@pytest.mark.both_engines
async def test_the_day_is_summed_up_once_every_evening_until_it_is_turned_off(
    shop: Shop, reminders: Reminders
) -> None:
    async def told() -> int:
        await reminders.run_due()
        return len([each for each in await shop.news(NJERI) if each.startswith("day:")])

    assert await told() == 0
    shop.desk.clock.advance(8 * 3600 - 1)
    assert await told() == 0
    shop.desk.clock.advance(1)  # 20:00 in Nairobi
    assert (await told(), await told()) == (1, 1)
    shop.desk.clock.advance(DAY_S)
    assert await told() == 2
    await shop.merchants.change(NJERI, closing=Closing(), summary=False)
    shop.desk.clock.advance(DAY_S)
    assert await told() == 2


async def summed_up(shop: Shop, reminders: Reminders) -> list[int]:
    """How many days ago each day was that the merchant has been told of."""
    await reminders.run_due()
    today = day_of(shop.desk.clock.now()).toordinal()
    days = [each.partition(":")[2] for each in await shop.news(NJERI) if each.startswith("day:")]
    return [today - int(each) for each in days]


@pytest.mark.both_engines
async def test_evenings_that_a_stopped_bot_missed_are_summed_up_when_it_is_back(
    shop: Shop, reminders: Reminders
) -> None:
    assert await summed_up(shop, reminders) == []
    shop.desk.clock.advance(DAY_S + 22 * 3600)  # stopped for two evenings, until ten in the morning

    assert await summed_up(shop, reminders) == [2, 1]
    assert await summed_up(shop, reminders) == [2, 1]
    shop.desk.clock.advance(10 * 3600)
    assert await summed_up(shop, reminders) == [2, 1, 0]


async def test_of_a_long_time_only_the_last_week_is_summed_up(
    shop: Shop, reminders: Reminders
) -> None:
    assert await summed_up(shop, reminders) == []
    shop.desk.clock.advance(60 * DAY_S)

    assert await summed_up(shop, reminders) == [7, 6, 5, 4, 3, 2, 1]


async def test_who_is_appointed_again_is_told_of_no_day_in_between(
    shop: Shop, reminders: Reminders
) -> None:
    assert await summed_up(shop, reminders) == []
    await shop.merchants.revoke(NJERI, by=OPERATOR, say=lambda _: Closing())
    shop.desk.clock.advance(3 * DAY_S)
    await shop.appoint()

    assert await summed_up(shop, reminders) == []
    shop.desk.clock.advance(8 * 3600)
    assert await summed_up(shop, reminders) == [0]


@pytest.mark.parametrize(
    ("at", "told_at"),
    [
        (datetime(2026, 11, 23, 5, 0, tzinfo=UTC), datetime(2026, 11, 23, 5, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 4, 59, tzinfo=UTC), datetime(2026, 11, 23, 5, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 16, 59, tzinfo=UTC), datetime(2026, 11, 23, 16, 59, tzinfo=UTC)),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), datetime(2026, 11, 24, 5, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 21, 30, tzinfo=UTC), datetime(2026, 11, 24, 5, 0, tzinfo=UTC)),
    ],
)
def test_polite_is_from_eight_to_twenty_in_nairobi(at: datetime, told_at: datetime) -> None:
    assert polite(at) == told_at


@pytest.mark.both_engines
async def test_a_reminder_that_another_process_has_just_sent_is_not_unplanned(
    shop: Shop, reminders: Reminders
) -> None:
    """It was still planned when the due day was moved; three are three all the same."""
    invoice_id, store = await an_opened_invoice(shop), shop.desk.store
    await wish(reminders, invoice_id, Remind.PLAN)
    async with store.read() as tx:
        [first, *_] = await tx.reminders.planned(invoice_id)
    await store.write(lambda tx: tx.reminders.sent(first.id, at=shop.desk.clock.now()))

    await store.write(lambda tx: tx.reminders.unplan(first.id))

    async with store.read() as tx:
        assert await tx.reminders.last_sent(invoice_id) == first.number


@pytest.mark.both_engines
@pytest.mark.parametrize("how", ["void", "write_off"])
async def test_what_fell_due_while_it_was_closed_by_mistake_is_said_once_when_it_is_open(
    shop: Shop, reminders: Reminders, how: str
) -> None:
    invoice_id = await an_opened_invoice(shop)
    assert await wish(reminders, invoice_id, Remind.PLAN) is Reminded.PLANNED
    await getattr(shop.billing, how)(invoice_id, by=NJERI, why="", closing=Closing())

    async def days(count: int) -> None:
        for _ in range(count):
            shop.desk.clock.advance(DAY_S)
            await reminders.run_due()

    await days(5)  # over the day before it is due, and that day
    assert await reminded(shop) == []
    async with shop.desk.store.read() as tx:
        assert not await tx.reminders.any_due(now=shop.desk.clock.now())
    await shop.billing.reopen(invoice_id, by=NJERI, closing=Closing())
    await reminders.run_due()
    assert await reminded(shop) == []
    await days(1)
    assert len(await reminded(shop)) == 1
    await days(3)

    assert len(await reminded(shop)) == 2  # and the one that was still to come
