"""The README's diagram is what settle does, and would change with it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.core.settle import Standing, stand
from storage.records import Evidence, Kind, Payment, Status
from tests.core.diagram import README, drawn, found_in, mermaid, moves


def test_the_readme_shows_what_settle_does() -> None:
    readme = README.read_text(encoding="utf-8")

    assert found_in(readme) == mermaid(moves()), "write it anew: python -m tests.core.diagram"
    assert drawn(readme) == readme


def test_every_status_can_be_reached_and_money_can_always_come() -> None:
    found = moves()

    assert {now for _, now in found} | {Status.CREATED} == set(Status)
    to_paid = {was for was, now in found if now is Status.PAID}
    assert to_paid == set(Status) - {Status.PAID}


def test_nothing_leaves_paid() -> None:
    assert [was for was, _ in moves() if was is Status.PAID] == []


def test_another_settle_would_be_another_diagram() -> None:
    def forgetful(payment: Payment, evidence: Sequence[Evidence]) -> Standing:
        return stand(payment, [each for each in evidence if each.kind is not Kind.LAPSED])

    assert mermaid(moves(forgetful)) != found_in(README.read_text(encoding="utf-8"))


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(AssertionError, match="marks"):
        drawn("# Lipabot")
