"""Requests are written as Daraja's pages say, and replies mean what they say and no more."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mpesa.errors import (
    BadCredentials,
    MpesaError,
    NoAnswer,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unreachable,
)
from mpesa.models import Accepted, Account, Push, QueryAnswer, Token
from mpesa.results import Meaning
from mpesa.wire import (
    PROMPT_CHARS_MAX,
    Reply,
    TokenRefused,
    build_push,
    build_query,
    decipher_push,
    decipher_query,
    decipher_token,
    prompt_length,
    quotable,
)

EVENING = datetime(2026, 11, 23, 22, 15, 30, tzinfo=UTC)
PAYBILL = Account(shortcode="174379", passkey=SecretStr("a-passkey"))
TILL = Account(
    shortcode="600111",
    passkey=SecretStr("a-passkey"),
    transaction_type="till",
    till_number="600222",
)
PUSH = Push(
    phone="254712345678",
    amount_kes=50,
    reference="LUNCH-7K2",
    description="Lunch",
    callback_url="https://pay.example.org/c/1.abc",
)
ACCEPTED = {
    "MerchantRequestID": "ab12-1",
    "CheckoutRequestID": "ws_CO_1",
    "ResponseCode": "0",
    "ResponseDescription": "Success. Request accepted for processing",
    "CustomerMessage": "Success.",
}
ANSWER = {
    "ResponseCode": "0",
    "ResponseDescription": "The service request has been accepted successfully",
    "MerchantRequestID": "ab12-1",
    "CheckoutRequestID": "ws_CO_1",
    "ResultCode": "1032",
    "ResultDesc": "Request cancelled by user",
}
FIREWALL = b"<html>Request unsuccessful. Incapsula incident ID: 173000240624511593-8199</html>"


def reply(body: object, status: int = 200, retry_after_s: float | None = None) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, retry_after_s)


def error(code: str, message: str = "") -> dict[str, str]:
    return {"requestId": "1c5b-4ba8-1", "errorCode": code, "errorMessage": message}


def fault(code: str) -> dict[str, Any]:
    return {"fault": {"faultstring": "a fault", "detail": {"errorcode": code}}}


def refused(answer: Reply) -> Refused:
    with pytest.raises(Refused) as raised:
        decipher_push(answer)
    return raised.value


def unknown(answer: Reply) -> OutcomeUnknown:
    with pytest.raises(OutcomeUnknown) as raised:
        decipher_push(answer)
    return raised.value


def no_answer(answer: Reply) -> NoAnswer:
    with pytest.raises(NoAnswer) as raised:
        decipher_query(answer, "ws_CO_1")
    return raised.value


def test_a_paybill_push_has_every_field() -> None:
    stamp = "20261124011530"

    assert build_push(PUSH, PAYBILL, EVENING) == {
        "BusinessShortCode": "174379",
        "Password": base64.b64encode(f"174379a-passkey{stamp}".encode()).decode(),
        "Timestamp": stamp,
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 50,
        "PartyA": "254712345678",
        "PartyB": "174379",
        "PhoneNumber": "254712345678",
        "CallBackURL": "https://pay.example.org/c/1.abc",
        "AccountReference": "LUNCH-7K2",
        "TransactionDesc": "Lunch",
    }


def test_a_till_push_is_signed_by_the_store_and_paid_to_the_till() -> None:
    body = build_push(PUSH, TILL, EVENING)

    assert body["BusinessShortCode"] == "600111"
    assert body["PartyB"] == "600222"
    assert body["TransactionType"] == "CustomerBuyGoodsOnline"


def test_a_query_has_exactly_four_fields() -> None:
    body = build_query("ws_CO_1", PAYBILL, EVENING)

    assert set(body) == {"BusinessShortCode", "Password", "Timestamp", "CheckoutRequestID"}
    assert base64.b64decode(str(body["Password"])).endswith(str(body["Timestamp"]).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone", "0712345678"),
        ("phone", "255712345678"),
        ("amount_kes", 0),
        ("amount_kes", 250_001),
        ("amount_kes", True),
        ("amount_kes", 1.5),
        ("reference", ""),
        ("reference", "THIRTEENCHARS"),
        ("reference", "<script>"),
        ("reference", "ends "),
        ("description", ""),
        ("description", "fourteen chars"),
        ("callback_url", "ftp://pay.example.org"),
        ("callback_url", "https://pay.example.org/c 1"),
        ("callback_url", "https://<host>/c"),
    ],
)
def test_a_push_that_daraja_would_refuse_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} "):
        replace(PUSH, **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("phone", "0712345678"), ("reference", "<Wanjiku>"), ("callback_url", "http://h/c/se cret")],
)
def test_a_refused_field_keeps_its_value_to_itself(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field) as raised:
        replace(PUSH, **{field: value})

    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"shortcode": "12"}, "shortcode"),
        ({"passkey": SecretStr("")}, "passkey"),
        ({"till_number": "600222"}, "till_number"),
        ({"transaction_type": "till"}, "till_number"),
        ({"transaction_type": "agent"}, "transaction_type"),
    ],
)
def test_an_account_that_cannot_work_names_its_field(fields: dict[str, Any], named: str) -> None:
    whole: dict[str, Any] = {"shortcode": "174379", "passkey": SecretStr("a-passkey")} | fields

    with pytest.raises(ValueError, match=f"^{named} "):
        Account(**whole)


def test_nothing_personal_is_in_a_repr() -> None:
    shown = f"{PUSH!r} {PAYBILL!r} {Accepted('m', 'ws_CO_1')!r}"

    assert "2547" not in shown
    assert "a-passkey" not in shown
    assert "ws_CO_1" not in shown
    assert "example.org" not in shown


def test_the_prompt_is_measured_as_the_phone_shows_it() -> None:
    shown = "Do you want to pay Ksh 1,500.00 to JAMII CHAMA Account no. MAMA-50? Enter M-PESA PIN"

    assert prompt_length("JAMII CHAMA", 1500, "MAMA-50") == len(shown)
    assert prompt_length("X" * 100, 250_000, "REFERENCE-12") <= PROMPT_CHARS_MAX


@pytest.mark.parametrize("status", [200, 201, 500])
def test_an_acceptance_names_the_push(status: int) -> None:
    assert decipher_push(reply(ACCEPTED, status)) == Accepted("ab12-1", "ws_CO_1")


def test_a_response_code_may_be_a_number() -> None:
    assert decipher_push(reply(ACCEPTED | {"ResponseCode": 0})) == Accepted("ab12-1", "ws_CO_1")


@pytest.mark.parametrize(
    "body",
    [
        ACCEPTED | {"CheckoutRequestID": ""},
        ACCEPTED | {"MerchantRequestID": None},
        ACCEPTED | {"CheckoutRequestID": 17},
        ACCEPTED | {"ResponseCode": True},
        ACCEPTED | {"ResponseCode": 0.0},
        ACCEPTED | {"ResponseCode": "string"},
        ACCEPTED | {"ResponseCode": None},
        ACCEPTED | {"ResponseCode": []},
        ACCEPTED | {"errorCode": "400.002.02"},
        ACCEPTED | {"ResultCode": "0"},
        {},
        [],
        b"",
        b"<html>hello</html>",
        b'{"ResponseCode":"0","ResponseCode":"1"}',
        b"\xff",
    ],
)
def test_what_neither_accepts_nor_refuses_is_unknown(body: object) -> None:
    unknown(reply(body))


@pytest.mark.parametrize("code", ["1", 1, "17", "400.1"])
def test_another_response_code_is_a_refusal(code: object) -> None:
    assert refused(reply(ACCEPTED | {"ResponseCode": code})).meaning is Meaning.UNLISTED


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_body_counts_before_the_status(status: int) -> None:
    refusal = refused(reply(error("400.002.02", "Bad Request - Invalid PhoneNumber"), status))

    assert refusal.meaning is Meaning.BAD_PHONE
    assert refusal.code == "400.002.02"
    assert refusal.request_id == "1c5b-4ba8-1"
    assert 'Daraja said: "Bad Request - Invalid PhoneNumber"' in str(refusal)


def test_the_three_meanings_of_one_code_are_told_apart() -> None:
    code = "500.001.1001"

    lock = refused(reply(error(code, "Unable to lock subscriber, a transaction is already"), 500))
    wrong = refused(reply(error(code, "[MerchantValidate] - Wrong credentials"), 500))
    unknown(reply(error(code, ""), 500))

    assert lock.meaning is Meaning.LINE_BUSY
    assert wrong.meaning is Meaning.MISCONFIGURED


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (reply(fault("policies.ratelimit.SpikeArrestViolation"), 429, 12.0), 12.0),
        (reply(error("500.003.02", "System is busy."), 500), None),
        (reply(error("500.003.03", "Quota Violation"), 500), None),
        (reply(b"slow down", 429, 3.0), 3.0),
        (reply({}, 429), None),
        (reply(FIREWALL + b" Error code 15", 503), None),
    ],
)
def test_too_fast_is_throttled(answer: Reply, wait_s: float | None) -> None:
    refusal = refused(answer)

    assert isinstance(refusal, Throttled)
    assert refusal.meaning is Meaning.BUSY
    assert refusal.retry_after_s == wait_s


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_behind_the_gateway_is_unknown(status: int) -> None:
    unknown(reply(b"<html>Service Unavailable</html>", status))
    unknown(reply({}, status))
    unknown(reply(fault("messaging.adaptors.http.flow.GatewayTimeout"), status))


def test_the_firewall_reporting_trouble_behind_it_is_unknown() -> None:
    unknown(reply(b"Incapsula incident ID: 1-2 Error code 20", 503))
    unknown(reply(b'<iframe src="/_Incapsula_Resource?edet=9&cinfo=1">', 503))


@pytest.mark.parametrize(
    "code",
    [
        b"Error code: <b>20</b>",
        b"Error code:&nbsp;20",
        b'<td>Error code</td>\n  <td class="n">8</td>',
        b" " * 5000 + b"Error code 20",
        b"Error code 15, Error code 20",
    ],
)
def test_however_it_writes_that_it_is_no_block(code: bytes) -> None:
    unknown(reply(b"<html>Incapsula incident ID: 1-2 " + code + b"</html>", 503))


@pytest.mark.parametrize(
    "code", [b"Error code: <b>16</b>", b'<iframe src="/_Incapsula_Resource?edet=15&amp;cinfo=1">']
)
def test_a_block_is_safe_to_send_again(code: bytes) -> None:
    assert isinstance(refused(reply(FIREWALL + code, 503)), Throttled)


def test_a_page_of_the_firewall_without_a_code_says_nothing() -> None:
    unknown(reply(FIREWALL, 503))


def test_the_firewall_forbidding_is_a_refusal() -> None:
    assert refused(reply(b"<html>Forbidden</html>", 403)).meaning is Meaning.MISCONFIGURED
    assert refused(reply(FIREWALL + b" error code 15", 403)).meaning is Meaning.MISCONFIGURED


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_unknown(status: int) -> None:
    unknown(reply(b"", status))


@pytest.mark.parametrize(
    "code",
    ["404.001.03", "404.001.04", "400.003.01", "401.002.01", "401.003.01"],
)
def test_a_refused_token_is_a_signal_and_not_an_error(code: str) -> None:
    body = error(code, "Invalid Access Token - BJGFGOXv5aZnw90KkA4TDtu4Xdyf")

    assert decipher_push(reply(body, 404)) == TokenRefused(code, "1c5b-4ba8-1")
    assert decipher_query(reply(body, 404), "ws_CO_1") == TokenRefused(code, "1c5b-4ba8-1")


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        ("Bad Request - Invalid CallBackURL", "Bad Request - Invalid CallBackURL"),
        ("Invalid Access Token - BJGFGOXv5aZnw90KkA4TDtu4Xdyf", "Invalid Access Token - …"),
        ("Invalid Access Token - abcdefghijklmnopqrstuvwxyzab", "Invalid Access Token - …"),
        ("no line 254712345678 here", "no line … here"),
        ("called https://pay.example.org/c/1.abc", "called …"),
        ("ws_CO_1 unknown", "… unknown"),
        ("\x1b[31m\n", "…"),
    ],
)
def test_only_plain_words_of_a_message_are_quoted(message: str, quoted: str) -> None:
    assert quotable(message) == quoted


@pytest.mark.parametrize("request_id", ["ws_CO_20022018230142206", "a b", 7, "x" * 65])
def test_a_request_id_that_is_none_of_ours_to_show_is_dropped(request_id: object) -> None:
    body = error("400.002.02", "Invalid Amount") | {"requestId": request_id}

    assert refused(reply(body, 400)).request_id == ""


@pytest.mark.parametrize("code", ["0", "1032", "4999", 0, 1037])
def test_an_answer_about_our_payment_carries_its_result(code: object) -> None:
    answer = decipher_query(reply(ANSWER | {"ResultCode": code}), "ws_CO_1")

    assert isinstance(answer, QueryAnswer)
    assert answer.result.code == str(code)
    assert answer.merchant_request_id == "ab12-1"


def test_still_processing_is_an_answer_that_ends_nothing() -> None:
    answer = decipher_query(reply(ANSWER | {"ResultCode": "4999"}), "ws_CO_1")

    assert isinstance(answer, QueryAnswer)
    assert answer.result.meaning is Meaning.PROCESSING
    assert not answer.result.final


@pytest.mark.parametrize(
    "answer",
    [
        reply(ANSWER | {"CheckoutRequestID": "ws_CO_2"}),
        reply(ANSWER | {"CheckoutRequestID": None}),
        reply({key: value for key, value in ANSWER.items() if key != "CheckoutRequestID"}),
        reply({key: value for key, value in ANSWER.items() if key != "ResultCode"}),
        reply(ANSWER | {"ResultCode": True}),
        reply(ANSWER | {"ResultCode": 0.0}),
        reply(ANSWER | {"ResultCode": " 0"}),
        reply(ANSWER | {"ResultCode": ""}),
        reply(ANSWER | {"ResponseCode": "1"}),
        reply(ANSWER | {"errorCode": "500.001.1001"}),
        reply(ANSWER, 500),
        reply(ANSWER, 429),
        reply(error("500.001.1001", "The transaction is being processed"), 500),
        reply(error("500.001.1001", ""), 200),
        reply(error("400.002.02", "Bad Request - Invalid CheckoutRequestID"), 400),
        reply(fault("policies.ratelimit.SpikeArrestViolation"), 429),
        reply(FIREWALL, 503),
        reply(b"", 200),
        reply([], 200),
    ],
)
def test_all_else_tells_nothing_about_the_payment(answer: Reply) -> None:
    no_answer(answer)


def test_no_answer_says_when_to_come_back() -> None:
    assert no_answer(reply(fault("x"), 429, 30.0)).retry_after_s == 30.0


def test_no_answer_keeps_the_code_of_an_unknown_id() -> None:
    body = error("400.002.02", "Bad Request - Invalid CheckoutRequestID")

    assert no_answer(reply(body, 400)).code == "400.002.02"


@pytest.mark.parametrize(
    ("written", "lifetime_s"),
    [(3599, 3599), ("3599", 3599), ("invalid", 3600), (None, 3600), (0, 3600), (-5, 3600)],
)
def test_a_token_says_how_long_it_lives(written: object, lifetime_s: int) -> None:
    token = decipher_token(reply({"access_token": "abc", "expires_in": written}), EVENING)

    assert token == Token("abc", EVENING, EVENING + timedelta(seconds=lifetime_s))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(b"", 400), BadCredentials),
        (reply(error("400.008.01", "Invalid Authentication passed"), 400), BadCredentials),
        (reply(error("401.002.01", "Invalid Credentials"), 401), BadCredentials),
        (reply({"access_token": "", "expires_in": "3599"}), BadCredentials),
        (reply({"access_token": "a\r\nHost: b"}), BadCredentials),
        (reply(b"", 500), Unreachable),
        (reply(fault("policies.ratelimit.SpikeArrestViolation"), 429), Unreachable),
        (reply(FIREWALL, 503), Unreachable),
        (reply(FIREWALL, 403), Unreachable),
        (reply(b"<html>", 200), Unreachable),
        (reply({}, 200), Unreachable),
    ],
)
def test_no_token_is_the_operators_matter_or_a_passing_one(
    answer: Reply, kind: type[MpesaError]
) -> None:
    with pytest.raises(MpesaError) as raised:
        decipher_token(answer, EVENING)

    assert type(raised.value) is kind
