"""A clock that was ahead and is set right: nobody waits until it shows the same hour again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.limits import Refusal, RefusalReason
from bot.core.reconcile import CheckNow
from bot.core.record_desk import RecordDesk
from mpesa.errors import OutcomeUnknown
from mpesa.models import PulledRow
from storage.engine import Store
from storage.records import Payment, Status
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import NOON, TestClock

AHEAD_S = 24 * 3600.0
both_engines = pytest.mark.both_engines


@pytest.fixture(params=["at work", "restarted"])
async def after(
    request: pytest.FixtureRequest, desk: Desk, store: Store, daraja: ScriptedDaraja
) -> AsyncIterator[Desk]:
    """The process that is at work once the clock is right: the same, or one that starts then."""
    if request.param == "at work":
        yield desk
        return
    made = make_desk(store, desk.clock, daraja, seed=8)
    yield made
    await made.close()


async def set_right(desk: Desk, after: Desk) -> None:
    """The clock, half a minute after it was ahead; and a start, if that is a new process."""
    await desk.reconcile.run_due()
    desk.clock.advance(-AHEAD_S + 30)
    if after is not desk:
        await after.reconcile.start()


async def minutes(desk: Desk, count: int, *, at_once: int = 1) -> None:
    for _ in range(count // at_once):
        desk.clock.advance(60 * at_once)
        await desk.reconcile.run_due()


@both_engines
async def test_what_was_asked_for_while_it_was_ahead_is_asked_about(
    desk: Desk, after: Desk
) -> None:
    desk.clock.advance(AHEAD_S)
    payment = await desk.ask()
    await set_right(desk, after)
    desk.daraja.answers = ["4999", "4999", "0"]

    await minutes(after, 10)

    assert (await desk.get(payment.id)).status is Status.PAID
    assert len(desk.daraja.queries) == 3


@both_engines
async def test_what_was_asked_about_while_it_was_ahead_is_asked_about_again(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(AHEAD_S)
    desk.daraja.answers = ["4999", "0"]
    await desk.reconcile.run_due()
    assert len(desk.daraja.queries) == 1
    desk.clock.advance(-AHEAD_S + 30)

    await minutes(desk, 65)

    assert (await desk.get(payment.id)).status is Status.PAID


@both_engines
async def test_it_need_not_have_been_at_work_while_it_was_ahead(desk: Desk) -> None:
    """Those who ask may have been waiting for an answer all that time."""
    desk.clock.advance(AHEAD_S)
    payment = await desk.ask()
    desk.clock.advance(-AHEAD_S + 30)
    desk.daraja.answers = ["4999", "0"]

    await minutes(desk, 5)

    assert (await desk.get(payment.id)).status is Status.PAID


async def test_it_is_asked_about_no_oftener_for_it(desk: Desk, after: Desk) -> None:
    desk.clock.advance(AHEAD_S)
    payment = await desk.ask()
    await set_right(desk, after)
    desk.daraja.answers = ["4999"] * 1000

    await minutes(after, 60)
    await minutes(after, 71 * 60, at_once=20)

    assert (await desk.get(payment.id)).status is Status.LAPSED
    assert len(desk.daraja.queries) <= 5


@both_engines
@pytest.mark.parametrize("answers", [[], ["4999"] * 9])
async def test_its_line_is_free_again_once_it_was_looked_at(
    desk: Desk, after: Desk, answers: list[str]
) -> None:
    desk.clock.advance(AHEAD_S)
    await desk.ask()
    await set_right(desk, after)
    desk.daraja.answers = [*answers]

    refused = await after.open(ask_key="m:1001:8", amount_kes=70)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.LINE_BUSY
    assert refused.until == desk.clock.now() + timedelta(minutes=3)

    await minutes(after, 3)
    assert isinstance(await after.open(ask_key="m:1001:9", amount_kes=70), Asked)
    await after.finish()


@both_engines
async def test_one_without_an_id_comes_to_a_person(desk: Desk, after: Desk) -> None:
    """How old it is, nobody knows; and its line is free."""
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    desk.clock.advance(AHEAD_S)
    payment = await desk.ask()
    await set_right(desk, after)

    await minutes(after, 2)

    assert (await desk.get(payment.id)).pending_at is not None
    assert isinstance(await after.open(ask_key="m:1001:9", amount_kes=70), Asked)
    await after.finish()


@both_engines
async def test_a_large_yes_of_then_comes_to_a_person(desk: Desk, after: Desk) -> None:
    desk.clock.advance(AHEAD_S)
    payment = await desk.post(await desk.ask(amount_kes=9000), success(amount=9000.0))
    await set_right(desk, after)

    await minutes(after, 4)

    assert (await desk.get(payment.id)).pending_at is not None


async def test_what_was_paid_then_may_be_paid_again(desk: Desk) -> None:
    desk.clock.advance(AHEAD_S)
    await desk.post(await desk.ask(), success())
    desk.clock.advance(-AHEAD_S + 180)

    assert isinstance(await desk.open(ask_key="m:1001:9"), Asked)
    await desk.finish()


@both_engines
async def test_whoever_pressed_then_may_press_now(desk: Desk, after: Desk) -> None:
    desk.clock.advance(AHEAD_S)
    payment = await desk.ask()
    press = after.reconcile.check_now
    assert await press(payment.id, by=1001, update_id=None) is CheckNow.ASKED
    await set_right(desk, after)
    await minutes(after, 1)

    assert await press(payment.id, by=1001, update_id=None) is CheckNow.ASKED
    assert await press(payment.id, by=1001, update_id=None) is CheckNow.TOO_SOON


async def test_between_two_clocks_that_differ_not_every_press_asks(
    desk: Desk, store: Store, daraja: ScriptedDaraja
) -> None:
    payment = await desk.ask()
    ahead = make_desk(store, TestClock(NOON + timedelta(days=1)), daraja, seed=8)
    asked = 0
    for _ in range(20):
        for each in (ahead, desk):
            answer = await each.reconcile.check_now(payment.id, by=1001, update_id=None)
            asked += answer is CheckNow.ASKED

    assert asked == 1
    await ahead.close()


@both_engines
async def test_a_small_step_back_hurries_nothing(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure(1032))
    due_at = (await desk.get(payment.id)).next_check_at
    await desk.reconcile.run_due()
    desk.clock.advance(-300)
    await desk.reconcile.run_due()

    assert (await desk.get(payment.id)).next_check_at == due_at
    assert desk.daraja.queries == []


@both_engines
async def test_a_process_whose_clock_is_behind_asks_once_too_soon_at_most(
    desk: Desk, store: Store, daraja: ScriptedDaraja
) -> None:
    """What others have begun looks to it as if a clock had been set back."""
    payment = await desk.ask()
    behind = make_desk(store, TestClock(NOON - timedelta(days=1)), daraja, seed=8)
    await behind.reconcile.start()
    daraja.answers = ["4999"] * 100

    for _ in range(24):
        for each in (desk, behind):
            await each.reconcile.run_due()
            each.clock.advance(1)

    assert len(daraja.queries) <= 1
    assert (await desk.get(payment.id)).pending_at is None
    await behind.close()


async def checked_hourly(desk: Desk) -> Payment:
    """A payment to which every question was answered "not yet", the last one just now."""
    payment = await desk.ask()
    desk.daraja.answers = ["4999"] * 9
    await minutes(desk, 6)
    desk.daraja.answers = []
    return await desk.get(payment.id)


@both_engines
async def test_several_processes_that_see_one_step_hurry_the_checks_once(
    desk: Desk, store: Store, daraja: ScriptedDaraja
) -> None:
    others = [make_desk(store, desk.clock, daraja, seed=seed) for seed in (8, 9)]
    payment = await checked_hourly(desk)
    assert payment.next_check_at is not None
    shown_s = 0.0

    for stepped_s in (1200, 1260):
        for each in (desk, *others):
            await each.reconcile.run_due()
            desk.clock.advance(1)
        desk.clock.advance(-stepped_s)
        await asyncio.gather(*(each.reconcile.run_due() for each in others))
        desk.clock.advance(1)
        await desk.reconcile.run_due()

        shown_s += stepped_s
        due_at = (await desk.get(payment.id)).next_check_at
        assert due_at is not None
        sooner = payment.next_check_at - timedelta(seconds=shown_s)
        assert abs(due_at - sooner) < timedelta(seconds=10)
    for each in others:
        await each.close()


@both_engines
async def test_of_two_clocks_that_are_set_right_at_once_the_one_further_ahead_counts(
    desk: Desk, store: Store, daraja: ScriptedDaraja
) -> None:
    payment = await checked_hourly(desk)
    assert payment.next_check_at is not None
    right = desk.clock.now()
    further = make_desk(store, TestClock(right + timedelta(minutes=20)), daraja, seed=8)
    await further.reconcile.run_due()

    for each, ahead_s in ((desk, 1200), (further, 2400)):
        each.clock.advance(-ahead_s)
        await each.reconcile.run_due()

    due_at = (await desk.get(payment.id)).next_check_at
    assert due_at == payment.next_check_at - timedelta(minutes=40)
    await further.close()


async def answers_of(desk: Desk, count: int) -> list[str]:
    """What each of so many wishes for one line comes to, where nobody completes a prompt."""
    said = []
    for number in range(count):
        got = await desk.open(ask_key=f"again:{number}", amount_kes=60 + number)
        await desk.finish()
        if isinstance(got, Refusal):
            said.append(str(got.reason))
        else:
            await desk.post(got.payment, failure(1032, len(desk.daraja.pushes)))
            said.append("prompted")
        desk.clock.advance(200)
    return said


@both_engines
@pytest.mark.parametrize("ahead_s", [0, 5 * 3600.0])
async def test_what_was_paid_while_it_was_ahead_does_not_hide_later_prompts(
    desk: Desk, ahead_s: float
) -> None:
    desk.clock.advance(ahead_s)
    await desk.post(await desk.ask(), success())
    desk.clock.advance(-ahead_s + 600)
    await desk.reconcile.start()

    assert (await answers_of(desk, 8)).count("prompted") <= 4
    assert await paused(desk) == 1


async def paused(desk: Desk) -> int:
    """How many lines are left alone."""
    now = desk.clock.now()
    async with desk.store.read() as tx:
        return await tx.health.lines_paused(since=now - timedelta(days=1), incomplete=3, now=now)


@pytest.mark.parametrize("ahead_s", [3600.0, 36 * 3600.0, 60 * 3600.0])
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_list_of_payments_is_fetched_again_at_once(
    desk: Desk, office: ScriptedOffice, ahead_s: float, restarted: bool
) -> None:
    record = pulling(desk, office)
    reference = await by_hand_ref(desk, await desk.ask())
    desk.clock.advance(ahead_s)
    await record.ways.pull_due()
    desk.clock.advance(-ahead_s + 60)
    if restarted:
        record = pulling(desk, office)
    paid_at = desk.clock.advance(120)
    office.rows = [
        PulledRow(
            receipt="UKN5ABCDEF",
            paid_at=paid_at,
            amount_cents=5000,
            payer=PHONE,
            account_reference=reference,
            kind="",
        )
    ]
    desk.clock.advance(180)

    await record.ways.pull_due()

    assert await record.rows.get("UKN5ABCDEF") is not None
    since = [each for each, _, _ in office.pulls]
    for _ in range(60):
        desk.clock.advance(60)
        await record.ways.pull_due()
    assert pulls_since(office, since) <= 2, "and then each half hour, as ever"


def pulls_since(office: ScriptedOffice, before: Sequence[object]) -> int:
    """How often the list was begun anew since then."""
    return sum(offset == 0 for _, _, offset in office.pulls[len(before) :])


def pulling(desk: Desk, office: ScriptedOffice) -> RecordDesk:
    return a_desk(desk.store, desk.clock, office, pull=True, pull_number=PHONE)


async def by_hand_ref(desk: Desk, payment: Payment) -> str:
    async with desk.store.read() as tx:
        return (await tx.payments.intent(payment.intent_id)).by_hand_ref
