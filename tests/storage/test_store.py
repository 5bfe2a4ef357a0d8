"""The store's promises, on both engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage import schema
from storage.engine import Store, open_store
from storage.errors import InUse, StorageError, StoreBusy, StoreFailed, TooNew, WrongKey
from storage.evidence import Orphaned
from storage.hearing import Admitted, Decision, Seen, Unit
from storage.records import (
    Draft,
    DraftKind,
    Evidence,
    Kind,
    NewUpdate,
    Payment,
    Person,
    Status,
)
from storage.tx import Tx
from tests.fakes import PHONE, a_payment, add_payment, an_intent, fact, told, unit_of
from tests.stores import NOON, OpenStore, TestClock

RECEIPT = "UKN1ABCDEF"
FULL = 2  # SQLite's number for it


async def test_what_was_written_is_read_back_whole(store: Store) -> None:
    written = await add_payment(store)

    async with store.read() as tx:
        assert await tx.payments.get(written.id) == written
        assert await tx.payments.intent(written.intent_id) == an_intent()
        assert await tx.lines.phone(written.line_id) == PHONE


async def test_what_a_function_raises_is_raised_and_nothing_of_it_stays(store: Store) -> None:
    async def half(tx: Tx) -> None:
        await tx.people.put(Person(id=1, first_name="Jane"))
        raise LookupError("second thoughts")

    with pytest.raises(LookupError):
        await store.write(half)

    async with store.read() as tx:
        assert await tx.people.get(1) is None


async def test_writes_that_wait_together_share_a_commit(store: Store) -> None:
    async def put(tx: Tx, number: int) -> None:
        await tx.people.put(Person(id=number))

    before = store.commits
    await asyncio.gather(*(store.write(lambda tx, n=n: put(tx, n)) for n in range(1, 101)))  # type: ignore[misc]  # the default pins n

    assert store.commits - before < 10


async def test_one_that_fails_does_not_take_its_neighbours_along(store: Store) -> None:
    async def put(tx: Tx, number: int) -> int:
        if number == 50:
            raise LookupError("poison")
        await tx.people.put(Person(id=number))
        return number

    answers = await asyncio.gather(
        *(store.write(lambda tx, n=n: put(tx, n)) for n in range(1, 101)),  # type: ignore[misc]  # the default pins n
        return_exceptions=True,
    )

    assert [n for n in range(1, 101) if n != 50] == [a for a in answers if isinstance(a, int)]
    assert isinstance(answers[49], LookupError)
    async with store.read() as tx:
        assert await tx.people.get(99) is not None
        assert await tx.people.get(50) is None


async def test_a_caller_who_goes_away_does_not_take_the_write_along(store: Store) -> None:
    async def put(tx: Tx) -> None:
        await tx.people.put(Person(id=1))

    task = asyncio.create_task(store.write(put))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(lambda tx: tx.people.set_line(2, None))

    async with store.read() as tx:
        assert await tx.people.get(1) is not None


async def test_closing_finishes_what_waits_and_takes_nothing_more(open_a_store: OpenStore) -> None:
    async with open_a_store() as store:
        waiting = [
            asyncio.create_task(store.write(lambda tx, n=n: tx.people.put(Person(id=n))))  # type: ignore[misc]  # the default pins n
            for n in range(1, 301)
        ]
        await asyncio.sleep(0)
    assert all(task.done() and task.exception() is None for task in waiting)
    with pytest.raises(StoreBusy):
        await store.write(lambda tx: tx.people.put(Person(id=1000)))
    async with open_a_store() as again, again.read() as tx:
        assert await tx.people.get(300) is not None


async def test_evidence_settles_its_payment_in_the_same_commit(store: Store) -> None:
    payment = await add_payment(store)

    outcome = await store.submit(
        unit_of(fact(Kind.CALLBACK_PAID, receipt=RECEIPT, amount_cents=5000)), told
    )

    assert outcome.moved
    assert outcome.payment is not None
    assert outcome.payment.status is Status.PAID
    assert outcome.payment.receipt == RECEIPT
    assert outcome.payment.rev == payment.rev + 1
    async with store.read() as tx:
        assert await tx.payments.get(payment.id) == outcome.payment


async def test_the_same_told_fifty_times_at_once_is_one_piece_of_evidence(store: Store) -> None:
    payment = await add_payment(store)
    same = fact(Kind.CALLBACK_PAID, receipt=RECEIPT, amount_cents=5000)

    outcomes = await asyncio.gather(*(store.submit(unit_of(same), told) for _ in range(50)))

    assert sum(outcome.fresh for outcome in outcomes) == 1
    async with store.read() as tx:
        assert len((await tx.evidence.of([payment.id]))[payment.id]) == 1


async def test_a_batch_for_many_payments_gives_each_its_own(store: Store) -> None:
    for number in range(1, 41):
        await add_payment(store, number, phone=f"2547{number:08d}")
    units = [
        unit_of(fact(Kind.CALLBACK_PAID, payment_id=f"{number:032x}", receipt=f"UKN{number:07d}"))
        for number in range(1, 41)
    ]

    await asyncio.gather(*(store.submit(unit, told) for unit in units))

    async with store.read() as tx:
        assert [p.receipt for p in await tx.payments.credited()] == [
            f"UKN{number:07d}" for number in range(1, 41)
        ]


async def test_a_unit_for_a_payment_we_do_not_have_says_so(store: Store) -> None:
    outcome = await store.submit(unit_of(fact(Kind.CALLBACK_PAID, payment_id="f" * 32)), told)

    assert outcome.payment is None


async def test_a_receipt_is_claimed_once_even_within_one_batch(store: Store) -> None:
    for number in (1, 2):
        await add_payment(store, number, phone=f"25471234567{number}")
    seen_by_second: list[str | None] = []

    def honest(payment: Payment, seen: Seen) -> Admitted:
        seen_by_second.append(seen.receipt_holder)
        free = seen.receipt_holder in (None, payment.id)
        evidence = fact(Kind.CALLBACK_PAID, payment_id=payment.id, receipt=RECEIPT, held=not free)
        return Admitted(evidence=(evidence,), claims_receipt=RECEIPT if free else None)

    await asyncio.gather(
        *(
            store.submit(Unit(payment_id=f"{n:032x}", admit=honest, receipt=RECEIPT), told)
            for n in (1, 2)
        )
    )

    async with store.read() as tx:
        assert await tx.evidence.receipt_holders([RECEIPT]) == {RECEIPT: f"{1:032x}"}
    assert seen_by_second[-1] == f"{1:032x}"


async def test_a_checkout_id_is_found_by_its_holder(store: Store) -> None:
    for number in (1, 2):
        await add_payment(store, number, phone=f"25471234567{number}")
    await store.submit(unit_of(fact(Kind.ACCEPTED), checkout_id="ws_CO_1"), told)
    holders: list[str | None] = []

    def look(_payment: Payment, seen: Seen) -> Admitted:
        holders.append(seen.checkout_holder)
        return Admitted()

    await store.submit(Unit(payment_id=f"{2:032x}", admit=look, checkout_id="ws_CO_1"), told)

    assert holders == [f"{1:032x}"]
    async with store.read() as tx:
        assert await tx.payments.checkout_id(f"{1:032x}") == "ws_CO_1"


async def test_evidence_is_kept_even_when_it_cannot_be_settled(store: Store) -> None:
    payment = await add_payment(store)

    def broken(_payment: Payment, _evidence: Sequence[Evidence]) -> Decision:
        raise ZeroDivisionError("a bug in settle")

    outcome = await store.submit(unit_of(fact(Kind.CALLBACK_PAID, receipt=RECEIPT)), broken)

    assert outcome.payment is not None
    assert outcome.payment.needs_settle
    assert outcome.payment.status is Status.CREATED
    async with store.read() as tx:
        assert len((await tx.evidence.of([payment.id]))[payment.id]) == 1
        assert await tx.payments.unsettled(limit=9, tries=5) == [payment.id]
    mended = await store.submit(Unit(payment_id=payment.id, admit=lambda _p, _s: Admitted()), told)
    assert mended.payment is not None
    assert mended.payment.status is Status.PAID
    assert not mended.payment.needs_settle


async def test_a_poison_unit_among_a_hundred_fails_alone(store: Store) -> None:
    for number in range(1, 101):
        await add_payment(store, number, phone=f"2547{number:08d}")

    def decide(payment: Payment, evidence: Sequence[Evidence]) -> Decision:
        if payment.id == f"{50:032x}":
            raise ZeroDivisionError("poison")
        return told(payment, evidence)

    await asyncio.gather(
        *(
            store.submit(
                unit_of(fact(Kind.CALLBACK_PAID, payment_id=f"{n:032x}", receipt=f"UKN{n:07d}")),
                decide,
            )
            for n in range(1, 101)
        )
    )

    async with store.read() as tx:
        assert len(await tx.payments.credited()) == 99
        assert await tx.payments.unsettled(limit=9, tries=5) == [f"{50:032x}"]


@pytest.mark.parametrize("act", ["update", "delete"])
async def test_evidence_cannot_be_changed_or_removed(store: Store, act: str) -> None:
    await add_payment(store)
    await store.submit(unit_of(fact(Kind.ACCEPTED)), told)

    async def tamper(tx: Tx) -> None:
        table = schema.evidence
        statement = update(table).values(kind="refused") if act == "update" else delete(table)
        await tx.evidence._connection.execute(statement)

    with pytest.raises((StoreFailed, IntegrityError, DBAPIError)):
        await store.write(tamper)
    async with store.read() as tx:
        assert [e.kind for e in (await tx.evidence.of([f"{1:032x}"]))[f"{1:032x}"]] == [
            Kind.ACCEPTED
        ]


async def test_one_ask_key_is_one_payment(store: Store) -> None:
    await add_payment(store)

    with pytest.raises(IntegrityError, match="ask_key"):
        await store.write(
            lambda tx: tx.payments.add(
                replace(a_payment(2), intent_id=f"{1:032x}", ask_key=a_payment(1).ask_key)
            )
        )


async def test_due_checks_come_in_the_order_in_which_truth_is_worth_most(store: Store) -> None:
    begun = NOON - timedelta(minutes=1)
    kinds: dict[int, dict[str, object]] = {
        1: {"status": Status.PAID, "credited_cents": 5000},
        2: {"status": Status.PROMPTED, "checks": 3},
        3: {"status": Status.PROMPTED, "checks": 3, "user_check_at": NOON},
        4: {"status": Status.PROMPTED},
        5: {"status": Status.CONFIRMING},
    }
    for number, values in kinds.items():
        await add_payment(
            store,
            number,
            phone=f"25471234567{number}",
            change=lambda p, values=values: replace(  # type: ignore[misc]  # the default pins values
                p, begun_at=begun, next_check_at=NOON, **values
            ),
        )

    async with store.read() as tx:
        due = await tx.payments.due(now=NOON, limit=9)

    assert [int(payment.id, 16) for payment in due] == [5, 4, 3, 2, 1]


async def test_a_check_is_taken_by_one_turn_only_and_freed_by_the_next_start(
    store: Store,
) -> None:
    await add_payment(store, change=lambda p: replace(p, next_check_at=NOON))
    lease = timedelta(minutes=2)
    until = NOON + lease

    async def take(tx: Tx) -> int:
        return len(await tx.payments.claim_checks([f"{1:032x}"], now=NOON, lease=lease))

    assert [await store.write(take), await store.write(take)] == [1, 0]
    async with store.read() as tx:
        assert await tx.payments.due(now=NOON, limit=9) == []
        assert len(await tx.payments.due(now=until, limit=9)) == 1
    await store.write(lambda tx: tx.payments.release_checks())
    assert await store.write(take)


async def test_a_draft_expires_and_a_new_one_takes_its_place(
    store: Store, clock: TestClock
) -> None:
    first = Draft(
        chat_id=1,
        person_id=2,
        kind=DraftKind.PAY_PHONE,
        amount_kes=50,
        note="lunch",
        expires_at=NOON + timedelta(minutes=30),
    )
    second = replace(first, kind=DraftKind.CLAIM, payment_id="a" * 32, asked_as="say:7:0")

    await store.write(lambda tx: tx.drafts.put(first))
    await store.write(lambda tx: tx.drafts.put(second))

    async with store.read() as tx:
        assert await tx.drafts.get(chat_id=1, person_id=2, now=NOON) == second
        late = NOON + timedelta(minutes=31)
        assert await tx.drafts.get(chat_id=1, person_id=2, now=late) is None


async def test_an_update_is_taken_once_and_its_words_go_when_it_is_done(store: Store) -> None:
    new = NewUpdate(update_id=10, body='{"text": "/pay"}', chat_id=1001)
    again = NewUpdate(update_id=10, body="again", chat_id=1001)
    lease = timedelta(seconds=30)

    async def come(tx: Tx, update: NewUpdate) -> set[int]:
        await tx.inbox.put([update], at=NOON)
        return await tx.inbox.take([update], now=NOON, lease=lease)

    assert await store.write(lambda tx: come(tx, new)) == {10}
    assert await store.write(lambda tx: come(tx, again)) == {10}  # it has it already
    async with store.read() as tx:
        waiting = await tx.inbox.waiting()
    await store.write(lambda tx: tx.inbox.done(10, at=NOON))

    assert [(item.update_id, item.body) for item in waiting] == [(10, '{"text": "/pay"}')]
    async with store.read() as tx:
        assert await tx.inbox.waiting() == []
    assert await store.write(lambda tx: come(tx, again)) == set()


async def test_done_updates_are_forgotten_and_in_the_end_those_set_aside_too(
    store: Store,
) -> None:
    new = [NewUpdate(update_id=update_id, body="/pay") for update_id in (1, 2)]
    await store.write(lambda tx: tx.inbox.put(new, at=NOON))
    await store.write(lambda tx: tx.inbox.done(1, at=NOON))
    await store.write(lambda tx: tx.inbox.quarantine(2, at=NOON))

    async def purge(tx: Tx, days: int) -> int:
        now = NOON + timedelta(days=days)
        return await tx.inbox.purge(
            done_before=now - timedelta(days=7), quarantined_before=now - timedelta(days=30)
        )

    assert await store.write(lambda tx: purge(tx, 6)) == 0
    assert await store.write(lambda tx: purge(tx, 8)) == 1
    assert await store.write(lambda tx: purge(tx, 31)) == 1


async def test_orphans_are_kept_but_not_without_end(store: Store) -> None:
    kept = [
        await store.write(
            lambda tx, n=n: tx.evidence.keep_orphan("f" * 32, b"%d" % n, at=NOON)  # type: ignore[misc]  # the default pins n
        )
        for n in range(30)
    ]

    assert Counter(kept) == {Orphaned.KEPT: 20, Orphaned.NOT_NEW: 10}


async def test_the_wrong_key_is_refused_at_the_door(open_a_store: OpenStore) -> None:
    async with open_a_store():
        pass

    with pytest.raises(WrongKey):
        async with open_a_store(key="another key"):
            pass


async def test_a_database_of_the_future_is_refused(open_a_store: OpenStore) -> None:
    async with open_a_store() as store:

        async def age(tx: Tx) -> None:
            await tx.shared._connection.execute(text("UPDATE alembic_version SET version_num='9'"))

        await store.write(age)

    with pytest.raises(TooNew):
        async with open_a_store():
            pass


async def test_a_second_process_on_one_file_is_refused_and_told_why(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    async with open_store(url, now=TestClock().now):
        with pytest.raises(InUse, match="stop that one first"):
            async with open_store(url, now=TestClock().now):
                pass
    async with open_store(url, now=TestClock().now):
        pass


async def test_a_key_is_made_beside_a_sqlite_file_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    async with open_store(f"sqlite:///{path}", now=TestClock().now):
        pass

    for name in ("bot.db", "bot.db.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
async def test_an_address_that_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(StorageError):
        async with open_store(url, now=TestClock().now, key="k"):
            pass


async def test_postgres_without_a_key_is_refused() -> None:
    with pytest.raises(WrongKey, match=r"security\.key"):
        async with open_store("postgresql://localhost/x", now=TestClock().now):
            pass


async def test_no_phone_and_no_word_of_anybody_is_legible_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    async with open_store(f"sqlite:///{path}", now=TestClock().now) as store:
        await add_payment(store)
        await store.submit(unit_of(replace(fact(Kind.CLAIM), body=b"254712345678 sent")), told)
        await store.submit(unit_of(fact(Kind.ACCEPTED), checkout_id="ws_CO_9712345678"), told)
        await store.write(lambda tx: tx.people.put(Person(id=1, first_name="Akinyi")))
        new = [NewUpdate(update_id=1, body="/pay 50 0712345678")]
        await store.write(lambda tx: tx.inbox.put(new, at=NOON))
        files = _everything_in(tmp_path)

    for secret in (b"712345678", b"Akinyi", b"lunch", b"ws_CO"):
        assert secret not in files


def _everything_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    path = tmp_path / "bot.db"

    async def make() -> None:
        async with open_store(f"sqlite:///{path}", now=TestClock().now):
            pass

    asyncio.run(make())
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


async def test_a_commit_on_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    async def synchronous(tx: Tx) -> int:
        asked = await tx.payments._connection.exec_driver_sql("PRAGMA synchronous")
        return int(asked.scalar_one())

    async with open_store(f"sqlite:///{tmp_path}/a.db", now=TestClock().now) as store:
        assert await store.write(synchronous) == FULL
