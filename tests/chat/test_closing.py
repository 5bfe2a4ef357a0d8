"""A drive at its end: what the group and those who decide about it read, made when it is sent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.chat.drive_letters import make
from bot.chat.drive_papers import closing_paper
from bot.chat.keyboards import Stationery
from bot.core.drive_acts import Actor, Answer
from bot.core.ports import Collector
from bot.core.settle import Settle
from bot.texts import Texts
from storage.records import Closing, DriveStatus, Kind, Notice, NoticeKind, Reply, Shows
from tests.chat.drive_office import Harambee
from tests.chat.test_treasury import panel
from tests.documents.papers import text_of
from tests.fakes import fact, unit_of

MARY = Actor(id=2001, name="Mary")
PAPER = Stationery(
    texts=Texts.load(),
    collector=Collector(name="Jamii", kind="paybill", number="600000", practice=False),
    username="lipa_demo_bot",
)


async def jane_gave(harambee: Harambee) -> None:
    """Mary's drive has KES 500 of Jane's."""
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    harambee.office.jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    await harambee.office.said(harambee.office.jane.chat, "✅")


async def letter(harambee: Harambee, drive_id: str, topic: str) -> Reply | None:
    """What this news of a drive would say, were it sent now."""
    notice = Notice(
        id=1,
        kind=NoticeKind.NEWS,
        chat_id=harambee.group.id,
        payment_id=None,
        alarm=None,
        reply=None,
        message_id=None,
        wanted=1,
        tries=0,
        resent=False,
        subject=f"d:{drive_id}",
        topic=topic,
    )
    return await make(harambee.office.core, PAPER, notice)


async def text_of_paper(reply: Reply | None) -> str:
    """What stands on the paper of a message."""
    assert reply is not None
    assert reply.document is not None
    return text_of(reply.document.content)


@pytest.mark.parametrize("shows", [Shows.NAMES, Shows.TOTALS])
async def test_a_closing_paper_that_waited_shows_what_the_drive_shows_by_then(
    harambee: Harambee, shows: Shows
) -> None:
    await jane_gave(harambee)
    core, drive = harambee.office.core, await harambee.drive
    closed = await core.drives.treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    assert closed is Answer.DONE
    first = await text_of_paper(await letter(harambee, drive.id, "statement:1"))
    assert "Jane" in first
    assert "500.00" in first

    changed = await core.drives.treasury.change(
        drive.id, MARY, what="shows", value=shows, told=str(shows), closing=Closing()
    )
    assert changed is Answer.DONE
    later = await letter(harambee, drive.id, "statement:1")

    if shows is Shows.TOTALS:
        assert later is None
    else:
        assert "Jane" in await text_of_paper(later)

    # Nor does a paper for a group name anybody, whoever has it made.
    statement = await core.drives.treasury.public_statement(drive.id)
    assert statement is not None
    paper = await closing_paper(statement, PAPER, harambee.office.clock.now())
    assert paper is not None
    text = text_of(paper.content)
    assert ("Jane" in text) is (shows is Shows.NAMES)
    assert text.count("500.00") < first.count("500.00")


@pytest.mark.parametrize("status", [DriveStatus.OPEN, DriveStatus.PAUSED])
async def test_nobody_reads_that_a_drive_is_closed_which_was_opened_again_meanwhile(
    harambee: Harambee, status: DriveStatus
) -> None:
    await jane_gave(harambee)
    treasury, drive = harambee.office.core.drives.treasury, await harambee.drive
    topics = ("closed:1", "statement:1")
    assert await treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing()) is Answer.DONE
    assert None not in [await letter(harambee, drive.id, each) for each in topics]

    assert await treasury.set_status(drive.id, MARY, status, Closing()) is Answer.DONE

    assert [await letter(harambee, drive.id, each) for each in topics] == [None, None]


async def test_an_operator_decides_about_a_drive_that_nobody_looks_after(
    harambee: Harambee,
) -> None:
    office = harambee.office
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    office.boss.start()
    office.jane.press(card, "KES 500")
    await harambee.pushed(1)
    drive, drives = await harambee.drive, office.core.drives
    await drives.treasury.set_status(drive.id, MARY, DriveStatus.CLOSED, Closing())
    await office.store.write(lambda tx: tx.privacy_in_drives.forget(MARY.id, pseudonym=2**60 + 1))
    office.clock.advance(5)
    await harambee.paid()
    await office.said(office.jane.chat, "its treasurers decide")
    await harambee.look()

    asked = await office.said(office.boss.chat, "came to Mama Akinyi hospital bill")
    assert "Nobody looks after it any more" in asked.text
    office.boss.press(asked, "Keep it")
    await office.said(office.boss.chat, "stays in the drive")


async def test_another_last_day_of_a_closed_drive_says_that_it_stays_closed(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    await harambee.opened()
    drive, treasury = await harambee.drive, office.core.drives.treasury
    over = office.clock.now() + timedelta(hours=13)
    changed = await treasury.change(
        drive.id, MARY, what="closes_at", value=over, told="today", closing=Closing()
    )
    assert changed is Answer.DONE
    office.clock.advance(14 * 3600)
    await treasury.close_due()

    keys = await panel(harambee)
    mary.press(keys, "Last day")
    await office.said(mary.chat, "Which is the last day")
    mary.say("30/11")
    said = await office.said(mary.chat, "It stays closed")
    still = await office.core.drives.get(drive.id)
    assert still is not None
    assert still.status is DriveStatus.CLOSED

    mary.press(said, "Open again")
    await office.said(mary.chat, "Done")
    opened = await office.core.drives.get(drive.id)
    assert opened is not None
    assert opened.status is DriveStatus.OPEN
    assert opened.closes_at == still.closes_at
    assert opened.closes_at is not None
    assert opened.closes_at > office.clock.now()

    # Where it goes on, nothing is said about it.
    mary.press(keys, "Last day")
    await office.said(mary.chat, "Which is the last day", after=said)
    mary.say("29/11")
    later = await office.said(mary.chat, "Changed.", after=said)
    assert "closed" not in later.text


async def test_what_went_back_before_the_thanks_are_due_is_not_thanked_for(
    harambee: Harambee,
) -> None:
    office = harambee.office
    await jane_gave(harambee)
    drive = await harambee.drive
    await office.core.touched.run_due()
    thanks = await letter(harambee, drive.id, "thanks:1")
    assert thanks is not None
    assert "Jane" in thanks.text

    [view] = await office.core.books.latest(person_id=office.jane.id)
    back = fact(Kind.REVERSED, payment_id=view.payment.id, at=office.clock.now())
    await office.store.submit(unit_of(back), Settle(operators=[]))

    assert await letter(harambee, drive.id, "thanks:1") is None


async def test_who_is_kept_by_a_late_gift_reads_why(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    office.jane.press(card, "KES 500")
    await harambee.pushed(1)
    drive = await harambee.drive
    closed = await office.core.drives.treasury.set_status(
        drive.id, MARY, DriveStatus.CLOSED, Closing()
    )
    assert closed is Answer.DONE

    mary.say("/privacy")
    asked = await office.said(mary.chat, "What I keep")
    mary.press(asked, "Delete me")
    mary.press(await office.said(mary.chat, "Shall I forget you?"), "Yes, forget me")

    refused = await office.said(mary.chat, "Not yet")
    assert "late gift" in refused.text
