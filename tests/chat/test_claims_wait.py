"""Payments that were only posted, and that no book names: what operators read, by the clock."""

from __future__ import annotations

import pytest

from bot.app import jobs_of
from bot.chat.keyboards import Stationery
from bot.chat.letters import Letters
from bot.texts import Texts
from storage.engine import Store
from storage.records import Alarm, Notice, NoticeKind, Source
from tests.chat.test_conversation import OPERATOR, Office
from tests.core.test_record import OTHER, RECEIPT, a_row

DAY_S = 86_400
RUNG = Notice(
    id=1,
    kind=NoticeKind.ALARM,
    chat_id=OPERATOR,
    payment_id=None,
    alarm=Alarm.CLAIMS_WAIT,
    reply=None,
    message_id=None,
    wanted=1,
    tries=0,
    resent=False,
)


@pytest.fixture
async def letters(office: Office) -> Letters:
    for receipt in (RECEIPT, OTHER):
        row = a_row(office.clock.now(), receipt=receipt, source=Source.C2B, kes=70_000)
        await office.core.record.rows.claim(row)
    office.clock.advance(DAY_S)
    paper = Stationery(texts=Texts.load(), collector=office.core.collector, username="lipa")
    return Letters(office.core, paper)


async def test_the_timetable_tells_operators_how_many_wait_and_what_to_do(
    office: Office, kept: Store, letters: Letters
) -> None:
    for job in jobs_of(office.core, kept):
        if "rows" in job.name:
            await job.run()

    said = await office.said(office.boss.chat, "Safaricom’s books have not named")
    assert "for a day: 2." in said.text
    assert "drop the M-PESA Org portal’s statement" in said.text


async def test_of_those_that_the_books_have_named_by_then_nothing_is_said(
    office: Office, letters: Letters
) -> None:
    rows, at = office.core.record.rows, office.clock.now()
    await rows.take([a_row(at, kes=70_000)])
    one = await letters.make(RUNG)
    assert one is not None
    assert "for a day: 1." in one.text

    await rows.take([a_row(at, receipt=OTHER, kes=70_000, source=Source.PORTAL)])

    assert await letters.make(RUNG) is None
