"""Settle over every set of evidence: what each proves, and what one more fact may not undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.core.settle import Settle, Standing, stand
from storage.records import Evidence, Kind, Payment, Status
from tests.core.settle_life import LIFE, OPERATORS, live
from tests.core.settle_rules import of_extension, of_set
from tests.core.settle_space import LARGE, QUICK, SMALL, F, Space, facts_about, walk

small_and_large = pytest.mark.parametrize("payment", [SMALL, LARGE], ids=["small", "large"])


@pytest.mark.parametrize(
    "space", QUICK, ids=["whom to believe", "said beside", "whose", "the books"]
)
@small_and_large
def test_every_set_stands_as_promised_and_no_fact_undoes_another(
    space: Space, payment: Payment
) -> None:
    tally = walk(space, payment, stand, of_set, of_extension)

    assert tally.breaches == []
    assert tally.sets > 15_000
    assert tally.extensions > 5 * tally.sets


def test_every_kind_of_evidence_is_in_it() -> None:
    told = facts_about(SMALL)
    tried = {
        told[fact].kind
        for space in QUICK
        for options in (*space.outer, *space.inner)
        for option in options
        for fact in option
    }

    assert tried == set(Kind)


@small_and_large
def test_no_payment_falls_silent_and_none_goes_untold(payment: Payment) -> None:
    tally = live(LIFE, payment, Settle(operators=OPERATORS))

    assert tally.breaches == []
    assert tally.extensions > 5_000


@small_and_large
def test_a_rule_that_is_broken_would_be_noticed(payment: Payment) -> None:
    def last_word_wins(payment: Payment, evidence: object) -> Standing:
        assert isinstance(evidence, list)
        said_no = [each for each in evidence if each.kind is Kind.QUERY_FAILED]
        return Standing(status=Status.DECLINED) if said_no else stand(payment, evidence)

    assert walk(QUICK[0], payment, last_word_wins, of_set, of_extension).breaches != []


def test_a_receipt_that_is_anothers_and_counts_would_be_noticed() -> None:
    def believes_all(payment: Payment, evidence: Sequence[Evidence]) -> Standing:
        kept = [each for each in evidence if each.kind is not Kind.RECEIPT_MOVED]
        return stand(payment, kept)

    assert walk(QUICK[2], SMALL, believes_all, of_set, of_extension).breaches != []


def test_a_row_that_waits_for_a_person_and_credits_would_be_noticed() -> None:
    def holds_nothing(payment: Payment, evidence: Sequence[Evidence]) -> Standing:
        return stand(payment, [replace(each, held=False) for each in evidence])

    assert walk(QUICK[3], SMALL, holds_nothing, of_set, of_extension).breaches != []


def told(payment: Payment, *facts: F) -> list[Evidence]:
    return [facts_about(payment)[fact] for fact in facts]


def test_a_query_about_a_push_that_never_began_is_not_late_enough() -> None:
    never_begun = replace(LARGE, begun_at=None)

    assert stand(never_begun, told(LARGE, F.QUERY_YES)).status is Status.CONFIRMING


def test_the_limit_itself_is_still_small() -> None:
    for amount_kes, status in ((5000, Status.PAID), (5001, Status.CONFIRMING)):
        payment = replace(SMALL, amount_kes=amount_kes)

        assert stand(payment, told(payment, F.BEGUN, F.PAID)).status is status
