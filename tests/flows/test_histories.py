"""A slice of the seeded histories: days of every fault at once, judged, and the same each time."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tests.prove.histories.run import Told, live, live_two, ready_for_two

# Fewer people who want to pay, and fewer hours of faults, than `make prove` has.
SLICE = {"chaos_h": 4, "wishes": 6, "payments": 6}
SLICE_OF_TWO = {"chaos_h": 2, "wishes": 3, "payments": 4}
ALONE = (2,)
TOGETHER = (63,)
ON_ONE_ENGINE = {
    "test_no_promise_is_broken_and_every_seed_lives_the_same_days_again": (
        "the other one has two processes on PostgreSQL"
    ),
}


def _judged(told: list[Told], lived_twice: int) -> None:
    first = {each.seed: each for each in told}
    assert {each.seed: each.violations for each in told if each.violations} == {}
    assert sum(each.payments for each in told) >= 4 * len(told)
    assert sum(each.paid for each in told) >= len(told), "nothing is wrong where nothing is paid"
    assert [each.fingerprint for each in told if each.seed == lived_twice] == [
        first[lived_twice].fingerprint
    ] * 2


def test_no_promise_is_broken_and_every_seed_lives_the_same_days_again() -> None:
    # Processes of their own: a history holds its loop's time, and its connections.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        told = list(pool.map(partial(live, **SLICE), (*ALONE, ALONE[0])))

    _judged(told, lived_twice=ALONE[0])


@pytest.mark.postgres
def test_two_processes_on_one_database_break_none_either(postgres_server: str) -> None:
    ready_for_two(postgres_server)

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        lives = partial(live_two, server=postgres_server, **SLICE_OF_TWO)
        told = list(pool.map(lives, (*TOGETHER, TOGETHER[0])))

    _judged(told, lived_twice=TOGETHER[0])
    assert sum(each.effects["a process stalled"] for each in told) > 0
