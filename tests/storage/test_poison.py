"""One that nobody can read, among hundreds: the others move on."""

from __future__ import annotations

import asyncio

from sqlalchemy import insert, update

from storage import schema
from storage.engine import Store
from storage.hearing import Outcome
from storage.records import Kind, NewNotice, NewUpdate, NoticeKind, Reply, Status
from storage.tx import Tx
from tests.fakes import a_payment, an_intent, fact, told, unit_of
from tests.stores import NOON, TestClock

MANY = 400
POISON = 200


async def test_a_payment_that_cannot_be_read_keeps_no_other_from_being_settled(
    store: Store,
) -> None:
    async def fill(tx: Tx) -> None:
        line = await tx.lines.lock("254712345678")
        for number in range(MANY):
            await tx.payments.add_intent(an_intent(number))
            await tx.payments.add(a_payment(number, line_id=line.id))
        from_the_future = insert(schema.evidence).values(
            payment_id=f"{POISON:032x}", kind="unheard-of", at=NOON, held=False, digest="x"
        )
        await tx.evidence._connection.execute(from_the_future)

    await store.write(fill)
    units = [
        unit_of(
            fact(
                Kind.CALLBACK_PAID,
                payment_id=f"{number:032x}",
                receipt=f"UKN{number:07d}",
                amount_cents=5000,
            )
        )
        for number in range(MANY)
    ]

    answers = await asyncio.gather(
        *(store.submit(unit, told) for unit in units), return_exceptions=True
    )

    refused = [number for number, each in enumerate(answers) if not isinstance(each, Outcome)]
    assert refused == [POISON]
    async with store.read() as tx:
        paid = await tx.payments.credited()
    assert len(paid) == MANY - 1
    assert all(payment.status is Status.PAID for payment in paid)


async def test_words_that_cannot_be_read_keep_no_others_from_being_told(
    store: Store, clock: TestClock
) -> None:
    def said(number: int) -> NewNotice:
        reply = Reply(chat_id=number, text="Karibu")
        return NewNotice(key=f"say:{number}", kind=NoticeKind.SAY, chat_id=number, reply=reply)

    async def fill(tx: Tx) -> None:
        await tx.notices.owe([said(number) for number in range(1, MANY + 1)], now=NOON)
        garbled = update(schema.notices).where(schema.notices.c.key == f"say:{POISON}")
        await tx.notices._connection.execute(garbled.values(body=b"garbled"))

    await store.write(fill)

    claimed = await store.write(
        lambda tx: tx.notices.claim(
            now=clock.now(), lease=clock.now() - clock.now(), limit=2 * MANY
        )
    )

    assert len(claimed) == MANY
    assert [each.chat_id for each in claimed if each.reply is None] == [POISON]


async def test_an_update_that_cannot_be_read_keeps_no_others_from_being_replayed(
    store: Store,
) -> None:
    async def fill(tx: Tx) -> None:
        new = [NewUpdate(update_id=number, body="an update") for number in range(MANY)]
        await tx.inbox.put(new, at=NOON)
        garbled = update(schema.inbox).where(schema.inbox.c.update_id == POISON)
        await tx.inbox._connection.execute(garbled.values(body=b"garbled"))

    await store.write(fill)

    async with store.read() as tx:
        waiting = await tx.inbox.waiting()

    assert len(waiting) == MANY
    assert [each.update_id for each in waiting if each.body != "an update"] == [POISON]
