"""Several processes in one bot's chats: one polls, each update and message is in one's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from telegram import Update
from telegram.ext import Application, ApplicationBuilder, ExtBot
from telegram.request import HTTPXRequest

from bot.chat.errors import failed
from bot.chat.holding import HoldingRequest
from bot.chat.inbox import InboxQueue, PerChatProcessor
from bot.chat.notices import Notifier
from bot.chat.polling import Polling
from bot.core.inbox import Inbox, NotHeld
from bot.core.lead import Lead
from bot.core.post import Post
from bot.playground.botapi import BotApi
from storage.engine import Store
from storage.records import Closing, Notice, Reply
from tests.chat.test_inbox import body_of, ids_in, poll, update_of
from tests.stores import OpenStore, TestClock

on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
PATIENCE_S = 60.0

Queues = tuple[InboxQueue, InboxQueue]


@pytest.fixture
async def queues(open_a_store: OpenStore, clock: TestClock) -> AsyncIterator[Queues]:
    """The queues of two processes on one database."""
    async with open_a_store() as one, open_a_store() as other:

        def queue(store: Store) -> InboxQueue:
            return InboxQueue(inbox=Inbox(store=store, clock=clock, wake=lambda: None), clock=clock)

        yield queue(one), queue(other)


def inbox_of(queue: InboxQueue) -> Inbox:
    return queue._inbox


async def finish(queue: InboxQueue, *update_ids: int, chat_id: int = 1001) -> None:
    """Carry updates out, as the application does."""
    for update_id in update_ids:
        await inbox_of(queue).done(update_id)
        queue.finished(update_of(update_id, chat_id))


@pytest.mark.postgres
@on_postgres
async def test_the_same_update_at_two_processes_is_carried_out_by_one(queues: Queues) -> None:
    one, other = queues
    await asyncio.gather(poll(one, update_of(7)), poll(other, update_of(7)))
    await one._find_free()
    await other._find_free()

    assert sorted(ids_in(one) + ids_in(other)) == [7]


@pytest.mark.postgres
@on_postgres
async def test_a_chat_that_comes_in_at_two_doors_keeps_its_order(queues: Queues) -> None:
    one, other = queues
    await poll(one, update_of(7))
    await other.take_raw(json.dumps(body_of(8)).encode())
    await poll(one, update_of(9))
    assert (ids_in(one), ids_in(other)) == ([7], [])  # 9 comes after 8, and 8 after 7

    await finish(one, 7)
    assert one._wake.is_set()  # something of that chat waits, it was told so
    await one._find_free()

    assert ids_in(one) == [8, 9]
    await other._find_free()
    assert ids_in(other) == []


@pytest.mark.postgres
@on_postgres
async def test_the_updates_of_a_process_that_is_away_are_taken_over_without_a_start(
    queues: Queues, clock: TestClock
) -> None:
    one, other = queues
    for update_id in (7, 8):
        await poll(one, update_of(update_id))
    clock.advance(20)
    await one._find_lost()
    clock.advance(20)
    await other._find_free()
    assert ids_in(other) == []  # one has said that it is there

    clock.advance(11)
    await poll(other, update_of(9))
    assert ids_in(other) == []  # not before those that came first
    await other._find_free()

    assert ids_in(other) == [7, 8, 9]
    with pytest.raises(NotHeld):
        await inbox_of(one).done(7)


@pytest.mark.postgres
@on_postgres
async def test_looking_goes_on_by_itself_and_stops_when_told(
    queues: Queues, clock: TestClock
) -> None:
    one, other = queues
    await poll(one, update_of(7))
    clock.advance(31)
    stop = asyncio.Event()
    working = asyncio.create_task(other.work(stop))
    async with asyncio.timeout(PATIENCE_S):
        taken = await other.get()
        assert isinstance(taken, Update)
        assert taken.update_id == 7
        stop.set()
        await working


async def test_what_another_process_has_done_is_dropped_without_a_word(
    kept: Store, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    queue = InboxQueue(inbox=Inbox(store=kept, clock=clock, wake=lambda: None), clock=clock)
    processor = PerChatProcessor(2, finished=queue.finished)
    update = update_of(7)
    await poll(queue, update)

    async def handler() -> None:
        await failed(None, queue, update, NotHeld("another has it"))  # type: ignore[arg-type]  # it asks nothing of the desk

    await processor.process_update(update, handler())

    assert "update.failed" not in caplog.text
    assert queue._mine == set()


async def test_a_commit_that_was_not_answered_is_found_when_telegram_comes_again(
    kept: Store, clock: TestClock
) -> None:
    inbox = Inbox(store=kept, clock=clock, wake=lambda: None)
    queue = InboxQueue(inbox=inbox, clock=clock)
    await inbox.take(7, json.dumps(body_of(7)), chat_id=1001)  # and the answer was lost: 503

    await queue.take_raw(json.dumps(body_of(7)).encode())
    await queue.take_raw(json.dumps(body_of(7)).encode())

    assert ids_in(queue) == [7]


class Hold(Post):
    """An outbox whose hold on a notice ends when a test says so."""

    held = True

    def holds(self, notice: Notice) -> bool:
        return self.held


async def test_a_notice_that_is_held_no_more_sends_not_a_byte(
    api: BotApi, kept: Store, clock: TestClock
) -> None:
    api.person(1001, started=True)
    post = Hold(store=kept, clock=clock)

    async def make(notice: Notice) -> Reply | None:
        return None if notice.reply is None else replace(notice.reply, chat_id=notice.chat_id)

    bot: ExtBot[None] = ExtBot(
        api.token,
        base_url=api.base_url,
        request=HoldingRequest(connection_pool_size=4, read_timeout=2),
    )
    async with bot:
        notifier = Notifier(bot=bot, post=post, clock=clock, make=make)
        await post.say(Closing(replies=(Reply(chat_id=1001, text="hello"),)))
        post.held = False
        assert await notifier.run_due() == 1
        assert not api.calls_of("sendMessage")

        clock.advance(1)
        post.held = True
        await notifier.run_due()

    assert [message.text for message in api.chat(1001).from_bot] == ["hello"]


App = Application[Any, Any, Any, Any, Any, Any]


class Poller:
    """One process that would poll, as far as Telegram can tell."""

    def __init__(self, api: BotApi, store: Store, clock: TestClock) -> None:
        self.got: asyncio.Queue[object] = asyncio.Queue()
        self.app: App = (
            ApplicationBuilder()
            .token(api.token)
            .base_url(api.base_url)
            .base_file_url(api.base_file_url)
            .job_queue(None)
            .update_queue(self.got)
            .get_updates_request(HTTPXRequest(connection_pool_size=1))
            .build()
        )
        updater = self.app.updater
        assert updater is not None
        self.updater = updater
        self.polling = Polling(
            updater=updater,
            lead=Lead(store=store, clock=clock, role="polling"),
            start=self._start,
            stop=updater.stop,
        )
        self.halt = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    async def _start(self) -> None:
        await self.updater.start_polling(timeout=1)

    async def begin(self) -> None:
        await self.app.initialize()
        await self.polling.begin()
        self.running = asyncio.create_task(self.polling.run(self.halt))

    async def end(self) -> None:
        self.halt.set()
        if self.running is not None:
            await self.running
        await self.app.shutdown()

    async def next_update(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            found = await self.got.get()
        assert isinstance(found, Update)
        return found.update_id


@pytest.fixture
async def pollers(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[list[Poller]]:
    made = [Poller(api, kept, clock) for _ in range(2)]
    for each in made:
        await each.begin()
    yield made
    for each in made:
        await each.end()


async def test_one_polls_and_the_other_when_the_first_has_gone(
    api: BotApi, pollers: list[Poller]
) -> None:
    one, other = pollers
    jane = api.person(1001, started=True)
    jane.say("/help")
    first = await one.next_update()
    assert (one.updater.running, other.updater.running) == (True, False)

    await one.end()
    jane.say("/start")

    assert await other.next_update() == first + 1
    assert other.updater.running


async def test_who_loses_the_lead_stops_and_stands_by(
    api: BotApi, kept: Store, pollers: list[Poller]
) -> None:
    one, other = pollers
    jane = api.person(1001, started=True)
    await kept.presence.leave_role("polling")  # as a server does that hears nothing of it

    jane.say("/help")
    async with asyncio.timeout(PATIENCE_S):
        found = await asyncio.wait(
            [asyncio.create_task(each.got.get()) for each in (one, other)],
            return_when=asyncio.FIRST_COMPLETED,
        )

    assert len(found[0]) == 1
    assert not (one.updater.running and other.updater.running)
    for waiting in found[1]:
        waiting.cancel()


async def test_a_conflict_ends_nothing(api: BotApi, pollers: list[Poller]) -> None:
    one, _ = pollers
    jane = api.person(1001, started=True)
    await api.wait_for(lambda: bool(api.calls_of("getUpdates")))
    async with ExtBot(api.token, base_url=api.base_url) as stranger:
        await stranger.get_updates(timeout=0)  # another program with our token
        jane.say("/help")

        assert await one.next_update()
