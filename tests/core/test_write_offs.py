"""What a write-off covers: what its operator had read, whatever clocks say and however it came."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.decisions import Verdict
from bot.core.review import Review
from bot.core.settle import POSITIVES, Settle, stand
from bot.core.write_off import newest, not_covered, read_up_to, source
from mpesa.models import QueryAnswer
from storage.records import Kind, Payment, Status
from tests.core.bodies import success
from tests.core.conftest import Desk, ScriptedDaraja
from tests.core.test_review import claim, read_by_now, review_of, void
from tests.fakes import a_payment, fact
from tests.stores import NOON

LARGE = replace(a_payment(), amount_kes=9000, begun_at=NOON, status=Status.PROMPTED)


class Interrupted(ScriptedDaraja):
    """A Daraja whose answer to a query is on its way while something else happens."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        answer = await super().query(checkout_request_id)
        if self.meanwhile is not None:
            await self.meanwhile()
        return answer


@pytest.fixture
def daraja() -> Interrupted:
    return Interrupted()


@pytest.fixture
def review(desk: Desk) -> Review:
    return review_of(desk, two_people_above_kes=10_000)


async def opened(desk: Desk, payment: Payment) -> bool:
    found = await desk.get(payment.id)
    return found.status is Status.REVIEW and found.pending_at is not None


@pytest.mark.both_engines
async def test_a_yes_that_was_asked_for_before_the_write_off_and_came_after_it_opens_it(
    desk: Desk, review: Review, daraja: Interrupted
) -> None:
    payment = await desk.ask(amount_kes=6000)

    async def write_off() -> None:
        desk.clock.advance(2)
        ruling = void(payment, await read_by_now(review, payment))
        assert await review.decide(ruling) is Verdict.DONE

    daraja.meanwhile, daraja.answers = write_off, ["0"]
    desk.clock.advance(30)
    await desk.reconcile.run_due()

    assert await opened(desk, payment)


@pytest.mark.both_engines
async def test_a_yes_after_the_clock_was_set_back_opens_what_was_written_off(
    desk: Desk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=900)
    desk.clock.advance(3600)
    ruling = void(payment, await read_by_now(review, payment))
    assert await review.decide(ruling) is Verdict.DONE
    desk.clock.advance(-1800)

    await desk.post(payment, success(1, amount=900.0, metadata=False))

    assert await opened(desk, payment)
    ruling = void(payment, await read_by_now(review, payment), key="press-2")
    assert await review.decide(ruling) is Verdict.DONE
    await claim(desk, payment, "UKN9ABCDEF Confirmed.")
    found = await desk.get(payment.id)
    assert (found.status, found.pending_at is None) == (Status.VOID, False)


@pytest.mark.both_engines
@pytest.mark.parametrize("yes_first", [False, True])
async def test_of_a_write_off_and_a_yes_at_one_instant_the_yes_stands(
    desk: Desk, review: Review, *, yes_first: bool
) -> None:
    payment = await desk.ask(amount_kes=900)
    ruling = void(payment, await read_by_now(review, payment))
    both = [desk.post(payment, success(1, amount=900.0, metadata=False)), review.decide(ruling)]

    await asyncio.gather(*(both if yes_first else reversed(both)))

    assert (await desk.get(payment.id)).status in (Status.CONFIRMING, Status.REVIEW)


def test_what_a_write_off_covers_is_told_by_what_was_read_and_by_no_order() -> None:
    later, earlier = NOON + timedelta(seconds=60), NOON + timedelta(seconds=30)
    begun = replace(fact(Kind.BEGUN), id=1)
    known = replace(fact(Kind.CALLBACK_PAID, at=later, receipt="UKN1ABCDEF"), id=2)
    write_off = replace(fact(Kind.OPERATOR_VOID, at=earlier), id=3, source=source(2))
    unknown = replace(fact(Kind.CALLBACK_BARE, at=NOON), id=4)
    uncommitted = replace(unknown, id=0)

    for yes, status in (
        (unknown, Status.REVIEW),
        (uncommitted, Status.REVIEW),
        (None, Status.VOID),
    ):
        told = [each for each in (begun, known, write_off, yes) if each is not None]
        for order in itertools.permutations(told):
            assert stand(LARGE, order).status is status
            assert not_covered(order, *POSITIVES) == ([] if yes is None else [yes])
            waits = Settle(operators=())(LARGE, order).pending_at is not None
            assert waits is (yes is not None)


def test_a_second_write_off_covers_more_and_the_first_no_less() -> None:
    told = [
        replace(fact(Kind.QUERY_PAID), id=1),
        replace(fact(Kind.OPERATOR_VOID, what="1"), id=2, source=source(1)),
        replace(fact(Kind.CLAIM), id=3),
        replace(fact(Kind.OPERATOR_VOID, what="2"), id=4, source=source(3)),
    ]

    assert not_covered(told, Kind.QUERY_PAID, Kind.CLAIM) == []
    assert not_covered(told[:3], Kind.QUERY_PAID, Kind.CLAIM) == [told[2]]
    assert not_covered([told[0], told[2]], Kind.QUERY_PAID, Kind.CLAIM) == [told[0], told[2]]


def test_one_that_keeps_nothing_of_what_was_read_covers_what_was_told_before_it() -> None:
    write_off = replace(fact(Kind.OPERATOR_VOID, at=NOON), source="operator")
    before, after = fact(Kind.QUERY_PAID), fact(Kind.CLAIM, at=NOON + timedelta(seconds=1))

    assert read_up_to(write_off) is None
    assert not_covered([write_off, before, after], Kind.QUERY_PAID, Kind.CLAIM) == [after]


def test_what_was_read_is_kept_by_the_name_that_was_stored() -> None:
    assert source(newest([])) == "operator:0"
