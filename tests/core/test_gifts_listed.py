"""How many gifts a drive's card and page say there are besides those that they list."""

from __future__ import annotations

import pytest

from bot.core.drive_acts import Actor
from storage.records import Closing, Drive
from tests.core.drive_life import OPENER, DriveLife, drives

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")


async def corrected(life: DriveLife, drive: Drive, *, times: int) -> None:
    for number in range(times):
        life.desk.clock.advance(60)
        await life.treasury.correct(
            drive.id, MARY, change_kes=10, reason="counted", key=f"c:{number}", closing=Closing()
        )


@pytest.mark.both_engines
async def test_a_correction_in_the_list_is_no_gift_less_beside_it(drives: DriveLife) -> None:
    drive = await drives.open()
    for number in range(1, 8):
        await drives.paid(drive, number)
    drives.desk.clock.advance(60)
    await drives.treasury.cash(
        drive.id, MARY, amount_kes=500, name="Kamau", key="w:1", closing=Closing()
    )
    await corrected(drives, drive, times=3)

    card = await drives.drives.card_view(drive.id)
    page = await drives.drives.page_view(drive.code, limit=6)
    whole = await drives.drives.page_view(drive.code)

    assert card is not None
    assert page is not None
    assert whole is not None
    assert (card.totals.gifts, len(card.newest), card.more) == (8, 5, 6)
    assert (len(page.gifts), page.more) == (6, 5)
    assert (len(whole.gifts), whole.more) == (11, 0)
