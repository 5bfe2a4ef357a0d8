"""Rings: whoever could not be told for a while is rung once about a payment, not once a change."""

from __future__ import annotations

from datetime import timedelta

from storage.engine import Store
from storage.records import NewNotice, Notice, NoticeKind
from tests.stores import NOON

PAYMENT, OTHER = f"{1:032x}", f"{2:032x}"
LEASE = timedelta(seconds=60)


def ring(how: str, payment_id: str = PAYMENT, chat_id: int = 1001) -> NewNotice:
    key = f"ring:{payment_id}:{how}"
    return NewNotice(key=key, kind=NoticeKind.RING, chat_id=chat_id, payment_id=payment_id)


async def owe(store: Store, *new: NewNotice) -> None:
    await store.write(lambda tx: tx.notices.owe(new, now=NOON))


async def claim(store: Store) -> list[Notice]:
    return await store.write(lambda tx: tx.notices.claim(now=NOON, lease=LEASE, limit=50))


async def known(store: Store, *rings: NewNotice) -> list[bool]:
    async with store.read() as tx:
        return [await tx.notices.known(each.key) for each in rings]


async def test_of_two_that_wait_the_last_one_is_told(store: Store) -> None:
    await owe(store, ring("lapsed"))
    await owe(store, ring("paid"))

    assert await known(store, ring("lapsed"), ring("paid")) == [False, True]


async def test_who_comes_back_is_rung_once(store: Store) -> None:
    await owe(store, ring("void"))
    [first] = await claim(store)
    await store.write(lambda tx: tx.notices.dead(first, why="blocked"))
    await owe(store, ring("paid"))
    [second] = await claim(store)
    await store.write(lambda tx: tx.notices.dead(second, why="blocked"))

    owed = await store.write(lambda tx: tx.notices.revive(1001, now=NOON))

    assert owed == 1
    [told] = await claim(store)
    assert told.id == second.id


async def test_what_is_being_sent_and_what_was_told_stay(store: Store) -> None:
    await owe(store, ring("lapsed"))
    [sending] = await claim(store)
    await owe(store, ring("paid"))

    assert await known(store, ring("lapsed")) == [True]
    assert await store.write(lambda tx: tx.notices.told(sending, message_id=5, now=NOON))
    [last] = await claim(store)
    await owe(store, ring("review"))
    assert last.payment_id == PAYMENT
    assert await known(store, ring("lapsed"), ring("paid"), ring("review")) == [True] * 3


async def test_one_that_rang_already_takes_nothing_away(store: Store) -> None:
    await owe(store, ring("paid"))
    [first] = await claim(store)
    await store.write(lambda tx: tx.notices.told(first, message_id=5, now=NOON))
    await owe(store, ring("declined"))

    await owe(store, ring("paid"))

    assert await known(store, ring("declined")) == [True]


async def test_anothers_ring_is_its_own(store: Store) -> None:
    await owe(store, ring("lapsed"), ring("paid", OTHER))
    await owe(store, ring("paid"))

    assert await known(store, ring("lapsed"), ring("paid"), ring("paid", OTHER)) == [
        False,
        True,
        True,
    ]
