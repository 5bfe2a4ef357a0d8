"""Registering: Safaricom is told anew what has changed, and a person what it does not accept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from bot.core.ways import HAND, Ways
from mpesa.errors import NoAnswer, OutcomeUnknown, Refused, Unreachable
from mpesa.results import Meaning
from storage.engine import Store
from storage.records import Alarm
from storage.schema import notices
from tests.desk import OPERATORS, PAYBILL, ScriptedOffice, a_desk
from tests.stores import TestClock

pytestmark = pytest.mark.both_engines

A, B = "https://a.example.org", "https://b.example.org"
HOUR_S = 3600
KNOWN_ALREADY = (
    Refused("already", meaning=Meaning.UNLISTED, code="1001"),
    OutcomeUnknown("500.003.1001"),
)


def started(
    store: Store,
    clock: TestClock,
    office: ScriptedOffice,
    *,
    base: str = A,
    number: str = PAYBILL,
    c2b: str = "v2",
    at: str = "https://api.safaricom.co.ke",
) -> Ways:
    """As after a start with this configuration."""
    desk = a_desk(store, clock, office, c2b=c2b, pull=True, pull_number="254722000999")
    settings = replace(
        desk.ways._settings, public_base=base, numbers=frozenset({number}), office=at
    )
    return Ways(
        store=store,
        office=office,
        record=desk.rows,
        settle=desk.ways._settle,
        clock=clock,
        ids=desk.ways._ids,
        settings=settings,
        wake=lambda: None,
    )


async def alarms(store: Store) -> list[Alarm]:
    query = select(notices.c.alarm).where(notices.c.alarm == Alarm.UNREGISTERED)
    async with store.read() as tx:
        return [Alarm(each) for each in (await tx.notices._connection.execute(query)).scalars()]


async def put(store: Store, name: str) -> None:
    await store.write(lambda tx: tx.shared.put(name, b"done"))


async def test_what_was_told_last_is_where_we_listen(store: Store, clock: TestClock) -> None:
    office = ScriptedOffice()
    for base in (A, B, A, A):
        await started(store, clock, office, base=base).register()

    told = [each.removeprefix("v2 ").partition("/b/")[0] for each in office.registered]
    assert told == [A, B, A]


async def test_another_version_of_the_words_is_told_there_and_back(
    store: Store, clock: TestClock
) -> None:
    office = ScriptedOffice()
    for version in ("v1", "v2", "v1"):
        await started(store, clock, office, c2b=version).register()

    assert [each[:2] for each in office.registered] == ["v1", "v2", "v1"]


@pytest.mark.parametrize(
    "changed", [{"number": "700000"}, {"at": "https://sandbox.safaricom.co.ke"}]
)
async def test_another_number_is_told_as_well(
    store: Store, clock: TestClock, changed: dict[str, str]
) -> None:
    await started(store, clock, ScriptedOffice()).register()
    other = ScriptedOffice()

    for _ in range(3):
        await started(store, clock, other, **changed).register()
    await started(store, clock, other, **changed).pull()

    assert [each.partition(" ")[0] for each in other.registered] == ["v2", "pull"]
    assert other.pulls


@pytest.mark.parametrize("error", KNOWN_ALREADY)
async def test_the_list_is_fetched_though_a_second_registration_is_refused(
    store: Store, clock: TestClock, error: Exception
) -> None:
    office = ScriptedOffice()
    await started(store, clock, office).pull()
    before = len(office.pulls)
    moved = started(store, clock, office, base=B)
    clock.advance(HOUR_S)
    office.fails = [error]
    await moved.pull_due()
    for _ in range(48):
        clock.advance(HOUR_S)
        await moved.pull_due()

    assert len(office.pulls) == before + 49
    assert len(office.registered) == 2, "what works is not registered again"
    assert await alarms(store) == []


@pytest.mark.parametrize("error", [*KNOWN_ALREADY, Unreachable("x")])
async def test_operators_are_told_once_when_an_address_is_not_accepted_for_a_day(
    store: Store, clock: TestClock, error: Exception
) -> None:
    office = ScriptedOffice()
    for _ in range(24):
        office.fails = [error]
        await started(store, clock, office).register()
        clock.advance(HOUR_S)
    assert await alarms(store) == []
    for _ in range(24):
        office.fails = [error]
        await started(store, clock, office).register()
        clock.advance(HOUR_S)

    assert await alarms(store) == [Alarm.UNREGISTERED] * len(OPERATORS)
    office.fails = [error]
    await started(store, clock, office, base=B).register()
    assert len(await alarms(store)) == len(OPERATORS), "another address has a day of its own"


async def test_a_list_that_is_never_opened_is_told_too(store: Store, clock: TestClock) -> None:
    office = ScriptedOffice()
    ways = started(store, clock, office)
    for _ in range(30):
        office.fails = [KNOWN_ALREADY[0], NoAnswer("403")]
        await ways.pull_due()
        clock.advance(HOUR_S)

    assert await alarms(store) == [Alarm.UNREGISTERED] * len(OPERATORS)


async def test_after_a_clock_was_set_back_the_day_begins_anew(
    store: Store, clock: TestClock
) -> None:
    office = ScriptedOffice()
    clock.advance(timedelta(days=30).total_seconds())
    office.fails = [Unreachable("x")]
    await started(store, clock, office).register()
    clock.advance(-timedelta(days=30).total_seconds())
    for _ in range(26):
        office.fails = [Unreachable("x")]
        await started(store, clock, office).register()
        clock.advance(HOUR_S)

    assert await alarms(store) == [Alarm.UNREGISTERED] * len(OPERATORS)


@pytest.mark.parametrize("told", [[A], [A, B]])
async def test_what_older_books_know_is_not_told_again_where_it_is_certain(
    store: Store, clock: TestClock, told: list[str]
) -> None:
    office = ScriptedOffice()
    for base in told:
        ways = started(store, clock, office, base=base)
        address = sha256(f"c2b:v2 {ways.hand_url(HAND)}".encode()).hexdigest()[:16]
        await put(store, f"registered:c2b:v2:{address}")

    await started(store, clock, office).register()

    assert len(office.registered) == (0 if told == [A] else 1)
