"""Since when the outbox owes something: the wish that was not told, and no earlier or later one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from storage.engine import Store
from storage.records import NewNotice, Notice, NoticeKind, Reply
from storage.tx import Tx
from tests.stores import NOON

LEASE = timedelta(seconds=60)
LATER = NOON + timedelta(days=3)
CARD = NewNotice(key="card:d:1", kind=NoticeKind.CARD, chat_id=1, subject="d:1", topic="card")
STATUS = NewNotice(key="status:1", kind=NoticeKind.STATUS, chat_id=1, payment_id=f"{1:032x}")
SAY = NewNotice(key="a", kind=NoticeKind.SAY, chat_id=1, reply=Reply(chat_id=1, text="hello"))
EDITED = pytest.mark.parametrize("new", [CARD, STATUS], ids=["card", "status"])


def after(seconds: float) -> datetime:
    return LATER + timedelta(seconds=seconds)


async def owe(store: Store, new: NewNotice, now: datetime) -> None:
    await store.write(lambda tx: tx.notices.owe([new], now=now))


async def claim(store: Store, now: datetime) -> Notice:
    [notice] = await store.write(lambda tx: tx.notices.claim(now=now, lease=LEASE, limit=50))
    return notice


async def tell(store: Store, notice: Notice, now: datetime) -> None:
    await store.write(lambda tx: tx.notices.told(notice, message_id=7, now=now))


async def fail(store: Store, notice: Notice, due_at: datetime, *, counts: bool) -> None:
    await store.write(
        lambda tx: tx.notices.later(notice, due_at=due_at, why="network", counts=counts)
    )


async def sent_three_days_ago(store: Store, new: NewNotice) -> None:
    await owe(store, new, NOON)
    await tell(store, await claim(store, NOON), NOON)


async def since(store: Store) -> datetime | None:
    async with store.read() as tx:
        return (await tx.health.waiting(now=LATER)).outbox_since


@EDITED
async def test_what_was_told_long_ago_is_owed_since_its_newest_wish(
    store: Store, new: NewNotice
) -> None:
    await sent_three_days_ago(store, new)
    assert await since(store) is None
    await owe(store, new, LATER)
    await owe(store, new, after(60))

    assert await since(store) == LATER  # neither told yet: the oldest of them waits


@EDITED
@pytest.mark.parametrize("counts", [True, False])
async def test_failed_tries_make_nothing_younger(
    store: Store, new: NewNotice, counts: bool
) -> None:
    await sent_three_days_ago(store, new)
    await owe(store, new, LATER)
    for seconds in (0, 400, 800):
        notice = await claim(store, after(seconds))
        await fail(store, notice, after(seconds + 400), counts=counts)

    assert await since(store) == LATER


@EDITED
async def test_a_wish_that_came_while_it_was_sent_waits_since_then(
    store: Store, new: NewNotice
) -> None:
    await owe(store, new, NOON)
    notice = await claim(store, LATER)
    await owe(store, new, after(5))
    assert await since(store) == NOON

    await tell(store, notice, after(10))

    assert await since(store) == after(5)


@pytest.mark.parametrize("kind", [NoticeKind.CARD, NoticeKind.NEWS])
async def test_what_was_put_off_on_purpose_is_not_late(store: Store, kind: NoticeKind) -> None:
    put_off = replace(CARD, kind=kind, not_before=after(600))
    await owe(store, put_off, LATER)

    assert await since(store) == after(600)


async def test_a_plain_message_is_owed_since_it_was_made(store: Store) -> None:
    await owe(store, SAY, LATER)
    await owe(store, SAY, after(60))

    assert await since(store) == LATER


def revived(tx: Tx) -> Awaitable[Any]:
    return tx.notices.revive(1, now=LATER)


def owed_again(tx: Tx) -> Awaitable[Any]:
    return tx.notices.owe([CARD], now=LATER)


@pytest.mark.parametrize("how", [revived, owed_again])
async def test_nobody_waited_while_a_chat_was_shut(
    store: Store, how: Callable[[Tx], Awaitable[Any]]
) -> None:
    await owe(store, CARD, NOON)
    notice = await claim(store, NOON)
    await store.write(lambda tx: tx.notices.dead(notice, why="blocked"))
    assert await since(store) is None

    await store.write(how)

    assert await since(store) == LATER


async def test_a_message_that_went_out_of_sight_is_owed_since_somebody_asked(
    store: Store,
) -> None:
    await sent_three_days_ago(store, STATUS)
    await store.write(lambda tx: tx.notices.send_anew(STATUS.key, now=LATER))
    await store.write(lambda tx: tx.notices.send_anew(STATUS.key, now=after(60)))

    assert await since(store) == LATER


async def test_what_a_dead_process_was_sending_waits_since_it_was_wished(store: Store) -> None:
    await sent_three_days_ago(store, STATUS)
    await owe(store, STATUS, LATER)
    await claim(store, after(1))
    await store.write(lambda tx: tx.notices.release_all(now=after(600)))

    assert await since(store) == LATER
