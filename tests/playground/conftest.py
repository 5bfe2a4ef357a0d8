"""Owns the fixtures of the playground's tests: a served stand-in, its people, a raw client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.playground.botapi import BotApi
from bot.playground.chats import Chat
from bot.playground.people import Person
from tests.playground.rawclient import HandClock, RawBot


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def api(hand_clock: HandClock) -> AsyncIterator[BotApi]:
    async with BotApi(clock=hand_clock, webhook_retry_s=0.01) as served:
        yield served


@pytest.fixture
def jane(api: BotApi) -> Person:
    return api.person(1001, "Jane", username="jane", phone="254712345678", started=True)


@pytest.fixture
def otieno(api: BotApi) -> Person:
    return api.person(1002, "Otieno", language_code="sw")


@pytest.fixture
def group(api: BotApi, jane: Person, otieno: Person) -> Chat:
    return api.group(-5001, "Harambee group", [jane, otieno])


@pytest.fixture
async def raw(api: BotApi) -> AsyncIterator[RawBot]:
    async with aiohttp.ClientSession() as session:
        yield RawBot(api, session)
