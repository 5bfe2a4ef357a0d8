"""Outages: who is asked to pay while Safaricom answers nobody, or the disk is all but full."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.core.ask import Asked
from bot.core.limits import Refusal, RefusalReason
from bot.core.outage import LOST_IN_A_ROW, Outage, Outages
from mpesa.errors import OutcomeUnknown, Refused, Unreachable
from mpesa.results import Meaning
from storage.engine import Store
from storage.records import Status
from storage.schema import intents, lines, payments
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.stores import NOON, TestClock

LOST = OutcomeUnknown("timeout")


def no(meaning: Meaning = Meaning.BAD_PHONE) -> Refused:
    return Refused("no", meaning=meaning)


async def ask(desk: Desk, number: int) -> Status | RefusalReason:
    """One of many people, each with a phone of their own."""
    answer = await desk.open(
        ask_key=f"m:{2000 + number}:1", asked_by=2000 + number, phone=f"254733{number:06d}"
    )
    await desk.finish()
    if isinstance(answer, Refusal):
        return answer.reason
    return (await desk.get(answer.payment.id)).status


async def rows(desk: Desk) -> list[int]:
    async with desk.store.read() as tx:
        return [
            (
                await tx.payments._connection.execute(select(func.count()).select_from(table))
            ).scalar_one()
            for table in (intents, payments, lines)
        ]


async def test_after_five_lost_replies_nobody_is_asked_and_nothing_is_written(desk: Desk) -> None:
    desk.daraja.replies = [LOST] * 5
    for number in range(5):
        assert await ask(desk, number) is Status.UNSURE
    before = await rows(desk)

    refused = await desk.open(ask_key="m:1001:9")

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.OUTAGE
    assert refused.until == desk.clock.now() + timedelta(seconds=60)
    assert await rows(desk) == before
    assert len(desk.daraja.pushes) == 5


async def test_one_looks_for_everybody_and_an_answer_ends_it(desk: Desk) -> None:
    desk.daraja.replies = [LOST] * 5
    for number in range(5):
        await ask(desk, number)

    desk.clock.advance(60)
    looking = await desk.open(ask_key="m:1001:9")
    while_looking = await ask(desk, 10)
    await desk.finish()
    after = await ask(desk, 11)

    assert isinstance(looking, Asked)
    assert while_looking is RefusalReason.OUTAGE
    assert after is Status.PROMPTED


@pytest.mark.parametrize("last", [None, no()])
async def test_any_answer_begins_the_count_anew(desk: Desk, last: Refused | None) -> None:
    for number in range(12):
        desk.daraja.replies = [LOST] if number % 5 < 4 else [last] if last else []
        assert await ask(desk, number) is not RefusalReason.OUTAGE, number


async def test_what_certainly_did_not_leave_is_no_lost_reply_and_no_answer(desk: Desk) -> None:
    desk.daraja.replies = [Unreachable("no route"), Unreachable("no route")] * 8
    for number in range(8):
        assert await ask(desk, number) is Status.VOID

    desk.daraja.replies = [*[LOST] * 4, *[Unreachable("no route")] * 2, LOST]
    for number in range(10, 16):
        await ask(desk, number)

    assert await ask(desk, 20) is RefusalReason.OUTAGE


async def test_a_process_that_stood_still_blames_nobody(desk: Desk) -> None:
    def stood_still() -> None:
        desk.clock.advance(90)
        raise LOST

    desk.daraja.replies = [stood_still] * 8
    found = [await ask(desk, number) for number in range(8)]

    assert set(found) == {Status.UNSURE}
    assert await ask(desk, 20) is Status.PROMPTED


async def test_two_hours_without_an_answer_leave_a_few_unsure_and_tell_the_others(
    desk: Desk,
) -> None:
    desk.daraja.replies = [LOST] * 1000
    found = []
    for number in range(720):  # somebody else every ten seconds
        found.append(await ask(desk, number))
        desk.clock.advance(10)
    pushes = len(desk.daraja.pushes)

    desk.daraja.replies = []
    back = []
    for number in range(1000, 1031):
        back.append(await ask(desk, number))
        desk.clock.advance(10)

    assert set(found) == {Status.UNSURE, RefusalReason.OUTAGE}
    assert 5 + 120 // 5 <= pushes <= 5 + 2 + 120 // 5
    assert found.count(Status.UNSURE) == pushes
    first = back.index(Status.PROMPTED)
    assert set(back[:first]) <= {RefusalReason.OUTAGE}
    assert set(back[first:]) == {Status.PROMPTED}


async def test_who_is_refused_for_another_reason_does_not_take_the_look(desk: Desk) -> None:
    desk.daraja.replies = [LOST] * 5
    for number in range(5):
        await ask(desk, number)
    desk.clock.advance(60)

    refused = await desk.open(ask_key="m:1001:8", amount_kes=0)
    looks = await desk.open(ask_key="m:1001:9")

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.AMOUNT
    assert isinstance(looks, Asked)


async def test_money_of_before_is_credited_meanwhile(desk: Desk) -> None:
    paid = await desk.ask()
    desk.daraja.replies = [LOST] * 5
    for number in range(5):
        await ask(desk, number)
    assert await ask(desk, 9) is RefusalReason.OUTAGE

    assert (await desk.post(paid, success(1))).status is Status.PAID


@pytest.mark.both_engines
async def test_who_looks_still_looks_when_the_commit_is_run_again(desk: Desk) -> None:
    desk.daraja.replies = [LOST] * 5
    for number in range(5):
        await ask(desk, number)
    desk.clock.advance(60)

    async def fails(_tx: Tx) -> None:
        raise RuntimeError("what shared its commit")

    looking, _ = await asyncio.gather(
        desk.open(ask_key="m:1001:9"), desk.store.write(fails), return_exceptions=True
    )

    assert isinstance(looking, Asked)


async def test_an_account_that_gets_no_answers_shuts_no_other_out(
    store: Store, clock: TestClock
) -> None:
    ill = ScriptedDaraja()
    ill.replies = [LOST] * 50
    desk = make_desk(store, clock, ScriptedDaraja(), accounts={"ill": ill})
    found: dict[str, list[object]] = {"": [], "ill": []}
    for number in range(50):
        account = "" if number % 9 == 8 else "ill"
        answer = await desk.open(
            ask_key=f"m:{2000 + number}:1",
            asked_by=2000 + number,
            phone=f"254733{number:06d}",
            account=account,
        )
        await desk.finish()
        found[account].append(answer.reason if isinstance(answer, Refusal) else "asked")
        desk.clock.advance(1)

    await desk.close()

    assert set(found[""]) == {"asked"}
    assert found["ill"][:6] == ["asked"] * 5 + [RefusalReason.OUTAGE]


def test_each_account_has_its_own() -> None:
    outages = Outages(TestClock())
    lost(outages.of("ill"))

    assert outages.of("").try_ask("a") is None
    assert outages.of("ill").try_ask("a") is not None


def lost(outage: Outage, times: int = LOST_IN_A_ROW) -> None:
    for _ in range(times):
        outage.lost(outage.begins())


def test_pushes_that_were_under_way_do_not_make_it_longer() -> None:
    outage = Outage(TestClock())
    lost(outage)

    lost(outage, 100)

    assert outage.try_ask("a") == NOON + timedelta(seconds=60)


def test_replies_that_are_lost_after_later_pushes_were_answered_are_no_outage() -> None:
    """A hundred leave at once; the few that get no reply are known last, one after another."""
    outage = Outage(TestClock())
    burst = [outage.begins() for _ in range(100)]
    unheard = burst[5:95:6]
    for number in set(burst) - set(unheard):
        outage.answered(number)

    for number in unheard:
        outage.lost(number)

    assert outage.try_ask("a") is None


def test_an_answer_to_what_left_before_the_outage_does_not_end_it() -> None:
    outage = Outage(TestClock())
    slow = outage.begins()
    lost(outage)

    outage.answered(slow)

    assert outage.try_ask("a") is not None


def test_an_answer_to_what_left_within_it_does() -> None:
    outage = Outage(TestClock())
    numbers = [outage.begins() for _ in range(LOST_IN_A_ROW + 1)]
    for number in numbers[:2] + numbers[3:]:
        outage.lost(number)

    outage.answered(numbers[2])

    assert outage.try_ask("a") is None


def test_waits_grow_to_five_minutes_and_begin_anew_after_an_answer() -> None:
    clock = TestClock()
    outage = Outage(clock)
    lost(outage)
    waits_s = []
    for _ in range(5):
        until = outage.try_ask("b")
        assert until is not None
        waits_s.append((until - clock.now()).total_seconds())
        clock.advance(waits_s[-1])
        assert outage.try_ask("a") is None
        outage.lost(outage.begins())
    outage.answered(outage.begins())
    lost(outage)

    assert waits_s == [60, 120, 240, 300, 300]
    assert outage.try_ask("a") == clock.now() + timedelta(seconds=60)


def test_a_look_that_tells_nothing_is_followed_by_another() -> None:
    clock = TestClock()
    outage = Outage(clock)
    lost(outage)
    clock.advance(60)
    assert outage.try_ask("a") is None
    assert outage.try_ask("b") is not None

    clock.advance(60)  # whoever looked was refused, or could not be sent

    assert outage.try_ask("b") is None
    assert outage.try_ask("a") is not None


def test_a_clock_that_is_set_back_does_not_keep_it_shut() -> None:
    clock = TestClock()
    outage = Outage(clock)
    lost(outage)

    clock.advance(-3600)

    assert outage.try_ask("a") is None


async def test_a_disk_without_room_takes_no_new_payment_and_credits_the_old(desk: Desk) -> None:
    paid = await desk.ask()
    before = await rows(desk)
    desk.disk.free = 64 * 2**20 - 1

    refused = await desk.open(ask_key="m:1001:8", phone="254733000001")
    credited = await desk.post(paid, success(1))
    desk.disk.free = 64 * 2**20
    opened = await desk.open(ask_key="m:1001:9", phone="254733000001")

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.NO_ROOM
    assert before == [1, 1, 1]
    assert credited.status is Status.PAID
    assert isinstance(opened, Asked)
    assert await rows(desk) == [2, 2, 2]
