"""A slice of the seeded histories: days of every fault at once, judged, and the same each time."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.prove.histories.run import Told, live

SEEDS = range(1, 7)
AGAIN = (3,)


def test_no_promise_is_broken_and_every_seed_lives_the_same_days_again() -> None:
    # Processes of their own: a history holds its loop's time, and its connections.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        told: list[Told] = list(pool.map(live, (*SEEDS, *AGAIN)))

    first = {each.seed: each for each in told[: len(SEEDS)]}
    assert {each.seed: each.violations for each in told if each.violations} == {}
    assert min(each.payments for each in told) >= 10
    for again in told[len(SEEDS) :]:
        assert again.fingerprint == first[again.seed].fingerprint
