"""The store fails while we tell: nobody is given up for it, and telling goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from telegram.ext import ExtBot

from bot.chat.notices import Notifier
from bot.core.post import Post
from bot.playground.botapi import BotApi
from storage.engine import Store
from storage.errors import StoreFailed
from storage.records import Closing, Notice, Reply
from tests.stores import TestClock


class Troubled(Post):
    """An outbox on a disk that fails for a while."""

    def __init__(self, *, store: Store, clock: TestClock) -> None:
        super().__init__(store=store, clock=clock)
        self.failures: list[Exception] = []

    async def due(self, *, limit: int = 100) -> list[Notice]:
        if self.failures:
            raise self.failures.pop(0)
        return await super().due(limit=limit)


@asynccontextmanager
async def at_work(notifier: Notifier) -> AsyncIterator[None]:
    stop = asyncio.Event()
    work = asyncio.create_task(notifier.run(stop))
    try:
        yield
    finally:
        stop.set()
        await work


@pytest.mark.parametrize("failure", [StoreFailed("the disk"), ZeroDivisionError("a bug")])
async def test_a_look_that_fails_does_not_end_all_telling(
    api: BotApi, bot: ExtBot[None], kept: Store, clock: TestClock, failure: Exception
) -> None:
    jane = api.person(1001, "Jane", started=True)
    post = Troubled(store=kept, clock=clock)
    post.failures = [failure, failure]

    async def make(notice: Notice) -> Reply | None:
        return notice.reply

    async with at_work(Notifier(bot=bot, post=post, clock=clock, make=make)):
        await post.say(Closing(replies=(Reply(chat_id=jane.id, text="Karibu"),)))
        await api.wait_for(lambda: bool(jane.chat.from_bot))

    assert jane.chat.last.text == "Karibu"


async def test_a_message_that_cannot_be_looked_up_for_long_is_not_given_up(
    api: BotApi, bot: ExtBot[None], kept: Store, clock: TestClock
) -> None:
    jane = api.person(1001, "Jane", started=True)
    post = Post(store=kept, clock=clock)
    looks = 0

    async def make(notice: Notice) -> Reply | None:
        nonlocal looks
        looks += 1
        if looks <= 20:
            raise StoreFailed("the books cannot be read")
        return notice.reply

    notifier = Notifier(bot=bot, post=post, clock=clock, make=make)
    await post.say(Closing(replies=(Reply(chat_id=jane.id, text="Karibu"),)))
    for _ in range(30):
        await notifier.run_due()
        clock.advance(60)

    assert [message.text for message in jane.chat.from_bot] == ["Karibu"]
