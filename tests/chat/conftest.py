"""Fixtures of the chat's tests: a real store on SQLite, the core's inbox and outbox over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from telegram.ext import Defaults, ExtBot
from telegram.request import HTTPXRequest

from bot.core.inbox import Inbox
from bot.core.post import Post
from bot.playground.botapi import BotApi
from storage.engine import Store, open_store
from tests.chat.drive_office import Harambee
from tests.chat.test_conversation import Office
from tests.stores import KEY, TestClock


@pytest.fixture(autouse=True)
def _seconds_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it RetryAfter warns, and warnings are errors here.
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def kept(migrated_copy: str, clock: TestClock) -> AsyncIterator[Store]:
    """A store on SQLite; what chat needs of it is the same on every engine."""
    async with open_store(migrated_copy, key=KEY, now=clock.now) as opened:
        yield opened


@pytest.fixture
def post(kept: Store, clock: TestClock) -> Post:
    return Post(store=kept, clock=clock)


@pytest.fixture
def inbox(kept: Store, clock: TestClock, post: Post) -> Inbox:
    return Inbox(store=kept, clock=clock, wake=post.wake.set)


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    """Telegram, as a strict stand-in over HTTP."""
    async with BotApi() as served:
        yield served


@pytest.fixture
async def bot(api: BotApi) -> AsyncIterator[ExtBot[None]]:
    quick = HTTPXRequest(connection_pool_size=32, read_timeout=2)
    made: ExtBot[None] = ExtBot(
        api.token,
        base_url=api.base_url,
        base_file_url=api.base_file_url,
        request=quick,
        defaults=Defaults(allow_sending_without_reply=True),
    )
    async with made:
        yield made


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Office]:
    """The whole chat side at work, over a core whose Safaricom takes every push."""
    made = Office(api, kept, clock)
    async with made.open():
        yield made
    await asyncio.gather(*made.tasks)


@pytest.fixture
def harambee(office: Office, api: BotApi) -> Harambee:
    """A group in that office, in which a drive may be opened."""
    return Harambee(office, api)
