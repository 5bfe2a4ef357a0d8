"""The table of result codes says what Safaricom's pages and real callbacks say."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpesa.rejections import Verdict, look_up_error, look_up_fault
from mpesa.results import RESULTS, AskAgain, Meaning, Result, look_up

MEANINGS = {
    "0": Meaning.PAID,
    "1": Meaning.NO_BALANCE,
    "2": Meaning.BELOW_MINIMUM,
    "3": Meaning.ABOVE_MAXIMUM,
    "4": Meaning.DAILY_LIMIT,
    "8": Meaning.MERCHANT_FULL,
    "11": Meaning.ACCOUNT_INACTIVE,
    "14": Meaning.MISCONFIGURED,
    "15": Meaning.DUPLICATE,
    "17": Meaning.SAME_AMOUNT_TOO_SOON,
    "21": Meaning.MISCONFIGURED,
    "26": Meaning.BUSY,
    "1001": Meaning.LINE_BUSY,
    "1005": Meaning.MISCONFIGURED,
    "1019": Meaning.EXPIRED,
    "1025": Meaning.PROMPT_FAILED,
    "1031": Meaning.CANCELLED,
    "1032": Meaning.CANCELLED,
    "1036": Meaning.NO_ANSWER,
    "1037": Meaning.NO_ANSWER,
    "1101": Meaning.PROMPT_FAILED,
    "1102": Meaning.PROMPT_FAILED,
    "2001": Meaning.WRONG_PIN,
    "2006": Meaning.ACCOUNT_INACTIVE,
    "2007": Meaning.MISCONFIGURED,
    "2008": Meaning.AUTH_FAILED,
    "2026": Meaning.AUTH_FAILED,
    "2028": Meaning.MISCONFIGURED,
    "2029": Meaning.MISCONFIGURED,
    "2033": Meaning.MISCONFIGURED,
    "2040": Meaning.NOT_REGISTERED,
    "2043": Meaning.MISCONFIGURED,
    "2202": Meaning.MISCONFIGURED,
    "4999": Meaning.PROCESSING,
    "8006": Meaning.PIN_LOCKED,
    "9999": Meaning.PROMPT_FAILED,
    "E3008": Meaning.SANDBOX_REFUSED,
    "SFC_IC0003": Meaning.MISCONFIGURED,
    "100000100": Meaning.UNCLEAR,
}


def test_every_documented_code_has_its_meaning() -> None:
    assert {code: row.meaning for code, row in RESULTS.items()} == MEANINGS


def test_only_zero_is_paid() -> None:
    assert [code for code, row in RESULTS.items() if row.paid] == ["0"]


def test_all_listed_codes_are_final_but_two() -> None:
    assert {code for code, row in RESULTS.items() if not row.final} == {"4999", "100000100"}


def test_every_code_has_advice() -> None:
    assert all(row.advice for row in RESULTS.values())


def test_only_what_may_be_asked_later_says_how_much_later() -> None:
    assert all((row.wait_s > 0) == (row.ask_again is AskAgain.LATER) for row in RESULTS.values())


def test_the_same_amount_is_asked_again_after_two_minutes() -> None:
    assert look_up("17").wait_s == 120


@pytest.mark.parametrize("code", [1032, 1032.0, Decimal("1032.0"), "1032", " 1032 "])
def test_a_code_is_the_same_however_it_is_written(code: object) -> None:
    assert look_up(code) is RESULTS["1032"]


@pytest.mark.parametrize("code", ["SFC_IC0003", "sfc_ic0003", " SFC_IC0003"])
def test_a_word_is_a_code(code: str) -> None:
    assert look_up(code).meaning is Meaning.MISCONFIGURED
    assert look_up(code).listed


@pytest.mark.parametrize("code", [7777, "7777", "R000002", "C2B00011"])
def test_an_unlisted_code_survives_and_ends_nothing(code: object) -> None:
    result = look_up(code)

    assert result.code == str(code)
    assert result.meaning is Meaning.UNLISTED
    assert not result.final
    assert not result.listed


@pytest.mark.parametrize(
    "code",
    [None, True, False, [], {}, [0], 0.5, float("nan"), float("inf"), "", "0.0", "00", "٠", b"0"],
)
def test_what_is_no_code_is_unlisted(code: object) -> None:
    assert look_up(code).meaning is Meaning.UNLISTED


def test_a_code_that_could_be_a_phone_is_not_kept() -> None:
    assert look_up("254712345678").code == ""
    assert look_up(712345678).code == ""


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=10**4000, max_value=10**4001),
        st.floats(),
        st.decimals(),
        st.text(),
        st.binary(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
    )
)
def test_any_value_at_all_is_looked_up(code: object) -> None:
    result = look_up(code)

    assert isinstance(result, Result)
    assert result.paid == (result.code == "0")


def test_no_other_number_is_final() -> None:
    final = [code for code in range(10_000) if look_up(code).final]

    assert {str(code) for code in final} <= MEANINGS.keys()


@pytest.mark.parametrize(
    ("code", "message", "verdict", "meaning"),
    [
        ("400.002.02", "Bad Request - Invalid PhoneNumber", "refused", Meaning.BAD_PHONE),
        ("400.002.02", "Bad Request - Invalid Amount", "refused", Meaning.BAD_AMOUNT),
        ("400.002.02", "Bad Request - Invalid CallBackURL", "refused", Meaning.MISCONFIGURED),
        ("400.002.05", "Invalid Request Payload", "refused", Meaning.MISCONFIGURED),
        ("400.099.99", "new in 2027", "refused", Meaning.MISCONFIGURED),
        ("404.001.01", "Resource not found", "refused", Meaning.MISCONFIGURED),
        ("405.001", "Method Not Allowed", "refused", Meaning.MISCONFIGURED),
        ("404.001.03", "Invalid Access Token", "token-refused", Meaning.MISCONFIGURED),
        ("404.001.04", "Invalid Authentication Header", "token-refused", Meaning.MISCONFIGURED),
        ("400.003.01", "Invalid Access Token", "token-refused", Meaning.MISCONFIGURED),
        ("401.002.01", "Invalid Access Token", "token-refused", Meaning.MISCONFIGURED),
        ("401.003.01", "Invalid Access Token", "token-refused", Meaning.MISCONFIGURED),
        ("500.001.1001", "Merchant does not exist", "refused", Meaning.MISCONFIGURED),
        (
            "500.001.1001",
            "[MerchantValidate] - Wrong credentials",
            "refused",
            Meaning.MISCONFIGURED,
        ),
        (
            "500.001.1001",
            "Unable to lock subscriber, a transaction is already in process",
            "refused",
            Meaning.LINE_BUSY,
        ),
        ("500.001.1001", "", "unknown", Meaning.UNCLEAR),
        ("500.001.1001", "The transaction is being processed", "unknown", Meaning.UNCLEAR),
        ("500.002.1001", "Duplicate OriginatorConversationID.", "unknown", Meaning.UNCLEAR),
        ("500.003.02", "System is busy. Please try again", "throttled", Meaning.BUSY),
        ("500.003.02", "Error Occurred: Spike Arrest Violation", "throttled", Meaning.BUSY),
        ("500.003.03", "Quota Violation", "throttled", Meaning.BUSY),
        ("500.003.1001", "Internal Server Error", "unknown", Meaning.UNCLEAR),
        ("Error", "Failed", "unknown", Meaning.UNCLEAR),
        ("", "", "unknown", Meaning.UNCLEAR),
    ],
)
def test_every_documented_error_has_its_verdict(
    code: str, message: str, verdict: str, meaning: Meaning
) -> None:
    rejection = look_up_error(code, message)

    assert (rejection.verdict, rejection.meaning) == (Verdict(verdict), meaning)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("400.009.99", Verdict.REFUSED),
        ("404.009.99", Verdict.REFUSED),
        ("500.009.99", Verdict.UNKNOWN),
        ("503.009.99", Verdict.UNKNOWN),
        ("900.009.99", Verdict.UNKNOWN),
    ],
)
def test_an_unlisted_error_refuses_a_push_only_in_the_family_that_does(
    code: str, verdict: Verdict
) -> None:
    assert look_up_error(code, "Something new").verdict is verdict


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("policies.ratelimit.SpikeArrestViolation", 429, Verdict.THROTTLED),
        ("policies.ratelimit.QuotaViolation", 500, Verdict.THROTTLED),
        ("", 429, Verdict.THROTTLED),
        ("keymanagement.service.invalid_access_token", 401, Verdict.TOKEN_REFUSED),
        ("messaging.adaptors.http.flow.ApplicationNotFound", 404, Verdict.REFUSED),
        ("messaging.adaptors.http.flow.GatewayTimeout", 504, Verdict.UNKNOWN),
        ("steps.servicecallout.ExecutionFailed", 500, Verdict.UNKNOWN),
    ],
)
def test_a_fault_of_the_gateway_has_its_verdict(code: str, status: int, verdict: Verdict) -> None:
    assert look_up_fault(code, status=status).verdict is verdict
