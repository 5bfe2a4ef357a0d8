"""Key rotation: under a new key all goes on as it was, and without the old one nothing does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.core.limits import Refusal, RefusalReason
from storage import schema
from storage.crypt import Crypt
from storage.engine import Store
from storage.errors import WrongKey
from storage.records import Alarm, Closing, Kind, NewUpdate, Payment, Reply, Status
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.fakes import PHONE
from tests.stores import NOON, OpenStore, TestClock

OLD, NEW = "the first key of this database", "the key that came after it"


class Years:
    """One database and its processes, one after the other."""

    def __init__(self, open_a_store: OpenStore, clock: TestClock) -> None:
        self._open = open_a_store
        self._clock = clock
        self.daraja = ScriptedDaraja()

    @asynccontextmanager
    async def under(self, key: str, *previous: str) -> AsyncIterator[Desk]:
        async with self._open(key=key, previous_keys=previous) as store:
            desk = make_desk(store, self._clock, self.daraja, seed=len(self.daraja.pushes))
            yield desk
            await desk.close()

    def secret_of(self, number: int) -> tuple[str, str]:
        """The payment and the signature in the callback address of the *number*th push."""
        address = self.daraja.pushes[number - 1].callback_url.rpartition("/")[2]
        payment_id, _, mac = address.partition(".")
        return payment_id, mac


@pytest.fixture
def years(open_a_store: OpenStore, clock: TestClock) -> Years:
    return Years(open_a_store, clock)


async def line_count(store: Store) -> int:
    async with store.read() as tx:
        query = select(func.count()).select_from(schema.lines)
        return int((await tx.lines._connection.execute(query)).scalar_one())


async def sealed(store: Store) -> dict[str, list[bytes]]:
    """Every sealed value there is, by table and column."""
    found: dict[str, list[bytes]] = {}
    async with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, type(schema.lines.c.phone.type)):
                    query = select(column).where(column.is_not(None))
                    rows = await tx.lines._connection.execute(query)
                    found[f"{table.name}.{column.name}"] = [bytes(each) for each in rows.scalars()]
    return found


async def test_an_address_given_out_under_the_old_key_is_answered_under_the_new(
    years: Years,
) -> None:
    async with years.under(OLD) as desk:
        payment = await desk.ask()
    payment_id, mac = years.secret_of(1)

    async with years.under(NEW, OLD) as desk:
        assert payment_id == payment.id
        assert desk.hear.signed(payment_id, mac)
        paid = await desk.post(payment, success())
        await desk.ask(ask_key="m:1001:8", phone="254722000111")
        _, newer = years.secret_of(2)

    assert paid.status is Status.PAID
    assert Crypt(NEW).signed("callback", (years.secret_of(2))[0], newer)


async def test_what_was_kept_under_the_old_key_is_read_under_the_new(years: Years) -> None:
    async with years.under(OLD) as desk:
        store = desk.store
        await desk.people.meet(
            user_id=1001, first_name="Akinyi", telegram_language=None, private=True
        )
        await desk.people.remember_phone(1001, PHONE, Closing())
        payment = await desk.ask(note="lunch")
        await desk.post(payment, b"no callback")
        new = NewUpdate(update_id=1, body="/pay 50")
        await store.write(lambda tx: tx.inbox.put([new], at=NOON))
        said = Reply(chat_id=77, text="hello")
        await store.write(lambda tx: tx.notices.say([said], keys=["say:1:0"], now=NOON))

    async with years.under(NEW, OLD) as desk, desk.store.read() as tx:
        person = await tx.people.get(1001)
        line = await tx.lines.find(PHONE)
        (body,) = [
            await tx.evidence.body(each.id)
            for each in (await tx.evidence.of([payment.id]))[payment.id]
            if each.kind is Kind.UNTRUSTED
        ]
        assert person is not None
        assert (person.first_name, person.phone) == ("Akinyi", PHONE)
        assert line is not None
        assert await tx.lines.phone(line.id) == PHONE
        assert body == b"no callback"
        assert (await tx.payments.intent(payment.intent_id)).note == "lunch"
        assert await tx.payments.checkout_id(payment.id) == "ws_CO_1712345678"
        assert [each.body for each in await tx.inbox.waiting()] == ["/pay 50"]
    async with years.under(NEW, OLD) as desk:
        claimed = await desk.store.write(
            lambda tx: tx.notices.claim(now=NOON, lease=timedelta(seconds=9), limit=9)
        )

    assert said in [each.reply for each in claimed]


async def test_a_line_is_the_same_line_under_both_keys_and_its_limits_hold(years: Years) -> None:
    async with years.under(OLD) as desk:
        await desk.ask()
    async with years.under(NEW, OLD) as desk:
        busy = await desk.open(ask_key="m:1001:8", asked_by=1002)
        desk.clock.advance(181)
        for number in (2, 3):
            payment = await desk.ask(ask_key=f"m:1001:{number}")
            await desk.post(payment, failure(1037, number))
        paused = await desk.open(ask_key="m:1001:9")
        lines = await line_count(desk.store)

    assert isinstance(busy, Refusal)
    assert busy.reason is RefusalReason.LINE_BUSY
    assert isinstance(paused, Refusal)
    assert (paused.reason, paused.streak) == (RefusalReason.STRANGER_PAUSED, 3)
    assert lines == 1


async def test_the_hourly_limit_counts_what_was_asked_under_the_old_key(years: Years) -> None:
    async with years.under(OLD) as desk:
        for number in range(20):
            await desk.ask(ask_key=f"a:{number}", phone=f"2547120000{number:02d}")
    async with years.under(NEW, OLD) as desk:
        for number in range(20, 30):
            await desk.ask(ask_key=f"a:{number}", phone=f"2547120000{number:02d}")
        refused = await desk.open(ask_key="a:30", phone="254722000111")

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.STRANGERS_LIMIT


@pytest.mark.both_engines
async def test_an_id_or_a_receipt_taken_under_the_old_key_stays_taken(years: Years) -> None:
    async with years.under(OLD) as desk:
        first = await desk.ask()
        await desk.post(first, success(receipt="UKN1ABCDEF"))
    async with years.under(NEW, OLD) as desk:
        desk.clock.advance(200)
        second = await desk.ask(ask_key="m:1001:8", phone="254722000111")
        stolen_id = await desk.post(second, success(2, checkout="ws_CO_1712345678"))
        same_receipt = await desk.post(second, success(2, receipt="UKN1ABCDEF"))
        evidence = await kinds(desk, second)
        alarms = await alarms_of(desk, second)

    assert stolen_id.status is Status.PROMPTED
    assert same_receipt.status is not Status.PAID
    assert Kind.UNTRUSTED in evidence
    assert {Alarm.UNTRUSTED, Alarm.RECEIPT_HELD} <= alarms


async def kinds(desk: Desk, payment: Payment) -> set[Kind]:
    async with desk.store.read() as tx:
        return {each.kind for each in (await tx.evidence.of([payment.id]))[payment.id]}


async def alarms_of(desk: Desk, payment: Payment) -> set[Alarm]:
    async with desk.store.read() as tx:
        query = select(schema.notices.c.alarm).where(
            schema.notices.c.payment_id == payment.id, schema.notices.c.alarm.is_not(None)
        )
        return {Alarm(each) for each in (await tx.notices._connection.execute(query)).scalars()}


async def test_new_things_are_kept_under_the_new_key_only(years: Years) -> None:
    async with years.under(OLD) as desk:
        await desk.ask()
        before = await sealed(desk.store)
    async with years.under(NEW, OLD) as desk:
        payment = await desk.ask(ask_key="m:1001:8", phone="254722000111", note="tea")
        await desk.post(payment, failure(1032, 2))
        after = await sealed(desk.store)

    new = [
        value for place, values in after.items() for value in values if value not in before[place]
    ]
    assert len(new) >= 4, "a phone, a note, a checkout id, a body"
    for value in new:
        Crypt(NEW).open(value)


@pytest.mark.parametrize("left", [NEW, OLD], ids=["the old one is gone", "the new one is gone"])
async def test_without_a_key_that_wrote_here_nothing_starts_and_the_setting_is_named(
    years: Years, left: str
) -> None:
    async with years.under(OLD) as desk:
        await desk.ask()
    async with years.under(NEW, OLD) as desk:
        await desk.ask(ask_key="m:1001:8", phone="254722000111")

    with pytest.raises(WrongKey, match=r"security\.previous_keys"):
        async with years.under(left):
            pass
    async with years.under(OLD, NEW) as desk, desk.store.read() as tx:
        assert await tx.lines.find(PHONE) is not None


@pytest.mark.both_engines
async def test_a_database_refused_for_its_key_is_left_as_it_was(years: Years) -> None:
    async with years.under(OLD) as desk:
        before = await sealed(desk.store)
    with pytest.raises(WrongKey):
        async with years.under(NEW):
            pass
    async with years.under(OLD) as desk:
        assert await sealed(desk.store) == before


async def test_two_lines_are_never_made_of_one_number(years: Years) -> None:
    async with years.under(OLD) as desk:
        await desk.store.write(lambda tx: lock_twice(tx))
    async with years.under(NEW, OLD) as desk:
        await desk.store.write(lambda tx: lock_twice(tx))
        assert await line_count(desk.store) == 1


async def lock_twice(tx: Tx) -> None:
    first, second = await tx.lines.lock(PHONE), await tx.lines.lock(PHONE)
    assert first.id == second.id
