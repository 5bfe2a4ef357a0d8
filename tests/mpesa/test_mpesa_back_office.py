"""Status, reversal, payments by hand and the list: the client against the simulator, over HTTP."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from mpesa.async_results import TransactionState, parse_result, read_reversal, read_status
from mpesa.back_office import BackOffice
from mpesa.bodies import Unreadable
from mpesa.c2b import C2bPayment, parse_c2b, validation_answer
from mpesa.client import open_daraja
from mpesa.credential import security_credential
from mpesa.errors import BadCredentials, NoAnswer, OutcomeUnknown, Refused
from mpesa.models import Account, Ack, Initiator, PulledRow, ResultUrls
from mpesa.org_results import OrgMeaning
from mpesa.phones import may_be
from mpesa.simulator import (
    CallbackFault,
    Endpoint,
    Fault,
    ManualClock,
    ReplyFault,
    RowKind,
    Simulator,
    SimulatorSettings,
)
from mpesa.wire import Reply, TokenRefused, decipher_ack

JANE = "254712345678"
FAST = SimulatorSettings(
    answer_after_s=0, unreachable_after_s=0, callback_after_s=0, result_after_s=0
)
REGISTERED = (
    b'{"OriginatorCoversationID":"1-2","ConversationID":"","ResponseDescription":"success"}'
)


@dataclass
class Listener:
    """Our side: what Safaricom posts, and to which path."""

    base: str = ""
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    answer: bytes = b"{}"

    async def handle(self, request: web.Request) -> web.Response:
        self.posts.append((request.path, await request.read()))
        return web.Response(body=self.answer, content_type="application/json")

    @property
    def urls(self) -> ResultUrls:
        return ResultUrls(f"{self.base}/t/done", f"{self.base}/t/late")


@dataclass
class World:
    """A simulator, a client and our addresses."""

    simulator: Simulator
    office: BackOffice
    listener: Listener
    base_url: str


@asynccontextmanager
async def world(
    settings: SimulatorSettings = FAST, *, password: str = FAST.initiator_password
) -> AsyncIterator[World]:
    simulator, listener = Simulator(settings=settings, clock=ManualClock()), Listener()
    app = web.Application()
    app.router.add_post("/{path:.*}", listener.handle)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(app))
        listener.base = str(server.make_url("")).rstrip("/")
        base_url = await stack.enter_async_context(simulator.serving())
        initiator = Initiator(
            settings.initiator,
            security_credential(SecretStr(password), simulator.org.certificate),
        )
        daraja = await stack.enter_async_context(
            open_daraja(
                base_url=base_url,
                consumer_key=SecretStr(settings.consumer_key),
                consumer_secret=SecretStr(settings.consumer_secret),
                account=Account(
                    shortcode=settings.shortcode,
                    passkey=SecretStr(settings.passkey),
                    transaction_type=settings.transaction_type,
                    till_number=settings.till_number,
                ),
                now=lambda: datetime.now(UTC),
                timeout_s=5,
                initiator=initiator,
            )
        )
        yield World(simulator, daraja.back_office, listener, base_url)


def paid(simulator: Simulator, amount_kes: int = 150, reference: str = "LIPA-7K2QX") -> str:
    row = simulator.pay_by_hand(JANE, amount_kes, reference)
    assert row is not None
    return row.receipt


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("till", [False, True])
async def test_a_receipt_is_asked_about_and_the_answer_comes_later(
    second: bool, till: bool
) -> None:
    settings = replace(
        FAST,
        receiver_as_second_payer=second,
        transaction_type="till" if till else "paybill",
        till_number="600777" if till else None,
    )
    async with world(settings) as each:
        receipt = paid(each.simulator)

        ack = await each.office.ask_status(receipt, each.listener.urls)
        await each.simulator.settled()

        ((path, body),) = each.listener.posts
        found = parse_result(body)
        assert path == "/t/done"
        assert not isinstance(found, Unreadable)
        assert found.originator_conversation_id == ack.originator_conversation_id
        answer = read_status(found)
        assert answer is not None
        assert answer.state is TransactionState.COMPLETED
        assert answer.receipt == receipt
        assert answer.amount_cents == 150_00
        assert answer.paid_at == each.simulator.clock.now().replace(microsecond=0)
        assert may_be(answer.payer, JANE)
        assert answer.paid_to(settings.party_b)


async def test_money_that_went_out_was_not_paid_to_us() -> None:
    async with world() as each:
        back = each.simulator.reverse(paid(each.simulator))
        assert back is not None

        await each.office.ask_status(back.receipt, each.listener.urls)
        await each.simulator.settled()

        found = parse_result(each.listener.posts[0][1])
        assert not isinstance(found, Unreadable)
        answer = read_status(found)
        assert answer is not None
        assert answer.state is TransactionState.COMPLETED
        assert not answer.paid_to(FAST.party_b)


async def test_an_unknown_receipt_is_not_found() -> None:
    async with world() as each:
        await each.office.ask_status("UKN9ZZZZZZ", each.listener.urls)
        await each.simulator.settled()

        found = parse_result(each.listener.posts[0][1])
        assert not isinstance(found, Unreadable)
        assert found.result.meaning is OrgMeaning.NOT_FOUND
        assert found.transaction_id is None
        assert read_status(found) is None


async def test_a_wrong_password_is_told_by_the_result() -> None:
    async with world(password="last quarter's") as each:
        await each.office.ask_status(paid(each.simulator), each.listener.urls)
        await each.simulator.settled()

        found = parse_result(each.listener.posts[0][1])
        assert not isinstance(found, Unreadable)
        assert found.result.meaning is OrgMeaning.BAD_CREDENTIAL


@pytest.mark.parametrize(
    ("fault", "paths"),
    [
        (CallbackFault.NEVER, []),
        (CallbackFault.TWICE, ["/t/done", "/t/done"]),
        (CallbackFault.TIMEOUT, ["/t/late"]),
    ],
)
async def test_a_result_may_be_lost_doubled_or_timed_out(
    fault: CallbackFault, paths: list[str]
) -> None:
    async with world() as each:
        each.simulator.faults.next(Endpoint.STATUS, Fault(callback=fault))

        await each.office.ask_status(paid(each.simulator), each.listener.urls)
        await each.simulator.settled()

        assert [path for path, _ in each.listener.posts] == paths


async def test_a_reversal_gives_the_money_back_and_says_so() -> None:
    async with world() as each:
        receipt = paid(each.simulator)

        await each.office.reverse(receipt, 150, each.listener.urls, remarks="Asked for it back")
        await each.simulator.settled()

        found = parse_result(each.listener.posts[0][1])
        assert not isinstance(found, Unreadable)
        answer = read_reversal(found)
        assert answer is not None
        assert answer.original_receipt == receipt
        assert answer.amount_cents == 150_00
        back = each.simulator.books.statement()[-1]
        assert back.kind is RowKind.REVERSAL
        assert answer.receipt == back.receipt


@pytest.mark.parametrize(
    ("receipts", "amount_kes", "meaning"),
    [
        (lambda receipt: [receipt, receipt], 150, OrgMeaning.ALREADY_REVERSED),
        (lambda receipt: ["UKN9ZZZZZZ"], 150, OrgMeaning.NOT_FOUND),
        (lambda receipt: [receipt], 149, OrgMeaning.BAD_REQUEST),
    ],
)
async def test_a_reversal_that_cannot_be_says_why(
    receipts: Callable[[str], list[str]], amount_kes: int, meaning: OrgMeaning
) -> None:
    async with world() as each:
        for receipt in receipts(paid(each.simulator)):
            await each.office.reverse(receipt, amount_kes, each.listener.urls, remarks="Back")
            await each.simulator.settled()

        found = parse_result(each.listener.posts[-1][1])
        assert not isinstance(found, Unreadable)
        assert found.result.meaning is meaning
        assert read_reversal(found) is None


async def test_a_reversal_whose_reply_is_lost_is_sent_once_and_called_unknown() -> None:
    async with world() as each:
        receipt = paid(each.simulator)
        each.simulator.faults.next(Endpoint.REVERSAL, Fault(reply=ReplyFault.LOST))

        with pytest.raises(OutcomeUnknown):
            await each.office.reverse(receipt, 150, each.listener.urls, remarks="Back")
        await each.simulator.settled()

        assert len(each.simulator.org.orders) == 1


async def test_an_expired_token_costs_one_more_request() -> None:
    async with world() as each:
        await each.office.register_pull(
            nominated_number=JANE, callback_url=f"{each.listener.base}/p"
        )
        for endpoint in (Endpoint.STATUS, Endpoint.REVERSAL, Endpoint.PULL):
            each.simulator.faults.next(endpoint, Fault(reply=ReplyFault.TOKEN_EXPIRED))
        receipt, now = paid(each.simulator), each.simulator.clock.now()

        await each.office.ask_status(receipt, each.listener.urls)
        await each.office.reverse(receipt, 150, each.listener.urls, remarks="Back")
        page = await each.office.pull(since=now - timedelta(hours=1), until=now)
        await each.simulator.settled()

        assert len(each.simulator.org.orders) == 2
        assert page.size == 1


@pytest.mark.parametrize(("version", "shown"), [("v1", "hash"), ("v2", "mask")])
async def test_a_payment_by_hand_is_told_to_the_registered_address(
    version: Any, shown: str
) -> None:
    async with world(replace(FAST, c2b=version)) as each:
        await each.office.register_urls(
            version,
            confirmation_url=f"{each.listener.base}/b/sesame",
            validation_url=f"{each.listener.base}/b/sesame",
        )

        receipt = paid(each.simulator, 150, "lipa 7k2qx")
        await each.simulator.settled()

        ((path, body),) = each.listener.posts
        told = parse_c2b(body)
        assert path == "/b/sesame"
        assert isinstance(told, C2bPayment)
        assert (told.receipt, told.amount_cents) == (receipt, 150_00)
        assert told.account_reference == "lipa 7k2qx"
        assert may_be(told.payer, JANE)
        assert (len(told.payer) == 64) is (shown == "hash")


async def test_the_other_version_belongs_to_another_product() -> None:
    async with world() as each:
        with pytest.raises(BadCredentials):
            await each.office.register_urls(
                "v1",
                confirmation_url=f"{each.listener.base}/b/x",
                validation_url=f"{each.listener.base}/b/x",
            )


async def test_an_address_with_a_word_that_safaricom_refuses_is_refused() -> None:
    async with world() as each:
        with pytest.raises(Refused):
            await each.office.register_urls(
                "v2",
                confirmation_url=f"{each.listener.base}/mpesa",
                validation_url=f"{each.listener.base}/mpesa",
            )


async def test_a_second_registration_is_not_called_a_success_in_production() -> None:
    async with world(replace(FAST, c2b_registers_once=True)) as each:
        url = f"{each.listener.base}/b/x"
        await each.office.register_urls("v2", confirmation_url=url, validation_url=url)

        with pytest.raises(OutcomeUnknown):
            await each.office.register_urls("v2", confirmation_url=url, validation_url=url)


@pytest.mark.parametrize(
    ("answer", "moved"),
    [(validation_answer(), True), (b'{"ResultCode":"C2B00012"}', False), (b"<html>", True)],
)
async def test_a_validation_can_stop_a_payment(answer: bytes, moved: bool) -> None:
    async with world(replace(FAST, c2b_validates=True)) as each:
        each.listener.answer = answer
        await each.office.register_urls(
            "v2",
            confirmation_url=f"{each.listener.base}/b/x",
            validation_url=f"{each.listener.base}/b/y",
        )

        row = await each.simulator.pay_by_hand_if_valid(JANE, 50, "LIPA-7K2QX")
        await each.simulator.settled()

        assert (row is not None) is moved
        assert isinstance(parse_c2b(each.listener.posts[0][1]), C2bPayment)


async def test_the_list_comes_in_pages_and_reaches_back_two_days() -> None:
    async with world(replace(FAST, pull_page=2, returns_test_money=False)) as each:
        clock = each.simulator.clock
        assert isinstance(clock, ManualClock)
        paid(each.simulator, 9)
        await clock.advance(49 * 3600)
        receipts = [paid(each.simulator, amount) for amount in (10, 20, 30)]
        await each.office.register_pull(
            nominated_number=JANE, callback_url=f"{each.listener.base}/p"
        )

        rows: list[PulledRow] = []
        while True:
            page = await each.office.pull(
                since=clock.now() - timedelta(hours=72), until=clock.now(), offset=len(rows)
            )
            rows += page.rows
            if page.size == 0:
                break

        assert [row.receipt for row in rows] == receipts
        assert [row.amount_cents for row in rows] == [10_00, 20_00, 30_00]
        assert rows[0].paid_at == clock.now().replace(microsecond=0)
        assert rows[0].account_reference == "LIPA-7K2QX"
        assert may_be(rows[0].payer, JANE)


async def test_no_list_is_no_answer() -> None:
    async with world() as each:
        now = each.simulator.clock.now()
        with pytest.raises(NoAnswer):  # not registered
            await each.office.pull(since=now, until=now)
        each.simulator.faults.next(Endpoint.PULL, Fault(reply=ReplyFault.THROTTLED))
        with pytest.raises(NoAnswer):
            await each.office.pull(since=now, until=now)
        each.simulator.faults.next(Endpoint.PULL, Fault(reply=ReplyFault.LOST))
        with pytest.raises(NoAnswer):
            await each.office.pull(since=now, until=now)


async def test_a_prompted_payment_may_also_be_told_like_one_by_hand() -> None:
    async with world(replace(FAST, c2b_tells_pushes=True)) as each:
        url = f"{each.listener.base}/b/x"
        await each.office.register_urls("v2", confirmation_url=url, validation_url=url)

        row = each.simulator.books.pay(
            phone=JANE, amount_cents=50_00, account_reference="PAY-7K2QX"
        )
        assert row is not None
        each.simulator.org.tell_paid(row)
        await each.simulator.settled()

        told = parse_c2b(each.listener.posts[0][1])
        assert isinstance(told, C2bPayment)
        assert told.account_reference == "PAY-7K2QX"


async def test_the_control_calls_show_what_was_posted_and_the_portals_file() -> None:
    async with world() as each, aiohttp.ClientSession() as session:
        base = each.base_url
        pay = {"amount_kes": 50, "account_reference": "LIPA-7K2QX"}
        async with session.post(f"{base}/control/phones/{JANE}/pay-by-hand", json=pay) as done:
            receipt = (await done.json())["row"]["receipt"]
        await each.office.ask_status(receipt, each.listener.urls)
        await each.simulator.settled()

        async with session.get(f"{base}/control/posts") as done:
            posts = (await done.json())["posts"]
        async with session.get(f"{base}/control/certificate") as done:
            certificate = (await done.json())["certificate"].encode()
        async with session.get(f"{base}/control/portal.csv") as done:
            exported = await done.text()
        async with session.get(f"{base}/control/portal.xlsx") as done:
            workbook = await done.read()

        assert [post["about"] for post in posts] == ["status"]
        assert certificate == each.simulator.org.certificate
        assert receipt in exported
        assert workbook.startswith(b"PK")


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (200, REGISTERED, True),
        (200, b'{"ConversationID":"AG_1","ResponseCode":"0"}', True),
        (200, b'{"ResponseRefID":"1","ResponseCode":"1000"}', True),
        (200, b'{"ResponseCode":0}', True),
        (200, b'{"ResponseCode":false}', False),
        (200, b'{"ResponseCode":""}', False),
        (200, b"{}", False),
        (200, b"[]", False),
        (500, b'{"ConversationID":"AG_1","ResponseCode":"0"}', False),
        (504, b"", False),
    ],
)
def test_only_a_clear_yes_is_taken_for_one(status: int, body: bytes, taken: bool) -> None:
    try:
        outcome = decipher_ack(Reply(status, body))
    except (OutcomeUnknown, Refused):
        assert not taken
    else:
        assert isinstance(outcome, Ack)
        assert taken


def test_a_refusal_and_a_token_are_told_apart() -> None:
    wrong = {"requestId": "1-2", "errorCode": "400.002.02", "errorMessage": "Invalid Remarks"}
    old = {"requestId": "1-2", "errorCode": "400.003.01", "errorMessage": "Invalid Access Token"}

    with pytest.raises(Refused):
        decipher_ack(Reply(400, json.dumps(wrong).encode()))
    assert isinstance(decipher_ack(Reply(400, json.dumps(old).encode())), TokenRefused)


def test_addresses_and_names_are_checked_before_anything_leaves() -> None:
    with pytest.raises(ValueError, match="address"):
        ResultUrls("https://pay.example.org/t/<id>", "https://pay.example.org/t/1")
    with pytest.raises(ValueError, match="initiator"):
        Initiator("two words", SecretStr("x"))
    with pytest.raises(ValueError, match="credential"):
        Initiator("testapi", SecretStr(""))
