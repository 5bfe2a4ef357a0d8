"""Two processes at one drive on PostgreSQL: neither writes over what the other has just said."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.core.drive_acts import Actor
from bot.core.drives import Named
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage.records import Closing, Shows
from storage.tx import Tx
from tests.core.conftest import ScriptedDaraja, make_desk
from tests.core.drive_life import OPENER, make_drives
from tests.core.test_forgotten_at_once import WAITS_WITHIN_S, on_postgres, until_somebody_waits
from tests.core.test_privacy import forget_whom
from tests.stores import OpenStore, TestClock

OTIENO = Actor(id=1002, name="Otieno")
JANE = 1005


@pytest.mark.postgres
@on_postgres
async def test_who_names_somebody_shows_no_amount_that_is_hidden_meanwhile(
    open_a_store: OpenStore, clock: TestClock, daraja: ScriptedDaraja
) -> None:
    async with open_a_store() as one, open_a_store() as other:
        desk = make_desk(one, clock, daraja)
        life = make_drives(desk)
        drive = await life.open(shows=Shows.NAMES)
        gift = await life.paid(drive, 1)
        hidden, go_on = asyncio.Event(), asyncio.Event()

        async def show_all(tx: Tx) -> None:
            await tx.drives.lock(drive.id)
            assert await tx.gifts.hide(drive.id, since=None, what="hide_amount")
            await tx.drives.change(drive.id, shows=Shows.ALL)
            hidden.set()
            await go_on.wait()

        changing = asyncio.create_task(other.write(show_all))
        async with asyncio.timeout(WAITS_WITHIN_S):
            await hidden.wait()
        naming = asyncio.create_task(
            life.giving.show_gift(gift.intent_id, by=JANE, closing=Closing(), on_behalf="Shosh")
        )
        try:
            await until_somebody_waits(one)
        finally:
            go_on.set()
            await asyncio.gather(changing, naming)

        now = await life.giving.gift(gift.intent_id)
        assert now is not None
        assert (now.on_behalf, now.hide_amount) == ("Shosh", True)


@pytest.mark.postgres
@on_postgres
async def test_of_two_treasurers_who_are_forgotten_at_once_one_stays(
    open_a_store: OpenStore, clock: TestClock, daraja: ScriptedDaraja
) -> None:
    async with open_a_store() as one, open_a_store() as other:
        life = make_drives(make_desk(one, clock, daraja))
        drive = await life.open(named=(Named(id=OTIENO.id, name=OTIENO.name),))
        await life.drives.treasurers.accept(drive.id, OTIENO, yes=True, closing=Closing())
        looked, go_on = asyncio.Event(), asyncio.Event()

        async def forget_slowly(tx: Tx) -> None:
            await tx.privacy_in_drives.lock(OTIENO.id)
            assert await tx.privacy_in_drives.alone(OTIENO.id) == 0
            looked.set()
            await go_on.wait()
            await tx.privacy_in_drives.forget(OTIENO.id, pseudonym=2**60 + 1)

        forgetting = asyncio.create_task(other.write(forget_slowly))
        async with asyncio.timeout(WAITS_WITHIN_S):
            await looked.wait()
        privacy = Privacy(store=one, clock=clock, settings=PrivacySettings(), wake=lambda: None)
        mary = asyncio.create_task(forget_whom(privacy, OPENER))
        with suppress(TimeoutError):
            await until_somebody_waits(one)
        go_on.set()
        await forgetting

        assert await mary is Forgotten.NEEDED
        assert [each.name for each in await life.drives.treasurers.of(drive.id)] == ["Mary"]
