"""After a restore nothing is asked of anybody until a person has reconciled the gap."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from bot.core.limits import Refusal, RefusalReason
from bot.core.restored import RESTORED, end_of_books, lift, lift_in, mark, restored
from storage.records import Status
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.stores import NOON


async def test_no_push_is_sent_and_nothing_is_written(desk: Desk) -> None:
    await mark(desk.store, as_of=NOON)

    answer = await desk.open()

    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.RESTORED
    assert desk.daraja.pushes == []
    async with desk.store.read() as tx:
        assert await tx.payments.by_ask_key(desk.request.ask_key) is None


async def test_nor_is_one_sent_again(desk: Desk) -> None:
    desk.daraja.replies = [ConnectionError()]
    payment = await desk.ask()
    desk.clock.advance(600)
    await mark(desk.store, as_of=NOON)

    answer = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")

    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.RESTORED
    assert len(desk.daraja.pushes) == 1


@pytest.mark.both_engines
async def test_what_waited_in_the_backup_is_closed_unsent(desk: Desk) -> None:
    """It may have been sent, and paid, after the backup was made."""
    desk.daraja.tokens = [ConnectionError()] * 9  # only so that nothing leaves before the mark
    payment = await _waiting(desk)
    await mark(desk.store, as_of=NOON)
    desk.daraja.tokens = []

    await desk.next_process().sweep(starting=True)
    await desk.finish()

    found = await desk.get(payment)
    assert (found.status, found.reason) == (Status.VOID, RESTORED)
    assert desk.daraja.pushes == []


async def _waiting(desk: Desk) -> str:
    """A payment that is written down and that nobody has begun to send."""
    started: list[str] = []
    desk.asking._start = started.append
    await desk.open()
    return started[0]


async def test_what_was_paid_meanwhile_is_still_heard(desk: Desk) -> None:
    """The mark stops asking, and nothing else: callbacks and checks go on."""
    payment = await desk.ask()
    await mark(desk.store, as_of=NOON)
    desk.daraja.answers = ["0"]
    desk.clock.advance(25)

    await desk.reconcile.run_due()

    await desk.complete(payment)


async def test_once_a_person_says_so_prompts_are_sent_again(desk: Desk) -> None:
    await mark(desk.store, as_of=NOON)

    assert await lift(desk.store) == NOON
    assert await lift(desk.store) is None

    assert (await desk.ask()).status is Status.PROMPTED
    async with desk.store.read() as tx:
        assert await restored(tx) is None


@pytest.mark.parametrize(("days", "end"), [(-1, -1), (1, 0)])
async def test_marked_twice_the_earlier_end_counts(desk: Desk, days: int, end: int) -> None:
    """The gap begins where the first backup ended, and never later than anybody said."""
    await mark(desk.store, as_of=NOON)

    told = await mark(desk.store, as_of=NOON + timedelta(days=days))

    async with desk.store.read() as tx:
        assert await restored(tx) == told == NOON + timedelta(days=end)


async def test_who_reconciled_one_gap_has_not_reconciled_an_earlier_one(desk: Desk) -> None:
    await mark(desk.store, as_of=NOON)
    earlier = await mark(desk.store, as_of=NOON - timedelta(days=1))

    assert await desk.store.write(partial(lift_in, expected=NOON)) is None

    async with desk.store.read() as tx:
        assert await restored(tx) == earlier
    assert await desk.store.write(partial(lift_in, expected=earlier)) == earlier
    async with desk.store.read() as tx:
        assert await restored(tx) is None


@pytest.mark.both_engines
async def test_books_end_with_the_newest_that_was_written_in_them(desk: Desk) -> None:
    assert await end_of_books(desk.store) is None
    payment = await desk.ask()
    desk.clock.advance(3600)
    await desk.post(payment, success())
    heard_at = desk.clock.now()
    desk.clock.advance(86400)

    end = await end_of_books(desk.store)

    assert end is not None
    assert heard_at - timedelta(minutes=10) < end < heard_at
