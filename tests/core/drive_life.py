"""A drive at work in the core, without Telegram: what several tests of drives begin with."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from bot.core.ask import Asked
from bot.core.drives import Drives, GiveRequest, NewDrive
from bot.core.giving import Giving, guard_gift
from bot.core.pledging import Pledging
from bot.core.ports import Ids
from bot.core.touched import TouchedSubjects
from bot.core.treasury import Treasury
from storage.records import Closing, Drive, IntentKind, Notice, Payment
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk

__all__ = ["GROUP", "OPENER", "OPERATOR", "DriveLife", "drives", "make_drives"]

GROUP = -700
OPENER = 1001
MARY = 1002
OPERATOR = 900


@dataclass
class DriveLife:
    """The services of drives over one desk."""

    desk: Desk
    drives: Drives
    touched: TouchedSubjects

    new = NewDrive(
        title="Mama Akinyi hospital bill",
        target_kes=50_000,
        chat_id=GROUP,
        thread_id=None,
        language="en",
        opened_by=OPENER,
        opener_name="Mary",
        open_key="m:-700:1",
    )
    gift = GiveRequest(
        drive_id="",
        giver_id=1005,
        chat_id=1005,
        name="Jane",
        amount_kes=500,
        phone="254712000001",
        language="en",
        ask_key="u:1",
    )

    @property
    def giving(self) -> Giving:
        return self.drives.giving

    @property
    def treasury(self) -> Treasury:
        return self.drives.treasury

    @property
    def pledging(self) -> Pledging:
        return self.drives.pledging

    async def open(self, **changes: Any) -> Drive:
        return await self.drives.open(replace(self.new, **changes), Closing())

    async def give(self, drive: Drive, number: int = 1, **changes: Any) -> Payment:
        """A gift that was asked for; each number is another person with another phone."""
        request = replace(
            self.gift,
            drive_id=drive.id,
            giver_id=1004 + number,
            chat_id=1004 + number,
            phone=f"254712000{number:03d}",
            ask_key=f"u:{number}",
        )
        asked = await self.drives.give(replace(request, **changes))
        assert isinstance(asked, Asked), asked
        await self.desk.finish()
        return await self.desk.get(asked.payment.id)

    async def paid(self, drive: Drive, number: int = 1, **changes: Any) -> Payment:
        """A gift that was asked for and paid."""
        payment = await self.give(drive, number, **changes)
        push = len(self.desk.daraja.pushes)
        body = success(push, amount=payment.amount_kes, receipt=f"UKN{push:07d}")
        return await self.desk.post(payment, body)

    async def owed(self, chat_id: int) -> list[Notice]:
        """Everything that can be told to a chat now, told; in its order."""
        told: list[Notice] = []
        while found := await self._claim():
            for notice in found:
                if notice.chat_id == chat_id:
                    told.append(notice)
                await self.desk.store.write(partial(self._told, notice=notice))
        return told

    async def _told(self, tx: Tx, *, notice: Notice) -> None:
        await tx.notices.told(notice, message_id=1, now=self.desk.clock.now())

    async def _claim(self) -> list[Notice]:
        now = self.desk.clock.now()
        lease = self.desk.clock.now() - now
        return await self.desk.store.write(
            lambda tx: tx.notices.claim(now=now, lease=lease, limit=50)
        )


def make_drives(desk: Desk) -> DriveLife:
    desk.asking._guards = {IntentKind.GIFT: guard_gift}

    def wake() -> None:
        """Nobody sleeps in these tests."""

    made = Drives(
        store=desk.store,
        clock=desk.clock,
        ids=Ids(random.Random(5).randbytes),
        asking=desk.asking,
        wake=wake,
    )
    touched = TouchedSubjects(store=desk.store, clock=desk.clock, looks=made.looks, wake=wake)
    return DriveLife(desk=desk, drives=made, touched=touched)


@pytest.fixture
async def drives(desk: Desk) -> DriveLife:
    return make_drives(desk)
