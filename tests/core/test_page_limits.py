"""Prompts asked for on public pages: what an address, a page and an unknown number are allowed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.ask import Asked, PageAsk
from bot.core.limits import RefusalReason
from mpesa.errors import NotSent, Refused
from mpesa.results import Meaning
from storage.records import NOBODY, Closing, IntentKind, Payment, Status
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.fakes import PHONE
from tests.stores import OpenStore, TestClock

OTHERS = 254712000000
HERE = "203.0.113.7"
DRIVE = "d:1"
DAY_S = 24 * 3600


class Site:
    """One database and one Safaricom; every `process` is a restart of who serves the pages."""

    def __init__(self, open_a_store: OpenStore, clock: TestClock) -> None:
        self._open = open_a_store
        self.clock = clock
        self.daraja = ScriptedDaraja()
        self.asked = 0

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Desk]:
        async with self._open() as store:
            desk = make_desk(store, self.clock, self.daraja, seed=self.asked)
            yield desk
            await desk.close()

    async def ask(
        self, desk: Desk, *, address: str = HERE, page: str = DRIVE, phone: str = PHONE
    ) -> Payment | RefusalReason:
        self.asked += 1
        answer = await desk.open(
            asked_by=NOBODY,
            chat_id=NOBODY,
            reply_to=None,
            kind=IntentKind.GIFT,
            subject=page,
            phone=phone,
            ask_key=f"w:{self.asked}",
            page=PageAsk(address=address, page=page),
        )
        await desk.finish()
        return answer.payment if isinstance(answer, Asked) else answer.reason

    async def once(self, **where: str) -> Payment | RefusalReason:
        """What a process that starts now answers to one wish."""
        async with self.process() as desk:
            return await self.ask(desk, **where)


@pytest.fixture
def site(open_a_store: OpenStore, clock: TestClock) -> Site:
    return Site(open_a_store, clock)


def phone(number: int) -> str:
    return str(OTHERS + number)


async def test_an_address_has_five_prompts_an_hour_over_pages_and_restarts(site: Site) -> None:
    for number in range(5):
        assert isinstance(await site.once(phone=phone(number), page=f"d:{number}"), Payment)
        site.clock.advance(60)

    refused = await site.once(phone=phone(6), page="i:9")
    elsewhere = await site.once(phone=phone(7), address="2001:db8:1:2::/64")
    site.clock.advance(3600 - 5 * 60 - 1)
    before = await site.once(phone=phone(8))
    site.clock.advance(1)
    after = await site.once(phone=phone(9))

    assert refused is RefusalReason.PAGE_ADDRESS
    assert before is RefusalReason.PAGE_ADDRESS
    assert isinstance(elsewhere, Payment)
    assert isinstance(after, Payment)


async def test_a_page_has_two_hundred_prompts_an_hour_from_anywhere(site: Site) -> None:
    async with site.process() as desk:
        first = await site.ask(desk, address="198.51.100.0")
        assert isinstance(first, Payment)
        payment = first

        async def crowd(tx: Tx) -> None:
            for number in range(1, 199):
                await tx.page_prompts.add(payment, address=f"198.51.100.{number}", page=DRIVE)

        await desk.store.write(crowd)
    last = await site.once(phone=phone(200), address="192.0.2.0")
    assert isinstance(last, Payment)
    full = await site.once(phone=phone(201), address="192.0.2.1")
    other_page = await site.once(phone=phone(202), address="192.0.2.2", page="d:2")
    site.clock.advance(3600)
    later = await site.once(phone=phone(203), address="192.0.2.3")

    assert full is RefusalReason.PAGE_FULL
    assert isinstance(other_page, Payment)
    assert isinstance(later, Payment)


@pytest.mark.parametrize("code", [1037, 1032])
async def test_an_unknown_number_gets_one_unanswered_page_prompt_a_day(
    site: Site, code: int
) -> None:
    async with site.process() as desk:
        first = await site.ask(desk)
        assert isinstance(first, Payment)
        await desk.post(first, failure(code))
    site.clock.advance(181)
    other = await site.once(address="192.0.2.1", page="d:2")
    site.clock.advance(DAY_S - 181 - 1)
    before = await site.once()
    site.clock.advance(1)
    next_day = await site.once()

    assert other is RefusalReason.PAGE_UNKNOWN
    assert before is RefusalReason.PAGE_UNKNOWN
    assert isinstance(next_day, Payment)


async def test_a_silent_prompt_counts_as_unanswered(site: Site) -> None:
    assert isinstance(await site.once(), Payment)
    open_still = await site.once()
    site.clock.advance(181)

    assert open_still is RefusalReason.LINE_BUSY
    assert await site.once() is RefusalReason.PAGE_UNKNOWN


@pytest.mark.parametrize("code", [1, 2001])
async def test_somebody_who_typed_a_pin_may_try_again(site: Site, code: int) -> None:
    async with site.process() as desk:
        first = await site.ask(desk)
        assert isinstance(first, Payment)
        await desk.post(first, failure(code))

    assert isinstance(await site.once(), Payment)


async def test_a_number_that_has_paid_or_was_shared_is_no_stranger(site: Site) -> None:
    async with site.process() as desk:
        paid = await site.ask(desk)
        assert isinstance(paid, Payment)
        assert (await desk.post(paid, success())).status is Status.PAID
        await desk.people.meet(
            user_id=1001, first_name="Jane", telegram_language=None, private=True
        )
        await desk.people.remember_phone(1001, phone(1), Closing())
    site.clock.advance(181)
    for number in (PHONE, phone(1)):
        for address in ("192.0.2.1", "192.0.2.2"):
            assert isinstance(await site.once(phone=number, address=address), Payment)
            site.clock.advance(181)


async def test_what_never_left_is_not_counted_and_a_refused_push_is(site: Site) -> None:
    async with site.process() as desk:
        site.daraja.replies += [NotSent("no way out"), NotSent("no way out")]
        void = await site.ask(desk)
        assert isinstance(void, Payment)
        await desk.complete(void, Status.VOID)
        site.daraja.replies += [Refused("no", meaning=Meaning.BAD_PHONE)] * 5
        for number in range(5):
            refused = await site.ask(desk, phone=phone(number))
            assert isinstance(refused, Payment)
            await desk.complete(refused, Status.REFUSED)

        assert await site.ask(desk, phone=phone(6)) is RefusalReason.PAGE_ADDRESS


async def test_the_pause_of_a_line_holds_on_pages_too(site: Site) -> None:
    async with site.process() as desk:
        for number in range(1, 4):
            payment = await desk.ask(ask_key=f"m:1001:{number}")
            await desk.post(payment, failure(1037, number))
        assert await site.ask(desk) is RefusalReason.STRANGER_PAUSED


async def test_nobodys_prompts_are_not_counted_as_one_persons(site: Site) -> None:
    async with site.process() as desk:
        answers = [
            await site.ask(desk, phone=phone(number), address=f"198.51.100.{number}")
            for number in range(32)
        ]
    assert all(isinstance(each, Payment) for each in answers)


async def test_within_a_spent_count_nothing_is_told_about_a_line(site: Site) -> None:
    for number in range(5):
        await site.once(phone=phone(number))
    assert await site.once(phone=phone(0)) is RefusalReason.PAGE_ADDRESS


async def test_a_crowd_at_one_instant_does_not_slip_past_a_count(site: Site) -> None:
    async with site.process() as desk:
        answers = await asyncio.gather(*(site.ask(desk, phone=phone(n)) for n in range(20)))
    counted = Counter(each if isinstance(each, RefusalReason) else None for each in answers)

    assert counted == {None: 5, RefusalReason.PAGE_ADDRESS: 15}


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_two_processes_share_the_counts(site: Site) -> None:
    async with site.process() as one, site.process() as other:
        answers = await asyncio.gather(
            *(
                site.ask(desk, phone=phone(n + 100 * place))
                for n in range(10)
                for place, desk in enumerate((one, other))
            )
        )
    assert sum(isinstance(each, Payment) for each in answers) == 5


@pytest.mark.both_engines
async def test_the_counts_are_forgotten_in_time(site: Site) -> None:
    async with site.process() as desk:
        await site.ask(desk)
        at = site.clock.advance(1)

        async def purge(tx: Tx) -> int:
            return await tx.page_prompts.purge(before=at)

        assert await desk.store.write(purge) == 1
        assert await desk.store.write(purge) == 0


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_the_address_is_nowhere_on_disk(site: Site, store_url: str) -> None:
    database = Path(store_url.removeprefix("sqlite:///"))
    async with site.process() as desk:
        await site.ask(desk)
        written = b"".join(each.read_bytes() for each in database.parent.glob("bot.db*"))

    assert DRIVE.encode() in written
    assert HERE.encode() not in written
