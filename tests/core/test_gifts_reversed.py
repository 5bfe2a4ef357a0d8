"""Gifts that M-Pesa takes back: whoever looks after the money hears of it, once."""

from __future__ import annotations

import pytest

from bot.core.drive_acts import Actor, Answer
from storage.records import Closing, Drive, DriveStatus, Kind, Notice, Payment, reversal_key
from tests.core.drive_life import GROUP, OPENER, OPERATOR, DriveLife, drives
from tests.fakes import fact, unit_of

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
BACK = "UKN9BACK01"


async def taken_back(
    life: DriveLife, gift: Payment, cents: int | None = None, *, receipt: str = BACK
) -> None:
    """Safaricom's books: so much of this gift, or all of it, went back."""
    said = fact(
        Kind.REVERSED,
        payment_id=gift.id,
        at=life.desk.clock.advance(10),
        receipt=receipt,
        amount_cents=cents,
    )
    await life.desk.store.submit(unit_of(said, claims=False), life.desk.hear._settle)
    await life.touched.run_due()


async def not_after_all(life: DriveLife, gift: Payment, *, receipt: str = BACK) -> None:
    """They say that this was another payment."""
    moved = fact(
        Kind.RECEIPT_MOVED,
        payment_id=gift.id,
        at=life.desk.clock.advance(10),
        receipt=reversal_key(receipt),
    )
    await life.desk.store.submit(unit_of(moved, claims=False), life.desk.hear._settle)
    await life.touched.run_due()


async def heard(life: DriveLife, chat_id: int = OPENER) -> list[str]:
    """What this chat is told of the gift itself; what others are owed is told them too."""
    found: list[Notice] = await life.owed(chat_id)
    words = [each.topic.split(":") for each in found]
    return [":".join([what, *rest]) for what, _, *rest in words if what in ("reversed", "again")]


async def become(life: DriveLife, drive: Drive, status: DriveStatus) -> None:
    life.desk.clock.advance(60)
    assert await life.treasury.set_status(drive.id, MARY, status, Closing()) is Answer.DONE
    await life.touched.run_due()


@pytest.mark.both_engines
@pytest.mark.parametrize("closed", [False, True])
async def test_treasurers_hear_once_that_mpesa_took_a_gift_back(
    drives: DriveLife, closed: bool
) -> None:
    drive = await drives.open()
    gift = await drives.paid(drive, 1, amount_kes=5000)
    await drives.paid(drive, 2, amount_kes=300)
    await drives.touched.run_due()
    if closed:
        await become(drives, drive, DriveStatus.CLOSED)
    drives.desk.clock.advance(3600)
    assert await heard(drives) == []

    await taken_back(drives, gift)

    assert await heard(drives) == ["reversed"]
    await taken_back(drives, gift)
    await drives.desk.store.write(lambda tx: tx.touched.touch(f"b:{gift.id}", drive.subject))
    await drives.touched.run_due()
    assert await heard(drives) == []
    assert await heard(drives, GROUP) == []


async def test_each_part_and_that_it_counts_again_is_told(drives: DriveLife) -> None:
    drive = await drives.open()
    gift = await drives.paid(drive, 1, amount_kes=5000)

    await taken_back(drives, gift, 100_000)
    assert await heard(drives) == ["reversed:100000"]
    await taken_back(drives, gift, 50_000, receipt="UKN9BACK02")
    assert await heard(drives) == ["reversed:150000"]
    await not_after_all(drives, gift)
    await not_after_all(drives, gift, receipt="UKN9BACK02")

    assert [each.partition(":")[0] for each in await heard(drives)] == ["reversed", "again"]


async def test_where_nobody_looks_after_it_any_more_operators_hear_of_it(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    gift = await drives.paid(drive, 1)
    await become(drives, drive, DriveStatus.CLOSED)
    assert await drives.drives.treasurers.leave(drive.id, MARY, Closing()) is Answer.DONE

    await taken_back(drives, gift)

    assert await heard(drives, OPERATOR) == ["reversed"]


async def test_of_what_was_handed_back_treasurers_hear_only_that_it_counts_once(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    gift = await drives.give(drive, 1)
    await become(drives, drive, DriveStatus.CLOSED)
    drives.desk.clock.advance(60)
    query = fact(Kind.QUERY_PAID, payment_id=gift.id, at=drives.desk.clock.advance(300))
    await drives.desk.store.submit(unit_of(query), drives.desk.hear._settle)
    await drives.touched.run_due()
    await drives.treasury.decide_late(
        drive.id, MARY, payment_id=gift.id, keep=False, closing=Closing()
    )
    await drives.owed(OPENER)

    await taken_back(drives, gift)

    told = [each.topic.partition(":")[0] for each in await drives.owed(OPENER)]
    assert told == ["went-back"]


async def test_what_came_and_went_before_anybody_looked_is_no_news(drives: DriveLife) -> None:
    drive = await drives.open()
    gift = await drives.paid(drive, 1)
    said = fact(Kind.REVERSED, payment_id=gift.id, at=drives.desk.clock.advance(10), receipt=BACK)
    await drives.desk.store.submit(unit_of(said, claims=False), drives.desk.hear._settle)

    await not_after_all(drives, gift)

    assert await heard(drives) == []
    await taken_back(drives, gift, receipt="UKN9BACK02")
    assert await heard(drives) == ["reversed"]
