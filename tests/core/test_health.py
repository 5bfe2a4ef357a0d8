"""Health: what is seen, and that operators hear of changes, once, whatever happens between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bot.core.health import Change, Health, Snapshot, Told, Trouble, judge
from bot.core.limits import LimitSettings
from bot.core.restored import mark
from bot.core.skew import Skew
from mpesa.errors import BadCredentials
from storage.engine import Store, open_store
from storage.health import Waiting
from storage.records import Closing, NewNotice, NewUpdate, Notice, NoticeKind, Person, Reply, Status
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.fakes import PHONE
from tests.stores import KEY, NOON, TestClock

AMINA, BARAKA = 900, 901
PLENTY = 10 * 2**30


@dataclass
class Machine:
    """A machine as the test says."""

    free: int | None = PLENTY
    backed_up_at: datetime | None = None

    def free_bytes(self) -> int | None:
        return self.free

    def last_backup_at(self) -> datetime | None:
        return self.backed_up_at


def said(change: Change, language: str | None) -> str:
    return f"{change.trouble} {'over' if change.over else 'on'} {language or '-'}"


def health_at(
    store: Store, clock: TestClock, machine: Machine | None = None, *, skew: Skew | None = None
) -> Health:
    return Health(
        store=store,
        clock=clock,
        machine=machine or Machine(),
        operators=(AMINA, BARAKA),
        limits=LimitSettings(),
        say=said,
        timer_s=iter(number / 500 for number in range(10_000)).__next__,
        wake=lambda: None,
        skew=skew,
    )


async def told(store: Store, clock: TestClock) -> list[str]:
    """What Amina reads, and is told: asked for again, it is not there."""
    words: list[str] = []
    while found := await store.write(
        lambda tx: tx.notices.claim(now=clock.now(), lease=timedelta(seconds=60), limit=50)
    ):
        for notice in found:
            if notice.chat_id == AMINA and notice.kind is NoticeKind.SAY:
                assert notice.reply is not None
                words.append(notice.reply.text)
            await store.write(partial(_tell, notice, clock.now()))
    return words


async def _tell(notice: Notice, now: datetime, tx: Tx) -> None:
    await tx.notices.told(notice, message_id=1, now=now)


def snapshot(**changes: Any) -> Snapshot:
    quiet = Snapshot(
        at=NOON,
        database_ms=1.0,
        waiting=Waiting(
            outbox=0,
            outbox_since=None,
            inbox=0,
            inbox_since=None,
            unsure=0,
            confirming=0,
            pending=0,
            unsettled=0,
            checks_late=0,
            checks_late_since=None,
        ),
        lately=Told(),
        within_the_hour=Told(),
        token_refused=None,
        lines_paused=0,
        instances=1,
        free_bytes=PLENTY,
        last_backup_at=None,
        restored_as_of=None,
    )
    return replace(quiet, **changes)


def since(**seconds: float) -> dict[str, Any]:
    """A snapshot whose one queue has waited so long."""
    [(name, waited_s)] = seconds.items()
    when: dict[str, Any] = {name: NOON - timedelta(seconds=waited_s)}
    waiting = replace(snapshot().waiting, **when)
    return {"waiting": waiting}


NO, POLL = Trouble.NO_CALLBACKS, Trouble.PAID_BY_POLL


@pytest.mark.parametrize(
    ("trouble", "changes", "verdict"),
    [
        (NO, {}, None),  # a quiet hour says nothing
        (NO, {"lately": Told(by_callback=1)}, False),
        (NO, {"lately": Told(by_query=1, paid_by_query=1)}, None),
        (NO, {"lately": Told(by_query=2, paid_by_query=2)}, True),
        (NO, {"lately": Told(by_query=9, paid_by_query=0)}, None),  # nobody paid
        (NO, {"lately": Told(by_callback=1, by_query=9, paid_by_query=9)}, False),
        (POLL, {"within_the_hour": Told(by_callback=5, by_query=4)}, None),  # too few to say
        (POLL, {"within_the_hour": Told(by_callback=8, by_query=2)}, None),  # a fifth, not more
        (POLL, {"within_the_hour": Told(by_callback=7, by_query=3)}, True),
        (POLL, {"within_the_hour": Told(by_callback=19, by_query=1)}, False),
        (
            POLL,  # the other one says it better
            {
                "within_the_hour": Told(by_callback=7, by_query=9),
                "lately": Told(by_query=9, paid_by_query=9),
            },
            None,
        ),
        (Trouble.OUTBOX_LATE, since(outbox_since=301), True),
        (Trouble.OUTBOX_LATE, since(outbox_since=200), None),
        (Trouble.OUTBOX_LATE, since(outbox_since=59), False),
        (Trouble.OUTBOX_LATE, {}, False),
        (Trouble.INBOX_LATE, since(inbox_since=121), True),
        (Trouble.INBOX_LATE, {}, False),
        (Trouble.BUDGET_SPENT, since(checks_late_since=181), True),
        (Trouble.BUDGET_SPENT, since(checks_late_since=30), False),
        (Trouble.TOKEN_REFUSED, {"token_refused": True}, True),
        (Trouble.TOKEN_REFUSED, {}, None),
        (Trouble.LINES_PAUSED, {"lines_paused": 5}, True),
        (Trouble.LINES_PAUSED, {"lines_paused": 4}, None),
        (Trouble.LINES_PAUSED, {"lines_paused": 2}, False),
        (Trouble.DISK_LOW, {"free_bytes": 500 * 2**20}, True),
        (Trouble.DISK_LOW, {"free_bytes": 700 * 2**20}, None),
        (Trouble.DISK_LOW, {"free_bytes": 2**31}, False),
        (Trouble.DISK_LOW, {"free_bytes": None}, None),
        (Trouble.RESTORED, {"restored_as_of": NOON}, True),
        (Trouble.RESTORED, {}, False),
        (Trouble.NO_ANSWERS, {"no_answers": True}, True),
        (Trouble.NO_ANSWERS, {}, None),
        (Trouble.CLOCK_OFF, {}, None),  # nobody has heard Safaricom's clock lately
        (Trouble.CLOCK_OFF, {"skew": timedelta(seconds=-61)}, True),
        (Trouble.CLOCK_OFF, {"skew": timedelta(seconds=60)}, None),
        (Trouble.CLOCK_OFF, {"skew": timedelta(seconds=29)}, False),
    ],
)
def test_what_is_wrong_and_what_cannot_be_said(
    trouble: Trouble, changes: dict[str, Any], verdict: bool | None
) -> None:
    assert judge(trouble, snapshot(**changes)) is verdict


async def test_a_change_is_told_once_and_its_end_once(store: Store, clock: TestClock) -> None:
    machine = Machine(free=1)
    health = health_at(store, clock, machine)

    await health.watch()
    await health.watch()
    first = await told(store, clock)
    clock.advance(60)
    await health.watch()
    machine.free = PLENTY
    clock.advance(60)
    await health.watch()
    await health.watch()

    assert first == ["disk-low on -"]
    assert await told(store, clock) == ["disk-low over -"]


async def test_a_restart_neither_repeats_it_nor_forgets_its_end(
    store: Store, clock: TestClock
) -> None:
    await health_at(store, clock, Machine(free=1)).watch()
    await told(store, clock)
    clock.advance(3600)

    await health_at(store, clock, Machine(free=1)).watch()
    again = await told(store, clock)
    await health_at(store, clock, Machine()).watch()

    assert again == []
    assert await told(store, clock) == ["disk-low over -"]


async def test_of_two_processes_one_tells_it(store: Store, clock: TestClock) -> None:
    """Both looked before either had told."""
    one, other = (health_at(store, clock, Machine(free=1)) for _ in range(2))
    before = await other.look()
    await one.watch()

    class Late(Health):
        async def look(self) -> Snapshot:
            return before

    late = Late.__new__(Late)
    late.__dict__.update(other.__dict__)
    await late.watch()

    assert await told(store, clock) == ["disk-low on -"]


async def test_it_is_told_in_the_language_of_each_operator(store: Store, clock: TestClock) -> None:
    await store.write(lambda tx: tx.people.put(Person(id=AMINA, language="sw", reachable=True)))

    await health_at(store, clock, Machine(free=1)).watch()

    assert await told(store, clock) == ["disk-low on sw"]


async def test_a_restore_is_told_and_so_is_its_end(store: Store, clock: TestClock) -> None:
    health = health_at(store, clock)
    await mark(store, as_of=NOON)
    await health.watch()
    begun = await told(store, clock)

    another = NOON - timedelta(days=1)  # of an earlier restore, whose question still stands
    assert not await health.lift(by=AMINA, as_of=another, closing=Closing())
    assert await health.lift(by=AMINA, as_of=NOON, closing=Closing())
    assert not await health.lift(by=AMINA, as_of=NOON, closing=Closing())
    await health.watch()

    assert begun == ["restored on -"]
    assert await told(store, clock) == ["restored over -"]


async def test_callbacks_that_stop_are_noticed_and_one_that_comes_ends_it(
    desk: Desk, clock: TestClock
) -> None:
    health = health_at(desk.store, clock)
    await _pay_one_by_query(desk, 1)
    await health.watch()
    after_one = await told(desk.store, clock)
    await _pay_one_by_query(desk, 2)
    await health.watch()
    after_two = await told(desk.store, clock)
    clock.advance(700)
    await health.watch()
    quiet = await told(desk.store, clock)
    payment = await desk.ask(ask_key="three", phone="254722000003")
    await desk.post(payment, success(3))
    await health.watch()

    assert after_one == []
    assert after_two == ["no-callbacks on -"]
    assert "no-callbacks over -" not in quiet, "ten minutes without payments end nothing"
    assert await told(desk.store, clock) == ["no-callbacks over -"]


async def _pay_one_by_query(desk: Desk, number: int) -> None:
    payment = await desk.ask(ask_key=f"{number}", phone=f"25472200000{number}")
    desk.daraja.answers.append("0")
    desk.clock.advance(30)
    await desk.reconcile.run_due()
    await desk.complete(payment)


@pytest.mark.both_engines
async def test_a_callback_that_comes_after_the_question_is_a_callback(
    desk: Desk, clock: TestClock
) -> None:
    health = health_at(desk.store, clock)
    payment = await desk.ask()
    desk.daraja.answers.append("0")
    clock.advance(30)
    await desk.reconcile.run_due()
    before = (await health.look()).lately
    await desk.post(payment, success(1))

    assert (before.by_callback, before.by_query) == (0, 1)
    after = (await health.look()).lately
    assert (after.by_callback, after.by_query, after.paid_by_query) == (1, 0, 0)


async def test_a_refused_token_is_noticed_and_an_accepted_push_ends_it(
    desk: Desk, daraja: ScriptedDaraja, clock: TestClock
) -> None:
    health = health_at(desk.store, clock)
    daraja.tokens = [BadCredentials("no")]
    await desk.ask()
    await health.watch()
    begun = await told(desk.store, clock)
    clock.advance(200)
    await desk.ask(ask_key="again")
    await health.watch()

    assert begun == ["token-refused on -"]
    assert await told(desk.store, clock) == ["token-refused over -"]


async def test_queues_and_their_ages_are_seen(store: Store, clock: TestClock) -> None:
    health = health_at(store, clock)
    reply = Reply(chat_id=1, text="hello")
    owed = NewNotice(key="a", kind=NoticeKind.SAY, chat_id=1, reply=reply)
    await store.write(lambda tx: tx.notices.owe([owed], now=NOON))
    await store.write(lambda tx: tx.inbox.put([NewUpdate(update_id=1, body="{}")], at=NOON))
    clock.advance(42)

    seen = await health.look()

    assert (seen.waiting.outbox, seen.age_s(seen.waiting.outbox_since)) == (1, 42)
    assert (seen.waiting.inbox, seen.age_s(seen.waiting.inbox_since)) == (1, 42)
    assert seen.database_ms > 0
    assert seen.instances == 1


async def test_checks_that_get_no_turn_are_seen(desk: Desk, clock: TestClock) -> None:
    await desk.ask()
    clock.advance(25 + 181)

    seen = await health_at(desk.store, clock).look()

    assert seen.waiting.checks_late == 1
    assert judge(Trouble.BUDGET_SPENT, seen)


async def test_a_line_that_is_paused_is_seen_until_it_pays(desk: Desk, clock: TestClock) -> None:
    health = health_at(desk.store, clock)
    await desk.people.meet(user_id=1001, first_name="Jane", telegram_language="en", private=True)
    await desk.people.remember_phone(1001, PHONE, Closing())
    payments = []
    for number in range(4):
        payments.append(await desk.ask(ask_key=f"{number}", amount_kes=50 + number))
        clock.advance(600)
    paused = (await health.look()).lines_paused
    await desk.post(payments[3], success(4, amount=53))

    assert payments[3].status is Status.PROMPTED
    assert paused == 1
    assert (await health.look()).lines_paused == 0
    clock.advance(25 * 3600)
    assert (await health.look()).lines_paused == 0


async def test_every_process_on_a_server_is_counted(
    store_url: str, store: Store, clock: TestClock
) -> None:
    if store.exclusive:
        assert (await health_at(store, clock).look()).instances == 1
        return
    async with open_store(store_url, key=KEY, now=clock.now):
        assert (await health_at(store, clock).look()).instances == 2


async def test_two_desks_share_what_was_told(desk: Desk, clock: TestClock) -> None:
    other = make_desk(desk.store, clock, desk.daraja, seed=8)
    await health_at(other.store, clock, Machine(free=1)).watch()

    seen = await health_at(desk.store, clock).look()

    assert seen.wrong == {Trouble.DISK_LOW: NOON}
