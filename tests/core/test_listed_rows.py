"""Rows of Safaricom's list that cannot be read: operators hear of them, the others are taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from bot.core.record_desk import RecordDesk
from mpesa.models import PulledPage
from storage.engine import Store
from storage.records import Alarm
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_record import RECEIPT, pulled
from tests.desk import OPERATORS, ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock


@dataclass
class SmudgedOffice(ScriptedOffice):
    """One whose every page that has rows has one more that cannot be read."""

    async def pull(self, *, since: datetime, until: datetime, offset: int = 0) -> PulledPage:
        page = await super().pull(since=since, until=until, offset=offset)
        return replace(page, unreadable=1) if page.rows else page


@pytest.fixture
def smudged() -> SmudgedOffice:
    return SmudgedOffice()


@pytest.fixture
def record(store: Store, clock: TestClock, smudged: SmudgedOffice) -> RecordDesk:
    return a_desk(store, clock, smudged, pull=True, pull_number=PHONE)


async def test_a_row_that_cannot_be_read_is_told_once_an_hour(
    desk: Desk, record: RecordDesk, smudged: SmudgedOffice
) -> None:
    smudged.rows = [pulled(desk.clock.now(), RECEIPT, "X1")]

    await record.ways.pull()
    await record.ways.pull()

    assert (await alarms(desk)).count(Alarm.UNREAD) == len(OPERATORS)
    assert await record.rows.get(RECEIPT) is not None, "what can be read is in the books"


async def test_a_list_that_can_be_read_rings_nobody(desk: Desk, record: RecordDesk) -> None:
    await record.ways.pull()

    assert await alarms(desk) == []
