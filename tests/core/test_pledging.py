"""Promises and their reminders, on both engines: politely, three at most, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.drive_acts import Actor
from bot.core.people import FIRST_PSEUDONYM
from bot.core.pledging import day_start, next_reminder, polite
from bot.core.promises import gave_by, given_to
from bot.core.restored import lift, mark
from mpesa.errors import OutcomeUnknown
from storage.records import (
    Closing,
    Drive,
    DriveStatus,
    Kind,
    Payment,
    Pledge,
    PledgeState,
    Status,
    Word,
)
from tests.core.bodies import failure, success
from tests.core.drive_life import GROUP, OPENER, DriveLife, drives
from tests.fakes import fact, unit_of

__all__ = ["drives"]

DAY = timedelta(days=1)


def eat(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of November 2026, by the clock in Nairobi."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=3)


@pytest.mark.parametrize(
    ("at", "when"),
    [
        (eat(23, 7, 59), eat(23, 9)),
        (eat(23, 8), eat(23, 8)),
        (eat(23, 19, 59), eat(23, 19, 59)),
        (eat(23, 20), eat(24, 9)),
        (eat(28, 21), eat(29, 14)),
        (eat(29, 9), eat(29, 14)),
        (eat(29, 15), eat(29, 15)),
    ],
)
def test_one_writes_by_day_and_not_on_sunday_morning(at: datetime, when: datetime) -> None:
    assert polite(at) == when


def test_reminders_come_before_on_and_after_the_day() -> None:
    due = eat(27, 0)
    first = next_reminder(due, now=eat(20, 12))
    assert first == eat(24, 9)
    assert next_reminder(due, now=eat(24, 9)) == eat(27, 9)
    assert next_reminder(due, now=eat(27, 9)) == eat(30, 9)
    assert next_reminder(due, now=eat(30, 9)) is None


async def promise(life: DriveLife, drive: Drive, *, days: int = 4, key: str = "b:1") -> Pledge:
    made = await life.pledging.promise(
        drive.id,
        person_id=1005,
        name="Jane",
        amount_kes=1000,
        due_at=day_start(life.desk.clock.now()) + days * DAY,
        key=key,
        closing=Closing(),
    )
    assert made is not None
    return made


async def reminded(life: DriveLife, *, days: int) -> list[str]:
    """What Jane is told in private while the days go by, three hours at a time."""
    told: list[str] = []
    for _ in range(8 * days):
        life.desk.clock.advance(3 * 3600)
        await life.pledging.run_due()
        await life.pledging.run_due()
        told += [each.topic for each in await life.owed(1005)]
    return told


async def test_a_promise_is_kept_once_and_reminded_of_three_times(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    assert (await promise(drives, drive)).id == pledge.id

    told = await reminded(drives, days=12)

    assert told == [f"pledge:{pledge.id}:{number}" for number in (1, 2, 3)]
    assert [each.topic for each in await drives.owed(GROUP)] in ([], ["card:1"])


@pytest.mark.both_engines
async def test_another_day_for_the_same_promise_is_no_second_one(drives: DriveLife) -> None:
    drive = await drives.open()
    one, other = await asyncio.gather(
        promise(drives, drive, days=4), promise(drives, drive, days=10)
    )
    assert one.id == other.id
    later = await promise(drives, drive, days=14)

    [pledge] = await drives.pledging.of_drive(drive.id)
    assert pledge == later
    assert pledge.due_at == day_start(drives.desk.clock.now()) + 14 * DAY
    assert await reminded(drives, days=10) == []
    assert len(await reminded(drives, days=8)) == 3


@pytest.mark.both_engines
async def test_what_is_promised_again_after_it_was_taken_back_counts_from_then(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(60)
    await drives.pledging.withdraw(pledge.id, by=1005, closing=Closing())
    await drives.paid(drive, 1, amount_kes=1000)
    drives.desk.clock.advance(60)
    again = await promise(drives, drive)
    await drives.touched.run_due()

    assert again.id == pledge.id
    assert await states(drives, drive) == [PledgeState.OPEN]
    assert (await drives.pledging.of_drive(drive.id))[0] == again


async def test_no_promise_is_changed_by_somebody_else_or_for_a_day_after_the_last(
    drives: DriveLife,
) -> None:
    desk, drive = drives.desk, await drives.open()
    ends = day_start(desk.clock.now()) + 5 * DAY
    await desk.store.write(lambda tx: tx.drives.change(drive.id, closes_at=ends))
    pledge = await promise(drives, drive)
    for person_id, days in ((1006, 3), (1005, 5)):
        made = await drives.pledging.promise(
            drive.id,
            person_id=person_id,
            name="Jane",
            amount_kes=1000,
            due_at=day_start(desk.clock.now()) + days * DAY,
            key="b:1",
            closing=Closing(),
        )
        assert made is None
    assert await drives.pledging.of_drive(drive.id) == [pledge]


@pytest.mark.both_engines
async def test_who_has_given_is_reminded_of_nothing(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=1000)
    await drives.owed(1005)

    told = await reminded(drives, days=12)

    assert [topic for topic in told if topic.startswith("pledge")] == []
    after = await drives.pledging.get(pledge.id)
    assert after is not None
    assert after.state is PledgeState.KEPT
    assert await promised(drives, drive) == (0, 0)


async def test_who_says_stop_is_reminded_no_more(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    assert not await drives.pledging.stop_reminders(pledge.id, by=1006, closing=Closing())
    assert await drives.pledging.stop_reminders(pledge.id, by=1005, closing=Closing())

    assert await reminded(drives, days=8) == []


@pytest.mark.both_engines
async def test_tomorrow_is_one_of_the_three(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    told: list[str] = []
    for _ in range(14):
        told += await reminded(drives, days=1)
        if told:
            await drives.pledging.remind_tomorrow(pledge.id, by=1005, closing=Closing())

    assert len(told) == 3


@pytest.mark.both_engines
async def test_a_closed_drive_reminds_nobody_and_takes_no_promise(drives: DriveLife) -> None:
    drive = await drives.open()
    await promise(drives, drive)
    await drives.desk.store.write(lambda tx: tx.drives.change(drive.id, status=DriveStatus.CLOSED))

    assert await reminded(drives, days=8) == []
    refused = await drives.pledging.promise(
        drive.id,
        person_id=1005,
        name="Jane",
        amount_kes=5,
        due_at=drives.desk.clock.now(),
        key="b:2",
        closing=Closing(),
    )
    assert refused is None


async def states(life: DriveLife, drive: Drive) -> list[PledgeState]:
    return [each.state for each in await life.pledging.of_drive(drive.id)]


async def test_what_was_taken_back_is_not_put_off_and_never_reminded_of(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    pledging = drives.pledging
    assert await pledging.withdraw(pledge.id, by=1005, closing=Closing())

    assert not await pledging.remind_tomorrow(pledge.id, by=1005, closing=Closing())
    assert not await pledging.stop_reminders(pledge.id, by=1005, closing=Closing())
    assert not await pledging.withdraw(pledge.id, by=1005, closing=Closing())
    # As if another process had put it off at the same instant.
    soon = drives.desk.clock.now()
    await drives.desk.store.write(lambda tx: tx.pledges.change(pledge.id, remind_at=soon))

    assert await reminded(drives, days=8) == []
    assert await states(drives, drive) == [PledgeState.WITHDRAWN]


@pytest.mark.both_engines
async def test_what_was_given_for_is_not_taken_back(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=1000)
    await drives.touched.run_due()

    assert not await drives.pledging.withdraw(pledge.id, by=1005, closing=Closing())
    assert await states(drives, drive) == [PledgeState.KEPT]


@pytest.mark.parametrize("looked_after_s", [0, 26 * 3600])
async def test_who_gives_after_the_last_reminder_is_waited_for_no_more(
    drives: DriveLife, looked_after_s: int
) -> None:
    drive = await drives.open()
    await promise(drives, drive)
    assert len(await reminded(drives, days=9)) == 3
    await drives.paid(drive, 1, amount_kes=400)
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.OPEN]
    drives.desk.clock.advance(3600)
    await drives.paid(drive, 1, amount_kes=600, ask_key="u:rest")
    drives.desk.clock.advance(looked_after_s)
    await drives.touched.run_due()

    assert await states(drives, drive) == [PledgeState.KEPT]
    view = await drives.drives.card_view(drive.id)
    assert view is not None
    assert view.promised == (0, 0)


@pytest.mark.both_engines
async def test_after_a_restore_nobody_is_reminded_until_the_gap_is_reconciled(
    drives: DriveLife,
) -> None:
    """Jane may have given in the gap, and the copy does not know it."""
    drive = await drives.open()
    pledge = await promise(drives, drive)
    store = drives.desk.store
    await mark(store, as_of=drives.desk.clock.now())

    assert not [each for each in await reminded(drives, days=5) if each.startswith("pledge")]
    assert await drives.pledging.reminded_of(pledge.id) is None

    await lift(store)
    told = await reminded(drives, days=5)
    assert f"pledge:{pledge.id}:1" in told
    assert await drives.pledging.reminded_of(pledge.id) is not None


@pytest.mark.both_engines
async def test_what_was_taken_back_a_moment_ago_is_not_kept(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    store = drives.desk.store
    await drives.pledging.withdraw(pledge.id, by=1005, closing=Closing())

    assert not await store.write(lambda tx: tx.pledges.keep([pledge.id]))
    assert await states(drives, drive) == [PledgeState.WITHDRAWN]


@pytest.mark.parametrize("by_look", [True, False])
async def test_one_gift_keeps_one_of_two_promises(drives: DriveLife, *, by_look: bool) -> None:
    drive = await drives.open()
    await promise(drives, drive)
    drives.desk.clock.advance(60)
    await promise(drives, drive, key="b:2")
    drives.desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=1000)
    if by_look:
        await drives.touched.run_due()

    told = await reminded(drives, days=12)

    assert await states(drives, drive) == [PledgeState.KEPT, PledgeState.OPEN]
    second = (await drives.pledging.of_drive(drive.id))[1].id
    assert [each for each in told if each.startswith("pledge")] == [
        f"pledge:{second}:{number}" for number in (1, 2, 3)
    ]
    await drives.paid(drive, 1, amount_kes=1000, ask_key="u:again")
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.KEPT] * 2


@pytest.mark.both_engines
@pytest.mark.parametrize("by_look", [True, False])
@pytest.mark.parametrize("fact_of", ["record", "query"])
async def test_what_was_asked_for_before_and_paid_after_keeps_a_promise(
    drives: DriveLife, *, by_look: bool, fact_of: str
) -> None:
    desk, drive = drives.desk, await drives.open()
    asked = await drives.give(drive, 1, amount_kes=1000)
    desk.clock.advance(20)
    await desk.post(asked, failure(1037, 1))
    desk.clock.advance(3600)
    pledge = await promise(drives, drive)
    desk.clock.advance(3600)
    now = desk.clock.now()
    paid = (
        replace(
            fact(Kind.RECORD_PAID, payment_id=asked.id, at=now, amount_cents=100_000),
            paid_at=now,
        )
        if fact_of == "record"
        else fact(Kind.QUERY_PAID, payment_id=asked.id, at=now)
    )
    await desk.store.submit(unit_of(paid), desk.hear._settle)
    assert Word.LATE in (await desk.get(asked.id)).words
    if by_look:
        await drives.touched.run_due()

    told = await reminded(drives, days=12)

    assert [each for each in told if each.startswith("pledge")] == []
    assert await states(drives, drive) == [PledgeState.KEPT]
    assert await exported(drives, drive) == {pledge.id: 100_000}


@pytest.mark.parametrize("asked_after_s", [-60, 60])
async def test_what_was_paid_before_keeps_no_promise_unless_it_was_asked_for_after(
    drives: DriveLife, asked_after_s: int
) -> None:
    # Safaricom says that it was paid a moment before: where it was asked for later, it is their
    # clock that is behind.
    desk, drive = drives.desk, await drives.open()
    before = desk.clock.now() + timedelta(seconds=120)
    if asked_after_s < 0:
        asked = await drives.give(drive, 1, amount_kes=1000)
    desk.clock.advance(180)
    pledge = await promise(drives, drive)
    desk.clock.advance(60)
    if asked_after_s > 0:
        asked = await drives.give(drive, 1, amount_kes=1000)
    desk.clock.advance(60)
    paid = fact(Kind.RECORD_PAID, payment_id=asked.id, at=desk.clock.now(), amount_cents=100_000)
    await desk.store.submit(unit_of(replace(paid, paid_at=before)), desk.hear._settle)
    await drives.touched.run_due()

    kept = asked_after_s > 0
    assert await states(drives, drive) == [PledgeState.KEPT if kept else PledgeState.OPEN]
    assert await exported(drives, drive) == {pledge.id: 100_000 if kept else 0}


@pytest.mark.both_engines
async def test_what_was_given_of_a_promise_is_promised_no_more(drives: DriveLife) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=900)
    await drives.touched.run_due()

    assert await promised(drives, drive) == (1, 100)
    assert await drives.pledging.reminded_of(pledge.id) == (pledge, 100)
    await drives.paid(drive, 1, amount_kes=100, ask_key="u:rest")
    # The look that keeps it has not come yet.
    assert await promised(drives, drive) == (0, 0)
    assert await drives.pledging.reminded_of(pledge.id) is None


async def test_of_two_promises_what_is_left_of_each_is_promised(drives: DriveLife) -> None:
    drive = await drives.open()
    await promise(drives, drive)
    drives.desk.clock.advance(60)
    second = await promise(drives, drive, key="b:2")
    drives.desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=1300)
    await drives.touched.run_due()

    assert await promised(drives, drive) == (1, 700)
    assert await drives.pledging.reminded_of(second.id) == (second, 700)


async def promised(life: DriveLife, drive: Drive) -> tuple[int, int]:
    """What the card says is promised."""
    view = await life.drives.card_view(drive.id)
    assert view is not None
    return view.promised


MARY = Actor(id=OPENER, name="Mary")


@pytest.mark.parametrize(("days", "numbers"), [(2, (1, 2)), (5, (1,)), (12, ())])
async def test_what_is_closed_over_a_reminder_and_opened_again_has_those_still_to_come(
    drives: DriveLife, days: int, numbers: tuple[int, ...]
) -> None:
    """What came while it was closed is not made up for: that day is over."""
    drive = await drives.open()
    pledge = await promise(drives, drive, days=4)
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    told = await reminded(drives, days=days)
    assert [each for each in told if each.startswith("pledge")] == []
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.OPEN, Closing())

    after = [each for each in await reminded(drives, days=12) if each.startswith("pledge")]
    assert after == [f"pledge:{pledge.id}:{number}" for number in numbers]


@pytest.mark.parametrize("days", [2, 9])
async def test_a_pause_over_a_reminder_ends_no_reminders(drives: DriveLife, days: int) -> None:
    """The first is put off, however many would have come: three there are at most."""
    drive = await drives.open()
    pledge = await promise(drives, drive, days=10)
    assert await reminded(drives, days=6) == []
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.PAUSED, Closing())
    told = await reminded(drives, days=days)
    assert [each for each in told if each.startswith("pledge")] == []
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.OPEN, Closing())

    after = [each for each in await reminded(drives, days=12) if each.startswith("pledge")]
    numbers = (1, 2, 3) if days == 2 else (1,)
    assert after == [f"pledge:{pledge.id}:{number}" for number in numbers]


@pytest.mark.both_engines
async def test_what_was_handed_back_keeps_no_promise(drives: DriveLife) -> None:
    desk, drive = drives.desk, await drives.open()
    pledge = await promise(drives, drive)
    desk.clock.advance(60)
    late = await drives.give(drive, 1, amount_kes=1000)
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    desk.clock.advance(5)
    await desk.post(late, success(1, amount=1000, receipt="UKN0000001"))
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.KEPT]
    desk.clock.advance(60)
    await drives.treasury.decide_late(
        drive.id, MARY, payment_id=late.id, keep=False, closing=Closing()
    )
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.OPEN]
    assert await promised(drives, drive) == (1, 1000)
    statement = await drives.treasury.statement(drive.id, MARY)
    assert statement is not None
    assert gave_by(statement.rows).get(1005, []) == []
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.OPEN]

    await drives.treasury.set_status(drive.id, MARY, DriveStatus.OPEN, Closing())
    desk.clock.advance(60)
    await drives.paid(drive, 1, amount_kes=1000, ask_key="u:again")
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.KEPT]
    assert await exported(drives, drive) == {pledge.id: 100_000}


@pytest.mark.both_engines
@pytest.mark.parametrize("seen_between", [True, False])
async def test_what_went_back_to_somebody_who_was_forgotten_is_not_waited_for(
    drives: DriveLife, *, seen_between: bool
) -> None:
    desk, drive = drives.desk, await drives.open()
    await promise(drives, drive)
    desk.clock.advance(60)
    gift = await drives.paid(drive, 1, amount_kes=1000)
    await drives.touched.run_due()
    assert await states(drives, drive) == [PledgeState.KEPT]

    async def went_back() -> None:
        back = fact(Kind.REVERSED, payment_id=gift.id, at=desk.clock.now())
        await desk.store.submit(unit_of(back), desk.hear._settle)

    async def forgotten() -> None:
        await desk.store.write(
            lambda tx: tx.privacy_in_drives.forget(1005, pseudonym=FIRST_PSEUDONYM + 5)
        )

    if seen_between:
        await forgotten()
        await drives.touched.run_due()
        assert await states(drives, drive) == [PledgeState.KEPT]
        await went_back()
    else:
        await went_back()
        await forgotten()
    await drives.touched.run_due()

    assert await states(drives, drive) == [PledgeState.WITHDRAWN]
    assert await promised(drives, drive) == (0, 0)


async def exported(life: DriveLife, drive: Drive) -> dict[str, int]:
    """What a treasurer's export says is paid of each of Jane's promises."""
    statement = await life.treasury.statement(drive.id, Actor(id=OPENER, name="Mary"))
    assert statement is not None
    return given_to(statement.pledges, gave_by(statement.rows).get(1005, ()))


async def test_nobody_keeps_the_promise_of_another(drives: DriveLife) -> None:
    drive = await drives.open()
    other = await drives.open(open_key="m:-700:2", title="Another")
    await promise(drives, drive)
    drives.desk.clock.advance(60)
    await drives.paid(drive, 2, amount_kes=1000)
    await drives.paid(other, 1, amount_kes=1000)
    await drives.give(drive, 1, amount_kes=1000, phone="254712000099", ask_key="u:unpaid")
    await drives.touched.run_due()

    assert await states(drives, drive) == [PledgeState.OPEN]


def test_each_shilling_goes_to_one_promise_and_none_is_lost() -> None:
    def made(number: int, amount_kes: int, state: PledgeState = PledgeState.OPEN) -> Pledge:
        return Pledge(
            id=str(number),
            drive_id="",
            person_id=1005,
            name="Jane",
            amount_kes=amount_kes,
            due_at=eat(27, 0),
            state=state,
            created_at=eat(number, 12),
            remind_at=None,
            key=str(number),
        )

    theirs = [made(1, 10), made(3, 5), made(2, 99, PledgeState.WITHDRAWN)]
    gifts = [(eat(4, 12), 700), (eat(1, 11), 100_000), (eat(2, 12), 400)]

    assert given_to(theirs, gifts) == {"1": 1000, "3": 100}
    assert given_to(theirs, [*gifts, (eat(5, 12), 900)]) == {"1": 1000, "3": 1000}
    assert given_to(theirs, [(eat(1, 13), 5000)]) == {"1": 5000, "3": 0}


async def told_of(life: DriveLife, gift: Payment, *kinds: Kind) -> Payment:
    """What was heard of a gift, a minute later."""
    life.desk.clock.advance(60)
    for kind in kinds:
        said = fact(kind, payment_id=gift.id, at=life.desk.clock.now())
        await life.desk.store.submit(unit_of(said), life.desk.hear._settle)
    await life.touched.run_due()
    return await life.desk.get(gift.id)


async def confirming(life: DriveLife, drive: Drive) -> Payment:
    """A callback tells of more than it may credit alone."""
    return await life.paid(drive, 1, amount_kes=20_000)


async def review(life: DriveLife, drive: Drive) -> Payment:
    return await told_of(life, await confirming(life, drive), Kind.QUERY_FAILED)


async def lapsed(life: DriveLife, drive: Drive) -> Payment:
    return await told_of(life, await life.give(drive, 1), Kind.LAPSED)


async def unsure(life: DriveLife, drive: Drive) -> Payment:
    life.desk.daraja.replies = [OutcomeUnknown("timeout")]
    return await life.give(drive, 1)


async def prompted(life: DriveLife, drive: Drive) -> Payment:
    """It waits for a person."""
    return await told_of(life, await life.give(drive, 1), Kind.CLAIM)


async def unheard_of(life: DriveLife, drive: Drive) -> Payment:
    """Nothing was heard of its prompt, for hours."""
    return await life.give(drive, 1)


async def declined(life: DriveLife, drive: Drive) -> Payment:
    """Jane says that she has paid all the same."""
    return await told_of(life, await life.give(drive, 1), Kind.QUERY_FAILED, Kind.CLAIM)


UNDECIDED = [
    (confirming, Status.CONFIRMING),
    (review, Status.REVIEW),
    (lapsed, Status.LAPSED),
    (unsure, Status.UNSURE),
    (prompted, Status.PROMPTED),
    (unheard_of, Status.PROMPTED),
    (declined, Status.DECLINED),
]
Given = Callable[[DriveLife, Drive], Awaitable[Payment]]


@pytest.mark.parametrize(("given", "status"), UNDECIDED)
async def test_nobody_is_reminded_while_what_they_gave_may_be_there(
    drives: DriveLife, given: Given, status: Status
) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(60)
    gift = await given(drives, drive)
    assert gift.status is status

    # One was due the day before.
    told = await reminded(drives, days=2)
    assert [each for each in told if each.startswith("pledge")] == []

    await told_of(drives, gift, Kind.OPERATOR_VOID)
    told = [each for each in await reminded(drives, days=6) if each.startswith("pledge")]
    assert told == [f"pledge:{pledge.id}:{number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(("given", "status"), UNDECIDED)
async def test_a_reminder_is_left_unsaid_if_a_gift_may_be_there_by_then(
    drives: DriveLife, given: Given, status: Status
) -> None:
    drive = await drives.open()
    pledge = await promise(drives, drive)
    assert len(await reminded(drives, days=2)) == 1
    asked = await drives.pledging.reminded_of(pledge.id)
    assert asked is not None
    gift = await given(drives, drive)
    assert gift.status is status

    assert await drives.pledging.reminded_of(pledge.id) is None

    await told_of(drives, gift, Kind.OPERATOR_VOID)
    assert await drives.pledging.reminded_of(pledge.id) == asked


@pytest.mark.both_engines
async def test_only_what_may_have_come_since_a_promise_puts_its_reminders_off(
    drives: DriveLife,
) -> None:
    drive, other = await drives.open(), await drives.open(open_key="m:-700:2", chat_id=GROUP - 1)
    before = await drives.give(drive, 1, ask_key="u:a")
    drives.desk.clock.advance(600)
    pledge = await promise(drives, drive)
    drives.desk.clock.advance(600)
    elsewhere = await drives.give(other, 1, ask_key="u:b")
    anothers = await drives.give(drive, 2)
    for gift in (before, elsewhere, anothers):
        assert (await told_of(drives, gift, Kind.LAPSED)).status is Status.LAPSED
    assert await drives.pledging.reminded_of(pledge.id) is not None

    # It was asked for before; that it was paid is said since.
    assert (await told_of(drives, before, Kind.CALLBACK_BARE)).status is Status.CONFIRMING
    assert await drives.pledging.reminded_of(pledge.id) is None
