"""Proves over HTTP that the simulator answers as Daraja does, and that its books tell the truth."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mpesa.simulator import (
    Behaviour,
    CallbackFault,
    Endpoint,
    Fault,
    ManualClock,
    PendingAnswer,
    QueryRate,
    ReplyFault,
    ReversalReason,
    RowKind,
    Simulator,
    SimulatorSettings,
    serve,
)

JANE = "254712345678"
OTIENO = "254722000111"
STAMP = "20261123180500"
TOKEN_PATH = "/oauth/v1/generate?grant_type=client_credentials"
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """One HTTP reply as a client sees it."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json.get("errorCode") or self.json.get("ResultCode"))


@dataclass
class Listener:
    """A merchant's callback address, and what was posted to it."""

    url: str = ""
    status: int = 200
    posts: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.posts.append((request.raw_path, dict(request.headers), await request.text()))
        return web.Response(status=self.status)

    @property
    def callbacks(self) -> list[Any]:
        return [json.loads(body)["Body"]["stkCallback"] for _, _, body in self.posts]


def basic(key: str = "demo-key", secret: str = "demo-secret") -> str:
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


def password(shortcode: str = "174379", passkey: str = "demo-passkey") -> str:
    return base64.b64encode(f"{shortcode}{passkey}{STAMP}".encode()).decode()


@dataclass
class Merchant:
    """A Daraja client of nothing but raw requests, beside the simulator it talks to."""

    sim: Simulator
    clock: ManualClock
    listener: Listener
    base_url: str
    session: aiohttp.ClientSession
    token: str = ""

    async def get_token(self, authorization: str = "", path: str = TOKEN_PATH) -> Reply:
        headers = {"Authorization": authorization or basic()}
        async with self.session.get(self.base_url + path, headers=headers) as response:
            reply = Reply(response.status, await response.text())
        if reply.status == 200:
            self.token = reply.json["access_token"]
        return reply

    async def post(self, path: str, body: Any, content_type: str = JSON) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        async with self.session.post(self.base_url + path, data=data, headers=headers) as response:
            return Reply(response.status, await response.text())

    def order(self, **changes: Any) -> dict[str, Any]:
        body = {
            "BusinessShortCode": "174379",
            "Password": password(),
            "Timestamp": STAMP,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": "50",
            "PartyA": JANE,
            "PartyB": "174379",
            "PhoneNumber": JANE,
            "CallBackURL": self.listener.url,
            "AccountReference": "PAY-7K2",
            "TransactionDesc": "Payment",
        }
        return {name: value for name, value in {**body, **changes}.items() if value is not None}

    async def push(self, phone: str = JANE, amount: object = 50, **changes: Any) -> Reply:
        body = self.order(PartyA=phone, PhoneNumber=phone, Amount=amount, **changes)
        return await self.post(PUSH_PATH, body)

    async def query(self, checkout_request_id: str, **changes: Any) -> Reply:
        body = {
            "BusinessShortCode": "174379",
            "Password": password(),
            "Timestamp": STAMP,
            "CheckoutRequestID": checkout_request_id,
        }
        return await self.post(QUERY_PATH, {**body, **changes})

    async def push_accepted(self, phone: str = JANE, amount: object = 50) -> str:
        reply = await self.push(phone, amount)
        assert reply.status == 200, reply.text
        return str(reply.json["CheckoutRequestID"])

    async def control(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        url = f"{self.base_url}/control{path}"
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return Reply(response.status, await response.text())

    async def ask(self, phone: str = JANE, amount: object = 50) -> None:
        """Send a push and wait until the phone shows its prompt."""
        await self.push_accepted(phone, amount)
        handset = self.sim.phone(phone)
        await self.sim.changes.until(lambda: handset.prompt is not None)


@asynccontextmanager
async def at_work(**settings: Any) -> AsyncIterator[Merchant]:
    """A simulator whose people act at once, a callback address, and a client with a token."""
    fast = {"answer_after_s": 0.0, "callback_after_s": 0.0, **settings}
    clock, listener = ManualClock(), Listener()
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_post("/{path:.*}", listener.handle)
        server = TestServer(app)
        await stack.enter_async_context(server)
        listener.url = str(server.make_url("/c/pay-1"))
        sim = Simulator(clock=clock, seed=7, settings=SimulatorSettings(**fast))
        base_url = await stack.enter_async_context(sim.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        merchant = Merchant(sim, clock, listener, base_url, session)
        await merchant.get_token()
        yield merchant


@pytest.fixture
async def merchant() -> AsyncIterator[Merchant]:
    async with at_work() as merchant:
        yield merchant


# OAuth


async def test_a_token_is_28_characters_and_lives_an_hour(merchant: Merchant) -> None:
    reply = await merchant.get_token()
    assert reply.status == 200
    assert len(reply.json["access_token"]) == 28
    assert reply.json["expires_in"] == "3599"


async def test_a_new_token_voids_the_last(merchant: Merchant) -> None:
    old = merchant.token
    await merchant.get_token()
    merchant.token = old
    pushed, asked = await merchant.push(), await merchant.query("ws_CO_1")
    assert (pushed.status, pushed.code) == (404, "404.001.03")
    assert (asked.status, asked.code) == (400, "400.003.01")


async def test_a_token_expires(merchant: Merchant) -> None:
    await merchant.clock.advance(3599)
    assert (await merchant.push()).code == "404.001.03"


async def test_wrong_keys_get_an_empty_400(merchant: Merchant) -> None:
    reply = await merchant.get_token(basic(secret="wrong"))
    assert (reply.status, reply.text) == (400, "")


@pytest.mark.parametrize(
    ("authorization", "path", "code"),
    [
        ("Bearer abc", TOKEN_PATH, "400.008.01"),
        (basic(), "/oauth/v1/generate?grant_type=password", "400.008.02"),
    ],
)
async def test_a_wrong_scheme_or_grant_is_named(
    merchant: Merchant, authorization: str, path: str, code: str
) -> None:
    reply = await merchant.get_token(authorization, path)
    assert (reply.status, reply.code) == (400, code)


async def test_a_push_without_a_token_is_refused(merchant: Merchant) -> None:
    async with merchant.session.post(merchant.base_url + PUSH_PATH, json={}) as response:
        body = await response.json()
    assert (response.status, body["errorCode"]) == (404, "404.001.04")


# Push: what is taken and what is refused


async def test_a_good_push_is_accepted_with_both_ids(merchant: Merchant) -> None:
    body = (await merchant.push()).json
    assert body["ResponseCode"] == "0"
    assert body["CheckoutRequestID"] == "ws_CO_231120261805000712345678"
    assert body["MerchantRequestID"].count("-") == 3
    await merchant.sim.settled()


@pytest.mark.parametrize(
    ("field_name", "value", "named"),
    [
        ("BusinessShortCode", "12", "BusinessShortCode"),
        ("Timestamp", "2026112318050", "Timestamp"),
        ("Timestamp", "20261323180500", "Timestamp"),
        ("Password", None, "Password"),
        ("TransactionType", "PayBill", "TransactionType"),
        ("Amount", "0", "Amount"),
        ("Amount", "50.50", "Amount"),
        ("Amount", 250_001, "Amount"),
        ("Amount", True, "Amount"),
        ("PhoneNumber", "0712345678", "PhoneNumber"),
        ("PartyA", "255712345678", "PartyA"),
        ("PartyB", "x", "PartyB"),
        ("CallBackURL", "https://<your-host>/c", "CallBackURL"),
        ("CallBackURL", "https://pay.example.org/c ", "CallBackURL"),
        ("CallBackURL", "ftp://pay.example.org/c", "CallBackURL"),
        ("CallBackURL", None, "CallBackURL"),
        ("AccountReference", "THIRTEEN-CHAR", "AccountReference"),
        ("TransactionDesc", None, "Remarks"),
        ("TransactionDesc", "fourteen chars", "Remarks"),
    ],
)
async def test_a_wrong_field_is_named(
    merchant: Merchant, field_name: str, value: object, named: str
) -> None:
    reply = await merchant.post(PUSH_PATH, merchant.order(**{field_name: value}))
    assert (reply.status, reply.code) == (400, "400.002.02")
    assert reply.json["errorMessage"] == f"Bad Request - Invalid {named}"
    assert [push.accepted for push in merchant.sim.pushes] == [False]


@pytest.mark.parametrize("body", ["{", "[]", "[" * 20_000, b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(
    merchant: Merchant, body: str | bytes
) -> None:
    assert (await merchant.post(PUSH_PATH, body)).code == "400.002.05"


async def test_a_form_is_refused_as_daraja_refuses_it(merchant: Merchant) -> None:
    reply = await merchant.post(PUSH_PATH, "Amount=1", "application/x-www-form-urlencoded")
    assert reply.json["errorMessage"] == "Bad Request - Invalid BusinessShortCode"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BusinessShortCode": "600000"}, "Merchant does not exist"),
        ({"Password": password(passkey="other")}, "Wrong credentials"),
        ({"Timestamp": "20261123180501"}, "Wrong credentials"),
    ],
)
async def test_an_unknown_merchant_and_a_wrong_password_are_told_apart(
    merchant: Merchant, changes: dict[str, str], words: str
) -> None:
    reply = await merchant.post(PUSH_PATH, merchant.order(**changes))
    assert (reply.status, reply.code) == (500, "500.001.1001")
    assert reply.json["errorMessage"] == words


async def test_a_wrong_verb_and_a_wrong_path_are_refused(merchant: Merchant) -> None:
    async with merchant.session.get(merchant.base_url + PUSH_PATH) as wrong_verb:
        body = await wrong_verb.json()
    wrong_path = await merchant.post("/mpesa//stkpush", {})
    assert (wrong_verb.status, body["errorCode"]) == (405, "405.001")
    assert wrong_path.status == 404
    assert "Unable to identify proxy" in wrong_path.json["fault"]["faultstring"]


async def test_a_second_prompt_on_a_busy_line_is_refused_at_once(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.MANUAL)
    await merchant.ask()
    reply = await merchant.push(amount=60)
    assert (reply.status, reply.code) == (500, "500.001.1001")
    assert reply.json["errorMessage"].startswith("Unable to lock subscriber")
    assert [push.accepted for push in merchant.sim.pushes_to(JANE)] == [True, False]


async def test_a_till_wants_its_own_type_and_party() -> None:
    async with at_work(transaction_type="till", till_number="500100") as merchant:
        right = {"TransactionType": "CustomerBuyGoodsOnline", "PartyB": "500100"}
        await merchant.push(amount=1, **right)
        await merchant.push(OTIENO, 1, **{**right, "PartyB": "174379"})
        await merchant.push("254733000222", 1, PartyB="500100")
        await merchant.sim.settled()
        codes = {push.phone: push.outcome and push.outcome.code for push in merchant.sim.pushes}
        sms = merchant.sim.phone(JANE).inbox[-1].text
    assert codes == {JANE: "0", OTIENO: "SFC_IC0003", "254733000222": "2028"}
    assert "paid to MAMA NJERI SHOP. on 23/11/26 at 6:05 PM" in sms


# Callbacks


async def test_a_payment_is_called_back_to_the_letter(merchant: Merchant) -> None:
    reply = await merchant.push(amount="1500")
    await merchant.sim.settled()
    [(path, headers, body)] = merchant.listener.posts
    [row] = merchant.sim.books.statement()
    assert path == "/c/pay-1"
    assert headers["Content-Type"] == "application/json;charset=UTF-8"
    assert headers["Businessshortcode"] == "174379"
    assert '"Value": 1500.00}' in body
    callback = json.loads(body)["Body"]["stkCallback"]
    items = {item["Name"]: item["Value"] for item in callback["CallbackMetadata"]["Item"]}
    assert callback["CheckoutRequestID"] == reply.json["CheckoutRequestID"]
    assert callback["MerchantRequestID"] == reply.json["MerchantRequestID"]
    assert callback["ResultCode"] == 0
    assert items == {
        "Amount": 1500.0,
        "MpesaReceiptNumber": row.receipt,
        "TransactionDate": 20261123180500,
        "PhoneNumber": 254712345678,
    }


async def test_a_failure_is_called_back_without_metadata(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.CANCEL)
    await merchant.push()
    await merchant.sim.settled()
    [callback] = merchant.listener.callbacks
    assert callback["ResultCode"] == 1032
    assert callback["ResultDesc"] == "Request cancelled by user"
    assert "CallbackMetadata" not in callback


async def test_a_callback_address_keeps_every_byte(merchant: Merchant) -> None:
    await merchant.push(CallBackURL=merchant.listener.url + "/a%2Fb.~x?k=%20v")
    await merchant.sim.settled()
    assert merchant.listener.posts[0][0] == "/c/pay-1/a%2Fb.~x?k=%20v"


@pytest.mark.parametrize("status", [500, 302])
async def test_a_callback_is_tried_once_whatever_is_answered(
    merchant: Merchant, status: int
) -> None:
    merchant.listener.status = status
    await merchant.push()
    await merchant.sim.settled()
    await merchant.clock.advance(3_000)
    assert [delivery.http_status for delivery in merchant.sim.deliveries] == [status]
    assert len(merchant.listener.posts) == 1


async def test_a_callback_that_nobody_takes_is_recorded(merchant: Merchant) -> None:
    await merchant.push(CallBackURL="http://127.0.0.1:1/c")
    await merchant.sim.settled()
    [delivery] = merchant.sim.deliveries
    assert (delivery.http_status, delivery.error) == (None, "ClientConnectorError")


# What phones do

RESULTS = [
    (Behaviour.PAY, "0"),
    (Behaviour.CANCEL, "1032"),
    (Behaviour.IGNORE, "1037"),
    (Behaviour.WRONG_PIN, "2001"),
    (Behaviour.NO_BALANCE, "1"),
    (Behaviour.OFF, "1037"),
    (Behaviour.LOCKED, "8006"),
    (Behaviour.NO_APPLET, "1037"),
    (Behaviour.NOT_REGISTERED, "2040"),
    (Behaviour.BUSY_LATER, "1001"),
    (Behaviour.FAIL_AFTER_PIN, "26"),
    (Behaviour.MANUAL, "1037"),
]


@pytest.mark.parametrize(("behaviour", "code"), RESULTS)
async def test_each_behaviour_ends_in_its_result_and_only_paying_moves_money(
    merchant: Merchant, behaviour: Behaviour, code: str
) -> None:
    phone = merchant.sim.phone(JANE)
    phone.behave(behaviour)
    checkout_request_id = await merchant.push_accepted()
    await merchant.clock.advance(60)
    await merchant.sim.settled()
    answer = await merchant.query(checkout_request_id)
    assert (answer.status, answer.code) == (200, code)
    assert [str(callback["ResultCode"]) for callback in merchant.listener.callbacks] == [code]
    assert merchant.sim.books.total_cents() == (5_000 if code == "0" else 0)
    assert phone.balance_kes == (49_950 if code == "0" else 50_000)
    assert phone.prompt is None
    assert phone.session is None


def test_every_behaviour_is_tried_here() -> None:
    assert {behaviour for behaviour, _ in RESULTS} | {Behaviour.BUSY} == set(Behaviour)


async def test_a_phone_set_busy_refuses_at_once(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).next_time(Behaviour.BUSY)
    refused = await merchant.push()
    await merchant.push_accepted()
    assert refused.json["errorMessage"].startswith("Unable to lock subscriber")


async def test_a_prompt_ignored_and_a_phone_off_differ_only_in_the_callbacks_words(
    merchant: Merchant,
) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.IGNORE)
    merchant.sim.phone(OTIENO).behave(Behaviour.OFF)
    ids = [await merchant.push_accepted(phone) for phone in (JANE, OTIENO)]
    await merchant.clock.advance(60)
    await merchant.sim.settled()
    asked = {(await merchant.query(checkout_id)).json["ResultDesc"] for checkout_id in ids}
    told = {callback["ResultDesc"] for callback in merchant.listener.callbacks}
    assert asked == {"DS timeout user cannot be reached."}
    assert told == {"DS timeout user cannot be reached.", "No response from user."}


async def test_a_person_answers_a_manual_phone(merchant: Merchant) -> None:
    phone = merchant.sim.phone(JANE)
    phone.behave(Behaviour.MANUAL)
    await merchant.ask(amount=50)
    assert phone.prompt is not None
    assert phone.prompt.text == (
        "Do you want to pay Ksh 50.00 to MAMA NJERI SHOP Account no. PAY-7K2? Enter M-PESA PIN"
    )
    assert phone.enter_pin("1234")
    assert not phone.cancel()
    await merchant.sim.settled()
    [row] = merchant.sim.books.statement()
    assert phone.inbox[-1].text == (
        f"{row.receipt} Confirmed. Ksh50.00 sent to MAMA NJERI SHOP for account PAY-7K2 on"
        " 23/11/26 at 6:05 PM. New M-PESA balance is Ksh49,950.00. Transaction cost, Ksh0.00."
    )


async def test_an_ignored_prompt_holds_the_line_until_its_time_is_up(merchant: Merchant) -> None:
    phone = merchant.sim.phone(JANE)
    phone.behave(Behaviour.MANUAL)
    await merchant.ask()
    assert phone.ignore()
    await merchant.clock.advance(59)
    held = await merchant.push()
    await merchant.clock.advance(1)
    await merchant.sim.settled()
    assert held.code == "500.001.1001"
    assert merchant.listener.callbacks[0]["ResultCode"] == 1037


async def test_three_wrong_pins_lock_m_pesa(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).next_time(*[Behaviour.WRONG_PIN] * 3)
    for amount in (11, 12, 13, 14):
        await merchant.push(amount=amount)
        await merchant.sim.settled()
    codes = [callback["ResultCode"] for callback in merchant.listener.callbacks]
    assert codes == [2001, 2001, 2001, 8006]
    assert merchant.sim.books.statement() == []


async def test_a_short_balance_pays_nothing(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).set_balance(49)
    await merchant.push(amount=50)
    await merchant.sim.settled()
    assert merchant.listener.callbacks[0]["ResultCode"] == 1
    assert "You do not have enough money" in merchant.sim.phone(JANE).inbox[-1].text
    assert merchant.sim.phone(JANE).balance_kes == 49


async def test_a_failure_after_the_pin_takes_any_code_even_with_letters(
    merchant: Merchant,
) -> None:
    phone = merchant.sim.phone(JANE)
    phone.next_time(Behaviour.FAIL_AFTER_PIN, result_code="E3008")
    phone.next_time(Behaviour.FAIL_AFTER_PIN, result_code="4242")
    for _ in range(2):
        await merchant.push()
        await merchant.sim.settled()
    codes = [callback["ResultCode"] for callback in merchant.listener.callbacks]
    assert codes == ["E3008", 4242]
    with pytest.raises(ValueError, match="must be a failure"):
        phone.behave(Behaviour.FAIL_AFTER_PIN, result_code="0")


async def test_the_same_amount_within_two_minutes_of_paying_is_limited(
    merchant: Merchant,
) -> None:
    for wait_s in (0, 119, 1):
        await merchant.clock.advance(wait_s)
        await merchant.push(amount=50)
        await merchant.sim.settled()
    codes = [callback["ResultCode"] for callback in merchant.listener.callbacks]
    assert codes == [0, 17, 0]


async def test_a_prompt_over_182_characters_is_not_sent() -> None:
    async with at_work(business_name="B" * 120) as merchant:
        await merchant.push()
        await merchant.sim.settled()
        assert merchant.listener.callbacks[0]["ResultCode"] == 1025


async def test_five_prompts_not_completed_block_the_line_for_a_day(merchant: Merchant) -> None:
    phone = merchant.sim.phone(JANE)
    phone.next_time(*[Behaviour.CANCEL] * 5)
    for _ in range(5):
        await merchant.push()
        await merchant.sim.settled()
    await merchant.push()
    assert phone.prompt is None
    await merchant.clock.advance(20)
    await merchant.sim.settled()
    await merchant.clock.advance(86_400)
    await merchant.get_token()
    await merchant.push()
    await merchant.sim.settled()
    codes = [callback["ResultCode"] for callback in merchant.listener.callbacks]
    assert codes == [1032] * 5 + [1037, 0]


async def test_a_payment_forgives_the_prompts_before_it(merchant: Merchant) -> None:
    phone = merchant.sim.phone(JANE)
    phone.next_time(*[Behaviour.CANCEL] * 4, Behaviour.PAY, *[Behaviour.CANCEL] * 4)
    for amount in range(1, 10):
        await merchant.push(amount=amount)
        await merchant.sim.settled()
    assert phone.uncompleted == 4
    assert phone.blocked_until is None


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (10_001, "1"),
        (10_017, "17"),
        (11_001, "1001"),
        (11_019, "1019"),
        (11_025, "1025"),
        (11_032, "1032"),
        (11_037, "1037"),
        (12_001, "2001"),
        (12_040, "2040"),
        (18_006, "8006"),
        (19_999, "9999"),
    ],
)
async def test_an_amount_brings_its_result(merchant: Merchant, amount: int, code: str) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.MANUAL)
    await merchant.push(amount=amount)
    await merchant.clock.advance(20)
    await merchant.sim.settled()
    assert [str(callback["ResultCode"]) for callback in merchant.listener.callbacks] == [code]


@pytest.mark.parametrize("amount", [*range(1, 11), 50, 100, 500, 1500, 10_000, 11_000, 14_999])
async def test_ordinary_amounts_are_paid(merchant: Merchant, amount: int) -> None:
    await merchant.push(amount=amount)
    await merchant.sim.settled()
    assert merchant.sim.books.total_cents() == amount * 100


async def test_amounts_mean_nothing_when_switched_off() -> None:
    async with at_work(magic_amounts=False) as merchant:
        await merchant.push(amount=11_032)
        await merchant.sim.settled()
        await merchant.push(amount=4429)
        await merchant.sim.settled()
        assert merchant.sim.books.total_cents() == 1_546_100


# Query


@pytest.mark.parametrize(
    ("pending", "status", "code"),
    [
        (PendingAnswer.PROCESSING, 200, "4999"),
        (PendingAnswer.ERROR_500, 500, "500.001.1001"),
        (PendingAnswer.ERROR_200, 200, "500.001.1001"),
        (PendingAnswer.INVALID_ID, 400, "400.002.02"),
        (PendingAnswer.ZERO, 200, "0"),
    ],
)
async def test_an_open_push_is_answered_as_set(
    merchant: Merchant, pending: PendingAnswer, status: int, code: str
) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.MANUAL)
    merchant.sim.faults.next_push(Fault(pending=pending))
    checkout_request_id = await merchant.push_accepted()
    reply = await merchant.query(checkout_request_id)
    assert (reply.status, reply.code) == (status, code)
    assert merchant.sim.books.statement() == []


async def test_the_settings_say_how_open_pushes_are_answered() -> None:
    async with at_work(pending=PendingAnswer.ERROR_200) as merchant:
        merchant.sim.phone(JANE).behave(Behaviour.MANUAL)
        reply = await merchant.query(await merchant.push_accepted())
    assert (reply.status, reply.json["errorMessage"]) == (200, "")


async def test_a_decided_push_may_flap_once_and_never_turns_into_paid(merchant: Merchant) -> None:
    merchant.sim.phone(JANE).behave(Behaviour.CANCEL)
    checkout_request_id = await merchant.push_accepted()
    await merchant.sim.settled()
    for pending in (PendingAnswer.ERROR_500, PendingAnswer.ZERO):
        merchant.sim.faults.next_query(Fault(pending=pending))
    codes = [(await merchant.query(checkout_request_id)).code for _ in range(3)]
    assert codes == ["500.001.1001", "1032", "1032"]


async def test_a_query_names_the_push_and_no_money(merchant: Merchant) -> None:
    checkout_request_id = await merchant.push_accepted()
    await merchant.sim.settled()
    body = (await merchant.query(checkout_request_id)).json
    assert set(body) == {
        "ResponseCode",
        "ResponseDescription",
        "MerchantRequestID",
        "CheckoutRequestID",
        "ResultCode",
        "ResultDesc",
    }
    assert (body["CheckoutRequestID"], body["ResultCode"]) == (checkout_request_id, "0")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Bad Request - Invalid CheckoutRequestID"),
        ({"CheckoutRequestID": None}, "Bad Request - Invalid CheckoutRequestID"),
        ({"Password": "x"}, "Wrong credentials"),
        ({"BusinessShortCode": "600000"}, "Merchant does not exist"),
    ],
)
async def test_a_wrong_query_is_refused(
    merchant: Merchant, changes: dict[str, Any], words: str
) -> None:
    reply = await merchant.query("ws_CO_unknown", **changes)
    assert reply.json["errorMessage"] == words


async def test_queries_beyond_the_sandbox_rate_are_throttled() -> None:
    async with at_work(query_rate=QueryRate()) as merchant:
        checkout_request_id = await merchant.push_accepted()
        await merchant.sim.settled()
        statuses = []
        for wait_s in (0, 0, 11, 1):
            await merchant.clock.advance(wait_s)
            reply = await merchant.query(checkout_request_id)
            statuses.append(reply.status)
    assert statuses == [200, 429, 429, 200]


# Faults of the service


@pytest.mark.parametrize(
    ("reply_fault", "status", "words"),
    [
        (ReplyFault.THROTTLED, 429, "policies.ratelimit.SpikeArrestViolation"),
        (ReplyFault.BUSY, 500, "System is busy. Please try again in few minutes."),
        (ReplyFault.SPIKE_ARREST, 500, "Spike Arrest Violation"),
        (ReplyFault.QUOTA, 500, "500.003.03"),
        (ReplyFault.HTML_503, 503, "Incapsula incident ID"),
    ],
)
async def test_a_service_in_trouble_refuses_before_any_prompt(
    merchant: Merchant, reply_fault: ReplyFault, status: int, words: str
) -> None:
    for endpoint in Endpoint:
        merchant.sim.faults.next(endpoint, Fault(reply=reply_fault))
    replies = [
        await merchant.push(),
        await merchant.query("ws_CO_1"),
        await merchant.get_token(),
    ]
    assert [reply.status for reply in replies] == [status] * 3
    assert all(words in reply.text for reply in replies)
    assert [push.accepted for push in merchant.sim.pushes] == [False]
    assert (await merchant.push()).status == 200


async def test_a_connection_hung_up_sends_no_prompt(merchant: Merchant) -> None:
    merchant.sim.faults.next_push(Fault(reply=ReplyFault.HUNG_UP))
    with pytest.raises(aiohttp.ClientError):
        await merchant.push()
    assert [push.accepted for push in merchant.sim.pushes] == [False]


async def test_a_lost_reply_still_asks_the_phone(
    merchant: Merchant, caplog: pytest.LogCaptureFixture
) -> None:
    merchant.sim.faults.next_push(Fault(reply=ReplyFault.LOST))
    with pytest.raises(aiohttp.ClientError):
        await merchant.push()
    await merchant.sim.settled()
    assert [push.accepted for push in merchant.sim.pushes] == [True]
    assert merchant.listener.callbacks[0]["ResultCode"] == 0
    assert merchant.sim.books.total_cents() == 5_000
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize(
    ("reply_fault", "status"),
    [
        (ReplyFault.SERVER_ERROR, 504),
        (ReplyFault.UNREADABLE, 200),
        (ReplyFault.WITHOUT_IDS, 200),
    ],
)
async def test_a_spoilt_reply_still_asks_the_phone(
    merchant: Merchant, reply_fault: ReplyFault, status: int
) -> None:
    merchant.sim.faults.next_push(Fault(reply=reply_fault))
    reply = await merchant.push()
    await merchant.sim.settled()
    assert reply.status == status
    assert "CustomerMessage" not in reply.text
    assert merchant.sim.books.total_cents() == 5_000


async def test_a_slow_service_has_done_its_work_before_it_answers(merchant: Merchant) -> None:
    merchant.sim.faults.next_push(Fault(slow_s=30))
    pushing = asyncio.create_task(merchant.push())
    await merchant.sim.changes.until(lambda: len(merchant.listener.posts) == 1)
    assert not pushing.done()
    await merchant.clock.advance(30)
    assert (await pushing).status == 200


async def test_an_expired_token_is_refused_and_the_next_serves(merchant: Merchant) -> None:
    first = await merchant.push(amount=4401)
    await merchant.get_token()
    second = await merchant.push(amount=4401)
    assert (first.status, first.code) == (404, "404.001.03")
    assert second.status == 200
    assert [push.accepted for push in merchant.sim.pushes] == [False, True]


async def test_a_callback_may_come_before_the_reply(merchant: Merchant) -> None:
    merchant.sim.faults.next_push(Fault(callback=CallbackFault.BEFORE_REPLY))
    await merchant.push()
    assert len(merchant.listener.posts) == 1


async def test_a_callback_may_never_come(merchant: Merchant) -> None:
    merchant.sim.faults.for_phone(JANE, Fault(callback=CallbackFault.NEVER))
    checkout_request_id = await merchant.push_accepted()
    await merchant.sim.settled()
    assert merchant.listener.posts == []
    assert (await merchant.query(checkout_request_id)).code == "0"


async def test_a_callback_may_come_twice_word_for_word(merchant: Merchant) -> None:
    merchant.sim.faults.for_amount(60, Fault(callback=CallbackFault.TWICE))
    await merchant.push(amount=60)
    await merchant.sim.settled()
    first, second = (body for _, _, body in merchant.listener.posts)
    assert first == second
    assert len(merchant.sim.books.statement()) == 1


async def test_a_callback_may_come_minutes_late(merchant: Merchant) -> None:
    await merchant.push(amount=4603)
    await merchant.sim.changes.until(lambda: merchant.sim.books.total_cents() > 0)
    await merchant.clock.advance(179)
    assert merchant.listener.posts == []
    await merchant.clock.advance(1)
    await merchant.sim.settled()
    assert len(merchant.listener.posts) == 1


async def test_faults_for_always_end_when_cleared(merchant: Merchant) -> None:
    merchant.sim.faults.always(Endpoint.PUSH, Fault(reply=ReplyFault.BUSY))
    refused = [(await merchant.push()).status for _ in range(2)]
    merchant.sim.faults.clear()
    assert refused == [500, 500]
    assert (await merchant.push()).status == 200


# The statement


async def test_the_statement_is_exactly_what_was_paid(merchant: Merchant) -> None:
    merchant.sim.faults.next_push(Fault(callback=CallbackFault.NEVER))
    asked = [(JANE, 50), (JANE, 70), (OTIENO, 11_032), (OTIENO, 200), (OTIENO, 10_001)]
    ids = {}
    for phone, amount in asked:
        ids[amount] = await merchant.push_accepted(phone, amount)
        await merchant.sim.settled()
    rows = merchant.sim.books.statement()
    paid = [(row.phone, row.amount_cents, row.checkout_request_id) for row in rows]
    assert paid == [(JANE, 5_000, ids[50]), (JANE, 7_000, ids[70]), (OTIENO, 20_000, ids[200])]
    assert {row.account_reference for row in rows} == {"PAY-7K2"}
    assert merchant.sim.books.total_cents() == 32_000
    assert len({row.receipt for row in rows}) == 3
    assert all(row.receipt.startswith("UKN") and len(row.receipt) == 10 for row in rows)


async def test_test_money_comes_back_at_midnight_and_can_be_left_out(merchant: Merchant) -> None:
    await merchant.push(amount=50)
    await merchant.sim.settled()
    books, phone = merchant.sim.books, merchant.sim.phone(JANE)
    await merchant.clock.advance(5 * 3600 + 54 * 60)
    before = books.total_cents()
    await merchant.clock.advance(2 * 86_400)
    [paid, returned] = books.statement()
    assert (before, books.total_cents(), phone.balance_kes) == (5_000, 0, 50_000)
    assert (returned.kind, returned.reason) == (RowKind.REVERSAL, ReversalReason.OVERNIGHT)
    assert returned.linked_receipt == paid.receipt
    assert returned.completed_at.isoformat() == "2026-11-23T21:00:00+00:00"
    assert books.statement(exclude_overnight_reversals=True) == [paid]
    assert books.total_cents(exclude_overnight_reversals=True) == 5_000
    assert f"Transaction {paid.receipt} has been reversed" in phone.inbox[-1].text


async def test_money_paid_by_hand_and_reversed_is_in_the_books(merchant: Merchant) -> None:
    row = merchant.sim.pay_by_hand(JANE, 300, "HARUSI-7K2")
    assert row is not None
    back = merchant.sim.reverse(row.receipt)
    assert back is not None
    assert merchant.sim.reverse(row.receipt) is None
    assert merchant.sim.reverse(back.receipt) is None
    assert row.checkout_request_id is None
    assert merchant.sim.books.statement(exclude_overnight_reversals=True) == [row, back]


async def test_the_same_seed_tells_the_same_story() -> None:
    stories = []
    for _ in range(2):
        async with at_work() as merchant:
            for amount in (50, 60):
                await merchant.push(amount=amount)
                await merchant.sim.settled()
            stories.append([body for _, _, body in merchant.listener.posts])
    assert stories[0] == stories[1]


async def test_only_the_latest_pushes_are_remembered() -> None:
    async with at_work(remembered_pushes=2) as merchant:
        ids = []
        for amount in (1, 2, 3):
            ids.append(await merchant.push_accepted(JANE, amount))
            await merchant.sim.settled()
        codes = [(await merchant.query(checkout_id)).code for checkout_id in ids]
        kept = [push.amount_kes for push in merchant.sim.pushes]
    assert kept == [2, 3]
    assert codes == ["400.002.02", "0", "0"]


# Control calls


async def test_a_phone_is_set_and_answered_by_control_calls(merchant: Merchant) -> None:
    change = {"behaviour": "manual", "balance_kes": 900, "pin": "4321"}
    await merchant.control("PUT", f"/phones/{JANE}", change)
    await merchant.ask(amount=50)
    state = (await merchant.control("GET", "/state")).json
    answered = await merchant.control(
        "POST", f"/phones/{JANE}/answer", {"action": "pin", "pin": "4321"}
    )
    await merchant.sim.settled()
    again = await merchant.control("POST", f"/phones/{JANE}/answer", {"action": "cancel"})
    statement = (await merchant.control("GET", "/statement")).json
    assert state["phones"][0]["prompt"]["amount_kes"] == 50
    assert (answered.json, again.json) == ({"answered": True}, {"answered": False})
    assert statement["total_cents"] == 5_000
    assert statement["rows"][0]["phone"] == JANE
    assert merchant.sim.phone(JANE).balance_kes == 850


async def test_faults_are_set_and_cleared_by_control_calls(merchant: Merchant) -> None:
    fault = {"when": "always", "endpoint": "push", "fault": {"reply": "throttled"}}
    await merchant.control("POST", "/faults", fault)
    refused = await merchant.push()
    await merchant.control("DELETE", "/faults")
    await merchant.control("POST", "/expire-token")
    expired = await merchant.push()
    assert (refused.status, expired.status) == (429, 404)
    pushes = (await merchant.control("GET", "/pushes")).json["pushes"]
    assert [push["accepted"] for push in pushes] == [False, False]


async def test_money_moves_back_and_by_hand_through_control_calls(merchant: Merchant) -> None:
    payment = {"amount_kes": 70, "account_reference": "MAMA-50"}
    paid = await merchant.control("POST", f"/phones/{JANE}/pay-by-hand", payment)
    receipt = paid.json["row"]["receipt"]
    await merchant.control("POST", "/reverse", {"receipt": receipt})
    await merchant.control("POST", f"/phones/{JANE}/pay-by-hand", payment)
    returned = await merchant.control("POST", "/return-test-money")
    path = "/statement?exclude_overnight_reversals=true"
    left = (await merchant.control("GET", path)).json
    assert len(returned.json["rows"]) == 1
    assert [row["kind"] for row in left["rows"]] == ["paid", "reversal", "paid"]
    assert left["total_cents"] == 7_000
    assert (await merchant.control("GET", "/deliveries")).json == {"deliveries": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", f"/phones/{JANE}", {"behaviour": "dance"}, "behaviour"),
        ("PUT", f"/phones/{JANE}", {"shoe_size": 44}, "shoe_size"),
        ("PUT", f"/phones/{JANE}", {"result_code": "26"}, "result code"),
        ("PUT", "/phones/0712", {"behaviour": "pay"}, "a phone is 254"),
        ("POST", "/faults", {"when": "next", "fault": {"reply": "odd"}}, "fault.reply"),
        ("POST", "/reverse", None, "Invalid JSON"),
    ],
)
async def test_a_wrong_control_call_is_told_what_is_wrong(
    merchant: Merchant, method: str, path: str, body: Any, words: str
) -> None:
    reply = await merchant.control(method, path, body)
    assert reply.status == 400
    assert words in reply.json["error"]


async def test_a_page_of_another_site_controls_nothing(merchant: Merchant) -> None:
    reply = await merchant.control("POST", "/expire-token", Origin="http://evil.example")
    assert reply.status == 403
    assert (await merchant.push()).status == 200


# Serving and time


async def test_it_serves_on_the_real_clock_until_told_to_stop() -> None:
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(host="127.0.0.1", port=0, stop=stop, ready=started.set_result)
    )
    base_url = await started
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": basic()}
        async with session.get(base_url + TOKEN_PATH, headers=headers) as response:
            assert response.status == 200
    stop.set()
    await serving


async def test_stopping_with_a_prompt_open_leaves_nothing_behind() -> None:
    async with at_work(default_behaviour=Behaviour.MANUAL) as merchant:
        await merchant.ask()
    assert merchant.sim.phone(JANE).prompt is None
    await merchant.sim.settled()
    assert merchant.sim.books.statement() == []


async def test_a_manual_clock_wakes_sleepers_in_their_order() -> None:
    clock, woken = ManualClock(), list[int]()

    async def sleep(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    sleepers = [asyncio.ensure_future(sleep(seconds)) for seconds in (30, 10, 20, 40)]
    started = clock.now()
    await clock.advance(30)
    assert woken == [10, 20, 30]
    assert (clock.now() - started).total_seconds() == 30
    await clock.advance(10)
    await asyncio.gather(*sleepers)


@pytest.mark.parametrize(
    "settings",
    [
        {"transaction_type": "till"},
        {"till_number": "500100"},
        {"shortcode": "12"},
        {"remembered_pushes": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|goes with"):
        SimulatorSettings(**settings)


# News


async def test_listeners_hear_of_prompts_payments_and_deliveries(merchant: Merchant) -> None:
    heard = []
    stop = merchant.sim.changes.listen(lambda change: heard.append(str(change.topic)))
    await merchant.push()
    await merchant.sim.settled()
    stop()
    merchant.sim.phone(OTIENO).behave(Behaviour.PAY)
    assert {"phone", "push", "statement", "delivery"} == set(heard)
    assert heard[-1] == "delivery"


async def test_a_stream_of_news_ends_with_its_reader(merchant: Merchant) -> None:
    async with aclosing(merchant.sim.changes.stream()) as news:
        first = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        merchant.sim.phone(JANE).set_balance(5)
        assert (await first).phone == JANE


async def test_waiting_for_what_never_comes_ends(merchant: Merchant) -> None:
    with pytest.raises(TimeoutError):
        await merchant.sim.changes.until(lambda: False, timeout_s=0.01)
