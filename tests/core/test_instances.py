"""Several processes on one PostgreSQL: each push, question and token once, whoever is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from bot.core.inbox import Inbox
from bot.core.pace import pace_of
from bot.core.post import BEGIN_WITHIN, Post
from bot.core.reconcile import Reconcile, ReconcileSettings
from bot.core.send import Sending, SendSettings
from bot.core.settle import Settle
from bot.core.takeover import Takeover
from bot.core.tokens import SharedToken
from mpesa.errors import NotSent
from mpesa.models import Token
from mpesa.tokens import TokenKeeper
from storage.engine import Store
from storage.hearing import Admitted, Unit
from storage.records import (
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    NoticeKind,
    Payment,
    Reply,
    Status,
)
from tests.core.conftest import CHECKS, ScriptedDaraja
from tests.fakes import add_payment, fact, told
from tests.stores import NOON, OpenStore, TestClock

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("store_url", ["postgres"], indirect=True),
]
FIRST = f"{1:032x}"


@dataclass
class Process:
    """What of one process these tests need, on a store of its own."""

    store: Store
    clock: TestClock
    daraja: ScriptedDaraja
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settle = Settle(operators=[900])
        self.sending = Sending(
            store=self.store,
            daraja=self.daraja,
            settle=self.settle,
            clock=self.clock,
            settings=SendSettings(
                callback_base="https://pay.example.org",
                first_check_after_s=25,
                pushes_per_second=20,
            ),
            background=lambda work: self.tasks.append(asyncio.create_task(work)),
            wake=lambda: None,
        )
        self.reconcile = Reconcile(
            store=self.store,
            daraja=self.daraja,
            settle=self.settle,
            clock=self.clock,
            settings=ReconcileSettings(check_after_s=CHECKS, queries_per_minute=5),
            wake=lambda: None,
        )
        self.takeover = Takeover(store=self.store, clock=self.clock, wake=lambda: None)

    async def finish(self) -> None:
        while self.tasks:
            await self.tasks.pop()

    async def payment(self, payment_id: str = FIRST) -> Payment:
        async with self.store.read() as tx:
            found = await tx.payments.get(payment_id)
        assert found is not None
        return found

    async def alarms(self) -> list[Alarm]:
        notices = await Post(store=self.store, clock=self.clock).due()
        return [notice.alarm for notice in notices if notice.alarm is not None]


@pytest.fixture
async def three(open_a_store: OpenStore, clock: TestClock) -> AsyncIterator[list[Process]]:
    """Three processes, with one Safaricom and one time."""
    daraja = ScriptedDaraja()
    async with AsyncExitStack() as stack:
        yield [
            Process(await stack.enter_async_context(open_a_store()), clock, daraja)
            for _ in range(3)
        ]


async def one_to_send(process: Process, number: int = 1) -> None:
    """A payment that *process* has just made and not begun to send."""
    await add_payment(
        process.store,
        number,
        phone=f"25471234567{number}",
        at=process.clock.now(),
        change=lambda p: replace(
            p,
            holder=process.store.holder.number,
            lease_until=process.clock.now() + timedelta(seconds=20),
        ),
    )


async def one_to_check(process: Process, number: int = 1) -> None:
    """A payment that was accepted, and whose check is due."""
    await add_payment(process.store, number, phone=f"25471234567{number}")
    payment_id = f"{number:032x}"

    def admit(_payment: Payment, _seen: object) -> Admitted:
        return Admitted(
            evidence=(fact(Kind.ACCEPTED, payment_id=payment_id),),
            changes={"begun_at": NOON, "next_check_at": NOON},
            checkout_id=f"ws_CO_{number}",
        )

    unit = Unit(payment_id=payment_id, admit=admit, checkout_id=f"ws_CO_{number}")
    await process.store.submit(unit, told)


async def test_a_due_check_is_asked_about_once(three: list[Process]) -> None:
    one, daraja = three[0], three[0].daraja
    await one_to_check(one)
    daraja.answers = ["1037"]

    await asyncio.gather(*(process.reconcile.run_due() for process in three))

    assert daraja.queries == ["ws_CO_1"]
    payment = await one.payment()
    assert (payment.checks, payment.check_until, payment.check_holder) == (1, None, None)


async def test_the_budget_of_questions_is_one_for_all(three: list[Process]) -> None:
    for number in range(1, 9):
        await one_to_check(three[0], number)

    for _ in range(3):
        for process in three:
            await process.reconcile.run_due()
    assert len(three[0].daraja.queries) == 1  # five a minute: one in twelve seconds

    for _ in range(15):
        three[0].clock.advance(4)
        for process in three:
            await process.reconcile.run_due()
    assert len(three[0].daraja.queries) == 6


async def test_an_answer_to_whoever_was_away_is_kept_and_moves_no_timetable(
    three: list[Process],
) -> None:
    one, other, _ = three
    await one_to_check(one)
    gone, back = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedDaraja):
        async def query(self, checkout_request_id: str):  # type: ignore[no-untyped-def]  # as its parent
            gone.set()
            await back.wait()
            return await super().query(checkout_request_id)

    slow = Slow()
    slow.answers = ["0"]
    stalled = Process(one.store, one.clock, slow)
    asking = asyncio.create_task(stalled.reconcile.run_due())
    await gone.wait()
    one.clock.advance(121)
    other.daraja.answers = ["4999"]
    await other.reconcile.run_due()
    between = await other.payment()
    assert between.checks == 1
    back.set()
    await asking

    payment = await other.payment()
    assert payment.status is Status.PAID
    assert payment.checks == between.checks
    assert payment.check_gen == between.check_gen == 2


async def test_a_push_that_two_processes_pick_up_is_sent_once(three: list[Process]) -> None:
    one, other, third = three
    await one_to_send(one)
    for process in three:
        process.sending.start(FIRST)
    await asyncio.gather(*(process.finish() for process in (one, other, third)))

    assert len(one.daraja.pushes) == 1
    assert (await one.payment()).status is Status.PROMPTED


async def test_nobody_sends_for_a_process_that_is_about_to(three: list[Process]) -> None:
    one, other, _ = three
    await one_to_send(one)

    await other.sending.sweep()
    assert other.tasks == []

    one.clock.advance(21)
    await other.sending.sweep()
    await other.finish()
    assert len(one.daraja.pushes) == 1

    one.sending.start(FIRST)  # it wakes up, and goes on where it was
    await one.finish()
    assert len(one.daraja.pushes) == 1


async def test_a_long_queue_keeps_what_waits_in_it(three: list[Process]) -> None:
    one, other, _ = three
    await one_to_send(one)
    one.sending._in_hand.add(FIRST)  # it waits for its turn
    for _ in range(4):
        one.clock.advance(10)
        await one.sending.sweep()
        await other.sending.sweep()

    assert (one.tasks, other.tasks) == ([], [])


async def test_an_asker_that_comes_back_in_time_is_not_written_off(three: list[Process]) -> None:
    one, other, _ = three
    await one_to_send(one)
    one.daraja.hold = asyncio.Event()
    one.sending.start(FIRST)
    await one.daraja.pushed.wait()

    one.clock.advance(91)
    await other.sending.sweep()
    assert (await one.payment()).status is Status.UNSURE

    one.daraja.hold.set()
    await one.finish()
    assert (await one.payment()).status is Status.PROMPTED
    assert len(one.daraja.pushes) == 1


async def test_the_work_of_a_dead_process_is_taken_over_at_once(
    three: list[Process], open_a_store: OpenStore
) -> None:
    alive = three[0]
    async with open_a_store() as store:
        dead = Process(store, alive.clock, alive.daraja)
        await one_to_send(dead)
        inbox = Inbox(store=store, clock=alive.clock, wake=lambda: None)
        assert await inbox.take(7, "{}", chat_id=1)
        notice = NewNotice(
            key="a", kind=NoticeKind.SAY, chat_id=1, reply=Reply(chat_id=1, text="hello")
        )
        await store.write(lambda tx: tx.notices.owe([notice], now=NOON))
        [claimed] = await Post(store=store, clock=alive.clock).due()
        await alive.takeover.run()
        await alive.sending.sweep()
        assert alive.tasks == []  # it lives

    await asyncio.gather(*(process.takeover.run() for process in three))
    await alive.takeover.run()  # whoever found it being buried looks again
    await asyncio.gather(*(process.sending.sweep() for process in three))
    await asyncio.gather(*(process.finish() for process in three))

    assert len(alive.daraja.pushes) == 1
    alive_inbox = Inbox(store=alive.store, clock=alive.clock, wake=lambda: None)
    assert [item.update_id for item in await alive_inbox.claim()] == [7]
    due = await Post(store=alive.store, clock=alive.clock).due()
    [again] = [notice for notice in due if notice.kind is NoticeKind.SAY]
    assert (again.id, again.resent) == (claimed.id, True)


async def test_what_was_held_for_too_long_is_not_ours_to_tell(three: list[Process]) -> None:
    one = three[0]
    notice = NewNotice(
        key="a", kind=NoticeKind.SAY, chat_id=1, reply=Reply(chat_id=1, text="hello")
    )
    await one.store.write(lambda tx: tx.notices.owe([notice], now=NOON))
    post = Post(store=one.store, clock=one.clock)
    [claimed] = await post.due()

    assert post.holds(claimed)
    one.clock.advance(BEGIN_WITHIN.total_seconds() + 1)
    assert not post.holds(claimed)


class Patient(TestClock):
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        await asyncio.sleep(0)


async def test_two_bursts_share_one_queue(three: list[Process]) -> None:
    patient = Patient()
    paces = [pace_of(each.store, patient, "pushes", per_second=10) for each in three[:2]]

    await asyncio.gather(*(pace.turn() for pace in paces for _ in range(10)))

    # Twenty turns, a tenth of a second apart, whoever took them; the first need not wait.
    assert sorted(patient.waits_s) == pytest.approx([each / 10 for each in range(1, 20)])


class TokenService:
    """Grants t1, t2, …, each of which voids the one before it."""

    def __init__(self, clock: TestClock) -> None:
        self.clock = clock
        self.asked = 0
        self.lifetime_s = 3600.0
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def fetch(self) -> Token:
        self.asked += 1
        number = self.asked
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        now = self.clock.now()
        return Token(f"t{number}", now, now + timedelta(seconds=self.lifetime_s))


@pytest.fixture
def keep(clock: TestClock) -> Callable[[Process, TokenService], TokenKeeper]:
    def make(process: Process, service: TokenService) -> TokenKeeper:
        shelf = SharedToken(
            store=process.store,
            settle=process.settle,
            clock=clock,
            wake=lambda: None,
            account="sandbox and key",
        )
        return TokenKeeper(service.fetch, clock.now, shelf=shelf)

    return make


Keep = Callable[[Process, TokenService], TokenKeeper]


async def test_one_token_serves_all_processes(three: list[Process], keep: Keep) -> None:
    service = TokenService(three[0].clock)

    tokens = await asyncio.gather(*(keep(process, service).get() for process in three * 5))

    assert {token.value for token in tokens} == {"t1"}
    assert service.asked == 1


async def test_it_is_renewed_by_one_and_taken_up_by_the_others(
    three: list[Process], keep: Keep
) -> None:
    service = TokenService(three[0].clock)
    keepers = [keep(process, service) for process in three]
    await asyncio.gather(*(keeper.get() for keeper in keepers))
    three[0].clock.advance(3600 - 30)

    tokens = await asyncio.gather(*(keeper.get() for keeper in keepers))

    assert {token.value for token in tokens} == {"t2"}
    assert service.asked == 2


async def test_a_token_that_another_has_replaced_is_not_renewed_again(
    three: list[Process], keep: Keep
) -> None:
    service = TokenService(three[0].clock)
    one, other, _ = (keep(process, service) for process in three)
    first = await one.get()
    assert await other.get() == first
    one.refuse(first)
    assert (await one.get()).value == "t2"

    held = other.at_hand()
    assert held is not None
    other.refuse(held)

    assert (await other.get()).value == "t2"
    assert service.asked == 2


async def test_who_fetches_and_dies_leaves_the_turn_to_another(
    three: list[Process], keep: Keep, open_a_store: OpenStore
) -> None:
    slow, quick = TokenService(three[0].clock), TokenService(three[0].clock)
    slow.gate = asyncio.Event()
    async with open_a_store() as store:
        dead = Process(store, three[0].clock, three[0].daraja)
        dying = asyncio.create_task(keep(dead, slow).get())
        await slow.reached.wait()
        waiting = asyncio.create_task(keep(three[0], quick).get())
        await asyncio.sleep(0)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)

    assert (await waiting).value == "t1"
    assert quick.asked == 1
    slow.gate.set()


async def test_who_comes_back_with_an_old_token_takes_the_new_one(
    three: list[Process], keep: Keep
) -> None:
    slow, quick = TokenService(three[0].clock), TokenService(three[0].clock)
    slow.gate = asyncio.Event()
    stalled = asyncio.create_task(keep(three[0], slow).get())
    await slow.reached.wait()
    # Its session was ended, as the server does with one that says nothing: its role is free.
    await three[0].store.presence._disconnect()  # type: ignore[attr-defined]  # a member, on PostgreSQL
    quick.asked = 6
    newer = await keep(three[1], quick).get()
    slow.gate.set()

    assert (await stalled).value == newer.value == "t7"


async def test_keys_that_another_program_uses_ring_an_alarm(
    three: list[Process], keep: Keep
) -> None:
    service = TokenService(three[0].clock)
    keepers = [keep(process, service) for process in (*three, three[0])]
    for keeper in keepers[:3]:
        three[0].clock.advance(600)
        keeper.refuse(await keeper.get())
        await keeper.get()
    assert await three[0].alarms() == []

    three[0].clock.advance(600)
    keepers[3].refuse(await keepers[3].get())
    await keepers[3].get()

    assert await three[0].alarms() == [Alarm.KEYS_SHARED]


async def test_three_voidings_in_more_than_an_hour_ring_nothing(
    three: list[Process], keep: Keep
) -> None:
    service = TokenService(three[0].clock)
    keeper = keep(three[0], service)
    for _ in range(8):
        three[0].clock.advance(1300)
        keeper.refuse(await keeper.get())
        await keeper.get()

    assert await three[0].alarms() == []


async def test_without_the_database_there_is_no_token_and_nothing_is_sent(
    three: list[Process], keep: Keep
) -> None:
    keeper = keep(three[0], TokenService(three[0].clock))
    await three[0].store.close()

    with pytest.raises(NotSent):
        await keeper.get()


async def test_what_cannot_be_settled_is_tried_by_one_process_at_a_time(
    three: list[Process],
) -> None:
    class Broken(Settle):
        def __call__(self, payment: Payment, evidence: object) -> object:  # type: ignore[override]  # it never returns
            raise ZeroDivisionError

    one = three[0]
    await add_payment(one.store)
    unit = Unit(payment_id=FIRST, admit=lambda _p, _s: Admitted(evidence=(_paid(),)))
    await one.store.submit(unit, Broken(operators=[900]))  # type: ignore[arg-type]  # it never returns
    before = await one.payment()
    for process in three:
        process.reconcile._settle = Broken(operators=[900])

    await asyncio.gather(*(process.reconcile.settle_again() for process in three))

    assert (await one.payment()).settle_tries == before.settle_tries + 1


def _paid() -> Evidence:
    return fact(Kind.CALLBACK_PAID, receipt="R1", amount_cents=5000)
