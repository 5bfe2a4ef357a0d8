"""The inbox: no update is lost, none is handled twice, and one chat never waits for another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from telegram import Update

from bot.chat.inbox import InboxQueue, PerChatProcessor
from bot.core.inbox import Inbox
from bot.core.post import Post
from storage.engine import Store
from storage.errors import NotKept, StoreBusy, StoreFailed
from storage.records import NewUpdate
from tests.stores import TestClock


class ShakyInbox(Inbox):
    """Fails when told to: before the commit, or after it with the answer lost."""

    def __init__(self, store: Store, clock: TestClock) -> None:
        super().__init__(store=store, clock=clock, wake=lambda: None)
        self.fail_before = 0
        self.fail_after = 0

    async def take_all(self, new: Sequence[NewUpdate]) -> set[int]:
        if self.fail_before:
            self.fail_before -= 1
            raise StoreBusy("busy")
        ours = await super().take_all(new)
        if self.fail_after:
            self.fail_after -= 1
            raise StoreFailed("the COMMIT was not answered")
        return ours


def body_of(update_id: int, text: str = "/pay 50", chat_id: int = 1001) -> dict[str, Any]:
    jane = {"id": chat_id, "is_bot": False, "first_name": "Jane"}
    return {
        "update_id": update_id,
        "message": {
            "message_id": update_id,
            "date": 1795424400,
            "chat": {"id": chat_id, "type": "private", "first_name": "Jane"},
            "from": jane,
            "text": text,
        },
    }


def update_of(update_id: int, chat_id: int = 1001) -> Update:
    return Update.de_json(body_of(update_id, chat_id=chat_id), None)


@pytest.fixture
def shaky(kept: Store, clock: TestClock) -> ShakyInbox:
    return ShakyInbox(kept, clock)


@pytest.fixture
def queue(shaky: ShakyInbox, clock: TestClock) -> InboxQueue:
    return InboxQueue(inbox=shaky, clock=clock)


def ids_in(queue: InboxQueue) -> list[int]:
    found = []
    while not queue.empty():
        item = queue.get_nowait()
        assert isinstance(item, Update)
        found.append(item.update_id)
    return found


async def poll(queue: InboxQueue, *updates: Update) -> None:
    """Put as PTB does, and come to the point at which Telegram is asked for more."""
    for update in updates:
        await queue.put(update)
    await queue.kept()


async def test_an_update_is_committed_before_it_is_enqueued(
    queue: InboxQueue, inbox: Inbox, shaky: ShakyInbox
) -> None:
    shaky.fail_before = 1
    await queue.put(update_of(7))
    assert queue.empty()
    await queue.kept()

    waiting = await inbox.waiting()
    assert [item.update_id for item in waiting] == [7]
    assert json.loads(waiting[0].body)["message"]["text"] == "/pay 50"
    assert ids_in(queue) == [7]


async def test_what_a_closed_queue_did_not_keep_is_never_called_kept(
    queue: InboxQueue, inbox: Inbox, shaky: ShakyInbox
) -> None:
    shaky.fail_before = 1_000
    await queue.put(update_of(7))
    await queue.close()

    # To ask Telegram for more is to let it forget.
    with pytest.raises(NotKept):
        await queue.kept()
    assert await inbox.waiting() == []


async def test_the_same_update_twice_is_handled_once(queue: InboxQueue) -> None:
    await poll(queue, update_of(7), update_of(7))
    await poll(queue, update_of(7))

    assert ids_in(queue) == [7]


async def test_what_comes_together_is_committed_together_and_in_order(
    queue: InboxQueue, kept: Store, inbox: Inbox
) -> None:
    before = kept.commits

    await poll(queue, *(update_of(each, chat_id=each % 7) for each in range(100)))

    assert kept.commits - before <= 2
    assert ids_in(queue) == list(range(100))
    assert len(await inbox.waiting()) == 100


async def test_while_the_store_fails_put_waits_longer_and_longer_and_drops_nothing(
    queue: InboxQueue, shaky: ShakyInbox, clock: TestClock
) -> None:
    shaky.fail_before = 5
    before = clock.now()

    await poll(queue, update_of(7), update_of(8))

    assert ids_in(queue) == [7, 8]
    assert (clock.now() - before).total_seconds() == 0.5 + 1 + 2 + 4 + 8


async def test_a_commit_whose_answer_was_lost_still_enqueues(
    queue: InboxQueue, shaky: ShakyInbox
) -> None:
    shaky.fail_after = 1

    await poll(queue, update_of(7))

    assert ids_in(queue) == [7]


async def test_what_was_not_carried_out_is_replayed_at_start(
    queue: InboxQueue, inbox: Inbox
) -> None:
    for update_id in (9, 7, 8):
        await inbox.take(update_id, json.dumps(body_of(update_id)))
    await inbox.done(8)

    count = await queue.replay()

    assert count == 2
    assert ids_in(queue) == [7, 9]


async def test_what_came_before_the_replay_is_not_replayed_too(
    queue: InboxQueue, inbox: Inbox
) -> None:
    await inbox.take(7, json.dumps(body_of(7)))
    await queue.take_raw(json.dumps(body_of(8)).encode())

    await queue.replay()

    assert ids_in(queue) == [8, 7]


async def test_a_kept_body_that_cannot_be_read_holds_up_nobody(
    queue: InboxQueue, inbox: Inbox
) -> None:
    await inbox.take(7, "[]")
    await inbox.take(8, json.dumps(body_of(8)))

    await queue.replay()

    assert ids_in(queue) == [8]
    assert [(item.update_id, item.tries) for item in await inbox.waiting()] == [(7, 1), (8, 0)]


async def test_a_raw_update_is_taken_as_telegram_posts_it(queue: InboxQueue, inbox: Inbox) -> None:
    await queue.take_raw(json.dumps(body_of(7)).encode())

    assert ids_in(queue) == [7]
    assert [item.update_id for item in await inbox.waiting()] == [7]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"update_id":"7"}',
        b"\xff",
        b"[" * 100_000,
        b'{"update_id":7,"message":5}',
        b'{"update_id":true}',
    ],
)
async def test_a_raw_body_that_is_no_update_is_refused(queue: InboxQueue, body: bytes) -> None:
    with pytest.raises(ValueError, match="no update"):
        await queue.take_raw(body)

    assert queue.empty()


async def test_a_raw_update_that_cannot_be_kept_is_refused_and_not_enqueued(
    queue: InboxQueue, shaky: ShakyInbox
) -> None:
    shaky.fail_before = 1

    with pytest.raises(StoreBusy):
        await queue.take_raw(json.dumps(body_of(7)).encode())

    assert queue.empty()


async def test_a_failed_update_comes_back_later(queue: InboxQueue, clock: TestClock) -> None:
    before = clock.now()

    queue.again(update_of(7), after_s=8)
    async with asyncio.timeout(60):
        back = await queue.get()

    assert isinstance(back, Update)
    assert (clock.now() - before).total_seconds() == 8


async def test_a_chat_is_served_in_order_and_others_meanwhile() -> None:
    processor = PerChatProcessor(2)
    gate, jane_began, otieno_done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def first() -> None:
        jane_began.set()
        await gate.wait()
        seen.append("jane 1")

    async def then(what: str, done: asyncio.Event | None = None) -> None:
        seen.append(what)
        if done is not None:
            done.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(processor.process_update(update_of(1), first()))
        await jane_began.wait()
        for number in (2, 3, 4):
            group.create_task(processor.process_update(update_of(number), then(f"jane {number}")))
        group.create_task(
            processor.process_update(update_of(5, chat_id=1002), then("otieno", otieno_done))
        )
        await otieno_done.wait()
        gate.set()

    assert seen == ["otieno", "jane 1", "jane 2", "jane 3", "jane 4"]


async def test_no_lock_outlives_its_chat() -> None:
    processor = PerChatProcessor(4)

    async def nothing() -> None:
        await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(
                processor.process_update(update_of(number, chat_id=number + 1), nothing())
            )

    assert not processor._turns


async def test_post_wakes_the_teller_when_an_update_is_set_aside(inbox: Inbox, post: Post) -> None:
    await inbox.take(7, json.dumps(body_of(7)))

    for _ in range(5):
        post.wake.clear()
        await inbox.failed(7)

    assert post.wake.is_set()
    assert await inbox.waiting() == []
