"""Two people: both must be operators when it is done, not only when they said so."""

from __future__ import annotations

import pytest

from bot.core.decisions import Verdict
from bot.core.rulings import Ruling
from mpesa.errors import OutcomeUnknown
from storage.records import Payment, Status
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import RECEIPT, a_row, unmatched
from tests.core.test_review import AMINA, BARAKA, agree, credit, proposed_last, review_of
from tests.desk import ScriptedOffice, a_desk

CHEBET = 902


async def given_back_by_one(desk: Desk, office: ScriptedOffice) -> Payment:
    """A credit that Baraka, who is an operator today, wants to go back."""
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    today = a_desk(desk.store, desk.clock, office, operators=frozenset({AMINA, BARAKA}))
    assert await today.reverse(payment.id, by=BARAKA, why="x") is Ruling.NEEDS_SECOND
    return payment


async def silent_and_proposed(desk: Desk) -> Payment:
    """A prompt of which nothing was heard, and that Baraka says was paid."""
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask(amount_kes=9000)
    said = await review_of(desk).decide(credit(payment, by=BARAKA, key="a"))
    assert said is Verdict.PROPOSED
    return payment


@pytest.mark.both_engines
async def test_what_one_wanted_who_was_removed_is_not_sent_by_one_other(
    desk: Desk, office: ScriptedOffice
) -> None:
    payment = await given_back_by_one(desk, office)
    after = a_desk(desk.store, desk.clock, office, seed=12, operators=frozenset({AMINA, CHEBET}))

    assert await after.reverse(payment.id, by=AMINA, why="y") is Ruling.NEEDS_SECOND
    assert office.reversed == []
    assert [each.by for each in await after.waiting()] == [AMINA]
    assert await after.reverse(payment.id, by=CHEBET, why="z") is Ruling.DONE
    assert len(office.reversed) == 1
    assert await after.waiting() == []


async def test_who_is_left_alone_sends_nothing_on_the_word_of_one_who_was_removed(
    desk: Desk, office: ScriptedOffice
) -> None:
    payment = await given_back_by_one(desk, office)
    after = a_desk(desk.store, desk.clock, office, seed=12, operators=frozenset({AMINA}))

    assert await after.reverse(payment.id, by=AMINA, why="y") is Ruling.ALONE
    assert office.reversed == []


async def test_money_of_nobody_is_not_given_away_on_the_word_of_one_who_was_removed(
    desk: Desk, office: ScriptedOffice
) -> None:
    payment = await desk.ask()
    before = a_desk(desk.store, desk.clock, office, two_people_above_kes=49)
    await before.rows.take([a_row(desk.clock.now())])
    difference = await unmatched(before)
    one = await before.assign(difference, to=payment.id, by=BARAKA, why="x")
    assert one is Ruling.NEEDS_SECOND
    left = frozenset({AMINA, CHEBET})
    after = a_desk(desk.store, desk.clock, office, seed=12, operators=left, two_people_above_kes=49)

    wanted = await after.assign(difference, to=payment.id, by=AMINA, why="y")

    assert wanted is Ruling.NEEDS_SECOND
    assert (await desk.get(payment.id)).status is Status.PROMPTED


@pytest.mark.both_engines
@pytest.mark.parametrize("left", [(AMINA,), (AMINA, CHEBET)])
async def test_what_one_proposed_who_was_removed_is_not_credited_by_one_other(
    desk: Desk, left: tuple[int, ...]
) -> None:
    payment = await silent_and_proposed(desk)
    after = review_of(desk, operators=left)

    assert await agree(after, payment, by=AMINA, key="b") is Verdict.GONE
    assert (await desk.get(payment.id)).status is Status.UNSURE
    item = await after.one(payment.id, by=AMINA)
    assert item is not None
    assert item.proposal is None, "nor is it offered"


async def test_it_is_proposed_anew_and_credited_by_two_who_are_operators(desk: Desk) -> None:
    payment = await silent_and_proposed(desk)
    after = review_of(desk, operators=(AMINA, CHEBET))
    old = await proposed_last(after, payment)

    assert await after.decide(credit(payment, by=AMINA, key="b")) is Verdict.PROPOSED
    first = await after.agree(payment.id, proposal_id=old, by=CHEBET, key="c")
    assert first is Verdict.GONE
    assert await agree(after, payment, by=CHEBET, key="d") is Verdict.DONE

    found = await desk.get(payment.id)
    assert (found.status, found.receipt) == (Status.PAID, "UKN6ABCDEF")
    item = await after.one(payment.id, by=AMINA)
    assert item is not None
    assert (item.evidence[-1].by, item.evidence[-1].reason) == (CHEBET, f"agreed:{AMINA}")
