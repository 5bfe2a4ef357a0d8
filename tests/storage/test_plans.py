"""What is looked for all day long is found by an index, however much is stored: plans, asserted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, literal, select, text

from storage.asked import Rounds
from storage.engine import Store
from storage.record_tables import questions, record_rows
from storage.records import (
    AskedLater,
    Drive,
    DriveKind,
    DriveStatus,
    Kind,
    NewNotice,
    NewRecordRow,
    NoticeKind,
    Pledge,
    PledgeState,
    QuestionKind,
    Reply,
    Shows,
    Source,
    Status,
)
from storage.schema import intents, notices
from storage.tx import Tx
from tests.bench.drives import DRIVE_ID
from tests.bench.rows import SERIES, fill
from tests.fakes import fact, told, unit_of
from tests.stores import NOON

STORED = 20_000
GIFTS = 500
BY_INDEX = "SCAN payments USING INDEX payments_unconfirmed"
LATER = NOON + timedelta(days=1)

Statement = tuple[str, Any]


@contextmanager
def overheard() -> Iterator[list[Statement]]:
    """
    Every statement of this process, with its values, while the block runs.

    But not what asks no table: so a store on PostgreSQL shows every few seconds that it is there.
    """
    heard: list[Statement] = []

    def hear(
        _connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool
    ) -> None:
        if not (statement.startswith("SELECT") and "FROM" not in statement):
            heard.append((statement, values))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


async def test_that_a_process_shows_that_it_is_there_is_not_overheard(store: Store) -> None:
    with overheard() as heard:
        async with store.read() as tx:
            await tx.payments._connection.execute(select(literal(1)))
            await tx.payments.due(now=LATER, limit=1)

    [due] = [each for each, _ in heard if each.startswith("SELECT")]
    assert "FROM payments" in due


async def plan(store: Store, statement: Statement) -> str:
    """How the database goes about it."""

    def explained(connection: Any) -> str:
        sqlite = connection.dialect.name == "sqlite"
        how = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        rows = connection.exec_driver_sql(how + statement[0], statement[1]).all()
        return "\n".join(str(row[-1]) for row in rows)

    async with store.read() as tx:
        return await tx.payments._connection.run_sync(explained)


@pytest.fixture
async def full(store: Store) -> Store:
    """A store with many payments that are over and done with, as after some months."""
    await fill(store, STORED, status=Status.PAID, begun_at=NOON)
    await store.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    return store


SWEEPS: list[tuple[str, Callable[[Tx], Awaitable[Any]]]] = [
    ("payments_due", lambda tx: tx.payments.due(now=LATER, limit=50)),
    ("payments_due", lambda tx: tx.payments.due_without_id(now=LATER, limit=50)),
    ("payments_unsent", lambda tx: tx.payments.unsent(limit=50)),
    ("payments_unsettled", lambda tx: tx.payments.unsettled(limit=50, tries=5)),
    ("payments_pending", lambda tx: tx.payments.pending(limit=50)),
]


async def test_what_a_clock_has_begun_that_was_set_back_is_found_by_its_id(full: Store) -> None:
    with overheard() as heard:
        async with full.read() as tx:
            assert not await tx.payments.any_unseen(now=LATER)

    selects = [each for each in heard if each[0].startswith("SELECT") and "payments" in each[0]]
    for each in selects:
        found = await plan(full, each)
        assert "pkey" in found or "autoindex_payments_1" in found or "payments_due" in found
        assert "Seq Scan" not in found


@pytest.mark.parametrize(("index", "look"), SWEEPS)
async def test_a_sweep_reads_its_index_and_not_the_table(
    full: Store, index: str, look: Callable[[Tx], Awaitable[Any]]
) -> None:
    with overheard() as heard:
        async with full.read() as tx:
            await look(tx)

    # Meanwhile the store may also have said that it is there.
    selects = [each for each in heard if each[0].startswith("SELECT") and "payments" in each[0]]
    assert selects
    for each in selects:
        assert index in await plan(full, each)


async def test_a_drives_total_and_newest_names_are_read_from_their_indexes(full: Store) -> None:
    own = text(
        "UPDATE payments SET decided_at = begun_at, subject = CASE WHEN id <= :last"
        " THEN 'd:' || :drive ELSE 'd:another' END"
    )
    subject = {"drive": DRIVE_ID, "last": f"{GIFTS:032x}"}
    await full.write(lambda tx: tx.payments._connection.execute(own, subject))
    await full.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    with overheard() as heard:
        async with full.read() as tx:
            totals = await tx.gifts.totals(DRIVE_ID)
            newest = await tx.gifts.newest(DRIVE_ID, limit=5)

    assert totals.mpesa_cents == GIFTS * 5000
    assert len(newest) == 5
    credited, journal, names = [
        await plan(full, each) for each in heard if each[0].startswith("SELECT")
    ]
    assert "payments_of_subject" in credited
    assert "drive_entries_of_drive" in journal or "Seq Scan on drive_entries" in journal
    assert "payments_newest_of_subject" in names
    for each in (credited, names):
        assert "Seq Scan on payments" not in each
    for each in (credited, names):
        assert "TEMP B-TREE FOR ORDER BY" not in each or "RIGHT PART" in each
    if full.exclusive:
        assert "COVERING INDEX payments_of_subject" in credited


GIVERS = 500
DRIVE = Drive(
    id=DRIVE_ID,
    code="code",
    reference="REF",
    label="MAMA",
    chat_id=-700,
    thread_id=None,
    language="en",
    kind=DriveKind.HARAMBEE,
    title="Mama Akinyi",
    target_kes=None,
    closes_at=None,
    shows=Shows.NAMES,
    status=DriveStatus.OPEN,
    opened_by=1001,
    opened_at=NOON,
    open_key="key",
)
PLEDGE = Pledge(
    id=f"{8:032x}",
    drive_id=DRIVE_ID,
    person_id=7,
    name="Jane",
    amount_kes=50,
    due_at=LATER,
    state=PledgeState.OPEN,
    created_at=NOON,
    remind_at=LATER,
    key="b:1",
)


async def give_each_an_intent(tx: Tx) -> None:
    """Each payment is a gift of its own to one drive, by one of many givers."""
    await tx.drives.add(DRIVE)
    connection = tx.payments._connection
    before, series, hexadecimal = SERIES[connection.dialect.name]
    own = {"id": hexadecimal, "by_hand_ref": "'H' || n"}
    names = [column.name for column in intents.c]
    wanted = ", ".join(own.get(name, f"intents.{name}") for name in names)
    copies = (
        f"INSERT INTO intents ({', '.join(names)}) {before}SELECT {wanted}"
        f" FROM intents, {series} WHERE intents.id = :template"
    )
    every = {"first": 2, "last": STORED, "template": f"{1:032x}"}
    await connection.execute(text(copies), every)
    await connection.execute(text("UPDATE payments SET intent_id = id"))
    blank = "''" if connection.dialect.name == "postgresql" else "x''"
    gifts = (
        "INSERT INTO gifts (intent_id, drive_id, giver_id, who, name, on_behalf, anonymous,"
        f" hide_amount, created_at) {before}SELECT {hexadecimal}, :drive, n % {GIVERS}, 'who',"
        f" {blank}, {blank}, false, false, intents.created_at"
        f" FROM intents, {series} WHERE intents.id = :template"
    )
    await connection.execute(text(gifts), {**every, "drive": DRIVE_ID})
    await connection.execute(text("ANALYZE"))


async def test_whether_a_gift_may_be_there_is_seen_by_the_gifts_of_its_giver(full: Store) -> None:
    await full.write(give_each_an_intent)
    with overheard() as heard:
        async with full.read() as tx:
            assert not await tx.pledges.may_be_kept(PLEDGE)

    [look] = [each for each in heard if "FROM payments" in each[0]]
    found = await plan(full, look)
    assert "gifts_of_giver" in found
    assert "payments_of_intent" in found
    for table in ("gifts", "payments"):
        assert f"SCAN {table}" not in found
        assert f"Seq Scan on {table}" not in found


async def test_attempts_and_wishes_that_are_alike_are_seen_by_their_indexes(full: Store) -> None:
    await full.write(give_each_an_intent)
    old = text("UPDATE payments SET begun_at = 1 WHERE id > :last")
    await full.write(lambda tx: tx.payments._connection.execute(old, {"last": f"{GIFTS:032x}"}))
    await full.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    with overheard() as heard:
        async with full.read() as tx:
            payment = await tx.payments.get(f"{2:032x}")
            assert payment is not None
            later = replace(payment, begun_at=NOON + timedelta(hours=1), intent_id="another")
            others = await tx.attempts.others(payment)
            alike = await tx.attempts.alike(later, await tx.payments.intent(payment.intent_id))

    assert (len(others), len(alike)) == (0, 20)
    looks = [await plan(full, each) for each in heard if "FROM payments" in each[0]][1:]
    for index, found in zip(("payments_of_intent", "payments_of_line"), looks, strict=True):
        assert index in found
        assert "SCAN payments" not in found
        assert "Seq Scan on payments" not in found


async def test_what_has_come_for_an_invoice_is_added_up_from_its_own_payments(full: Store) -> None:
    own = text("UPDATE payments SET subject = 'i:' || (CASE WHEN id <= :last THEN 'a' ELSE id END)")
    await full.write(lambda tx: tx.payments._connection.execute(own, {"last": f"{GIFTS:032x}"}))
    await full.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    with overheard() as heard:
        async with full.read() as tx:
            sums = await tx.invoices.sums("a")

    assert (sums.mpesa_cents, sums.maybe_cents) == (GIFTS * 5000, 0)
    [look] = [each for each in heard if "FROM payments" in each[0]]
    found = await plan(full, look)
    assert "of_subject" in found
    assert "SCAN payments" not in found
    assert "Seq Scan on payments" not in found


async def test_a_callback_reads_by_key_and_index_only(full: Store) -> None:
    await full.write(give_each_an_intent)
    with overheard() as heard:
        await full.submit(
            unit_of(fact(Kind.CALLBACK_PAID, receipt="UKN1ABCDEF"), checkout_id="ws_CO_1"), told
        )

    selects = [each for each in heard if each[0].startswith("SELECT")]
    plans = [await plan(full, each) for each in selects]
    assert len(selects) == 5
    for index in ("payments_unconfirmed", "payments_of_intent"):
        assert any(index in each for each in plans)
    for each in plans:
        assert "SCAN payments" not in each.replace(BY_INDEX, "")
        assert "Seq Scan on payments" not in each


PARTIAL = ("payments_due", "payments_pending", "payments_unsettled")


async def test_a_look_at_how_the_bot_is_reads_no_whole_table(full: Store) -> None:
    with overheard() as heard:
        async with full.read() as tx:
            await tx.health.waiting(now=LATER)
            await tx.health.recent(since=NOON, limit=50)
            await tx.health.called([f"{number:032x}" for number in range(3)])
            await tx.health.lines_paused(since=NOON, incomplete=4, now=LATER)
            await tx.record.near(amount_kes=50, since=NOON, until=LATER, limit=5)
            await tx.record.may_have_come(amount_kes=50, since=NOON, until=LATER)
            await tx.record.covering(amount_cents=50_00, since=NOON, until=LATER, limit=5)

    # Of what is read; the process says meanwhile that it is there, which reads nothing.
    selects = [each for each in heard if each[0].startswith("SELECT") and "FROM" in each[0]]
    assert len(selects) == 12
    for each in selects:
        found = await plan(full, each)
        for index in PARTIAL:
            found = found.replace(f"SCAN payments USING INDEX {index}", "")
            found = found.replace(f"SCAN payments USING COVERING INDEX {index}", "")
        assert "SCAN payments" not in found, each[0]
        assert "Seq Scan on payments" not in found, each[0]


CHATS = 500
LEASE = timedelta(minutes=2)


@pytest.fixture
async def told_much(store: Store) -> Store:
    """A store whose outbox has told many things, failed at some, and owes one."""
    owed = NewNotice(key="s:1", kind=NoticeKind.STATUS, chat_id=1, payment_id=f"{1:032x}")

    async def copy(tx: Tx) -> None:
        await tx.notices.owe([owed], now=NOON)
        connection = tx.payments._connection
        before, series, hexadecimal = SERIES[connection.dialect.name]
        own = {
            "key": "'s:' || n",
            "chat_id": f"n % {CHATS}",
            "payment_id": hexadecimal,
            "state": "CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'told' END",
        }
        names = [column.name for column in notices.c if column.name != "id"]
        wanted = ", ".join(own.get(name, f"notices.{name}") for name in names)
        await connection.execute(
            text(
                f"INSERT INTO notices ({', '.join(names)}) {before}SELECT {wanted}"
                f" FROM notices, {series} WHERE notices.key = 's:1'"
            ),
            {"first": 2, "last": STORED},
        )
        await connection.execute(text("ANALYZE"))

    await store.write(copy)
    return store


def only_by(index: str, found: str) -> bool:
    """Whether the outbox is read by this index, and nowhere from end to end."""
    for how in ("INDEX", "COVERING INDEX"):
        found = found.replace(f"SCAN notices USING {how} {index}", index)
    return index in found and "SCAN notices" not in found and "Seq Scan on notices" not in found


OUTBOX: list[tuple[str, Callable[[Tx], Awaitable[Any]]]] = [
    ("notices_owed", lambda tx: tx.notices.any_due(now=LATER)),
    ("notices_owed", lambda tx: tx.notices.claim(now=NOON, lease=LEASE, limit=64)),
    ("notices_owed", lambda tx: tx.notices.waiting(1)),
    ("notices_owed", lambda tx: tx.notices.owed()),
    ("notices_owed", lambda tx: tx.notices.release_all(now=LATER)),
    ("notices_owed", lambda tx: tx.leases.holders()),
    ("notices_owed", lambda tx: tx.leases.release({7}, now=LATER)),
    ("notices_owed", lambda tx: tx.health.waiting(now=LATER)),
    ("notices_dead", lambda tx: tx.notices.revive(100, now=LATER)),
    (
        "notices_dead",
        lambda tx: tx.notices.try_set_aside(now=LATER, tried_before=LATER, since=NOON),
    ),
]


@pytest.mark.parametrize(("index", "look"), OUTBOX)
async def test_what_was_told_long_ago_is_not_read_again(
    told_much: Store, index: str, look: Callable[[Tx], Awaitable[Any]]
) -> None:
    with overheard() as heard:
        await told_much.write(look)

    first = next(each for each in heard if "notices" in each[0])
    assert only_by(index, await plan(told_much, first)), first[0]


UNTOLD: list[Callable[[Tx], Awaitable[Any]]] = [
    lambda tx: tx.untold.of(["s:1:1", "s:2:1"], tried_before=LATER),
    lambda tx: tx.untold.owe("s:1:1", Reply(chat_id=1, text="hello"), now=LATER),
    lambda tx: tx.untold.forget(["s:1:1", "s:2:1"]),
]


@pytest.mark.parametrize("look", UNTOLD)
async def test_what_could_not_be_told_is_found_without_reading_the_outbox(
    told_much: Store, look: Callable[[Tx], Awaitable[Any]]
) -> None:
    with overheard() as heard:
        await told_much.write(look)

    first = next(each for each in heard if "notices" in each[0])
    found = await plan(told_much, first)
    known_by = ("sqlite_autoindex_notices_1", "notices_key_once", "notices_dead")
    assert any(only_by(index, found) for index in known_by), first[0]


async def test_the_next_notice_is_marked_by_its_number(told_much: Store) -> None:
    with overheard() as heard:
        claimed = await told_much.write(
            lambda tx: tx.notices.claim(now=NOON, lease=LEASE, limit=64)
        )

    assert [each.chat_id for each in claimed] == [1]
    marked = next(each for each in heard if each[0].startswith("UPDATE notices"))
    found = await plan(told_much, marked)
    assert "SCAN notices" not in found
    assert "Seq Scan on notices" not in found


ROUNDS = Rounds(after=(timedelta(minutes=1), timedelta(hours=1)), spared=["busy"], over=["done"])


async def test_credits_to_be_asked_about_are_found_among_the_unconfirmed(full: Store) -> None:
    receipts = text("UPDATE payments SET receipt = substr(id, 23)")
    await full.write(lambda tx: tx.payments._connection.execute(receipts))
    await full.write(lambda tx: tx.payments._connection.execute(text("ANALYZE")))
    with overheard() as heard:
        async with full.read() as tx:
            await tx.record.unconfirmed_due(ROUNDS, now=LATER, begun_before=LATER, limit=20)

    look = next(each for each in heard if "FROM payments" in each[0])
    assert "payments_unconfirmed" in await plan(full, look)


async def test_receipts_that_were_named_long_ago_are_not_looked_through(store: Store) -> None:
    async def copy(tx: Tx) -> None:
        await tx.record.claim("UKN1ABCDEF", f"{0:032x}", by=1001, at=NOON)
        connection = tx.payments._connection
        before, series, hexadecimal = SERIES[connection.dialect.name]
        await connection.execute(
            text(
                f'INSERT INTO receipt_claims (receipt, payment_id, "by", at) {before}'
                f"SELECT substr({hexadecimal}, 23), {hexadecimal}, 1001, n * 1000"
                f" FROM {series}"
            ),
            {"first": 1, "last": STORED},
        )
        await connection.execute(text("ANALYZE"))

    await store.write(copy)
    with overheard() as heard:
        async with store.read() as tx:
            since = NOON - timedelta(days=1)
            named = await tx.record.named_due(ROUNDS, now=LATER, since=since, limit=20)

    assert named == ["UKN1ABCDEF"]
    look = next(each for each in heard if "FROM receipt_claims" in each[0])
    assert "receipt_claims_by_age" in await plan(store, look)


@pytest.fixture
async def asked_much(store: Store) -> Store:
    """A store that asked about many receipts and never heard of them, and of one reversal."""
    silent = AskedLater(
        id="0",
        kind=QuestionKind.REVERSAL,
        receipt="UKN1ABCDEF",
        payment_id=f"{1:032x}",
        amount_cents=5000,
        by=900,
        asked_at=NOON,
    )

    async def copy(tx: Tx) -> None:
        await tx.record.ask(silent)
        connection = tx.payments._connection
        before, series, hexadecimal = SERIES[connection.dialect.name]
        own = {"id": hexadecimal, "kind": "'status'"}
        names = [column.name for column in questions.c]
        wanted = ", ".join(own.get(name, f"questions.{name}") for name in names)
        await connection.execute(
            text(
                f"INSERT INTO questions ({', '.join(names)}) {before}SELECT {wanted}"
                f" FROM questions, {series} WHERE questions.id = '0'"
            ),
            {"first": 1, "last": STORED},
        )
        await connection.execute(text("ANALYZE"))

    await store.write(copy)
    return store


async def test_a_reversal_without_an_answer_is_found_among_reversals(asked_much: Store) -> None:
    with overheard() as heard:
        async with asked_much.read() as tx:
            silent = await tx.record.unheard_reversals(before=LATER, limit=20)

    assert [each.kind for each in silent] == [QuestionKind.REVERSAL]
    look = next(each for each in heard if "FROM questions" in each[0])
    assert "questions_unheard_reversals" in await plan(asked_much, look)


@pytest.fixture
async def named_much(store: Store) -> Store:
    """Safaricom's books have named many payments; one was only posted."""

    def a_row(receipt: str, source: Source) -> NewRecordRow:
        return NewRecordRow(receipt=receipt, amount_cents=5000, at=NOON, source=source)

    async def copy(tx: Tx) -> None:
        await tx.record.keep([a_row("0", Source.PULL), a_row("1", Source.C2B)], now=NOON)
        connection = tx.payments._connection
        before, series, _ = SERIES[connection.dialect.name]
        own = {"receipt": "'R' || n"}
        names = [column.name for column in record_rows.c]
        wanted = ", ".join(own.get(name, f"record_rows.{name}") for name in names)
        await connection.execute(
            text(
                f"INSERT INTO record_rows ({', '.join(names)}) {before}SELECT {wanted}"
                f" FROM record_rows, {series} WHERE record_rows.receipt = '0'"
            ),
            {"first": 1, "last": STORED},
        )
        await connection.execute(text("ANALYZE"))

    await store.write(copy)
    return store


async def test_what_no_book_has_named_is_found_among_what_was_only_posted(
    named_much: Store,
) -> None:
    with overheard() as heard:
        async with named_much.read() as tx:
            newest = await tx.record.newest_unnamed(before=LATER, but="not-ours")
            count = await tx.record.count_unnamed(before=LATER, but="not-ours")

    assert (newest, count) == (NOON, 1)
    looks = [each for each in heard if "FROM record_rows" in each[0]]
    assert len(looks) == 2
    for each in looks:
        found = await plan(named_much, each)
        assert "record_rows_claimed" in found
        assert "Seq Scan on record_rows" not in found
        for table in ("record_rows", "questions", "receipts"):
            assert f"SCAN {table}" not in found
