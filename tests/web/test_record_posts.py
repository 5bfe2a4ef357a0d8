"""The addresses where Safaricom posts about its books: who may, what is kept, what is said."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from bot.core.hear import NotKept
from bot.core.record_desk import RecordDesk
from bot.core.settle import Settle
from bot.core.unread import UnreadShelf
from bot.core.ways import BODIES_MAX, HAND, TIMEOUT, VALIDATION, Answered, Ways
from bot.web.server import build_web, serving
from mpesa.c2b import C2bPayment
from storage.engine import Store
from storage.errors import StoreBusy
from storage.record_tables import record_unread
from storage.records import Alarm, AskedLater, QuestionKind, RowState
from tests.core.conftest import make_desk
from tests.core.test_hear import alarms
from tests.desk import PAYBILL, ScriptedOffice, a_desk
from tests.stores import TestClock
from tests.web.test_doors import ListeningHear

RECEIPT = "UKN1ABCDEF"
HAND_BODY = {
    "TransactionType": "Pay Bill",
    "TransID": RECEIPT,
    "TransTime": "20261123120000",
    "TransAmount": "50.00",
    "BusinessShortCode": PAYBILL,
    "BillRefNumber": "LIPA-7K2QX",
    "MSISDN": "2547 ***** 678",
    "FirstName": "ASHA",
}


def result_body(**changes: Any) -> bytes:
    """A status answer about `RECEIPT`, paid to us."""
    values = {
        "DebitPartyName": "254712345678 - ASHA N TEST",
        "CreditPartyName": f"{PAYBILL} - SHOP",
        "TransactionStatus": "Completed",
        "FinalisedTime": 20261123120000,
        "Amount": 50.0,
        "ReceiptNo": RECEIPT,
    } | changes.pop("values", {})
    frame = {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "…",
        "TransactionID": "UKN0000000",
        "ResultParameters": {
            "ResultParameter": [{"Key": key, "Value": value} for key, value in values.items()]
        },
    }
    return json.dumps({"Result": frame | changes}).encode()


@dataclass
class Door:
    """A running web server over a real record."""

    record: RecordDesk
    office: ScriptedOffice
    client: aiohttp.ClientSession
    store: Store
    clock: TestClock
    paths: dict[str, str] = field(default_factory=dict)

    async def asked(self) -> tuple[str, str]:
        """The two paths of a question about `RECEIPT`."""
        assert await self.record.ways.ask(RECEIPT)
        _, urls = self.office.asked[-1]
        return tuple(  # type: ignore[return-value]  # of two
            url.removeprefix("https://pay.example.org")
            for url in (urls.result_url, urls.timeout_url)
        )

    def hand(self, purpose: str = HAND) -> str:
        return self.record.ways.hand_url(purpose).removeprefix("https://pay.example.org")

    async def post(self, path: str, body: bytes | dict[str, Any], **more: Any) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client.post(path, data=data, **more) as answer:
            await answer.read()
            return answer.status

    async def outcome(self) -> str | None:
        async with self.store.read() as tx:
            return (await tx.record.questions_of(RECEIPT))[0].outcome


@pytest.fixture
async def door(store: Store, clock: TestClock) -> AsyncIterator[Door]:
    office = ScriptedOffice()
    record = a_desk(store, clock, office)
    app = build_web(ListeningHear(store), ways=record.ways, ready=lambda: True, body_timeout_s=0.3)
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield Door(record, office, client, store, clock)


async def test_an_answer_is_in_the_books_before_it_is_acknowledged(door: Door) -> None:
    path, _ = await door.asked()

    assert await door.post(path, result_body()) == 200

    row = await door.record.rows.get(RECEIPT)
    assert row is not None
    assert (row.amount_cents, row.recorded) == (50_00, True)
    assert await door.outcome() == "done"


async def test_told_again_it_changes_nothing_and_at_last_is_not_looked_at(door: Door) -> None:
    path, _ = await door.asked()
    for _ in range(BODIES_MAX + 5):
        assert await door.post(path, result_body()) == 200

    assert len(await door.record.open_differences()) == 1


@pytest.mark.parametrize(
    "body",
    [
        result_body(values={"ReceiptNo": "UKN2ABCDEF"}),
        result_body(values={"CreditPartyName": "600001 - OTHER"}),
        result_body(values={"CreditPartyName": ""}),
        result_body(values={"TransactionStatus": "Cancelled"}),
        result_body(values={"TransactionStatus": "Initiated"}),
        result_body(values={"Amount": "0"}),
        result_body(values={"Amount": "fifty"}),
        result_body(ResultCode=2001),
        result_body(ResultCode="R000002"),
        result_body(ResultType=1),
        result_body(ResultParameters=None),
        b"",
        b"null",
        b"<html>",
        b'{"Result":{"ResultCode":0}}',
    ],
)
async def test_an_answer_that_does_not_say_it_was_paid_to_us_is_no_row(
    door: Door, body: bytes
) -> None:
    path, _ = await door.asked()

    assert await door.post(path, body) == 200

    assert await door.record.rows.get(RECEIPT) is None


async def test_the_timeout_address_decides_nothing_whatever_it_is_told(door: Door) -> None:
    _, path = await door.asked()

    assert await door.post(path, result_body()) == 200

    assert await door.record.rows.get(RECEIPT) is None
    assert await door.outcome() == "timeout"


async def test_a_refused_initiator_is_an_alarm(door: Door, store: Store, clock: TestClock) -> None:
    path, _ = await door.asked()

    await door.post(path, result_body(ResultCode=2001))

    desk = make_desk(store, clock, None)  # type: ignore[arg-type]  # it sends nothing
    assert Alarm.CREDENTIAL in await alarms(desk)


async def test_more_to_come_leaves_the_question_open(door: Door) -> None:
    path, _ = await door.asked()

    await door.post(path, result_body(ResultType=1))
    assert await door.outcome() is None
    await door.post(path, result_body())

    assert await door.record.rows.get(RECEIPT) is not None


async def test_a_good_address_without_a_question_is_answered_and_does_nothing(door: Door) -> None:
    path = door.record.ways.urls("f" * 32).result_url.removeprefix("https://pay.example.org")

    assert await door.post(path, result_body()) == 200

    assert await door.record.rows.get(RECEIPT) is None


async def test_the_mac_of_one_question_opens_no_other_and_no_other_door(door: Door) -> None:
    path, timeout = await door.asked()
    question, _, mac = path.removeprefix("/t/").partition(".")
    hand = door.hand()
    wrong = [
        f"/t/{'f' * 32}.{mac}",
        f"/t/{question}",
        f"/t/{question}.{'0' * 32}",
        f"/t/{question}.{mac}0",
        f"/c/{question}.{mac}",
        f"/b/{mac}",
        f"/b/{'0' * 32}",
        "/b/",
        "/t/",
        f"/t/{question}.{hand.removeprefix('/b/')}",
    ]
    sign = door.store.crypt.sign
    assert timeout == f"/t/{question}.{sign(TIMEOUT, question)}"
    for path_ in wrong:
        assert await door.post(path_, result_body()) == 404, path_
    assert await door.post(hand.upper(), HAND_BODY) == 404
    assert await door.record.rows.get(RECEIPT) is None


async def test_a_payment_by_hand_is_kept_as_a_claim(door: Door) -> None:
    for _ in range(2):
        assert await door.post(door.hand(), HAND_BODY) == 200

    row = await door.record.rows.get(RECEIPT)
    assert row is not None
    assert (row.state, row.recorded, row.reference) == (RowState.CLAIMED, False, "LIPA-7K2QX")
    assert await door.record.rows.net_cents() == 0


async def test_a_validation_is_welcomed_and_kept_nowhere(door: Door) -> None:
    async with door.client.post(door.hand(VALIDATION), json=HAND_BODY) as answer:
        assert (answer.status, await answer.json()) == (
            200,
            {"ResultCode": "0", "ResultDesc": "Accepted"},
        )

    assert await door.record.rows.get(RECEIPT) is None


@pytest.mark.parametrize(
    "change",
    [
        {"BusinessShortCode": "600001"},
        {"TransID": "X"},
        {"TransAmount": "-5"},
        {"TransAmount": True},
    ],
)
async def test_a_post_that_is_not_about_our_money_is_acknowledged_and_credits_nothing(
    door: Door, change: dict[str, object]
) -> None:
    assert await door.post(door.hand(), HAND_BODY | change) == 200

    assert await door.record.rows.get(RECEIPT) is None


def body_without_receipt(number: int = 0) -> bytes:
    return json.dumps(HAND_BODY | {"TransID": "X", "number": number}).encode()


@pytest.mark.both_engines
async def test_what_cannot_be_read_is_kept_once_sealed_and_told_once(door: Door) -> None:
    path, _ = await door.asked()
    for _ in range(2):
        for number in range(3):
            assert await door.post(door.hand(), body_without_receipt(number)) == 200
        assert await door.post(path, b"<html>") == 200
    assert await door.post(door.hand(), b"x" * 20_000) == 413

    async with door.store.read() as tx:
        kept, answers = await tx.record.unread("by-hand"), await tx.record.unread("result")
        sealed = (await tx.record._connection.execute(select(record_unread.c.body))).scalars()
    assert [each.body for each in kept] == [*map(body_without_receipt, range(3)), b""]
    assert kept[0].why == "TransID is no receipt"
    assert [each.body for each in answers] == [b"<html>"]
    assert not [each for each in sealed if b"TransID" in each]
    desk = make_desk(door.store, door.clock, None)  # type: ignore[arg-type]  # it sends nothing
    assert (await alarms(desk)).count(Alarm.UNREAD) == 2  # one to each operator


async def test_no_more_than_a_number_is_kept_and_all_is_acknowledged(door: Door) -> None:
    door.record.ways.unread.kept_max = 2
    for number in range(4):
        assert await door.post(door.hand(), body_without_receipt(number)) == 200

    async with door.store.read() as tx:
        assert len(await tx.record.unread("by-hand")) == 2


@pytest.mark.both_engines
async def test_a_newer_program_reads_it_and_it_is_a_claim_once(door: Door) -> None:
    # As an older one would have kept it.
    await door.record.ways.unread.keep("by-hand", "unknown", json.dumps(HAND_BODY).encode())
    await door.record.ways.unread.keep("by-hand", "unknown", b"<html>")

    await door.record.ways.unread.read_again()
    await door.record.ways.unread.read_again()

    row = await door.record.rows.get(RECEIPT)
    assert row is not None
    assert (row.state, row.recorded) == (RowState.CLAIMED, False)
    async with door.store.read() as tx:
        assert [each.body for each in await tx.record.unread("by-hand")] == [b"<html>"]


async def test_what_could_not_be_kept_is_not_acknowledged(door: Door) -> None:
    ways = door.record.ways
    ways.unread = FullShelf(
        store=door.store,
        settle=Settle(operators=[]),
        clock=door.clock,
        read=ways.posted,
        wake=lambda: None,
    )

    assert await door.post(door.hand(), b"<html>") == 503
    assert await door.post(door.hand(), b"x" * 20_000) == 503


class FullShelf(UnreadShelf):
    """The disk is full."""

    async def keep(self, door: str, why: str, body: bytes) -> None:
        raise StoreBusy


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * (16 * 1024 + 1), {}, 413),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_bodies_have_the_limits_of_callbacks(
    door: Door, body: bytes, headers: dict[str, str], status: int
) -> None:
    path, _ = await door.asked()

    assert await door.post(path, body, headers=headers) == status
    assert await door.post(door.hand(), body, headers=headers) == status


async def test_five_hundred_odd_bodies_are_answered_and_credit_nothing(door: Door) -> None:
    path, _ = await door.asked()
    rng = random.Random(20261123)
    odd: list[Any] = [None, True, -1, 10**400, "", "\x00", [], {}, 1e309, "\ud800", RECEIPT]
    for number in range(500):
        if number % 2:
            body = dict(HAND_BODY, TransID=f"UKN{number:07d}")
            target = door.hand()
            for _ in range(rng.randint(1, 3)):
                body[rng.choice(list(body))] = rng.choice(odd)
            raw = json.dumps(body).encode("utf-8", "surrogatepass")
        else:
            target = path
            text = result_body().decode()
            place = rng.randrange(len(text))
            raw = (
                text[:place] + rng.choice(["", '"', "}", "\x00", "9" * 20]) + text[place:]
            ).encode()
        assert await door.post(target, raw) == 200, raw

    assert await door.record.rows.net_cents() == 0


class Failing(Ways):
    """Ways whose store has failed, or which have a bug."""

    failure: Exception = StoreBusy("full")

    def __init__(self, store: Store) -> None:
        self._store = store

    async def posted(self, payment: C2bPayment) -> None:
        raise self.failure

    async def heard(self, question_id: str, answer: Answered, *, timeout: bool) -> None:
        raise self.failure


@pytest.mark.parametrize("failure", [StoreBusy("full"), RuntimeError("a bug")])
async def test_what_was_not_kept_may_come_again(store: Store, failure: Exception) -> None:
    ways = Failing(store)
    ways.failure = failure
    app = build_web(ListeningHear(store), ways=ways, ready=lambda: True)
    sign = store.crypt.sign
    question = "a" * 32
    paths = [f"/t/{question}.{sign('result', question)}", f"/b/{sign(HAND, HAND)}"]
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        for path in paths:
            async with client.post(path, json=HAND_BODY) as answer:
                assert answer.status == 503
    assert issubclass(StoreBusy, NotKept)


async def test_without_the_record_there_are_no_such_addresses(store: Store) -> None:
    app = build_web(ListeningHear(store), ready=lambda: True)
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        client.post(f"/b/{store.crypt.sign(HAND, HAND)}", json=HAND_BODY) as answer,
    ):
        assert answer.status == 404


async def test_a_reversal_that_is_told_is_a_row_of_the_books(
    door: Door, store: Store, clock: TestClock
) -> None:
    now = clock.now()
    question = AskedLater(
        id="b" * 32,
        kind=QuestionKind.REVERSAL,
        receipt=RECEIPT,
        payment_id=None,
        amount_cents=50_00,
        by=900,
        asked_at=now,
    )
    await store.write(lambda tx: tx.record.ask(question))
    path = door.record.ways.urls(question.id).result_url.removeprefix("https://pay.example.org")
    body = {
        "Result": {
            "ResultType": 0,
            "ResultCode": 0,
            "TransactionID": "UKN9ABCDEF",
            "ResultParameters": {
                "ResultParameter": {"Key": "OriginalTransactionID", "Value": RECEIPT}
            },
        }
    }

    assert await door.post(path, body) == 200

    row = await door.record.rows.get("UKN9ABCDEF")
    assert row is not None
    assert (row.kind, row.linked, row.amount_cents) == ("reversal", RECEIPT, 50_00)
