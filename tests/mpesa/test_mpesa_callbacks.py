"""Callbacks are read exactly or refused with a reason, whatever a stranger posts."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpesa.callbacks import Unreadable, parse_callback
from mpesa.models import StkCallback
from mpesa.results import Meaning

ITEMS: list[dict[str, object]] = [
    {"Name": "Amount", "Value": 150.00},
    {"Name": "MpesaReceiptNumber", "Value": "UKN1ABCDEF"},
    {"Name": "TransactionDate", "Value": 20261123101530},
    {"Name": "PhoneNumber", "Value": 254712345678},
]


def framed(**fields: Any) -> bytes:
    """A successful callback, with `fields` in place of its own."""
    callback = {
        "MerchantRequestID": "ab12-4c3d-1",
        "CheckoutRequestID": "ws_CO_23112026101500123712345678",
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": ITEMS},
    } | fields
    return json.dumps({"Body": {"stkCallback": callback}}).encode()


def with_item(name: str, value: object) -> bytes:
    rest = [item for item in ITEMS if item["Name"] != name]
    return framed(CallbackMetadata={"Item": [*rest, {"Name": name, "Value": value}]})


def parsed(body: bytes) -> StkCallback:
    callback = parse_callback(body)
    assert isinstance(callback, StkCallback), callback
    return callback


def refusal(body: bytes) -> str:
    outcome = parse_callback(body)
    assert isinstance(outcome, Unreadable)
    return outcome.reason


def test_a_success_is_read_whole() -> None:
    callback = parsed(framed())

    assert callback.result.paid
    assert callback.merchant_request_id == "ab12-4c3d-1"
    assert callback.checkout_request_id == "ws_CO_23112026101500123712345678"
    assert callback.amount_cents == 15_000
    assert callback.receipt == "UKN1ABCDEF"
    assert callback.paid_at == datetime(2026, 11, 23, 7, 15, 30, tzinfo=UTC)
    assert callback.phone == "254712345678"


def test_items_are_found_by_name_in_any_order_among_strangers() -> None:
    items = [{"Name": "Balance"}, "noise", {"Value": 3}, *reversed(ITEMS), {"Name": 7}]

    assert parsed(framed(CallbackMetadata={"Item": items})) == parsed(framed())


@pytest.mark.parametrize("metadata", [None, {}, [], "none", {"Item": []}, {"Item": None}])
def test_a_success_without_metadata_is_a_success_without_details(metadata: object) -> None:
    callback = parsed(framed(CallbackMetadata=metadata))

    assert callback.result.paid
    assert callback.amount_cents is None
    assert callback.receipt is None
    assert callback.paid_at is None
    assert callback.phone is None


def test_a_failure_carries_its_meaning() -> None:
    body = framed(ResultCode=1032, CallbackMetadata=None)

    assert parsed(body).result.meaning is Meaning.CANCELLED


def test_a_code_that_is_a_word_is_read() -> None:
    assert parsed(framed(ResultCode="SFC_IC0003")).result.code == "SFC_IC0003"


def test_an_unlisted_code_survives() -> None:
    result = parsed(framed(ResultCode=7777)).result

    assert (result.code, result.meaning, result.final) == ("7777", Meaning.UNLISTED, False)


@pytest.mark.parametrize("code", [0, "0"])
def test_zero_is_a_success(code: object) -> None:
    assert parsed(framed(ResultCode=code)).result.paid


@pytest.mark.parametrize(
    "code", [True, False, None, "", 0.0, -0.0, " 0", "0 ", [0], {}, [], {"ResultCode": 0}]
)
def test_what_resembles_a_success_is_refused(code: object) -> None:
    assert "ResultCode" in refusal(framed(ResultCode=code))


@pytest.mark.parametrize("code", [0.5, "00", "0.0", "+0", "٠"])
def test_what_is_not_quite_zero_is_no_success(code: object) -> None:
    assert not parsed(framed(ResultCode=code)).result.paid


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        (1, 100),
        (1.0, 100),
        (150.5, 15_050),
        (0.29, 29),
        (19.99, 1_999),
        (250_000, 25_000_000),
        (0, 0),
        ("150", 15_000),
        ("150.00", 15_000),
        ("150.5", 15_050),
    ],
)
def test_an_amount_is_exact_cents(written: object, cents: int) -> None:
    assert parsed(with_item("Amount", written)).amount_cents == cents


@pytest.mark.parametrize(
    "written",
    [
        *(-1, -0.5, 0.001, 150.005, 10**20, True, None, [], {"Value": 5}),
        *("", "1,000", "1.500.00", "abc", "1e3", "-5", " 5", "٥", "NaN", "0x10", "5."),
    ],
)
def test_an_amount_that_is_not_exact_is_none_and_the_rest_stands(written: object) -> None:
    callback = parsed(with_item("Amount", written))

    assert callback.amount_cents is None
    assert callback.receipt == "UKN1ABCDEF"


def test_an_amount_with_a_huge_exponent_is_none_at_once() -> None:
    body = framed().replace(b"150.0", b"1e999999")

    assert parsed(body).amount_cents is None


def test_an_amount_with_an_exponent_is_exact() -> None:
    assert parsed(framed().replace(b"150.0", b"1.5E2")).amount_cents == 15_000


def test_an_amount_given_twice_differently_is_none() -> None:
    items = [*ITEMS, {"Name": "Amount", "Value": 151}]

    assert parsed(framed(CallbackMetadata={"Item": items})).amount_cents is None


@pytest.mark.parametrize(
    "written", ["ukn1abcdef", "UKN1ABCDE", "UKN1ABCDEFG", "UKN1-BCDEF", "", 1234567890, None, []]
)
def test_what_is_no_receipt_is_none(written: object) -> None:
    assert parsed(with_item("MpesaReceiptNumber", written)).receipt is None


@pytest.mark.parametrize("written", ["20261123101530", "2026-11-23 10:15:30"])
def test_a_date_may_be_text(written: str) -> None:
    callback = parsed(with_item("TransactionDate", written))

    assert callback.paid_at == datetime(2026, 11, 23, 7, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        *(20261332101530, 20260230101530, 20261123251530, 10101000000, -1, 2026.5, True, None),
        *("2023-07-15", "00010101000000", "99999999999999", "", "tomorrow", "٢0261123101530"),
    ],
)
def test_an_impossible_date_is_none(written: object) -> None:
    assert parsed(with_item("TransactionDate", written)).paid_at is None


@pytest.mark.parametrize("written", ["254708***430", "0712345678", 712345678, 1.5, None, True, []])
def test_a_masked_or_missing_phone_is_none(written: object) -> None:
    assert parsed(with_item("PhoneNumber", written)).phone is None


@pytest.mark.parametrize("name", ["MerchantRequestID", "CheckoutRequestID"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_id_may_be_missing(name: str, value: object) -> None:
    assert parsed(framed(**{name: value})).result.paid


@pytest.mark.parametrize("name", ["MerchantRequestID", "CheckoutRequestID"])
@pytest.mark.parametrize("value", [7, ["x"], {}, "a b", "x" * 129, "\ud800", "a\nb", True])
def test_an_id_that_is_none_is_refused(name: str, value: object) -> None:
    assert refusal(framed(**{name: value})) == f"{name} is not an id"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
        (b'{"a":1}{"a":1}', "the body is not JSON"),
        (b'{"a":1,}', "the body is not JSON"),
        (b"\xff\xfe{}", "the body is not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "the body is not UTF-8"),
        (b'{"a":NaN}', "a number is not finite"),
        (b'{"a":-Infinity}', "a number is not finite"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"a":1e99999999999999999999}', "a number is too long"),
        (b'{"a":1,"a":2}', "a key is given twice"),
        (b'{"Body":{"stkCallback":{"ResultCode":1,"ResultCode":0}}}', "a key is given twice"),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "the body is nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "the body is nested too deeply"),
        (b'{"a":' + b"[{}," * 64 + b"[]" + b"]" * 64 + b"}", "the body is nested too deeply"),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "the body is nested too deeply"),
        (b'{"a":' + b"[" * 7_900 + b"]" * 7_900 + b"}", "the body is nested too deeply"),
        (b'{"a":' * 64 + b"1" + b"}" * 64, "there is no Body.stkCallback"),
        (b'{"a":' + b"[" + b"[]," * 5000 + b"{}]}", "there is no Body.stkCallback"),
        (b"[" * 200_000, "the body is too long"),
        (b"{}", "there is no Body.stkCallback"),
        (b'{"Body":[]}', "there is no Body.stkCallback"),
        (b'{"Body":{"stkCallback":"paid"}}', "there is no Body.stkCallback"),
        (b'{"stkCallback":{"ResultCode":0}}', "there is no Body.stkCallback"),
        (b'{"ResultCode":0,"CheckoutRequestID":"ws_CO_1"}', "there is no Body.stkCallback"),
        (b'{"ResponseCode":"0","ResultCode":"0"}', "an answer to a query"),
    ],
)
def test_a_foreign_body_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    assert refusal(body) == reason


def test_a_byte_order_mark_is_read_over() -> None:
    assert parsed(b"\xef\xbb\xbf" + framed()) == parsed(framed())


def test_lone_surrogates_elsewhere_do_no_harm() -> None:
    body = framed(ResultDesc="\ud800")

    callback = parsed(body)

    assert callback == parsed(framed())
    repr(callback).encode()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from([0, "0", "1032", "254712345678", 20261123101530, "UKN1ABCDEF"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["MerchantRequestID", "CheckoutRequestID", "ResultCode", "CallbackMetadata"]),
    JSON_VALUES,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    assert isinstance(parse_callback(body), StkCallback | Unreadable)


@settings(max_examples=300, deadline=None)
@given(FIELDS)
def test_any_fields_in_the_frame_are_parsed_or_refused(fields: dict[str, Any]) -> None:
    outcome = parse_callback(framed(**fields))

    assert isinstance(outcome, StkCallback | Unreadable)
    if isinstance(outcome, StkCallback) and outcome.result.paid:
        assert fields.get("ResultCode", 0) in (0, "0")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Amount", "MpesaReceiptNumber", "TransactionDate", "PhoneNumber"]),
            JSON_VALUES,
        ),
        max_size=6,
    )
)
def test_any_metadata_is_read_exactly_or_not_at_all(pairs: list[tuple[str, object]]) -> None:
    items = [{"Name": name, "Value": value} for name, value in pairs]

    outcome = parse_callback(framed(CallbackMetadata={"Item": items}))

    if isinstance(outcome, StkCallback) and outcome.amount_cents is not None:
        written = {Decimal(str(value)) for name, value in pairs if name == "Amount"}
        assert written == {Decimal(outcome.amount_cents) / 100}
