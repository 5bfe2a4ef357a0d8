"""Several processes on one PostgreSQL: who holds what, who is gone, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from storage.engine import Store
from storage.errors import NotHeld, StoreBusy
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    InboxItem,
    Kind,
    NewNotice,
    NewUpdate,
    Notice,
    NoticeKind,
    Payment,
    Reply,
    Status,
)
from storage.schema import receipts
from storage.tx import Tx
from tests.fakes import add_payment, fact, told
from tests.stores import NOON, OpenStore, TestClock

pytestmark = pytest.mark.postgres
on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)

LEASE = timedelta(seconds=30)
GAP = timedelta(seconds=1)


@pytest.fixture
async def two(open_a_store: OpenStore) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes, as far as the database can tell."""
    async with open_a_store() as one, open_a_store() as other:
        yield one, other


async def put(store: Store, update_id: int, chat_id: int | None = 1001) -> NewUpdate:
    new = NewUpdate(update_id=update_id, body="{}", chat_id=chat_id)
    await store.write(lambda tx: tx.inbox.put([new], at=NOON))
    return new


async def take(store: Store, update_id: int, clock: TestClock, chat_id: int | None = 1001) -> bool:
    new, now = await put(store, update_id, chat_id), clock.now()
    taken: set[int] = await store.write(lambda tx: tx.inbox.take([new], now=now, lease=LEASE))
    return update_id in taken


async def claim(store: Store, clock: TestClock) -> list[int]:
    items: list[InboxItem] = await store.write(
        lambda tx: tx.inbox.claim(now=clock.now(), lease=LEASE, limit=50)
    )
    return [item.update_id for item in items]


async def owe(store: Store, key: str, chat_id: int = 1) -> None:
    notice = NewNotice(
        key=key,
        kind=NoticeKind.SAY,
        chat_id=chat_id,
        reply=Reply(chat_id=chat_id, text="hello"),
    )
    await store.write(lambda tx: tx.notices.owe([notice], now=NOON))


async def claim_notices(store: Store, clock: TestClock) -> list[Notice]:
    return await store.write(lambda tx: tx.notices.claim(now=clock.now(), lease=LEASE, limit=50))


@on_postgres
async def test_an_update_is_in_the_hands_of_one(two: tuple[Store, Store], clock: TestClock) -> None:
    one, other = two

    assert await take(one, 7, clock)
    assert not await take(other, 7, clock)
    assert await claim(other, clock) == []
    assert await take(one, 7, clock)  # its own, again: it knows what it has enqueued


@on_postgres
async def test_a_chat_is_answered_by_one_process_in_its_order(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two

    assert await take(one, 7, clock)
    assert not await take(other, 8, clock)  # the chat is one's
    assert await take(other, 9, clock, chat_id=1002)
    assert await claim(other, clock) == []

    assert await claim(one, clock) == [8]  # and one goes on with it
    await one.write(lambda tx: tx.inbox.done(7, at=NOON))
    await one.write(lambda tx: tx.inbox.done(8, at=NOON))
    assert await take(other, 10, clock)


@on_postgres
async def test_what_nobody_has_is_taken_oldest_first_in_each_chat(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    for update_id, chat_id in ((7, 1), (8, 1), (9, 2), (10, None), (11, None)):
        await put(one, update_id, chat_id)

    assert not await take(other, 8, clock, chat_id=1)  # 7 comes first
    assert await claim(one, clock) == [7, 9, 10, 11]
    assert await claim(one, clock) == [8]
    assert await claim(one, clock) == []


@on_postgres
async def test_a_batch_is_taken_in_the_order_of_each_chat(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    assert await take(other, 5, clock, chat_id=2)
    batch = [
        NewUpdate(update_id=update_id, body="{}", chat_id=chat_id)
        for update_id, chat_id in ((6, 1), (7, 1), (8, 2), (9, 1), (10, None), (11, None))
    ]
    await one.write(lambda tx: tx.inbox.put(batch, at=NOON))

    taken = await one.write(lambda tx: tx.inbox.take(batch, now=clock.now(), lease=LEASE))

    assert taken == {6, 7, 9, 10, 11}  # the chat of 8 is in another's hands


@on_postgres
async def test_two_who_take_at_once_share_and_never_double(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    for update_id in range(60):
        await put(one, update_id, chat_id=update_id % 20)
    got: list[tuple[Store, int]] = []

    async def work(store: Store) -> None:
        for _ in range(10):
            for update_id in await claim(store, clock):
                got.append((store, update_id))
                await store.write(lambda tx, n=update_id: tx.inbox.done(n, at=NOON))  # type: ignore[misc]  # the default pins n

    await asyncio.gather(work(one), work(other))
    await work(one)

    assert sorted(update_id for _, update_id in got) == list(range(60))


@on_postgres
async def test_who_was_away_too_long_writes_nothing_of_an_update(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    assert await take(one, 7, clock)
    clock.advance(31)
    assert await claim(other, clock) == [7]

    async def effect(tx: Tx) -> None:
        await tx.shared.put("effect", b"of one")
        await tx.inbox.done(7, at=NOON)

    with pytest.raises(NotHeld):
        await one.write(effect)
    with pytest.raises(NotHeld):
        await one.write(lambda tx: tx.inbox.failed(7))
    async with other.read() as tx:
        assert await tx.shared.get("effect") is None

    await other.write(lambda tx: tx.inbox.done(7, at=NOON))
    with pytest.raises(NotHeld):
        await one.write(effect)


@on_postgres
async def test_who_keeps_an_update_has_it_as_long_as_it_takes(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    await take(one, 7, clock)
    for _ in range(5):
        clock.advance(20)
        assert await one.write(lambda tx: tx.inbox.keep(now=clock.now(), lease=LEASE)) == [7]
        assert await claim(other, clock) == []


@on_postgres
async def test_a_notice_is_claimed_by_one_and_told_only_by_whoever_still_has_it(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    await owe(one, "a")
    [stale] = await claim_notices(one, clock)
    assert await claim_notices(other, clock) == []
    clock.advance(31)
    [taken] = await claim_notices(other, clock)
    assert taken.resent
    assert taken.lease_gen == stale.lease_gen + 1

    await one.write(lambda tx: tx.notices.told(stale, message_id=1, now=NOON))
    await one.write(lambda tx: tx.notices.later(stale, due_at=NOON, why="x", counts=True))
    await one.write(lambda tx: tx.notices.dead(stale, why="x"))
    await one.write(lambda tx: tx.notices.lost_message(stale, now=NOON))
    async with one.read() as tx:
        assert await tx.notices.owed() == 1

    await other.write(lambda tx: tx.notices.told(taken, message_id=2, now=NOON))
    async with one.read() as tx:
        assert await tx.notices.owed() == 0


@on_postgres
async def test_two_who_claim_notices_at_once_get_different_ones(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    for chat_id in range(1, 41):
        await owe(one, f"a{chat_id}", chat_id)

    lots = await asyncio.gather(
        *(claim_notices(store, clock) for store in (one, other, one, other))
    )

    ids = [notice.id for lot in lots for notice in lot]
    assert len(ids) == len(set(ids)) == 40


@on_postgres
async def test_a_due_check_is_claimed_by_one_and_each_claim_has_its_number(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    await add_payment(one, change=lambda p: replace(p, next_check_at=NOON))
    ids = [f"{1:032x}"]

    async def check(store: Store) -> list[Payment]:
        return await store.write(
            lambda tx: tx.payments.claim_checks(ids, now=clock.now(), lease=LEASE)
        )

    won, lost = await asyncio.gather(check(one), check(other))
    assert sorted(map(len, (won, lost))) == [0, 1]
    clock.advance(31)
    [again] = await check(other)
    assert again.check_gen == (won + lost)[0].check_gen + 1


@on_postgres
async def test_new_payments_are_left_to_who_made_them_until_it_is_away(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    mine = one.holder.number
    await add_payment(
        one, change=lambda p: replace(p, holder=mine, lease_until=NOON + timedelta(seconds=20))
    )

    async def unsent(store: Store) -> int:
        return len(
            await store.write(
                lambda tx: tx.payments.claim_unsent(now=clock.now(), lease=LEASE, limit=9)
            )
        )

    assert await unsent(other) == 0
    assert await unsent(one) == 1  # and its time is longer now
    clock.advance(25)
    assert await unsent(other) == 0
    clock.advance(10)
    assert await unsent(other) == 1
    assert await unsent(one) == 0


@on_postgres
async def test_what_a_dead_process_had_in_hand_is_free_at_once(
    open_a_store: OpenStore, clock: TestClock
) -> None:
    async with open_a_store() as alive:
        async with AsyncExitStack() as life:
            dead = await life.enter_async_context(open_a_store())
            await owe(dead, "a")
            await claim_notices(dead, clock)
            await take(dead, 7, clock)
            await add_payment(
                dead,
                change=lambda p: replace(
                    p,
                    status=Status.ASKING,
                    holder=dead.holder.number,
                    lease_until=NOON + LEASE,
                    next_check_at=NOON - LEASE,
                ),
            )
            assert not await alive.presence.bury(dead.holder.number)
        async with alive.read() as tx:
            holders = await tx.leases.holders()
        assert holders == {dead.holder.number}
        assert await alive.presence.bury(dead.holder.number)

        await alive.write(lambda tx: tx.leases.release(sorted(holders), now=clock.now()))
        await alive.presence.buried(dead.holder.number)

        [notice] = await claim_notices(alive, clock)
        assert notice.resent
        assert await claim(alive, clock) == [7]
        async with alive.read() as tx:
            assert len(await tx.payments.cut_off(now=clock.now(), limit=9)) == 1


@on_postgres
async def test_a_check_that_a_dead_process_had_in_hand_is_made_at_once(
    open_a_store: OpenStore, clock: TestClock
) -> None:
    async def check(store: Store) -> list[Payment]:
        return await store.write(
            lambda tx: tx.payments.claim_checks([f"{1:032x}"], now=clock.now(), lease=LEASE)
        )

    async with open_a_store() as alive:
        async with open_a_store() as dead:
            number = dead.holder.number
            await add_payment(dead, change=lambda p: replace(p, next_check_at=NOON))
            assert len(await check(dead)) == 1
            assert await check(alive) == []
        assert await alive.presence.bury(number)

        assert await alive.write(lambda tx: tx.leases.release([number], now=clock.now())) == 1
        await alive.presence.buried(number)

        assert len(await check(alive)) == 1


@on_postgres
async def test_a_role_is_one_process_s_until_its_session_ends(two: tuple[Store, Store]) -> None:
    one, other = two
    assert await one.presence.try_role("polling")
    assert not await one.presence.try_role("polling")  # it has it
    assert not await other.presence.try_role("polling")
    assert await other.presence.try_role("something else")

    async with other.read() as tx:
        await tx.shared._connection.execute(
            text(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory'"
                " AND l.objid::bigint = :number"
            ),
            {"number": one.holder.number},
        )
    lost = asyncio.create_task(one.presence.role_lost("polling"))
    await one.presence.give_back("nothing", gap=GAP, count=1)  # any word finds out
    async with asyncio.timeout(60):
        await lost

    assert await other.presence.try_role("polling")
    assert not await one.presence.try_role("polling")
    await other.presence.leave_role("polling")
    assert await one.presence.try_role("polling")
    assert one.presence.sure  # and it is there again, under its own name


@on_postgres
async def test_turns_are_shared_and_evenly_spaced(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two
    waits = [
        await store.presence.reserve("pushes", gap=GAP, count=count)
        for store, count in ((one, 1), (other, 3), (one, 1))
    ]
    assert waits == [0, 1, 4]
    clock.advance(10)
    assert await one.presence.reserve("pushes", gap=GAP, count=1) == 0


@on_postgres
async def test_the_free_turns_are_given_once_and_taken_back(
    two: tuple[Store, Store], clock: TestClock
) -> None:
    one, other = two

    async def turns(store: Store, wanted: int = 8, burst: int = 1) -> int:
        return await store.presence.take("queries", gap=GAP, burst=burst, wanted=wanted)

    assert [await turns(one), await turns(other)] == [1, 0]
    clock.advance(0.5)
    assert await turns(other) == 0
    clock.advance(0.5)
    assert await turns(other) == 1
    await other.presence.give_back("queries", gap=GAP, count=1)
    assert await turns(one) == 1
    clock.advance(100)
    assert [await turns(one, burst=5, wanted=3), await turns(other, burst=5)] == [3, 2]


def crediting(number: int, limit_kes: int) -> Unit:
    """A trusted success, admitted only if the total has room for it."""

    def admit(payment: Payment, seen: Seen) -> Admitted:
        held = seen.unconfirmed_kes + payment.amount_kes > limit_kes
        evidence = fact(Kind.CALLBACK_PAID, payment_id=payment.id, receipt=f"R{number}", held=held)
        return Admitted(evidence=(evidence,), claims_receipt=f"R{number}")

    return Unit(payment_id=f"{number:032x}", admit=admit, receipt=f"R{number}")


@on_postgres
async def test_rivals_cannot_overshoot_the_unconfirmed_total(open_a_store: OpenStore) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_a_store()) for _ in range(4)]
        for number in range(1, 41):
            await add_payment(stores[0], number, phone=f"2547123456{number:02d}")

        await asyncio.gather(
            *(stores[number % 4].submit(crediting(number, 500), told) for number in range(1, 41))
        )

        async with stores[0].read() as tx:
            rows = (await tx.shared._connection.execute(select(receipts))).all()
            evidence = await tx.evidence.of([f"{number:032x}" for number in range(1, 41)])
        credited = [each for facts in evidence.values() for each in facts if not each.held]
        assert len(rows) == 40
        assert sum(50 for _ in credited) == 500


@on_postgres
async def test_a_row_that_somebody_keeps_locked_costs_the_others_only_a_wait(
    open_a_store: OpenStore,
) -> None:
    async with open_a_store() as store, open_a_store() as rival:
        await add_payment(store, 1)
        await add_payment(store, 2, phone="254712345670")
        # Of the one session that writes, so that this test need not wait for as long as we do.
        await store.write(
            lambda tx: tx.shared._connection.execute(text("SET lock_timeout = '200ms'"))
        )
        locked, over = asyncio.Event(), asyncio.Event()

        async def sit(tx: Tx) -> None:
            await tx.payments.lock(f"{1:032x}")
            locked.set()
            while not over.is_set():  # at work, so that the server does not end it as idle
                await tx.shared.get("nothing")

        sitting = asyncio.create_task(rival.write(sit))
        await locked.wait()
        units = [Unit(payment_id=f"{n:032x}", admit=lambda p, _seen: _heard(p)) for n in (1, 2)]
        answers = await asyncio.gather(
            *(store.submit(unit, told) for unit in units), return_exceptions=True
        )
        over.set()
        await sitting

        assert isinstance(answers[0], StoreBusy)
        assert not isinstance(answers[1], BaseException)
        assert answers[1].fresh


def _heard(payment: Payment) -> Admitted:
    return Admitted(evidence=(fact(Kind.ACCEPTED, payment_id=payment.id),))
