"""What waits for a person a second time rings for operators a second time, and once."""

from __future__ import annotations

import pytest

from mpesa.errors import OutcomeUnknown
from storage.records import Alarm, Payment, Status
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms

pytestmark = pytest.mark.both_engines

LARGE_KES = 9000


async def minutes(desk: Desk, count: int) -> list[Alarm]:
    """What operators are told meanwhile."""
    told = []
    for _ in range(count):
        desk.clock.advance(60)
        await desk.reconcile.run_due()
        told += await alarms(desk)
    return told


async def waited_and_declined(desk: Desk) -> Payment:
    """It waited for a person, until it was known that it had failed."""
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask(amount_kes=LARGE_KES)
    assert await minutes(desk, 12) == [Alarm.PENDING]
    assert (await desk.get(payment.id)).pending_at is not None
    declined = await desk.post(payment, failure(1037))
    assert (declined.status, declined.pending_at) == (Status.DECLINED, None)
    return declined


async def test_a_yes_by_query_rings_again(desk: Desk) -> None:
    payment = await waited_and_declined(desk)
    desk.daraja.answers = ["0"] * 50

    told = await minutes(desk, 120)

    after = await desk.get(payment.id)
    assert (after.status, after.pending_at is None) == (Status.REVIEW, False)
    assert told == [Alarm.PENDING]


async def test_a_yes_by_callback_rings_again(desk: Desk) -> None:
    payment = await waited_and_declined(desk)
    assert await minutes(desk, 60) == []
    body = success(amount=float(LARGE_KES))

    waits = await desk.post(payment, body)

    assert (waits.status, waits.pending_at is None) == (Status.REVIEW, False)
    assert await alarms(desk) == [Alarm.PENDING]
    await desk.post(payment, body)
    await desk.post(payment, failure(1037))
    assert await minutes(desk, 120) == [], "said again, it is nothing new"
