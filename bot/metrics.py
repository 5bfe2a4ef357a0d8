"""
Metrics: `GET /metrics`, as Prometheus reads them.

Counted are moves of payments and answers to callbacks, by this process since it started. What
stands in the database (queues, their ages, what is wrong) is looked up when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from bot.core.health import Snapshot, Trouble
from bot.core.hear import NotKept
from bot.core.latencies import BOUNDS_S
from bot.core.ports import Clock
from bot.core.reach import Reached
from storage.hearing import Outcome
from storage.records import FINAL, Kind

if TYPE_CHECKING:
    from prometheus_client import Metric

# The library is imported when somebody asks: most bots are never asked, and all of them start.

__all__ = ["Metrics"]

LAST_WORD_S: Final = (5, 10, 20, 30, 60, 120, 300, 900, 3600, 21600, 86400, 172800)
REMEMBERED: Final = 1000

WAYS: Final = {
    Kind.CALLBACK_PAID: "callback",
    Kind.CALLBACK_BARE: "callback",
    Kind.CALLBACK_FAILED: "callback",
    Kind.QUERY_PAID: "query",
    Kind.QUERY_FAILED: "query",
    Kind.RECORD_PAID: "record",
    Kind.OPERATOR_PAID: "operator",
    Kind.OPERATOR_VOID: "operator",
    Kind.REFUSED: "push",
    Kind.NOT_SENT: "push",
    Kind.LAPSED: "lapse",
}


class Metrics:
    """What this process did, and how things are."""

    def __init__(
        self, *, look: Callable[[], Awaitable[Snapshot]], clock: Clock, version: str
    ) -> None:
        self._look = look
        self._clock = clock
        self._version = version
        self._outcomes: Counter[str] = Counter()
        self._ways: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._last_words = [0] * (len(LAST_WORD_S) + 1)
        self._last_words_s = 0.0
        self._counted: OrderedDict[str, int] = OrderedDict()  # payment -> rev

    def moved(self, outcome: Outcome) -> None:
        """A payment's status changed. Two that came in one commit are one change."""
        payment = outcome.payment
        if payment is None or payment.status is outcome.was:
            return
        if self._counted.get(payment.id) == payment.rev:
            return
        self._counted[payment.id] = payment.rev
        while len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        self._outcomes[payment.status] += 1
        if payment.status in FINAL:
            self._ways[next((WAYS[each] for each in outcome.brought if each in WAYS), "other")] += 1
            began_at = payment.begun_at or payment.created_at
            took_s = max(0.0, (self._clock.now() - began_at).total_seconds())
            self._last_words[bisect_left(LAST_WORD_S, took_s)] += 1
            self._last_words_s += took_s

    def answered(self, status: int) -> None:
        """Safaricom, or somebody, posted a callback and got this answer."""
        self._answers[str(status)] += 1

    async def page(self) -> bytes:
        """Everything, in Prometheus's text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        try:
            snapshot = await self._look()
        except NotKept:
            snapshot = None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once([*self._counters(), *_gauges(snapshot)]))
        return generate_latest(registry)

    def _counters(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        yield InfoMetricFamily("lipabot_build", "This program.", {"version": self._version})
        for name, text, label, counts in (
            ("lipabot_payments", "Payments that came to stand so.", "outcome", self._outcomes),
            ("lipabot_last_words", "Last words, by the way they came.", "way", self._ways),
            ("lipabot_callbacks", "Callbacks, by our answer.", "answer", self._answers),
        ):
            family = CounterMetricFamily(name, text, labels=[label])
            for value, count in sorted(counts.items()):
                family.add_metric([value], count)
            yield family
        seen, buckets = 0, []
        for bound, count in zip([*map(str, LAST_WORD_S), "+Inf"], self._last_words, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        yield HistogramMetricFamily(
            "lipabot_last_word_seconds",
            "From the push to the last word about it.",
            buckets=buckets,
            sum_value=self._last_words_s,
        )


class _Once:
    """Families that are made already, as a registry wants to be handed them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _gauges(snapshot: Snapshot | None) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    up = 0 if snapshot is None else 1
    yield GaugeMetricFamily("lipabot_database_up", "Whether the database can be read.", up)
    if snapshot is None:
        return
    waiting = snapshot.waiting
    for name, text, value in (
        ("database_seconds", "A look at the queues took so long.", snapshot.database_ms / 1000),
        ("outbox", "Messages owed to chats.", waiting.outbox),
        ("outbox_age_seconds", "The oldest of them.", snapshot.age_s(waiting.outbox_since)),
        ("inbox", "Updates from Telegram not carried out.", waiting.inbox),
        ("inbox_age_seconds", "The oldest of them.", snapshot.age_s(waiting.inbox_since)),
        (
            "checks_overdue",
            "Payments that got no question for want of budget.",
            waiting.checks_late,
        ),
        (
            "checks_overdue_age_seconds",
            "The oldest of them.",
            snapshot.age_s(waiting.checks_late_since),
        ),
        ("unsure", "Payments of which we do not know whether they were sent.", waiting.unsure),
        ("confirming", "Payments of which somebody says that they are paid.", waiting.confirming),
        ("pending", "Payments that wait for a person.", waiting.pending),
        ("unsettled", "Payments whose evidence could not be settled.", waiting.unsettled),
        ("lines_paused", "Phones that are left alone.", snapshot.lines_paused),
        ("instances", "Processes at work on the database.", snapshot.instances),
        ("paused_after_restore", "Whether no prompt is sent.", snapshot.restored_as_of is not None),
    ):
        yield GaugeMetricFamily(f"lipabot_{name}", text, float(value))
    yield from _latencies(snapshot)
    if snapshot.sight is not None:
        ours = float(snapshot.sight.reached is Reached.OURS)
        yield GaugeMetricFamily("lipabot_reached", "Our address leads to us.", ours)
    if snapshot.free_bytes is not None:
        yield GaugeMetricFamily("lipabot_disk_free_bytes", "Free.", snapshot.free_bytes)
    if snapshot.last_backup_at is not None:
        at_s = snapshot.last_backup_at.timestamp()
        yield GaugeMetricFamily("lipabot_last_backup_timestamp_seconds", "Its time.", at_s)
    troubles = GaugeMetricFamily("lipabot_trouble", "What operators were told.", labels=["trouble"])
    for trouble in Trouble:
        troubles.add_metric([trouble.value], float(trouble in snapshot.wrong))
    yield troubles


def _latencies(snapshot: Snapshot) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

    took = HistogramMetricFamily(
        "lipabot_safaricom_seconds", "Safaricom's answers, by this process.", labels=["request"]
    )
    p95 = GaugeMetricFamily(
        "lipabot_safaricom_quantile_seconds",
        "Of the newest 200 of each.",
        labels=["request", "quantile"],
    )
    for kind, each in snapshot.latencies.items():
        sums = accumulate(each.counts)
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        buckets = [(bound, float(seen)) for bound, seen in zip(bounds, sums, strict=True)]
        took.add_metric([kind], buckets=buckets, sum_value=each.total_s)
        p95.add_metric([kind, "0.95"], each.p95_s)
    yield from (took, p95)
