"""What a payment is for: guarded when it is asked, looked at again when the payment moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bot.core.ask import AskRequest, RefusalReason
from bot.core.limits import Refusal
from bot.core.touched import TouchedSubjects
from storage.engine import Store
from storage.records import NOBODY, Intent, IntentKind, NewNotice, NoticeKind, Payment
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.stores import TestClock

DRIVE = "d:0011"


def touching(store: Store, clock: TestClock, seen: list[str], *, fail: int = 0) -> TouchedSubjects:
    async def look(tx: Tx, subject: str) -> None:
        seen.append(subject)
        if len(seen) <= fail:
            raise RuntimeError("a bug of ours")

    return TouchedSubjects(store=store, clock=clock, looks={"d": look}, wake=lambda: None)


async def a_gift(desk: Desk, **changes: object) -> Payment:
    return await desk.ask(kind=IntentKind.GIFT, subject=DRIVE, label="AKINYI", **changes)


async def test_a_gift_that_is_paid_touches_its_drive_once(desk: Desk) -> None:
    seen: list[str] = []
    touched = touching(desk.store, desk.clock, seen)
    payment = await a_gift(desk)
    await touched.run_due()
    seen.clear()

    await desk.post(payment, success())
    await desk.post(payment, success())
    await touched.run_due()
    await touched.run_due()

    assert seen == [DRIVE]
    assert payment.push_ref.startswith("AKINYI-")
    assert len(payment.push_ref) <= 12


async def test_a_payment_for_nothing_in_particular_touches_nothing(desk: Desk) -> None:
    payment = await desk.ask()
    await desk.post(payment, success())

    async with desk.store.read() as tx:
        assert await tx.touched.waiting(limit=10) == []


async def test_a_look_that_fails_is_made_again_later_and_keeps_nobody_waiting(desk: Desk) -> None:
    seen: list[str] = []
    touched = touching(desk.store, desk.clock, seen, fail=1)
    await desk.store.write(lambda tx: tx.touched.touch(DRIVE, "d:0022"))

    await touched.run_due()
    await touched.run_due()
    assert sorted(seen) == [DRIVE, "d:0022"]
    desk.clock.advance(5)
    await touched.run_due()

    assert len(seen) == 3
    async with desk.store.read() as tx:
        assert await tx.touched.waiting(limit=10) == []


async def test_a_guard_refuses_before_anything_is_written(desk: Desk) -> None:
    asked: list[str | None] = []

    async def closed(tx: Tx, request: AskRequest, now: datetime) -> RefusalReason | None:
        asked.append(request.subject)
        return RefusalReason.DECIDED

    desk.asking._guards = {IntentKind.GIFT: closed}
    refused = await desk.open(kind=IntentKind.GIFT, subject=DRIVE)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.DECIDED
    assert asked == [DRIVE]
    async with desk.store.read() as tx:
        assert await tx.payments.by_ask_key(desk.request.ask_key) is None


@pytest.mark.both_engines
async def test_trying_again_is_guarded_too_and_stays_with_the_drive(desk: Desk) -> None:
    payment = await a_gift(desk)
    desk.clock.advance(200)
    again = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    assert not isinstance(again, Refusal)
    assert again.payment.subject == DRIVE
    assert again.payment.push_ref.startswith("AKINYI-")
    await desk.finish()

    async def closed(tx: Tx, request: AskRequest, now: datetime) -> RefusalReason | None:
        return RefusalReason.DECIDED if request.subject == DRIVE else None

    desk.asking._guards = {IntentKind.GIFT: closed}
    desk.clock.advance(200)
    refused = await desk.asking.again(again.payment.id, by=1001, update_id=None, language="en")
    assert isinstance(refused, Refusal)


async def test_what_else_is_known_of_an_intent_is_written_with_it_or_not_at_all(desk: Desk) -> None:
    written: list[str] = []

    async def also(tx: Tx, intent: Intent) -> None:
        await tx.shared.put("gift", intent.id.encode())
        written.append(intent.id)
        if len(written) == 1:
            raise RuntimeError("the process dies here")

    request = replace(desk.request, kind=IntentKind.GIFT, subject=DRIVE, also=also)
    with pytest.raises(RuntimeError):
        await desk.asking.open(request)
    async with desk.store.read() as tx:
        assert await tx.payments.by_ask_key(request.ask_key) is None
        assert await tx.shared.get("gift") is None

    await desk.asking.open(request)

    async with desk.store.read() as tx:
        assert await tx.shared.get("gift") == written[-1].encode()
    await desk.finish()


async def test_who_asked_on_a_page_is_owed_no_message(desk: Desk) -> None:
    payment = await a_gift(desk, asked_by=NOBODY, chat_id=NOBODY)
    await desk.post(payment, success())

    async with desk.store.read() as tx:
        assert await tx.notices.owed() == 0


async def test_a_card_is_sent_once_and_edited_from_then_on(desk: Desk) -> None:
    card = NewNotice(
        key="card:0011:-700", kind=NoticeKind.CARD, chat_id=-700, subject=DRIVE, topic="open"
    )
    now = desk.clock.now()
    for _ in range(3):
        await desk.store.write(lambda tx: tx.notices.owe([card], now=now))

    async with desk.store.read() as tx:
        assert await tx.notices.owed() == 1
    [claimed] = await desk.store.write(
        lambda tx: tx.notices.claim(now=now, lease=desk.clock.now() - now, limit=5)
    )
    assert (claimed.subject, claimed.topic, claimed.wanted) == (DRIVE, "open", 3)


@pytest.mark.both_engines
async def test_those_that_wait_longest_are_looked_at_first(desk: Desk) -> None:
    subjects = ["i:2", DRIVE, "a:9", "a:1"]

    async def touch(tx: Tx) -> None:
        await tx.touched.touch(*subjects, "a:0", "i:2")

    await desk.store.write(touch)
    async with desk.store.read() as tx:
        assert await tx.touched.waiting(limit=4) == subjects
