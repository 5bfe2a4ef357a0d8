"""Latencies: what 95 of 100 stayed below, counted for ever and remembered for a while."""

from __future__ import annotations

from bot.core.latencies import BOUNDS_S, NEWEST, Latencies


def test_the_p95_is_of_the_newest_and_the_counts_are_of_all() -> None:
    latencies = Latencies()
    for _ in range(1000):
        latencies.took("push", 30.0)
    for number in range(NEWEST):
        latencies.took("push", 0.01 * (number % 100 + 1))

    seen = latencies.seen()["push"]

    assert seen.among == NEWEST
    assert round(seen.p95_s, 9) == 0.95
    assert sum(seen.counts) == 1000 + NEWEST
    assert seen.counts[BOUNDS_S.index(30.0)] == 1000
    assert round(seen.total_s) == 30_000 + 101


def test_kinds_do_not_mix_and_one_request_is_its_own_p95() -> None:
    latencies = Latencies()
    assert latencies.seen() == {}

    latencies.took("query", 45.0)
    latencies.took("token", 0.2)

    seen = latencies.seen()
    assert [*seen] == ["query", "token"]
    assert seen["query"].p95_s == 45.0
    assert seen["query"].counts[-1] == 1
    assert seen["token"].p95_s == 0.2
