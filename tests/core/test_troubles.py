"""Clocks that jump, stores that go away, bugs in settling: money is found and people are called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.core.ask import Asked
from bot.core.ports import Pace
from bot.core.post import BEGIN_WITHIN, LEASE, PUT_OFF_MAX_S, Post
from bot.core.settle import Settle
from bot.core.tokens import SharedToken
from mpesa.errors import BadCredentials, OutcomeUnknown, Throttled, Unreachable
from mpesa.models import Token
from storage import schema
from storage.engine import Store
from storage.errors import StoreFailed
from storage.hearing import Decide, Decision, Outcome, Unit
from storage.notice_picks import FAR
from storage.records import Alarm, Closing, Evidence, Notice, Payment, Reply, Status
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.stores import TestClock


class TroubledStore(Store):
    """A store in which the first thing heard is kept, and then trouble begins."""

    def __init__(self, store: Store, clock: TestClock) -> None:
        super().__init__(
            writer=store._writer,
            readers=store._readers,
            crypt=store.crypt,
            exclusive=store.exclusive,
            holder=store.holder,
            presence=store.presence,
        )
        self.clock = clock
        self.set_back_s = 0.0
        self.away = timedelta()
        self.away_until: datetime | None = None
        self.unread: Exception | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        if self.unread is not None:
            raise self.unread
        async with super().read() as tx:
            yield tx

    async def submit(self, unit: Unit, decide: Decide) -> Outcome:
        if self.away_until is not None and self.clock.now() < self.away_until:
            raise StoreFailed("the disk is full")
        outcome = await super().submit(unit, decide)
        if self.away_until is None:
            self.clock.advance(-self.set_back_s)
            self.away_until = self.clock.now() + self.away
        return outcome


class BrokenSettle(Settle):
    """A settle with a bug."""

    def __call__(self, payment: Payment, evidence: Sequence[Evidence]) -> Decision:
        raise ZeroDivisionError("a bug in settle")


async def send_through(desk: Desk, store: TroubledStore) -> Payment:
    asked = await desk.asking.open(desk.request)
    assert isinstance(asked, Asked)
    desk.tasks.pop().cancel()  # before its first step
    replace(desk, store=store).next_process().start(asked.payment.id)
    await desk.finish()
    return await desk.get(asked.payment.id)


async def test_a_reply_waits_for_a_store_that_stays_away_for_minutes(desk: Desk) -> None:
    store = TroubledStore(desk.store, desk.clock)
    store.away = timedelta(minutes=5)

    payment = await send_through(desk, store)

    assert payment.status is Status.PROMPTED
    assert payment.checkout_index is not None
    assert len(desk.daraja.pushes) == 1


@pytest.mark.parametrize("trouble", [StoreFailed("the disk is gone"), ZeroDivisionError("ours")])
async def test_a_further_try_that_waited_does_not_go_unless_the_others_can_be_read(
    desk: Desk, trouble: Exception
) -> None:
    first = await desk.post(await desk.ask(), failure())
    desk.clock.advance(400)
    store = TroubledStore(desk.store, desk.clock)

    async def turned_away() -> None:
        store.unread = trouble
        raise Throttled("503")

    desk.daraja.replies = [turned_away]
    again = await desk.asking.again(first.id, by=1001, update_id=None, language="en")
    assert isinstance(again, Asked)
    desk.tasks.pop().cancel()  # before its first step
    replace(desk, store=store).next_process().start(again.payment.id)
    await desk.finish()

    after = await desk.get(again.payment.id)
    assert (after.status, after.reason) == (Status.VOID, "unreachable")
    assert len(desk.daraja.pushes) == 2  # the first one, and what was turned away


async def test_a_clock_that_is_set_back_gives_a_push_no_more_time(desk: Desk) -> None:
    store = TroubledStore(desk.store, desk.clock)
    store.set_back_s = 3600

    # The double of Safaricom insists that no push may leave later than 20 s.
    assert (await send_through(desk, store)).status is Status.PROMPTED


async def test_a_clock_that_is_set_back_holds_up_no_queue(clock: TestClock) -> None:
    pace = Pace(clock, per_second=1)
    await pace.turn()
    set_back_to = clock.advance(-3600)

    await pace.turn()
    assert clock.now() - set_back_to <= timedelta(seconds=1)

    clock.advance(-3600)
    assert not pace.try_turn()
    clock.advance(2)
    assert pace.try_turn()


async def in_hand(store: Store, clock: TestClock) -> tuple[Post, Notice]:
    """An outbox, and what it has just handed out to be told."""
    post = Post(store=store, clock=clock)
    await post.say(Closing(replies=(Reply(chat_id=1, text="hello"),)))
    [notice] = await post.due()
    return post, notice


async def test_what_was_held_for_too_long_is_told_by_whoever_has_it_now(
    store: Store, clock: TestClock
) -> None:
    post, first = await in_hand(store, clock)
    clock.advance(LEASE.total_seconds() + 1)

    [again] = await post.due()

    assert again.id == first.id
    assert [post.holds(each) for each in (first, again)] == [False, True]


async def test_a_clock_that_is_set_back_lets_nothing_leave_later(
    store: Store, clock: TestClock
) -> None:
    post, claimed = await in_hand(store, clock)
    clock.advance(-3600)
    assert post.holds(claimed)

    clock.advance(BEGIN_WITHIN.total_seconds() + 1)

    assert not post.holds(claimed)


async def test_nothing_is_put_off_for_as_long_as_a_clock_that_was_set_back_would(
    store: Store, clock: TestClock
) -> None:
    assert timedelta(seconds=PUT_OFF_MAX_S) < FAR
    post = Post(store=store, clock=clock)
    await post.say(Closing(replies=(Reply(chat_id=1, text="hello"),)))
    [notice] = await post.due()

    await post.later(notice, after_s=86_400, why="flood control", counts=False)

    assert await post.due() == [], "a long silence is no clock that was set back"
    clock.advance(PUT_OFF_MAX_S)
    assert len(await post.due()) == 1


class SetBackWhileWeWait(TestClock):
    """One that is set back by an hour while somebody waits by it for the first time."""

    waited_s = 0.0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.waited_s == 0:
            self.advance(-3600)
        self.waited_s += seconds


async def test_who_waits_for_another_s_token_does_not_wait_out_a_clock_that_is_set_back(
    store: Store,
) -> None:
    clock = SetBackWhileWeWait()
    settle = Settle(operators=[])
    shelf = SharedToken(store=store, settle=settle, clock=clock, wake=lambda: None, account="a")
    assert await store.presence.try_role(shelf._name)

    async def fetch() -> Token:
        raise AssertionError("another one is fetching")

    with pytest.raises(Unreachable):
        await shelf.renew(fetch, refused=None, spent=lambda _: False)

    assert clock.waited_s < 60


async def test_one_without_a_token_does_not_void_what_another_has_sent(desk: Desk) -> None:
    payment = await desk.ask()
    desk.daraja.tokens = [BadCredentials("other keys")]

    desk.next_process().start(payment.id)  # it saw the payment while it was `created`
    await desk.finish()

    assert (await desk.get(payment.id)).status is Status.PROMPTED


async def test_a_bug_before_anything_is_begun_is_said_not_tried_for_ever(desk: Desk) -> None:
    desk.daraja.tokens = [ZeroDivisionError("a bug of ours")]

    assert (await desk.ask()).status is Status.VOID
    assert desk.daraja.pushes == []


async def test_two_days_without_an_answer_call_a_person(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(48 * 3600)

    await desk.reconcile.run_due()

    assert (await desk.get(payment.id)).status is Status.LAPSED
    assert await alarms(desk) == [Alarm.PENDING]


@pytest.mark.both_engines
async def test_a_yes_that_comes_when_nobody_asks_any_more_calls_a_person(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask(amount_kes=9000)
    desk.clock.advance(48 * 3600 - 1)
    await desk.post(payment, success(amount=9000.0))
    desk.clock.advance(1)

    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert (after.status, after.next_check_at) == (Status.CONFIRMING, None)
    assert after.pending_at is not None
    assert await alarms(desk) == [Alarm.PENDING]


async def test_who_has_no_id_waits_for_no_budget(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    lost = await desk.ask(ask_key="lost", phone="254712345699")
    desk.clock.advance(600)
    for n in range(10):
        large = await desk.ask(ask_key=f"large {n}", phone=f"25471234560{n}", amount_kes=9000)
        await desk.post(large, success(n + 2, amount=9000.0, receipt=f"UKN1ABCDE{n}"))

    await desk.reconcile.run_due()

    assert (await desk.get(lost.id)).pending_at is not None


async def test_one_that_nobody_can_read_holds_up_no_other(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout"), OutcomeUnknown("timeout")]
    first = await desk.ask(ask_key="first", phone="254712345601")
    other = await desk.ask(ask_key="other", phone="254712345602")
    from_the_future = schema.evidence.insert().values(
        payment_id=first.id, kind="unheard-of", at=desk.clock.now(), held=False, digest="x"
    )
    await desk.store.write(lambda tx: tx.evidence._connection.execute(from_the_future))
    desk.clock.advance(600)

    with pytest.raises(ValueError, match="unheard-of"):
        await desk.reconcile.run_due()
    await desk.store.write(lambda tx: tx.payments.get(other.id))  # whatever waited is written

    assert (await desk.get(other.id)).pending_at is not None


@pytest.mark.both_engines
async def test_an_answer_is_as_old_as_its_question(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=9000)
    desk.clock.advance(119)

    def slow() -> str:
        desk.clock.advance(5)
        return "0"

    desk.daraja.answers = [slow]
    await desk.reconcile.run_due()

    # Asked while the prompt could still be open, such a yes is no proof for a large amount.
    assert (await desk.get(payment.id)).status is Status.CONFIRMING


@pytest.mark.both_engines
async def test_what_cannot_be_settled_is_rung_tried_five_times_and_handed_over(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    good, broken = desk.reconcile._settle, BrokenSettle(operators=[900])
    desk.hear._settle = desk.reconcile._settle = broken
    await desk.post(payment, success())

    await desk.reconcile.settle_again()
    assert await alarms(desk) == [Alarm.NEEDS_SETTLE]
    for _ in range(9):
        desk.clock.advance(30)  # as often as the timetable has it; another process may be quicker
        await desk.reconcile.settle_again()
    given_up = await desk.get(payment.id)
    assert (given_up.needs_settle, given_up.settle_tries) == (True, 5)
    assert given_up.pending_at is not None

    desk.reconcile._settle = good  # the next version starts
    await desk.reconcile.start()
    desk.clock.advance(30)
    await desk.reconcile.settle_again()
    mended = await desk.get(payment.id)
    assert (mended.status, mended.needs_settle) == (Status.PAID, False)
    assert (mended.settle_tries, mended.pending_at) == (0, None)
