"""Presence on a real server: what ends it, and that it comes back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.engine import Store, open_store
from storage.presence import AWAY_S, Member
from tests.stores import KEY, TestClock

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("store_url", ["postgres"], indirect=True),
]

NUMBER = 4711
END_SESSION = text("SELECT pg_terminate_backend(:pid)")


class CutOff(Member):
    """One that speaks when told to, and whose session can end just before it asks its name."""

    beat_s = 3600.0

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime] | None) -> None:
        super().__init__(engine, now=now)
        self.number = NUMBER
        self.ender: Store | None = None
        self.later_s = 0.0

    def steady_s(self) -> float:
        return super().steady_s() + self.later_s

    async def _take_name(self) -> None:
        if self.ender is not None and self._session is not None:
            pid = (await self._session.execute(text("SELECT pg_backend_pid()"))).scalar()
            ender, self.ender = self.ender, None
            async with ender.read() as tx:
                await tx.shared._connection.execute(END_SESSION, {"pid": pid})
        await super()._take_name()


class Stumbling(Member):
    """One whose first words fail in a way that nobody foresaw."""

    beat_s = 0.0

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime] | None) -> None:
        super().__init__(engine, now=now)
        self.words = 0
        self.spoke_again = asyncio.Event()

    async def speak(self) -> None:
        self.words += 1
        if self.words == 1:
            raise ZeroDivisionError
        await super().speak()
        self.spoke_again.set()


@asynccontextmanager
async def opened(
    url: str, clock: TestClock, member: Callable[..., Member] = Member
) -> AsyncIterator[tuple[Store, Member]]:
    made: list[Member] = []

    def make(engine: AsyncEngine, *, now: Callable[[], datetime] | None) -> Member:
        made.append(member(engine, now=now))
        return made[0]

    async with open_store(url, key=KEY, now=clock.now, member=make) as store:
        yield store, made[0]


async def test_a_session_that_ends_while_its_name_is_asked_for_is_begun_anew(
    store_url: str, clock: TestClock
) -> None:
    async with opened(store_url, clock) as (other, _):
        assert await other.presence.bury(NUMBER)  # the server has our name still in use
        async with opened(store_url, clock, CutOff) as (_, one):
            assert isinstance(one, CutOff)
            assert not one.sure
            one.ender = other
            await one.speak()
            assert one.ender is None, "the session ended"
            assert not one.sure
            await other.presence.buried(NUMBER)

            await one.speak()

            assert one.sure
            assert await one.try_role("polling")


async def test_a_process_without_its_name_for_long_is_not_healthy(
    store_url: str, clock: TestClock
) -> None:
    async with opened(store_url, clock) as (other, _):
        assert await other.presence.bury(NUMBER)
        async with opened(store_url, clock, CutOff) as (store, one):
            assert isinstance(one, CutOff)
            assert store.healthy, "the server may only not have noticed yet"
            one.later_s = AWAY_S
            await one.speak()
            assert not store.healthy
            await other.presence.buried(NUMBER)

            await one.speak()

            assert store.healthy


async def test_a_silent_process_is_not_healthy_until_it_speaks(
    store_url: str, clock: TestClock
) -> None:
    async with opened(store_url, clock, CutOff) as (store, one):
        assert isinstance(one, CutOff)
        one.later_s = AWAY_S - 1
        assert not one.sure
        assert store.healthy
        one.later_s = AWAY_S + 60
        assert not store.healthy

        await one.speak()

        assert one.sure
        assert store.healthy


async def test_no_failure_ends_the_beat(store_url: str, clock: TestClock) -> None:
    async with opened(store_url, clock, Stumbling) as (_, one):
        assert isinstance(one, Stumbling)
        async with asyncio.timeout(60):
            await one.spoke_again.wait()
        assert one.sure
