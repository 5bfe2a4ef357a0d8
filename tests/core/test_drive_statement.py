"""The statement of a drive, on both engines: whose it is, what it holds up, and its audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from bot.core.drive_acts import Actor
from bot.core.drive_news import DriveNews
from bot.core.privacy import Privacy, PrivacySettings
from bot.core.treasury import Treasury
from storage.engine import Store
from storage.errors import StoreFailed
from storage.records import Closing
from storage.schema import looks
from storage.tx import Tx
from tests.core.drive_life import OPENER, DriveLife, drives

__all__ = ["drives"]

MARY = Actor(id=OPENER, name="Mary")
STRANGER = Actor(id=5555, name="Stranger")


async def test_whole_numbers_are_for_treasurers_and_every_look_is_kept(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.paid(drive, 1, anonymous=True, hide_amount=True)
    await drives.treasury.cash(
        drive.id, MARY, amount_kes=500, name="Kamau", key="w:1", closing=Closing()
    )

    assert await drives.treasury.statement(drive.id, STRANGER) is None
    async with drives.desk.store.read() as tx:
        seen = (await tx.drives._connection.execute(select(looks))).all()
    assert seen == []

    statement = await drives.treasury.statement(drive.id, MARY)

    assert statement is not None
    assert list(statement.phones.values()) == ["254712000001"]
    listed = {(each.name, each.cents) for each in statement.rows}
    assert listed == {("Jane", 50_000), ("Kamau", 50_000)}
    async with drives.desk.store.read() as tx:
        seen = (await tx.drives._connection.execute(select(looks))).all()
    assert [(each.by, each.payment_id, each.what) for each in seen] == [
        (OPENER, drive.id, "drive-statement")
    ]


async def test_each_giver_is_told_when_the_statement_of_their_drive_was_taken(
    drives: DriveLife,
) -> None:
    drive = await drives.open()
    other = await drives.open(open_key="m:-700:2", title="Another")
    clock, taken = drives.desk.clock, []
    await drives.paid(drive, 1)
    await drives.paid(other, 1, ask_key="u:other", amount_kes=70)
    for number in (2, 3):
        clock.advance(3600)
        taken.append(clock.now())
        assert await drives.treasury.statement(drive.id, MARY) is not None
        clock.advance(60)
        await drives.paid(drive, number)
    privacy = Privacy(
        store=drives.desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None
    )

    told = {
        giver: {each.payment.subject: each.looks for each in (await privacy.my_data(giver)).asked}
        for giver in (1005, 1006, 1007)
    }

    assert told == {
        1005: {drive.subject: tuple(taken), other.subject: ()},
        1006: {drive.subject: (taken[1],)},
        1007: {drive.subject: ()},
    }


class Heard:
    """A store that hears what is asked while its only writer is held."""

    def __init__(self, store: Store, heard: list[str]) -> None:
        self._store = store
        self._heard = heard
        self.held: list[str] = []
        self.read = store.read

    async def write(self, run: Callable[[Tx], Awaitable[Any]]) -> Any:
        before = len(self._heard)
        result = await self._store.write(run)
        self.held += self._heard[before:]
        return result


async def test_a_long_statement_holds_nobodys_callback_up(drives: DriveLife) -> None:
    drive = await drives.open()
    for number in range(1, 30):
        await drives.paid(drive, number)
    heard: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        heard.append(statement)

    store = Heard(drives.desk.store, heard)
    treasury = Treasury(
        store=store,  # type: ignore[arg-type]  # a double
        clock=drives.desk.clock,
        news=DriveNews(drives.desk.clock),
        wake=lambda: None,
    )
    event.listen(Engine, "before_cursor_execute", hear)
    try:
        statement = await treasury.statement(drive.id, MARY)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)

    assert statement is not None
    assert len(set(statement.phones.values())) == 29
    assert [each.split()[:3] for each in store.held if "SELECT" in each or "looks" in each] == [
        ["INSERT", "INTO", "looks"]
    ]
    assert len(heard) < 29, "as many questions whatever was given"


class Full(Heard):
    """A store that cannot keep anything."""

    async def write(self, run: Callable[[Tx], Awaitable[Any]]) -> Any:
        raise StoreFailed("the disk is full")


async def test_no_whole_number_is_handed_out_whose_look_is_not_kept(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.paid(drive, 1)
    treasury = Treasury(
        store=Full(drives.desk.store, []),  # type: ignore[arg-type]  # a double
        clock=drives.desk.clock,
        news=DriveNews(drives.desk.clock),
        wake=lambda: None,
    )

    with pytest.raises(StoreFailed):
        await treasury.statement(drive.id, MARY)
