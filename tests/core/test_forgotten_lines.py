"""A number that was shared and never asked to pay is kept nowhere once it is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest
from sqlalchemy import select

from bot.core.ask import Asked
from bot.core.limits import Refusal
from bot.core.people import People
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from bot.core.statement_desk import StatementDesk
from bot.core.statements import Whose
from storage import schema
from storage.engine import Store
from storage.errors import NotHeld
from storage.lines import NAMED_BY
from storage.records import Closing, Deed, NewUpdate, Person, ShownButton
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.shop import COLLECTORS, OPERATOR, Shop, shop
from tests.core.test_privacy import forget_whom
from tests.fakes import PHONE
from tests.stores import NOON, TestClock

__all__ = ["shop"]

pytestmark = pytest.mark.both_engines

JANE, OTIENO = 1001, 1002
OTHER_PHONE = "254722000001"
NOTHING = Closing()

Forget = Callable[[Desk, Privacy], Coroutine[Any, Any, Any]]


@pytest.fixture
def privacy(desk: Desk, clock: TestClock) -> Privacy:
    return privacy_at(desk, clock)


def privacy_at(desk: Desk, clock: TestClock) -> Privacy:
    return Privacy(store=desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None)


async def share(desk: Desk, person_id: int = JANE, phone: str = PHONE) -> None:
    await desk.people.meet(
        user_id=person_id, first_name="Jane", telegram_language="en", private=True
    )
    await desk.people.remember_phone(person_id, phone, NOTHING)


async def kept(store: Store) -> list[str]:
    """Every number that is sealed in `lines`, opened."""
    async with store.read() as tx:
        rows = await tx.lines._connection.execute(select(schema.lines.c.phone))
        return sorted(tx.lines._crypt.open_text(each) for each in rows.scalars())


async def line_of(store: Store, phone: str = PHONE) -> int:
    async with store.read() as tx:
        line = await tx.lines.find(phone)
    assert line is not None
    return line.id


async def by_phone(desk: Desk, privacy: Privacy) -> bool:
    return await desk.people.forget_phone(JANE, NOTHING)


async def by_delete_me(desk: Desk, privacy: Privacy) -> bool:
    return await forget_whom(privacy, JANE) is Forgotten.DONE


BOTH_WAYS = pytest.mark.parametrize("forget", [by_phone, by_delete_me])


@BOTH_WAYS
async def test_a_number_that_was_only_shared_goes_and_twice_is_once(
    desk: Desk, privacy: Privacy, forget: Forget
) -> None:
    await share(desk)
    assert await kept(desk.store) == [PHONE]

    await forget(desk, privacy)
    assert await kept(desk.store) == []

    await forget(desk, privacy)
    assert await kept(desk.store) == []
    await share(desk)
    assert await kept(desk.store) == [PHONE]


@BOTH_WAYS
async def test_a_number_that_was_paid_from_stays_in_the_books(
    desk: Desk, privacy: Privacy, forget: Forget
) -> None:
    await share(desk)
    paid = await desk.post(await desk.ask(), success())
    before = await desk.store.write(lambda tx: tx.lines.streak(paid.line_id, now=desk.clock.now()))

    await forget(desk, privacy)

    assert await kept(desk.store) == [PHONE]
    now = await desk.get(paid.id)
    assert (now.line_id, now.credited_cents, now.receipt) == (paid.line_id, 5000, paid.receipt)
    async with desk.store.read() as tx:
        assert await tx.lines.phone(now.line_id) == PHONE
        assert await tx.lines.streak(now.line_id, now=desk.clock.now()) == before
        assert await tx.people.of_line(now.line_id) == []


@BOTH_WAYS
async def test_prompts_that_were_not_completed_still_count_after_that(
    desk: Desk, privacy: Privacy, forget: Forget
) -> None:
    await share(desk)
    for number in range(1, 4):
        payment = await desk.ask(ask_key=f"m:{JANE}:{number}", amount_kes=number)
        await desk.post(payment, failure(number=number))
        desk.clock.advance(400)

    await forget(desk, privacy)

    async with desk.store.read() as tx:
        assert await tx.lines.streak(await line_of(desk.store), now=desk.clock.now()) == 3


@BOTH_WAYS
async def test_a_number_that_two_share_stays_until_both_are_gone(
    desk: Desk, privacy: Privacy, forget: Forget
) -> None:
    await share(desk)
    await share(desk, OTIENO)

    await forget(desk, privacy)
    assert await kept(desk.store) == [PHONE]
    async with desk.store.read() as tx:
        person = await tx.people.get(OTIENO)
    assert person is not None
    assert person.phone == PHONE

    await desk.people.forget_phone(OTIENO, NOTHING)
    assert await kept(desk.store) == []


@BOTH_WAYS
async def test_a_number_that_somebody_else_had_asked_stays(
    desk: Desk, privacy: Privacy, forget: Forget
) -> None:
    await share(desk)
    payment = await desk.ask(asked_by=OTIENO, chat_id=OTIENO)

    await forget(desk, privacy)

    async with desk.store.read() as tx:
        assert await tx.lines.phone(payment.line_id) == PHONE


async def test_another_number_takes_the_place_of_the_first(desk: Desk) -> None:
    await share(desk)
    await desk.people.remember_phone(JANE, OTHER_PHONE, NOTHING)
    await desk.people.remember_phone(JANE, OTHER_PHONE, NOTHING)

    assert await kept(desk.store) == [OTHER_PHONE]


@BOTH_WAYS
@pytest.mark.parametrize("asks_first", [True, False])
async def test_a_payment_that_is_opened_meanwhile_has_its_line(
    desk: Desk, privacy: Privacy, forget: Forget, asks_first: bool
) -> None:
    await share(desk)
    both: list[Awaitable[Any]] = [
        desk.open(asked_by=OTIENO, chat_id=OTIENO),
        forget(desk, privacy),
    ]

    answers = await asyncio.gather(*(both if asks_first else reversed(both)))
    await desk.finish()

    [asked] = [each for each in answers if isinstance(each, Asked | Refusal)]
    assert isinstance(asked, Asked)
    async with desk.store.read() as tx:
        assert await tx.lines.phone((await desk.get(asked.payment.id)).line_id) == PHONE
    assert [push.phone for push in desk.daraja.pushes] == [PHONE]
    assert await kept(desk.store) == [PHONE]


class Interrupted:
    """A store in which something else is written between a look and the write that follows."""

    def __init__(self, store: Store, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def read(self) -> AbstractAsyncContextManager[Tx]:
        return self._store.read()

    async def write(self, run: Callable[[Tx], Awaitable[Any]]) -> Any:
        await self._meanwhile()
        return await self._store.write(run)


@BOTH_WAYS
@pytest.mark.parametrize("paid", [False, True])
async def test_who_writes_elsewhere_while_forgotten_is_not_tied_to_the_number_again(
    desk: Desk, privacy: Privacy, forget: Forget, paid: bool
) -> None:
    await share(desk)
    if paid:
        await desk.post(await desk.ask(), success())
    store = cast(Store, Interrupted(desk.store, lambda: forget(desk, privacy)))
    people = People(store=store, settle=desk.hear._settle, clock=desk.clock, wake=lambda: None)

    met = await people.meet(
        user_id=JANE, first_name="Wanjiku", telegram_language="en", private=False
    )

    assert (met.first_name, met.phone, met.line_id) == ("Wanjiku", None, None)
    async with desk.store.read() as tx:
        assert await tx.people.get(JANE) == met
    assert await kept(desk.store) == ([PHONE] if paid else [])


async def test_what_is_not_committed_has_forgotten_nothing(desk: Desk) -> None:
    await share(desk)
    update = NewUpdate(update_id=1, body="{}")
    await desk.store.write(lambda tx: tx.inbox.put([update], at=NOON))

    async def hand_to(tx: Tx, holder: int | None) -> None:
        await tx.inbox._connection.execute(schema.inbox.update().values(holder=holder))

    await desk.store.write(lambda tx: hand_to(tx, 99))
    with pytest.raises(NotHeld):
        await desk.people.forget_phone(JANE, Closing(update_id=1))

    async with desk.store.read() as tx:
        person = await tx.people.get(JANE)
    assert person is not None
    assert person.phone == PHONE
    await desk.store.write(lambda tx: hand_to(tx, None))
    assert await desk.people.forget_phone(JANE, Closing(update_id=1))
    assert not await desk.people.forget_phone(JANE, Closing(update_id=1))
    assert await kept(desk.store) == []


async def test_what_was_left_behind_before_goes_within_the_hour(
    desk: Desk, privacy: Privacy
) -> None:
    payment = await desk.ask(phone=OTHER_PHONE)
    await share(desk, OTIENO, "254722000002")
    left = ("254733000001", "254733000002")
    for phone in left:
        await desk.store.write(lambda tx, phone=phone: tx.lines.lock(phone))  # type: ignore[misc]  # the default pins phone
    assert set(left) < set(await kept(desk.store))

    await privacy.keep_no_longer()
    await privacy.keep_no_longer()

    assert await kept(desk.store) == [OTHER_PHONE, "254722000002"]
    async with desk.store.read() as tx:
        assert await tx.lines.phone(payment.line_id) == OTHER_PHONE


async def test_what_names_a_number_that_is_gone_names_no_other(desk: Desk, shop: Shop) -> None:
    office = StatementDesk(
        store=desk.store,
        clock=desk.clock,
        merchants=shop.merchants,
        operators={OPERATOR},
        collector=COLLECTORS[""],
    )
    await share(desk)
    [line, _] = await office.find(OPERATOR, PHONE)
    boss = Person(id=OPERATOR)
    assert await office.choice(boss, line.whose, line.about) == line
    await office.looked(OPERATOR, line)
    about = Deed(action="statement-of", subject=str(OPERATOR), argument=f"line:1:2:{line.about}")
    other = Deed(action="statement-of", subject=str(OPERATOR), argument=f"line:1:2:{line.about}0")
    shown = [
        ShownButton(data=name, deed=deed, chat_id=OPERATOR, once=False, expires_at=NOON)
        for name, deed in (("this", about), ("another", other))
    ]
    await desk.store.write(lambda tx: tx.buttons.show(1, shown))

    await desk.people.forget_phone(JANE, NOTHING)
    assert await office.choice(boss, Whose.LINE, line.about) is None

    async with desk.store.read() as tx:
        execute = tx.people._connection.execute
        looks = (await execute(select(schema.looks.c.what, schema.looks.c.payment_id))).all()
        buttons = (await execute(select(schema.buttons.c.data))).scalars().all()
    # SQLite gives the id of a row that is gone to the next.
    assert looks == [("number", "line:gone"), ("statement-line", "gone")]
    assert buttons == ["another"]


def test_every_table_that_refers_to_a_line_is_asked() -> None:
    referring = {
        column
        for table in schema.metadata.tables.values()
        for column in table.columns
        if column.references(schema.lines.c.id)
    }

    assert referring == set(NAMED_BY)
