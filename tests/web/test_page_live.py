"""Pages that change while they are looked at: one look for all viewers, and no viewer too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.core.ask import Asked
from bot.core.drive_views import PageView
from bot.core.giving import GiveRequest
from bot.core.limits import Refusal
from bot.web.drives import Drives
from bot.web.live import Live
from storage.engine import Store
from storage.errors import StoreBusy
from tests.stores import TestClock
from tests.web.place import Place, opened_place

WITHIN_S = 20.0


class Stream:
    """The events of one viewer."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> str:
        """The next event or heartbeat, whole."""
        async with asyncio.timeout(WITHIN_S):
            event = await self._answer.content.readuntil(b"\n\n")
        assert event, "the stream has ended"
        return event.decode()

    async def event(self) -> str:
        """The next event; heartbeats are none."""
        return await self.until("event: ")

    async def until(self, words: str) -> str:
        async with asyncio.timeout(WITHIN_S):
            while words not in (event := await self.next()):
                pass
        return event

    async def end(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self._answer.content.read()


@asynccontextmanager
async def watching(place: Place, path: str, address: str = "203.0.113.7") -> AsyncIterator[Stream]:
    async with place.client.get(path, headers={"X-Forwarded-For": address}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Stream(answer)


class CountedDrives:
    """Drives that count how often they are looked at; a failing store when told so."""

    def __init__(self, drives: Drives) -> None:
        self._drives = drives
        self.looks = 0
        self.failing = False

    async def page_view(self, code: str) -> PageView | None:
        self.looks += 1
        if self.failing:
            raise StoreBusy("gone for a moment")
        return await self._drives.page_view(code)

    async def give(self, request: GiveRequest) -> Asked | Refusal:
        return await self._drives.give(request)


async def gift(place: Place, path: str, **fields: str) -> None:
    await place.send(path, **fields)
    await place.finish()
    await place.paid((await place.payments())[0])


async def test_a_gift_reaches_everybody_who_looks_in_their_language(place: Place) -> None:
    drive = await place.drive()
    path = f"/d/{drive.code}"
    async with (
        watching(place, f"{path}/live?lang=en") as one,
        watching(place, f"{path}/live?lang=sw") as two,
    ):
        first = await one.event()
        assert first.startswith("event: bar\ndata: ")
        await two.event()
        await gift(place, path, name="Jane & Co")

        assert "Jane &amp; Co" in await one.until("Jane")
        assert "Waliochangia" in await two.until("Jane")


async def test_an_anonymous_hidden_gift_stays_so_in_the_stream(place: Place) -> None:
    drive = await place.drive()
    path = f"/d/{drive.code}"
    async with watching(place, f"{path}/live") as viewer:
        await gift(place, path, name="Secretive Sam", amount="777", anonymous="1", hide_amount="1")
        bar = await viewer.until("Gifts: 1")
        names = await viewer.until("event: list")

    assert "KES\u00a0777 of" in bar
    assert "Sam" not in names
    assert "777" not in names


async def test_a_hundred_viewers_are_one_look_at_the_store(store: Store, clock: TestClock) -> None:
    counted: list[CountedDrives] = []

    def wrap(drives: Drives) -> Drives:
        counted.append(CountedDrives(drives))
        return counted[0]

    live = Live(every_s=3600, heartbeat_s=3600)
    async with opened_place(store, clock, drives=wrap, live=live) as place:
        drive = await place.drive()
        path = f"/d/{drive.code}/live"
        async with watching(place, path) as first:
            await first.event()
            before = counted[0].looks
            viewers = [
                await place.client.get(path, headers={"X-Forwarded-For": f"198.51.100.{n}"})
                for n in range(100)
            ]
            for each in viewers:
                await Stream(each).event()
            # Each viewer asks once whether there is such a drive, and for nothing more.
            assert counted[0].looks == before + 100
            assert place.live.viewers == 101
            for each in viewers:
                each.close()


async def test_a_store_that_fails_for_a_moment_ends_no_stream(
    store: Store, clock: TestClock
) -> None:
    counted: list[CountedDrives] = []

    def wrap(drives: Drives) -> Drives:
        counted.append(CountedDrives(drives))
        return counted[0]

    live = Live(every_s=0.01, heartbeat_s=0.01)
    async with opened_place(store, clock, drives=wrap, live=live) as place:
        drive = await place.drive()
        path = f"/d/{drive.code}"
        async with watching(place, f"{path}/live") as viewer:
            await viewer.event()
            counted[0].failing = True
            await viewer.until(": still here")
            counted[0].failing = False
            await gift(place, path, name="Jane")
            assert await viewer.until("Jane")


async def test_a_heartbeat_keeps_the_connection(store: Store, clock: TestClock) -> None:
    live = Live(every_s=0.01, heartbeat_s=0.01)
    async with opened_place(store, clock, live=live) as place:
        drive = await place.drive()
        async with watching(place, f"/d/{drive.code}/live") as viewer:
            assert await viewer.until(": still here")


async def test_viewers_are_capped_by_address_and_in_all(store: Store, clock: TestClock) -> None:
    live = Live(every_s=0.01, heartbeat_s=0.05, streams_max=3, per_address=2)
    async with opened_place(store, clock, live=live) as place:
        drive = await place.drive()
        path = f"/d/{drive.code}/live"
        async with watching(place, path), watching(place, path):
            third = await place.get(path, **{"X-Forwarded-For": "203.0.113.7"})
            async with watching(place, path, "198.51.100.9"):
                full = await place.get(path, **{"X-Forwarded-For": "192.0.2.5"})
                page = await place.get(f"/d/{drive.code}")

    assert [third.status, full.status] == [503, 503]
    assert third.headers["Retry-After"] == "60"
    assert page.status == 200


async def test_whoever_goes_gives_the_place_back(store: Store, clock: TestClock) -> None:
    live = Live(every_s=0.01, heartbeat_s=0.01, streams_max=1)
    async with opened_place(store, clock, live=live) as place:
        drive = await place.drive()
        path = f"/d/{drive.code}/live"
        for _ in range(3):
            async with watching(place, path) as viewer:
                await viewer.event()
            async with asyncio.timeout(WITHIN_S):
                while live.viewers:  # noqa: ASYNC110 -- it has no event, and needs none but here
                    await asyncio.sleep(0)


@pytest.mark.parametrize("viewers", [1, 12])
async def test_the_streams_end_as_soon_as_the_server_stops(
    store: Store, clock: TestClock, viewers: int
) -> None:
    live = Live(every_s=3600, heartbeat_s=3600)
    async with aiohttp.ClientSession() as client:
        async with opened_place(store, clock, live=live) as place:
            drive = await place.drive()
            answers = [
                await client.get(f"{place.origin}/d/{drive.code}/live") for _ in range(viewers)
            ]
            for each in answers:
                await Stream(each).event()
            stops_at = asyncio.get_running_loop().time()
        took_s = asyncio.get_running_loop().time() - stops_at
        rests = [await Stream(each).end() for each in answers]

    assert took_s < 5.0  # of the fifteen seconds that a stop may take
    assert all(b"event: list" in rest or rest == b"" for rest in rests)


@pytest.mark.both_engines
async def test_a_payment_is_followed_to_its_end(place: Place) -> None:
    drive = await place.drive()
    answer = await place.send(f"/d/{drive.code}")
    where = answer.headers["Location"]
    async with watching(place, f"{where}/live") as viewer:
        await place.finish()
        await viewer.until("Check the phone")
        [payment] = await place.payments()
        await place.failed(payment, 1032)
        await viewer.until("Not paid")
        place.clock.advance(5)
        await place.paid(payment, push=1)  # a success that came after all
        assert "did go through after all" in await viewer.until("✅")
        assert (await viewer.next()).startswith("event: over")
        assert await viewer.end() == b""
