"""A code that an operator typed for one payment, and that Safaricom's books name for another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.decisions import Deciding, Verdict
from bot.core.decisions import Ruling as Decision
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from bot.core.told_rows import is_reversals
from storage.engine import Store
from storage.records import (
    Alarm,
    NewRecordRow,
    OpenKind,
    Payment,
    RecordRow,
    RowKind,
    RowState,
    Source,
    Status,
    Word,
)
from storage.tx import Tx
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_record import a_row, assert_replays, by_hand_ref, opens
from tests.core.test_review import AMINA, RECEIPT, credit, review_of
from tests.desk import a_desk
from tests.stores import TestClock

pytestmark = pytest.mark.both_engines

THEIRS = "UKN5ABCDEF"
BACK = "UKN7BACKBA"


@pytest.fixture
def record(store: Store, clock: TestClock) -> RecordDesk:
    return a_desk(store, clock)


async def typed(desk: Desk, *, minutes_between: int = 0) -> tuple[Payment, Payment]:
    """Whose prompt brought the money, and whom an operator credited with its code."""
    mine = await desk.ask()
    desk.clock.advance(60 * minutes_between)
    other = await desk.ask(phone="254722000111", ask_key="m:2", asked_by=1002, chat_id=1002)
    assert await review_of(desk).decide(credit(other)) is Verdict.DONE
    return mine, await desk.get(other.id)


async def told(desk: Desk, record: RecordDesk, reference: str, kes: float = 50) -> None:
    row = a_row(
        desk.clock.now(), receipt=RECEIPT, reference=reference, kes=kes, source=Source.PORTAL
    )
    for _ in range(2):
        await record.rows.take([row])


async def row_of(record: RecordDesk) -> RecordRow:
    row = await record.rows.get(RECEIPT)
    assert row is not None
    return row


@pytest.mark.parametrize("answer", [None, "0"])
async def test_the_books_outrank_what_was_typed_and_a_person_looks_at_who_was_credited_by_it(
    desk: Desk, record: RecordDesk, answer: str | None
) -> None:
    mine, other = await typed(desk)
    if answer is not None:
        desk.daraja.answers.append(answer)
        desk.clock.advance(200)
        await desk.reconcile.run_due()

    await told(desk, record, mine.push_ref)

    right, wrong = await desk.get(mine.id), await desk.get(other.id)
    assert (right.status, right.receipt) == (Status.PAID, RECEIPT)
    assert (wrong.status, wrong.receipt) == (Status.PAID, None), "no machine uncredits"
    assert Word.CONTRADICTED in wrong.words
    assert wrong.pending_at is not None
    assert {Alarm.CONTRADICTED, Alarm.RECEIPT_HELD} <= set(await alarms(desk))
    assert await opens(record) == []
    assert (await row_of(record)).payment_id == mine.id
    assert (
        await record.rows.only_ours(
            since=desk.clock.now() - timedelta(days=1), until=desk.clock.now()
        )
        == 1
    )
    await assert_replays(desk)


async def test_who_was_credited_by_mistake_gets_the_right_code_and_waits_no_more(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    await told(desk, record, mine.push_ref)

    ruled = await review_of(desk).decide(credit(other, key="press-2", receipt=THEIRS))

    after = await desk.get(other.id)
    assert ruled is Verdict.DONE
    assert (after.receipt, after.words, after.pending_at) == (THEIRS, frozenset(), None)
    await assert_replays(desk)


async def test_a_callback_that_came_after_the_mistake_is_made_good(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    waits = await desk.post(mine, success(1, receipt=RECEIPT))
    assert waits.status is Status.CONFIRMING

    await told(desk, record, mine.push_ref)

    assert (await desk.get(mine.id)).receipt == RECEIPT
    assert (await desk.get(other.id)).pending_at is not None
    await assert_replays(desk)


@pytest.mark.parametrize("kes", [50, 60])
async def test_where_a_prompt_need_not_have_brought_it_a_person_says_whose_it_is(
    desk: Desk, record: RecordDesk, kes: int
) -> None:
    mine, other = await typed(desk, minutes_between=15 if kes == 50 else 0)

    await told(desk, record, mine.push_ref, kes)

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    assert (await desk.get(mine.id)).status is Status.PROMPTED
    after = await desk.get(other.id)
    assert (after.receipt, after.words) == (RECEIPT, other.words)
    assert Alarm.UNMATCHED in await alarms(desk)


async def test_a_second_receipt_of_a_prompt_is_not_taken_from_whom_it_was_credited_to(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    await desk.post(mine, success(1, receipt=THEIRS))

    await told(desk, record, mine.push_ref)

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    assert (await desk.get(other.id)).receipt == RECEIPT


async def test_the_operator_was_right_and_says_so(desk: Desk, record: RecordDesk) -> None:
    mine, other = await typed(desk, minutes_between=15)
    await told(desk, record, mine.push_ref)
    [found] = await record.open_differences()

    assert await record.assign(found.id, to=other.id, by=AMINA, why="") is Ruling.DONE

    await told(desk, record, mine.push_ref)
    assert await opens(record) == []
    after = await desk.get(other.id)
    assert (after.receipt, after.credited_cents, after.words) == (RECEIPT, 50_00, frozenset())
    row = await row_of(record)
    assert (row.state, row.payment_id) == (RowState.MATCHED, other.id)
    await assert_replays(desk)


@pytest.mark.parametrize("kes", [30, 80])
async def test_the_operator_was_right_but_for_the_amount_and_the_books_count(
    desk: Desk, record: RecordDesk, kes: int
) -> None:
    mine, other = await typed(desk)
    await told(desk, record, mine.push_ref, kes)
    [found] = await record.open_differences()
    assert (found.kind, found.theirs_cents) == (OpenKind.REVIEW, kes * 100)
    desk.clock.advance(60)  # of two words of operators, the older would count

    assert await record.assign(found.id, by=AMINA, why="") is Ruling.DONE

    await told(desk, record, mine.push_ref, kes)
    await record.rows.look_again()
    after = await desk.get(other.id)
    assert (after.receipt, after.credited_cents) == (RECEIPT, kes * 100)
    assert after.words == {Word.OTHER_AMOUNT}
    assert await opens(record) == []
    await assert_replays(desk)


async def test_what_a_person_closed_about_it_stays_closed(desk: Desk, record: RecordDesk) -> None:
    mine, other = await typed(desk, minutes_between=15)
    await told(desk, record, mine.push_ref)
    [found] = await record.open_differences()

    await record.dismiss(found.id, by=AMINA, why="paid with an old account")

    await told(desk, record, mine.push_ref)
    await record.rows.look_again()
    assert await opens(record) == []
    assert (await desk.get(other.id)).receipt == RECEIPT


@pytest.mark.parametrize("paid", [False, True])
async def test_it_was_anothers_and_a_person_gives_it_to_them(
    desk: Desk, record: RecordDesk, paid: bool
) -> None:
    mine, other = await typed(desk, minutes_between=15)
    if paid:
        await desk.post(mine, success(1, receipt=THEIRS))
    await told(desk, record, mine.push_ref)
    [found] = await record.open_differences()
    if paid:
        await record.rows.take([a_row(desk.clock.now(), receipt=THEIRS, reference=mine.push_ref)])

    for _ in range(2):
        await record.assign(found.id, to=mine.id, by=AMINA, why="")

    assert await opens(record) == []
    whose = await desk.get((await row_of(record)).payment_id or "")
    assert (whose.status, whose.receipt, whose.credited_cents) == (Status.PAID, RECEIPT, 50_00)
    assert whose.intent_id == mine.intent_id
    assert (whose.id == mine.id) is not paid
    wrong = await desk.get(other.id)
    assert (wrong.receipt, wrong.pending_at is None) == (None, False)
    await assert_replays(desk)


@pytest.mark.parametrize("own", [True, False])
async def test_paid_by_hand_for_another_it_waits_and_for_the_same_it_does_not(
    desk: Desk, record: RecordDesk, own: bool
) -> None:
    mine, other = await typed(desk)
    reference = await by_hand_ref(desk, other if own else mine)

    await told(desk, record, reference)

    assert await opens(record) == ([] if own else [(OpenKind.REVIEW, RECEIPT)])
    assert (await desk.get(other.id)).receipt == RECEIPT
    if not own:
        [found] = await record.open_differences()
        assert found.payment_id == other.id
        assert (await row_of(record)).state is RowState.OPEN


async def test_typed_while_the_books_are_read_it_is_no_less_seen(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    row = a_row(desk.clock.now(), receipt=RECEIPT, reference=mine.push_ref)

    async def keep(tx: Tx) -> RecordRow:
        return (await tx.record.keep([row], now=desk.clock.now()))[0][0]

    kept = await desk.store.write(keep)

    # Whoever placed it looked a moment before the operator pressed.
    await record.rows.placing.place(kept, None)

    assert (await desk.get(mine.id)).receipt == RECEIPT
    assert (await desk.get(other.id)).pending_at is not None


async def asked_again(desk: Desk) -> tuple[Payment, Payment]:
    """The first prompt and the second one of the same, which an operator credited."""
    mine = await desk.ask()
    desk.clock.advance(200)
    again = await desk.asking.again(mine.id, by=1001, update_id=None, language="en")
    assert isinstance(again, Asked)
    await desk.finish()
    assert await review_of(desk).decide(credit(again.payment)) is Verdict.DONE
    return mine, await desk.get(again.payment.id)


async def test_of_two_prompts_for_the_same_one_counts_it(desk: Desk, record: RecordDesk) -> None:
    mine, again = await asked_again(desk)
    assert mine.intent_id == again.intent_id

    await told(desk, record, mine.push_ref)

    assert (await desk.get(mine.id)).credited_cents is None
    after = await desk.get(again.id)
    assert (after.credited_cents, after.receipt, after.pending_at) == (50_00, RECEIPT, None)
    assert await opens(record) == []
    assert (await row_of(record)).payment_id == again.id
    await assert_replays(desk)


async def test_where_both_count_it_the_books_say_which_and_a_person_looks_at_the_other(
    desk: Desk, record: RecordDesk
) -> None:
    mine, again = await asked_again(desk)
    desk.daraja.answers += ["0", "0"]
    desk.clock.advance(200)
    await desk.reconcile.run_due()
    assert (await desk.get(mine.id)).credited_cents == 50_00

    row = a_row(mine.created_at, receipt=RECEIPT, reference=mine.push_ref)
    await record.rows.take([row])

    assert (await desk.get(mine.id)).receipt == RECEIPT
    assert (await desk.get(again.id)).pending_at is not None


def took_back(desk: Desk, linked: str | None = RECEIPT) -> NewRecordRow:
    return a_row(
        desk.clock.now(),
        receipt=BACK,
        kind=RowKind.REVERSAL,
        linked=linked,
        source=Source.PORTAL,
    )


@pytest.mark.parametrize("died", [False, True])
async def test_what_went_back_of_it_goes_along(desk: Desk, record: RecordDesk, died: bool) -> None:
    mine, other = await typed(desk)
    back = took_back(desk)
    await record.rows.take([back])
    assert (await desk.get(other.id)).credited_cents == 0
    if died:
        await record.rows.placing.disown(RECEIPT, other.id)
        await record.rows.placing.reversals.let_go(RECEIPT, other.id)
        await record.rows.place_left()
        assert await opens(record) == [(OpenKind.REVERSAL, BACK)], "it waits for whom it is of"

    await told(desk, record, mine.push_ref)
    await record.rows.take([back])

    right, wrong = await desk.get(mine.id), await desk.get(other.id)
    assert (right.receipt, right.credited_cents, right.reversed_cents) == (RECEIPT, 0, 50_00)
    assert (wrong.receipt, wrong.credited_cents, wrong.reversed_cents) == (None, 50_00, 0)
    assert wrong.pending_at is not None
    assert Alarm.BACK_MOVED in await alarms(desk)
    assert await opens(record) == []
    taken = await record.rows.get(BACK)
    assert taken is not None
    assert (taken.state, taken.payment_id) == (RowState.MATCHED, mine.id)
    await assert_replays(desk)


async def test_where_it_cannot_be_known_to_go_along_a_person_says_whose_it_is(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    went = Decision(
        payment_id=other.id, deciding=Deciding.REVERSE, by=AMINA, key="back", receipt=BACK
    )
    assert await review_of(desk).decide(went) is Verdict.DONE

    await told(desk, record, mine.push_ref)

    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    assert (await desk.get(mine.id)).credited_cents is None
    assert (await desk.get(other.id)).receipt == RECEIPT


@pytest.mark.parametrize("back_first", [True, False])
async def test_what_went_back_goes_along_to_whom_a_person_gives_it(
    desk: Desk, record: RecordDesk, back_first: bool
) -> None:
    mine, other = await typed(desk, minutes_between=15)
    back = took_back(desk)
    if back_first:
        await record.rows.take([back])
    await told(desk, record, mine.push_ref)
    if not back_first:
        await record.rows.take([back])
    [found] = [d for d in await record.open_differences() if d.kind is OpenKind.REVIEW]

    assert await record.assign(found.id, to=mine.id, by=AMINA, why="") is Ruling.DONE

    await record.rows.take([back])
    right, wrong = await desk.get(mine.id), await desk.get(other.id)
    assert (right.credited_cents, right.reversed_cents) == (0, 50_00)
    assert (wrong.credited_cents, wrong.reversed_cents) == (50_00, 0)
    assert await opens(record) == []
    await assert_replays(desk)


async def test_who_was_credited_by_mistake_is_finished_with_the_code_that_was_anothers(
    desk: Desk, record: RecordDesk
) -> None:
    mine, other = await typed(desk)
    await told(desk, record, mine.push_ref)
    review = review_of(desk)
    nothing = Decision(
        payment_id=other.id, deciding=Deciding.REVERSE, by=AMINA, key="no", receipt=RECEIPT
    )

    assert await review.decide(nothing) is Verdict.DONE

    after = await desk.get(other.id)
    assert (after.credited_cents, after.pending_at) == (0, None)
    assert (await review.waiting(by=AMINA, limit=9))[0] == 0

    async with desk.store.read() as tx:
        assert not await is_reversals(tx, RECEIPT), "nothing went back under it"
    await record.rows.take([took_back(desk)])
    assert (await desk.get(mine.id)).credited_cents == 0, "Safaricom's way back is free still"

    await review.decide(credit(other, key="right", receipt=THEIRS))
    after = await desk.get(other.id)
    assert (after.receipt, after.credited_cents) == (THEIRS, 50_00), "what came is not taken off"
    await assert_replays(desk)
