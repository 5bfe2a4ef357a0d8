"""The lists of a drive, in private and for WhatsApp: what they name adds up to what they say."""

from __future__ import annotations

from bot.chat.drive_cards import list_text, plain_list
from bot.chat.keyboards import Stationery
from bot.core.drive_acts import Actor, Answer
from bot.core.ports import Collector
from bot.texts import Texts
from storage.records import Closing, Drive, DriveStatus
from tests.core.bodies import success
from tests.core.conftest import Desk, daraja, desk
from tests.core.drive_life import OPENER, DriveLife, drives

__all__ = ["Desk", "daraja", "desk", "drives"]

MARY = Actor(id=OPENER, name="Mary")
PAPER = Stationery(
    texts=Texts.load(),
    collector=Collector(name="Jamii", kind="paybill", number="600000", practice=False),
    username="lipa_demo_bot",
)
PAID_WITHIN_S = 60
"""M-Pesa's time of payment in these bodies is half a minute from the start."""


async def a_drive_with_everything(life: DriveLife) -> Drive:
    """Cash, a correction of it, a gift, and one that came after closing and was handed back."""
    drive, treasury, clock = await life.open(), life.treasury, life.desk.clock
    await treasury.cash(
        drive.id, MARY, amount_kes=5000, name="Mzee Kamau", key="k1", closing=Closing()
    )
    clock.advance(5)
    await treasury.correct(
        drive.id, MARY, change_kes=-4500, reason="a zero too many", key="k2", closing=Closing()
    )
    clock.advance(5)
    late = await life.give(drive, 1, amount_kes=1500)
    await treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    clock.advance(5)
    await life.desk.post(late, success(1, amount=1500, receipt="UKN0000001"))
    clock.advance(PAID_WITHIN_S)
    done = await treasury.decide_late(
        drive.id, MARY, payment_id=late.id, keep=False, closing=Closing()
    )
    assert done is Answer.DONE
    await treasury.set_status(drive.id, MARY, DriveStatus.OPEN, Closing())
    clock.advance(PAID_WITHIN_S)
    await life.paid(drive, 2, amount_kes=200, name="Otieno")
    return drive


LINES = [
    "1. Mzee Kamau – KES 5,000 (cash, by Mary)",
    "• Correction by Mary: −KES 4,500 (a zero too many)",
    "• Jane – KES 1,500",
    "2. Otieno – KES 200",
    "• Given back: Jane -KES 1,500",
]


async def test_the_list_for_whatsapp_adds_up_to_its_total(drives: DriveLife) -> None:
    drive = await a_drive_with_everything(drives)
    view = await drives.drives.card_view(drive.id)
    assert view is not None
    text = plain_list(view, await drives.drives.full_list(drive.id), PAPER, "en")

    assert "Total: KES 700 of KES 50,000" in text
    assert text.splitlines()[2:7] == LINES


async def test_the_full_list_counts_no_gift_that_was_handed_back(drives: DriveLife) -> None:
    drive = await a_drive_with_everything(drives)
    gifts, totals = await drives.drives.full_list(drive.id), await drives.drives.totals(drive.id)
    text = list_text(drive, gifts, [], totals, PAPER, language="en")

    assert totals.gifts == 2
    assert text.splitlines()[2:7] == LINES[::-1]
    view = await drives.drives.card_view(drive.id)
    assert view is not None
    assert view.givers == 2
