"""What a drive shows, changed while it runs: nobody is shown against what they were told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.ask import Asked
from bot.core.drive_acts import Actor, Answer
from bot.core.drive_privacy import CLOCKS_APART, PRIVACY_EDITS_READ, shown_then
from storage.records import (
    NOBODY,
    Closing,
    Drive,
    DriveEdit,
    DriveKind,
    DriveStatus,
    NoticeKind,
    Shows,
)
from tests.core.bodies import failure, success
from tests.core.drive_life import OPENER, DriveLife, drives

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
JANE = 1005
HOUR = timedelta(hours=1)
SHOWN, NAMED, HIDDEN = ("Jane", 50_000), ("Jane", None), (None, None)

Seen = list[tuple[str | None, int | None]]


async def show(life: DriveLife, drive: Drive, *steps: Shows) -> None:
    """Mary changes what everybody may see, an hour after the last."""
    for shows in steps:
        life.desk.clock.advance(3600)
        answer = await life.treasury.change(
            drive.id, MARY, what="shows", value=shows, told=str(shows), closing=Closing()
        )
        assert answer is Answer.DONE
    life.desk.clock.advance(3600)


async def seen(life: DriveLife, drive: Drive) -> Seen:
    """The list as everybody sees it, oldest first."""
    page = await life.drives.page_view(drive.code)
    assert page is not None
    return [(each.name, each.cents) for each in reversed(page.gifts)]


TOLD_AND_SHOWN_LATER = pytest.mark.parametrize(
    ("told", "steps", "then"),
    [
        (Shows.TOTALS, [Shows.ALL], HIDDEN),
        (Shows.TOTALS, [Shows.NAMES], HIDDEN),
        (Shows.TOTALS, [Shows.NAMES, Shows.ALL], HIDDEN),
        (Shows.NAMES, [Shows.ALL], NAMED),
        (Shows.NAMES, [Shows.TOTALS, Shows.NAMES], NAMED),
        (Shows.NAMES, [Shows.TOTALS, Shows.ALL], NAMED),
        (Shows.ALL, [Shows.NAMES, Shows.ALL], SHOWN),
        (Shows.ALL, [Shows.TOTALS, Shows.NAMES, Shows.ALL], SHOWN),
    ],
)


@TOLD_AND_SHOWN_LATER
async def test_nobody_is_shown_more_than_they_were_told_when_they_gave(
    drives: DriveLife, told: Shows, steps: list[Shows], then: tuple[str | None, int | None]
) -> None:
    drive = await drives.open(shows=told)
    await drives.paid(drive, 1)
    on_its_way = await drives.give(drive, 2)

    await show(drives, drive, *steps)
    if steps[-1] is not Shows.TOTALS:
        assert await seen(drives, drive) == [then]
    gift = await drives.giving.gift(on_its_way.intent_id)
    assert gift is not None
    assert (gift.anonymous, gift.hide_amount or steps[-1] is Shows.NAMES) == (
        then[0] is None,
        then[1] is None,
    )


async def test_only_what_was_given_in_private_is_hidden(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.paid(drive, 1)
    await show(drives, drive, Shows.TOTALS)
    await drives.paid(drive, 2)
    await show(drives, drive, Shows.ALL)
    await drives.paid(drive, 3)

    assert await seen(drives, drive) == [SHOWN, HIDDEN, SHOWN]
    assert (await drives.drives.totals(drive.id)).cents == 150_000


@pytest.mark.both_engines
async def test_who_shows_themselves_stays_shown(drives: DriveLife) -> None:
    drive = await drives.open(shows=Shows.TOTALS)
    payment = await drives.paid(drive, 1)
    await drives.owed(JANE)
    await show(drives, drive, Shows.ALL)

    # The one message about the gift is edited: with the buttons, and without a sound.
    [told] = await drives.owed(JANE)
    assert (told.kind, told.payment_id) == (NoticeKind.STATUS, payment.id)
    assert told.message_id is not None
    theirs = await drives.giving.show_gift(
        payment.intent_id, by=JANE, closing=Closing(), anonymous=False, hide_amount=False
    )
    assert theirs is not None
    await drives.owed(JANE)
    await show(drives, drive, Shows.TOTALS, Shows.ALL)

    assert await seen(drives, drive) == [SHOWN]
    assert await drives.owed(JANE) == []


async def test_who_was_told_that_nobody_sees_is_not_shown_the_next_time(drives: DriveLife) -> None:
    drive = await drives.open(shows=Shows.TOTALS)
    await drives.paid(drive, 1)
    await drives.paid(drive, 2, giver_id=NOBODY, chat_id=NOBODY)
    await show(drives, drive, Shows.ALL)
    await drives.paid(drive, 1, ask_key="u:again")
    await drives.paid(drive, 3, giver_id=NOBODY, chat_id=NOBODY)

    assert await seen(drives, drive) == [HIDDEN, HIDDEN, HIDDEN, SHOWN]


async def test_other_drives_and_refused_changes_hide_nothing(drives: DriveLife) -> None:
    drive = await drives.open(shows=Shows.TOTALS)
    other = await drives.open(open_key="m:-700:2", title="Another")
    await drives.paid(other, 1)
    payment = await drives.paid(drive, 2)
    refused = await drives.treasury.change(
        drive.id,
        Actor(id=5555, name="Stranger"),
        what="shows",
        value=Shows.ALL,
        told="all",
        closing=Closing(),
    )
    assert refused is Answer.NOT_YOURS
    gift = await drives.giving.gift(payment.intent_id)
    assert gift is not None
    assert (gift.anonymous, gift.hide_amount) == (False, False)

    await show(drives, drive, Shows.ALL)

    assert await seen(drives, other) == [SHOWN]


@pytest.mark.both_engines
@pytest.mark.parametrize(("told", "then"), [(Shows.TOTALS, HIDDEN), (Shows.NAMES, NAMED)])
async def test_what_was_tried_again_is_shown_as_was_told_then(
    drives: DriveLife, told: Shows, then: tuple[str | None, int | None]
) -> None:
    drive = await drives.open()
    first = await drives.give(drive, 1)
    await drives.desk.post(first, failure(1, 1032))
    await show(drives, drive, told)
    again = await drives.desk.asking.again(first.id, by=JANE, update_id=None, language="en")
    assert isinstance(again, Asked)
    await drives.desk.finish()
    body = success(len(drives.desk.daraja.pushes), amount=500, receipt="UKN0000009")
    await drives.desk.post(again.payment, body)

    await show(drives, drive, Shows.ALL)

    assert await seen(drives, drive) == [then]


@TOLD_AND_SHOWN_LATER
async def test_cash_is_shown_as_much_as_was_to_be_seen_when_it_was_written_down(
    drives: DriveLife, told: Shows, steps: list[Shows], then: tuple[str | None, int | None]
) -> None:
    drive = await drives.open(shows=told)
    written = await drives.treasury.cash(
        drive.id, MARY, amount_kes=500, name="Jane", key="w:1", closing=Closing()
    )
    assert written is Answer.DONE

    await show(drives, drive, *steps)

    if steps[-1] is not Shows.TOTALS:
        assert await seen(drives, drive) == [then]
    # Treasurers see all that they wrote, and a paper for the group no more than its card.
    statement = await drives.treasury.public_statement(drive.id)
    assert statement is not None
    [row] = statement.rows
    assert (row.name, row.cents, row.anonymous) == ("Jane", 50_000, then[0] is None)
    assert row.hide_amount is (then[1] is None)


async def test_cash_that_was_written_down_after_the_change_is_shown(drives: DriveLife) -> None:
    drive = await drives.open(shows=Shows.TOTALS)
    await show(drives, drive, Shows.ALL)
    await drives.treasury.cash(
        drive.id, MARY, amount_kes=500, name="Jane", key="w:1", closing=Closing()
    )

    assert await seen(drives, drive) == [SHOWN]


def test_where_it_is_not_known_what_was_shown_it_was_nothing() -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    drive = Drive(
        id="d",
        code="c",
        reference="r",
        label="L",
        chat_id=-700,
        thread_id=None,
        language="en",
        kind=DriveKind.HARAMBEE,
        title="t",
        target_kes=None,
        closes_at=None,
        shows=Shows.ALL,
        status=DriveStatus.OPEN,
        opened_by=OPENER,
        opened_at=at,
        open_key="k",
    )
    changes = [
        DriveEdit(
            drive_id="d", what="shows", before=each, after="", by=1, by_name="", at=at + n * HOUR
        )
        for n, each in enumerate([Shows.ALL, Shows.NAMES] * (PRIVACY_EDITS_READ // 2))
    ]

    assert shown_then(drive, changes, at - HOUR) is Shows.TOTALS
    assert shown_then(drive, changes[1:], at - HOUR) is Shows.NAMES
    # A clock that was behind may have written it after the group was shown less.
    assert shown_then(drive, changes, at + HOUR / 2) is Shows.NAMES
    assert shown_then(drive, changes, at + 1.5 * HOUR) is Shows.ALL
    assert shown_then(drive, changes, at + 2 * HOUR - CLOCKS_APART / 2) is Shows.NAMES
    assert shown_then(drive, changes, at + 1000 * HOUR) is Shows.ALL
