"""After "Delete me" every sealed value of every table is opened: who was forgotten is in none."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary, select

from bot.core.drive_acts import Actor
from bot.core.drives import Named
from bot.core.giving import guard_gift
from bot.core.inbox import TRIES_MAX, Inbox
from bot.core.invoices import guard_instalment
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage import schema
from storage.engine import Store
from storage.records import Closing, Draft, DraftKind, IntentKind, Reply
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.drive_life import DriveLife, drives
from tests.core.shop import Shop, make_shop
from tests.core.test_privacy import everywhere, forget_whom
from tests.stores import NOON, TestClock

__all__ = ["drives"]

AKINYI = Actor(id=5_987_654_321, name="Akinyi")
SHARED = "254733000001"  # never asked to pay
PAYER = "254722000009"  # whom she had asked: the books say so
UPDATE = f'{{"from": {{"id": {AKINYI.id}, "first_name": "Akinyi"}}, "text": "+{SHARED}"}}'
NOTHING = Closing()


@pytest.fixture
def privacy(desk: Desk, clock: TestClock) -> Privacy:
    return Privacy(store=desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None)


async def opened(store: Store) -> dict[str, str]:
    """All that is sealed, by its column, as whoever has the key reads it; in small letters."""
    found: dict[str, str] = {}
    async with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, LargeBinary):
                    query = select(column).where(column.is_not(None))
                    sealed = (await tx.people._connection.execute(query)).scalars()
                    words = [store.crypt.open(each).decode("utf-8", "replace") for each in sealed]
                    found[str(column)] = " ".join(words).casefold()
    return found


async def names_her(store: Store) -> set[str]:
    """The columns in which her name, her number or her id stands, sealed."""
    hers = ("akinyi", SHARED[3:], str(AKINYI.id))
    return {
        column
        for column, words in (await opened(store)).items()
        if any(each in words for each in hers)
    }


async def talks(desk: Desk) -> None:
    """She shared her number, was asked something, and an update of hers could not be read."""
    inbox = Inbox(store=desk.store, clock=desk.clock, wake=lambda: None)
    for number in (1, 2):
        await inbox.take(number, UPDATE, chat_id=AKINYI.id)
    await inbox.done(1)
    for _ in range(TRIES_MAX):
        await inbox.failed(2)
    await desk.people.meet(
        user_id=AKINYI.id,
        first_name=AKINYI.name,
        telegram_language="en",
        private=True,
        username="akinyi_w",
    )
    said = Reply(chat_id=AKINYI.id, text=f"Akinyi, your number is +{SHARED}")
    await desk.people.remember_phone(AKINYI.id, SHARED, Closing(once_as="a", replies=(said,)))
    draft = Draft(
        chat_id=AKINYI.id,
        person_id=AKINYI.id,
        kind=DraftKind.PAY_PHONE,
        note=f"Akinyi {SHARED}",
        data=f'{{"name": "Akinyi", "phone": "{SHARED}"}}',
        expires_at=NOON,
    )
    await desk.people.keep_draft(draft, Closing(once_as="b", replies=(said,)))


async def pays(desk: Desk) -> None:
    """From somebody else's number; she pasted the message about it."""
    direct = await desk.ask(
        asked_by=AKINYI.id, chat_id=AKINYI.id, ask_key=f"m:{AKINYI.id}:7", phone=PAYER
    )
    await desk.people.claim(
        payment_id=direct.id,
        by=AKINYI.id,
        text=f"UKN1ABCDEF Confirmed. AKINYI {SHARED}",
        closing=NOTHING,
    )
    await desk.post(direct, success(1))


async def collects(life: DriveLife) -> None:
    """She looks after a drive, gave to it and promised to."""
    drive = await life.open(
        title="Roof of the school", named=(Named(id=AKINYI.id, name=AKINYI.name),)
    )
    await life.drives.treasurers.accept(drive.id, AKINYI, yes=True, closing=NOTHING)
    await life.treasury.cash(
        drive.id, AKINYI, amount_kes=300, name="Mzee", key="w:1", closing=NOTHING
    )
    await life.paid(
        drive,
        2,
        giver_id=AKINYI.id,
        chat_id=AKINYI.id,
        name="Akinyi",
        on_behalf="The Akinyi family",
        phone=PAYER,
    )
    await life.pledging.promise(
        drive.id,
        person_id=AKINYI.id,
        name=AKINYI.name,
        amount_kes=500,
        due_at=life.desk.clock.now(),
        key=f"m:{AKINYI.id}:9",
        closing=NOTHING,
    )


async def is_billed(shop: Shop) -> None:
    """She opened an invoice and wrote about it."""
    await shop.appoint()
    code = (await shop.issue()).invoice.code
    await shop.invoices.open(code, person_id=AKINYI.id, closing=NOTHING)
    await shop.talk.ask(
        code,
        person_id=AKINYI.id,
        text=f"Call Akinyi, {SHARED}",
        key="q:1",
        closing=NOTHING,
        gone=NOTHING,
    )
    await shop.talk.not_mine(code, person_id=AKINYI.id, closing=NOTHING, gone=NOTHING)


@pytest.mark.both_engines
async def test_nothing_that_is_sealed_names_who_was_forgotten(
    desk: Desk, drives: DriveLife, privacy: Privacy
) -> None:
    shop = make_shop(desk)
    desk.asking._guards = {IntentKind.INSTALMENT: guard_instalment, IntentKind.GIFT: guard_gift}
    await talks(desk)
    await pays(desk)
    await collects(drives)
    await is_billed(shop)
    desk.clock.advance(3601)
    assert await names_her(desk.store) >= {
        *("lines.phone", "people.first_name", "people.username", "drafts.note", "drafts.data"),
        *("inbox.body", "notices.body", "evidence.body", "invoice_entries.why"),
        *("gifts.name", "gifts.on_behalf", "pledges.name", "treasurers.name"),
        *("drive_entries.by_name", "drive_edits.after"),
    }

    assert await forget_whom(privacy, AKINYI.id) is Forgotten.DONE

    assert await names_her(desk.store) == set()
    assert await everywhere(desk.store, AKINYI.id) == set()
    # What the books keep, by name: the number that she had asked.
    assert PAYER in (await opened(desk.store))["lines.phone"]
