"""Asking about the silent: the budget, what counts as an answer, and when to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.reconcile import CheckNow, Reconcile, ReconcileSettings
from bot.core.settle import Settle
from mpesa.errors import NoAnswer, OutcomeUnknown
from storage.records import Payment, Status, Word
from tests.core.bodies import failure, success
from tests.core.conftest import CHECKS, Desk
from tests.stores import NOON


async def wait_and_ask(desk: Desk, payment: Payment) -> Payment:
    """Let time pass until the payment's next check is due, and ask."""
    due_at = (await desk.get(payment.id)).next_check_at
    assert due_at is not None
    desk.clock.advance(max(0.0, (due_at - desk.clock.now()).total_seconds()) + 12)
    await desk.reconcile.run_due()
    return await desk.get(payment.id)


async def test_nothing_is_asked_before_its_time(desk: Desk) -> None:
    await desk.ask()
    desk.clock.advance(24)

    await desk.reconcile.run_due()

    assert desk.daraja.queries == []


async def test_a_lost_callback_is_found_by_asking_and_the_code_follows(desk: Desk) -> None:
    payment = await desk.ask()
    desk.daraja.answers = ["4999", "0"]

    assert (await wait_and_ask(desk, payment)).status is Status.PROMPTED
    found = await wait_and_ask(desk, payment)
    assert (found.status, found.receipt, found.confirmed) == (Status.PAID, None, False)
    assert found.next_check_at == NOON + timedelta(seconds=130), "the prompt was still open"

    completed = await desk.post(payment, success())
    assert completed.receipt == "UKN1ABCDEF"


@pytest.mark.parametrize(("code", "reason"), [("1032", "cancelled"), ("2001", "wrong-pin")])
async def test_a_final_no_is_believed(desk: Desk, code: str, reason: str) -> None:
    payment = await desk.ask()
    desk.daraja.answers = [code]

    after = await wait_and_ask(desk, payment)

    assert (after.status, after.reason) == (Status.DECLINED, reason)


@pytest.mark.both_engines
async def test_a_reply_that_comes_when_we_gave_it_up_is_asked_about_soon(desk: Desk) -> None:
    """A process that was stopped wakes up with it; its callback never comes."""
    desk.daraja.hold = asyncio.Event()
    asked = await desk.open()
    assert isinstance(asked, Asked)
    await desk.daraja.pushed.wait()
    desk.clock.advance(100)
    await desk.next_process().sweep()
    await desk.reconcile.run_due()
    assert (await desk.get(asked.payment.id)).status is Status.UNSURE
    desk.daraja.hold.set()
    await desk.finish()
    desk.daraja.answers = ["0"]

    desk.clock.advance(12)
    await desk.reconcile.run_due()

    assert (await desk.get(asked.payment.id)).status is Status.PAID


@pytest.mark.both_engines
async def test_a_failure_that_was_told_wrongly_loses_no_money(desk: Desk) -> None:
    """The callback says no (or a liar does), the money went through, and nobody says so."""
    payment = await desk.post(await desk.ask(), failure(1032))
    assert payment.status is Status.DECLINED
    desk.daraja.answers = ["4999", "0"]

    assert (await wait_and_ask(desk, payment)).status is Status.DECLINED
    found = await wait_and_ask(desk, payment)

    assert (found.status, found.words) == (
        Status.PAID,
        frozenset({Word.LATE, Word.CONTRADICTED}),
    )
    assert found.next_check_at is None


@pytest.mark.parametrize("hours", [25, 47])
async def test_a_failure_that_is_told_late_is_looked_into_for_as_long(
    desk: Desk, hours: int
) -> None:
    """Or whoever brings it late enough has it asked about by nobody."""
    payment = await desk.ask()
    desk.clock.advance(hours * 3600)
    payment = await desk.post(payment, failure(1032))
    assert payment.status is Status.DECLINED
    desk.daraja.answers = ["4999", "4999", "0"]

    for _ in range(3):
        payment = await wait_and_ask(desk, payment)

    assert payment.status is Status.PAID
    assert Word.CONTRADICTED in payment.words


async def test_a_failure_between_two_far_checks_is_asked_about_at_the_second(desk: Desk) -> None:
    """As config.example.toml has them: after six hours, and then after a day."""
    desk.reconcile = a_reconcile(desk, (25, 21_600, 86_400))
    payment = await desk.ask()
    desk.clock.advance(7 * 3600)
    payment = await desk.post(payment, failure(1032))
    desk.daraja.answers = ["4999", "0"]

    for _ in range(2):
        payment = await wait_and_ask(desk, payment)

    assert payment.status is Status.PAID


async def test_a_failure_told_again_and_again_is_asked_about_no_longer(desk: Desk) -> None:
    """Or a liar could have us spend our questions on it for ever."""
    payment = await desk.post(await desk.ask(), failure(1032))
    desk.daraja.answers = ["4999"] * 100

    for code in (1037, 1, 2001):
        desk.clock.advance(7 * 3600)
        payment = await desk.post(payment, failure(code))
    while payment.next_check_at is not None:
        payment = await wait_and_ask(desk, payment)

    assert payment.status is Status.DECLINED
    assert desk.clock.now() < NOON + timedelta(hours=26)


async def test_a_failure_that_nobody_confirms_is_asked_about_for_a_day(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(30 * 3600)
    payment = await desk.post(payment, failure(1032))
    desk.daraja.answers = ["4999"] * 40

    while payment.next_check_at is not None:
        payment = await wait_and_ask(desk, payment)

    assert payment.status is Status.DECLINED
    assert 20 <= len(desk.daraja.queries) <= 26


@pytest.mark.both_engines
async def test_a_failure_that_a_query_confirms_is_asked_about_no_more(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure(1032))
    desk.daraja.answers = ["1032"]

    after = await wait_and_ask(desk, payment)

    assert (after.status, after.words, after.next_check_at) == (
        Status.DECLINED,
        frozenset(),
        None,
    )


@pytest.mark.parametrize("code", ["4999", "77777", "SFC_NEW", "100000100"])
async def test_what_is_not_final_decides_nothing(desk: Desk, code: str) -> None:
    payment = await desk.ask()
    desk.daraja.answers = [code]

    after = await wait_and_ask(desk, payment)

    assert after.status is Status.PROMPTED
    assert after.not_yet == 1


async def test_no_answer_costs_no_check_and_waits_longer_each_time(desk: Desk) -> None:
    payment = await desk.ask()
    desk.daraja.answers = [NoAnswer("429", retry_after_s=40), NoAnswer("HTML"), NoAnswer("500")]
    waits = []
    for _ in range(3):
        after = await wait_and_ask(desk, payment)
        assert after.next_check_at is not None
        waits.append((after.next_check_at - desk.clock.now()).total_seconds())

    assert waits == [40, 30, 60]
    assert (after.checks, after.not_yet, after.status) == (0, 0, Status.PROMPTED)


@pytest.mark.both_engines
async def test_asking_stops_after_the_last_check_and_the_truth_still_counts(desk: Desk) -> None:
    payment = await desk.ask()
    desk.daraja.answers = ["4999"] * 4
    for _ in range(4):
        after = await wait_and_ask(desk, payment)

    assert after.status is Status.LAPSED
    assert after.next_check_at is None
    assert (await desk.books.pending(by=900))[0] == 1

    late = await desk.post(payment, success())
    assert late.status is Status.PAID
    assert (await desk.books.pending(by=900))[0] == 0


@pytest.mark.both_engines
async def test_two_days_of_silence_end_in_lapsed_never_in_failed(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(48 * 3600)

    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert after.status is Status.LAPSED
    assert desk.daraja.queries == []


@pytest.mark.both_engines
async def test_a_reply_that_comes_while_its_check_is_put_off_is_asked_about_soon(
    desk: Desk,
) -> None:
    """One process has found no id to ask by; before it writes that down another one has it."""
    desk.daraja.hold = asyncio.Event()
    asked = await desk.open()
    assert isinstance(asked, Asked)
    await desk.daraja.pushed.wait()
    desk.clock.advance(100)
    await desk.next_process().sweep()
    [nameless] = await desk.reconcile._claim([asked.payment.id])
    desk.daraja.hold.set()
    await desk.finish()
    assert (await desk.get(nameless.id)).status is Status.PROMPTED

    await desk.reconcile._without_asking(nameless)

    desk.daraja.answers = ["0"]
    desk.clock.advance(12)
    await desk.reconcile.run_due()
    assert (await desk.get(nameless.id)).status is Status.PAID


@pytest.mark.both_engines
async def test_without_an_id_a_person_is_called_after_ten_minutes(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask()
    desk.clock.advance(30)
    await desk.reconcile.run_due()
    assert (await desk.get(payment.id)).pending_at is None

    desk.clock.advance(570)
    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert (after.status, after.pending_at) == (Status.UNSURE, NOON + timedelta(minutes=10))
    total, [item] = await desk.books.pending(by=900)
    assert (total, item.phone) == (1, "254712345678")
    assert desk.daraja.queries == []


async def test_the_budget_is_five_a_minute_whatever_is_due(desk: Desk) -> None:
    for number in range(1, 21):
        await desk.ask(ask_key=f"m:1001:{number}", phone=f"2547220001{number:02d}")
    desk.clock.advance(30)
    desk.daraja.answers = ["4999"] * 50

    for _ in range(60):
        await desk.reconcile.run_due()
        desk.clock.advance(1)

    assert len(desk.daraja.queries) == 5


@pytest.mark.both_engines
async def test_check_now_goes_first_but_not_twice_in_half_a_minute(desk: Desk) -> None:
    payment = await desk.ask()
    first = await desk.reconcile.check_now(payment.id, by=1001, update_id=None)
    second = await desk.reconcile.check_now(payment.id, by=1001, update_id=None)
    desk.daraja.answers = ["0"]

    await desk.reconcile.run_due()

    assert (first, second) == (CheckNow.ASKED, CheckNow.TOO_SOON)
    await desk.complete(payment)
    assert await desk.reconcile.check_now(payment.id, by=1001, update_id=None) is CheckNow.DECIDED


async def test_a_payment_credited_by_callback_is_confirmed_once_and_left_alone(
    desk: Desk,
) -> None:
    payment = await desk.post(await desk.ask(), success())
    assert not payment.confirmed
    desk.daraja.answers = ["0"]

    after = await wait_and_ask(desk, payment)

    assert (after.confirmed, after.next_check_at) == (True, None)


@pytest.mark.both_engines
@pytest.mark.parametrize("answer", ["silence", "4999", "77777"])
@pytest.mark.parametrize("check_after_s", [CHECKS, (25, 21_600, 86_400)])
async def test_a_yes_that_nobody_confirms_for_ten_minutes_is_shown_to_a_person(
    desk: Desk, answer: str, check_after_s: Sequence[float]
) -> None:
    """Whether Safaricom says nothing, "not yet", or a code of which nobody knows the meaning."""
    desk.reconcile = a_reconcile(desk, check_after_s)
    payment = await desk.post(await desk.ask(amount_kes=9000), success(amount=9000.0))
    desk.daraja.answers = [] if answer == "silence" else [answer] * 50
    after = await wait_and_ask(desk, payment)
    while desk.clock.now() < NOON + timedelta(minutes=10):
        assert after.pending_at is None
        after = await wait_and_ask(desk, payment)
    assert desk.clock.now() < NOON + timedelta(minutes=12)

    assert after.status is Status.CONFIRMING
    assert after.pending_at is not None
    assert (await desk.books.pending(by=900))[0] == 1


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("amount_kes", "answers"), [(50, []), (50, ["4999"] * 9), (9000, []), (9000, ["77777"] * 9)]
)
async def test_check_now_asks_once_after_two_days_too(
    desk: Desk, amount_kes: int, answers: list[str]
) -> None:
    """Lapsed by silence, or a yes that nobody confirms: just when an operator has the button."""
    payment = await two_days_silent(desk, amount_kes)
    assert payment.status in (Status.LAPSED, Status.CONFIRMING)
    assert payment.pending_at is not None
    desk.daraja.answers = [*answers]
    before = len(desk.daraja.queries)

    for press in range(1, 4):
        pressed = await desk.reconcile.check_now(payment.id, by=900, update_id=None)
        assert pressed is CheckNow.ASKED
        for _ in range(25):
            again = await desk.reconcile.check_now(payment.id, by=1001, update_id=None)
            assert again is CheckNow.TOO_SOON
            await desk.reconcile.run_due()
            desk.clock.advance(1)
        desk.clock.advance(86_400)
        await desk.reconcile.run_due()
        assert len(desk.daraja.queries) == before + press, "one question for a press, and no more"
    after = await desk.get(payment.id)
    assert (after.next_check_at, after.user_check_at) == (None, None)

    await desk.reconcile.check_now(payment.id, by=900, update_id=None)
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()
    assert (await desk.get(payment.id)).status is Status.PAID


async def test_check_now_after_two_days_is_not_tried_for_ever(desk: Desk) -> None:
    """Whatever keeps the question from being put, and though nothing can be written about it."""
    payment = await two_days_silent(desk, 50)
    await desk.reconcile.check_now(payment.id, by=900, update_id=None)
    desk.daraja.answers = [RuntimeError("a fault of ours")] * 1000
    before = len(desk.daraja.queries)

    for _ in range(48 * 6):
        with suppress(RuntimeError):
            await desk.reconcile.run_due()
        desk.clock.advance(600)

    assert 1 <= len(desk.daraja.queries) - before <= 60
    assert (await desk.get(payment.id)).next_check_at is None


async def two_days_silent(desk: Desk, amount_kes: int) -> Payment:
    payment = await desk.ask(amount_kes=amount_kes)
    if amount_kes > payment.confirm_above_kes:
        await desk.post(payment, success(amount=float(amount_kes)))
    for _ in range(60):
        desk.clock.advance(3600)
        await desk.reconcile.run_due()
    return await desk.get(payment.id)


def a_reconcile(desk: Desk, check_after_s: Sequence[float]) -> Reconcile:
    return Reconcile(
        store=desk.store,
        daraja=desk.daraja,
        settle=Settle(operators=[900]),
        clock=desk.clock,
        settings=ReconcileSettings(check_after_s=check_after_s, queries_per_minute=5),
        wake=lambda: None,
    )
