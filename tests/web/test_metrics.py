"""/metrics: true numbers, in Prometheus's words, for programs on this machine and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from bot.core.health import Snapshot
from bot.core.hear import ADDRESS
from bot.metrics import Metrics
from bot.web.guard import is_local
from bot.web.server import build_web, serving
from storage.engine import Store
from storage.errors import StoreBusy
from storage.hearing import Outcome
from storage.records import Kind, Status
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.test_health import health_at
from tests.fakes import a_payment
from tests.stores import TestClock


@pytest.fixture
async def desk(store: Store, clock: TestClock) -> AsyncIterator[Desk]:
    made = make_desk(store, clock, ScriptedDaraja())
    yield made
    await made.close()


@pytest.fixture
def metrics(desk: Desk, clock: TestClock) -> Metrics:
    made = Metrics(look=health_at(desk.store, clock).look, clock=clock, version="1.2.3")
    desk.store.on_move(made.moved)
    return made


async def values(metrics: Metrics) -> dict[str, float]:
    """Every sample of the page, as `name{label=value}`."""
    found = {}
    for family in text_string_to_metric_families((await metrics.page()).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_payments_are_counted_by_outcome_and_by_the_way_the_truth_came(
    desk: Desk, metrics: Metrics, clock: TestClock
) -> None:
    first = await desk.ask(ask_key="1", phone="254722000001")
    clock.advance(12)
    await desk.post(first, success(1))
    await desk.post(first, success(1))
    second = await desk.ask(ask_key="2", phone="254722000002")
    clock.advance(3)
    await desk.post(second, failure(number=2))
    await desk.ask(ask_key="3", phone="254722000003")
    desk.daraja.answers = ["0"]
    clock.advance(25)
    await desk.reconcile.run_due()

    found = await values(metrics)

    assert found["lipabot_payments_total{outcome=paid}"] == 2
    assert found["lipabot_payments_total{outcome=declined}"] == 1
    assert found["lipabot_payments_total{outcome=prompted}"] == 3
    assert found["lipabot_last_words_total{way=callback}"] == 2
    assert found["lipabot_last_words_total{way=query}"] == 1
    assert found["lipabot_last_word_seconds_count"] == 3
    assert found["lipabot_last_word_seconds_sum"] == 12 + 3 + 25
    assert found["lipabot_last_word_seconds_bucket{le=5}"] == 1
    assert found["lipabot_last_word_seconds_bucket{le=20}"] == 2
    assert found["lipabot_build_info{version=1.2.3}"] == 1
    assert found["lipabot_database_up"] == 1


async def test_two_pieces_in_one_commit_are_one_change(metrics: Metrics) -> None:
    """Each of two callbacks that share a commit is told of the move that they made together."""
    paid = replace(a_payment(), status=Status.PAID, rev=7)
    outcome = Outcome(
        payment=paid, moved=True, fresh=True, was=Status.PROMPTED, brought=(Kind.CALLBACK_PAID,)
    )

    metrics.moved(outcome)
    metrics.moved(outcome)

    assert (await values(metrics))["lipabot_payments_total{outcome=paid}"] == 1


async def test_a_database_that_is_away_is_a_number_too(clock: TestClock) -> None:
    async def look() -> Snapshot:
        raise StoreBusy("away")

    found = await values(Metrics(look=look, clock=clock, version="1"))

    assert found["lipabot_database_up"] == 0
    assert "lipabot_outbox" not in found


@asynccontextmanager
async def served(desk: Desk, metrics: Metrics) -> AsyncIterator[str]:
    app = build_web(desk.hear, ready=lambda: True, counting=metrics)
    async with serving(app, host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}"


async def test_the_page_is_prometheus_text_and_counts_answers(desk: Desk, metrics: Metrics) -> None:
    payment = await desk.ask()
    mac = desk.store.crypt.sign(ADDRESS, payment.id)
    async with served(desk, metrics) as base, aiohttp.ClientSession() as client:
        for address in (f"{payment.id}.{mac}", f"{payment.id}.{'0' * 32}", "nonsense"):
            async with client.post(f"{base}/c/{address}", data=success()):
                pass
        async with client.get(f"{base}/metrics") as answer:
            page = await answer.text()

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'lipabot_callbacks_total{answer="200"} 1.0' in page
    assert 'lipabot_callbacks_total{answer="404"} 2.0' in page
    assert payment.id not in page
    assert "712345678" not in page


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "x-forwarded-for", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"],
)
async def test_through_a_proxy_there_is_no_such_page(
    desk: Desk, metrics: Metrics, header: str
) -> None:
    async with served(desk, metrics) as base, aiohttp.ClientSession() as client:
        async with client.get(f"{base}/metrics", headers={header: "127.0.0.1"}) as hidden:
            there = hidden.status, await hidden.text(), dict(hidden.headers)
        async with client.get(f"{base}/nothing") as unknown:
            nowhere = unknown.status, await unknown.text(), dict(unknown.headers)

    assert there[0] == 404
    for each in (there[2], nowhere[2]):
        each.pop("Date")
    assert there == nowhere


@pytest.mark.parametrize(
    ("peer", "local"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("203.0.113.9", False)],
)
def test_only_this_machine_is_local(peer: str, local: bool) -> None:
    request = make_mocked_request("GET", "/metrics").clone(remote=peer)

    assert is_local(request) is local


async def test_without_a_counter_there_is_no_page(desk: Desk) -> None:
    app = build_web(desk.hear, ready=lambda: True)
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 404
