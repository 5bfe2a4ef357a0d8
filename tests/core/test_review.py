"""What operators decide: once, under a name, by two where it is much, and never over a receipt."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.core.decisions import Deciding, Ruling, Verdict
from bot.core.review import Review
from storage.records import Alarm, Closing, Kind, NoticeKind, Payment, Status, Word
from storage.schema import looks, notices
from tests.core.bodies import failure, success
from tests.core.conftest import Desk

AMINA, BARAKA = 900, 901
RECEIPT, OTHER = "UKN6ABCDEF", "UKN7ABCDEF"


@pytest.fixture
def review(desk: Desk) -> Review:
    return review_of(desk)


def review_of(
    desk: Desk, *, operators: tuple[int, ...] = (AMINA, BARAKA), two_people_above_kes: int = 1000
) -> Review:
    return Review(
        store=desk.store,
        settle=desk.hear._settle,
        books=desk.books,
        clock=desk.clock,
        operators=frozenset(operators),
        two_people_above_kes=two_people_above_kes,
        wake=lambda: None,
    )


def credit(payment: Payment, *, by: int = AMINA, key: str = "press-1", **more: object) -> Ruling:
    ruling = Ruling(
        payment_id=payment.id, deciding=Deciding.CREDIT, by=by, key=key, receipt=RECEIPT
    )
    return replace(ruling, **more)  # type: ignore[arg-type]  # a test's own field names


def void(payment: Payment, read_up_to: int = 0, *, key: str = "press-1") -> Ruling:
    return Ruling(
        payment_id=payment.id, deciding=Deciding.VOID, by=AMINA, key=key, read_up_to=read_up_to
    )


async def read_by_now(review: Review, payment: Payment) -> int:
    """What an operator who looks now has read."""
    item = await review.one(payment.id, by=AMINA)
    assert item is not None
    return item.read_up_to


async def agree(review: Review, payment: Payment, *, by: int, key: str) -> Verdict:
    """To what was proposed last."""
    return await review.agree(
        payment.id, proposal_id=await proposed_last(review, payment), by=by, key=key
    )


async def proposed_last(review: Review, payment: Payment) -> int:
    item = await review.one(payment.id, by=BARAKA)
    assert item is not None
    return max(each.id for each in item.evidence if each.kind is Kind.PROPOSED)


async def claim(desk: Desk, payment: Payment, text: str) -> None:
    await desk.people.claim(payment_id=payment.id, by=1001, text=text, closing=Closing())


async def alarms(desk: Desk, alarm: Alarm) -> list[str]:
    """The keys of these alarms, told or not."""
    async with desk.store.read() as tx:
        wanted = select(notices.c.key).where(notices.c.alarm == alarm.value)
        return list((await tx.payments._connection.execute(wanted)).scalars())


async def rings(desk: Desk) -> list[str]:
    async with desk.store.read() as tx:
        wanted = select(notices.c.key).where(notices.c.kind == NoticeKind.RING.value)
        return list((await tx.payments._connection.execute(wanted)).scalars())


async def kinds(desk: Desk, payment: Payment) -> list[Kind]:
    async with desk.store.read() as tx:
        return [each.kind for each in (await tx.evidence.of([payment.id]))[payment.id]]


async def test_a_credit_is_evidence_with_a_name_however_often_it_is_pressed(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()

    for _ in range(3):
        assert await review.decide(credit(payment)) is Verdict.DONE

    found = await desk.get(payment.id)
    assert (found.status, found.receipt, found.credited_cents) == (Status.PAID, RECEIPT, 5000)
    assert found.confirmed
    assert (await kinds(desk, payment)).count(Kind.OPERATOR_PAID) == 1
    item = await review.one(payment.id, by=AMINA)
    assert item is not None
    assert item.evidence[-1].by == AMINA


@pytest.mark.both_engines
async def test_another_amount_is_credited_as_it_came_and_said(desk: Desk, review: Review) -> None:
    payment = await desk.ask()

    await review.decide(credit(payment, amount_cents=4050))

    found = await desk.get(payment.id)
    assert found.credited_cents == 4050
    assert Word.OTHER_AMOUNT in found.words


async def test_a_receipt_that_another_payment_holds_credits_nothing(
    desk: Desk, review: Review
) -> None:
    first = await desk.ask()
    await desk.post(first, success(1, receipt=RECEIPT))
    desk.clock.advance(300)
    second = await desk.ask(ask_key="m:1001:8")

    assert await review.decide(credit(second)) is Verdict.RECEIPT_TAKEN
    assert (await desk.get(second.id)).status is Status.PROMPTED


async def test_a_callback_that_was_faster_leaves_nothing_to_decide(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    await desk.post(payment, success(1, receipt=OTHER))

    assert await review.decide(credit(payment)) is Verdict.SETTLED
    assert await review.decide(void(payment, key="press-2")) is Verdict.SETTLED
    assert Kind.OPERATOR_PAID not in await kinds(desk, payment)


@pytest.mark.both_engines
async def test_what_is_written_off_opens_again_when_safaricom_says_yes(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    assert await review.decide(void(payment)) is Verdict.DONE
    assert (await desk.get(payment.id)).status is Status.VOID

    desk.clock.advance(60)
    await desk.post(payment, success(1))

    assert (await desk.get(payment.id)).status is Status.PAID


@pytest.mark.both_engines
async def test_a_yes_that_nobody_had_read_is_not_written_off(desk: Desk, review: Review) -> None:
    payment = await desk.ask(amount_kes=900)
    await desk.post(payment, failure())
    read = await read_by_now(review, payment)
    await desk.post(payment, success(1, amount=900.0, metadata=False))

    assert await review.decide(void(payment, read)) is Verdict.HEARD_SINCE
    assert (await desk.get(payment.id)).status is Status.REVIEW
    assert Kind.OPERATOR_VOID not in await kinds(desk, payment)

    read = await read_by_now(review, payment)
    assert await review.decide(void(payment, read, key="press-2")) is Verdict.DONE
    assert (await desk.get(payment.id)).status is Status.VOID


async def test_a_claim_that_nobody_had_read_is_not_written_off(desk: Desk, review: Review) -> None:
    payment = await desk.ask()
    read = await read_by_now(review, payment)
    await claim(desk, payment, "UKN9ABCDEF Confirmed.")

    assert await review.decide(void(payment, read)) is Verdict.HEARD_SINCE
    assert (await desk.get(payment.id)).pending_at is not None


async def test_what_says_no_or_nothing_leaves_a_write_off_as_it_was_read(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    read = await read_by_now(review, payment)
    await desk.post(payment, failure())
    await desk.post(payment, b"{}")

    assert await review.decide(void(payment, read)) is Verdict.DONE


@pytest.mark.both_engines
async def test_a_write_off_and_a_yes_of_one_commit_leave_the_yes_standing(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=900)
    read = await read_by_now(review, payment)

    await asyncio.gather(
        desk.post(payment, success(1, amount=900.0, metadata=False)),
        review.decide(void(payment, read)),
    )

    assert (await desk.get(payment.id)).status in (Status.CONFIRMING, Status.REVIEW)


@pytest.mark.both_engines
async def test_a_write_off_that_two_agree_on_covers_what_the_first_had_read(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=2000)
    read = await read_by_now(review, payment)
    assert await review.decide(void(payment, read)) is Verdict.PROPOSED
    desk.clock.advance(60)
    await desk.post(payment, success(1, amount=2000.0, metadata=False))
    desk.clock.advance(7200)

    assert await agree(review, payment, by=BARAKA, key="press-2") is Verdict.HEARD_SINCE
    item = await review.one(payment.id, by=BARAKA)
    assert item is not None
    assert item.proposal is None
    assert (await desk.get(payment.id)).status is Status.CONFIRMING

    read = await read_by_now(review, payment)
    assert await review.decide(void(payment, read, key="press-3")) is Verdict.PROPOSED
    desk.clock.advance(60)
    assert await agree(review, payment, by=BARAKA, key="press-4") is Verdict.DONE
    assert (await desk.get(payment.id)).status is Status.VOID


@pytest.mark.both_engines
async def test_a_claim_after_a_write_off_comes_to_a_person_each_time(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    await desk.post(payment, failure())
    rung = set()
    for number in (1, 2, 3):
        desk.clock.advance(120)
        for text in ("UKN1ABCDEF Confirmed.", "UKN1ABCDEF Confirmed.", f"UKN{number} Confirmed."):
            await claim(desk, payment, text)

        total, [item] = await review.waiting(by=AMINA, limit=5)
        assert (total, item.pending.view.payment.id) == (1, payment.id)
        assert len(await alarms(desk, Alarm.CLAIM)) == number
        assert (await kinds(desk, payment)).count(Kind.CLAIM) == 2 * number
        desk.clock.advance(60)
        assert await review.decide(void(payment, key="press-0")) is Verdict.HEARD_SINCE
        ruling = void(payment, item.read_up_to, key=f"press-{number}")
        assert await review.decide(ruling) is Verdict.DONE
        assert await review.decide(ruling) is Verdict.SETTLED
        found = await desk.get(payment.id)
        assert (found.status, found.pending_at) == (Status.VOID, None)
        # The first says "not paid", the others that it stays; of those that wait, the last is told.
        [ring] = await rings(desk)
        rung.add(ring)
        assert len(rung) == number


@pytest.mark.both_engines
async def test_operators_are_told_of_a_yes_after_a_write_off_of_what_had_waited(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=6000)
    for _ in range(49):
        desk.clock.advance(3600)
        await desk.reconcile.run_due()
    assert len(await alarms(desk, Alarm.PENDING)) == 1
    await review.decide(void(payment, await read_by_now(review, payment)))
    desk.clock.advance(60)
    assert await agree(review, payment, by=BARAKA, key="press-2") is Verdict.DONE
    desk.clock.advance(3600)

    await desk.post(payment, success(1, amount=6000.0))

    found = await desk.get(payment.id)
    assert (found.status, found.pending_at) == (Status.REVIEW, desk.clock.now())
    assert len(await alarms(desk, Alarm.PENDING)) == 2


async def test_much_money_takes_two_and_they_are_two(desk: Desk, review: Review) -> None:
    payment = await desk.ask(amount_kes=2000)

    assert await review.decide(credit(payment)) is Verdict.PROPOSED
    assert (await desk.get(payment.id)).status is Status.PROMPTED
    assert await agree(review, payment, by=AMINA, key="press-2") is Verdict.SAME_PERSON
    assert (await desk.get(payment.id)).status is Status.PROMPTED
    desk.clock.advance(5)
    assert await agree(review, payment, by=BARAKA, key="press-3") is Verdict.DONE

    found = await desk.get(payment.id)
    assert (found.status, found.receipt) == (Status.PAID, RECEIPT)
    item = await review.one(payment.id, by=AMINA)
    assert item is not None
    assert item.proposal is None
    assert (item.evidence[-1].by, item.evidence[-1].reason) == (BARAKA, f"agreed:{AMINA}")


@pytest.mark.both_engines
async def test_an_agreement_is_to_what_was_proposed_when_it_was_shown(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=2000)
    await review.decide(credit(payment))
    shown = await proposed_last(review, payment)
    desk.clock.advance(60)
    assert await review.decide(void(payment, key="press-2")) is Verdict.PROPOSED

    agreed = await review.agree(payment.id, proposal_id=shown, by=BARAKA, key="press-3")

    assert agreed is Verdict.GONE
    assert (await desk.get(payment.id)).status is Status.PROMPTED
    desk.clock.advance(60)
    assert await agree(review, payment, by=BARAKA, key="press-4") is Verdict.DONE
    assert (await desk.get(payment.id)).status is Status.VOID


@pytest.mark.both_engines
async def test_an_agreement_yields_to_another_proposal_of_the_same_commit(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=2000)
    await review.decide(credit(payment))
    shown = await proposed_last(review, payment)
    desk.clock.advance(60)

    verdicts = await asyncio.gather(
        review.decide(void(payment, key="press-2")),
        review.agree(payment.id, proposal_id=shown, by=BARAKA, key="press-3"),
    )

    credited = verdicts[1] is Verdict.DONE
    assert verdicts[0] is (Verdict.SETTLED if credited else Verdict.PROPOSED)
    assert verdicts[1] in (Verdict.DONE, Verdict.GONE)
    assert (await desk.get(payment.id)).status is (Status.PAID if credited else Status.PROMPTED)


async def test_the_amount_that_came_counts_for_whether_it_takes_two(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()

    assert await review.decide(credit(payment, amount_cents=200_000)) is Verdict.PROPOSED


async def test_a_proposal_that_grew_old_is_nothing_to_agree_to(desk: Desk, review: Review) -> None:
    payment = await desk.ask(amount_kes=2000)
    await review.decide(credit(payment))
    desk.clock.advance(80 * 3600)

    assert await agree(review, payment, by=BARAKA, key="press-2") is Verdict.GONE


async def test_a_proposal_yields_to_a_receipt_that_was_claimed_meanwhile(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=2000)
    await review.decide(credit(payment))
    desk.clock.advance(300)
    second = await desk.ask(ask_key="m:1001:8", phone="254712000111")
    await desk.post(second, success(2, receipt=RECEIPT))

    assert await agree(review, payment, by=BARAKA, key="press-2") is Verdict.RECEIPT_TAKEN
    assert (await desk.get(payment.id)).status is Status.PROMPTED


async def test_a_lone_operator_is_told_that_it_takes_two(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=2000)
    alone = review_of(desk, operators=(AMINA,))

    assert await alone.decide(credit(payment)) is Verdict.ALONE
    assert Kind.PROPOSED not in await kinds(desk, payment)


async def test_a_reversal_takes_off_what_went_back_and_leaves_the_rest(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    reversal = Ruling(
        payment_id=payment.id,
        deciding=Deciding.REVERSE,
        by=AMINA,
        key="press-1",
        receipt="UKN8REVERS",
        amount_cents=2000,
    )
    assert await review.decide(reversal) is Verdict.SETTLED  # nothing came yet
    await desk.post(payment, success(1))

    assert await review.decide(reversal) is Verdict.DONE
    assert await review.decide(reversal) is Verdict.DONE

    found = await desk.get(payment.id)
    assert (found.status, found.credited_cents, found.reversed_cents) == (Status.PAID, 3000, 2000)
    assert Word.REVERSED in found.words


@pytest.mark.both_engines
async def test_a_credit_that_a_no_stands_beside_is_made_sure_by_its_own_receipt(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask()
    await desk.post(payment, success(1, receipt=RECEIPT))
    await desk.post(payment, failure(1032))
    assert (await desk.get(payment.id)).pending_at is not None

    assert await review.decide(credit(payment)) is Verdict.DONE

    found = await desk.get(payment.id)
    assert found.confirmed
    assert found.pending_at is None


async def test_every_look_at_a_number_is_kept(desk: Desk, review: Review) -> None:
    payment = await desk.ask()

    item = await review.one(payment.id, by=BARAKA)

    assert item is not None
    assert item.pending.phone == "254712345678"
    assert "254712345678" not in repr(item)

    _, found = await review.waiting(by=BARAKA, limit=5)
    async with desk.store.read() as tx:
        rows = await tx.payments._connection.execute(select(looks.c.by, looks.c.payment_id))
    assert len(found) == 0
    assert [tuple(row) for row in rows] == [(BARAKA, payment.id)]


@pytest.mark.both_engines
async def test_who_reads_the_queue_has_looked_at_every_number_in_it(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=6000)
    await desk.post(payment, success(amount=6000))
    desk.clock.advance(700)
    await desk.post(payment, failure(1032))

    _, found = await review.waiting(by=BARAKA, limit=5)

    assert [each.pending.view.payment.id for each in found] == [payment.id]
    async with desk.store.read() as tx:
        rows = await tx.payments._connection.execute(select(looks.c.by, looks.c.payment_id))
    assert [tuple(row) for row in rows] == [(BARAKA, payment.id)]
