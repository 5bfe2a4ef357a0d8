"""Runs every sample body through every reader: parsed or refused with a reason, never a crash."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mpesa.callbacks import Unreadable, parse_callback
from mpesa.errors import MpesaError, NoAnswer, NotSent, OutcomeUnknown, Refused
from mpesa.models import Accepted, QueryAnswer, StkCallback, Token
from mpesa.wire import Reply, TokenRefused, decipher_push, decipher_query, decipher_token

SAMPLES = Path(__file__).parent.parent / "samples"
BODIES = sorted([*SAMPLES.glob("*/*.json"), *SAMPLES.glob("*/*.txt")])
STATUSES = (200, 201, 302, 400, 401, 403, 404, 429, 500, 502, 503, 504)
NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def outcome_of(read: Callable[[], object]) -> object:
    """What `read` returns, or the error of ours that it raises; any other error fails the test."""
    try:
        return read()
    except MpesaError as error:
        return error


def name(path: Path) -> str:
    return path.relative_to(SAMPLES).as_posix()


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=str)


def is_framed(path: Path) -> bool:
    body = loaded(path)
    return "ResultCode" in body.get("Body", {}).get("stkCallback", {})


CALLBACKS = sorted(SAMPLES.glob("stk_callback/*.json"))
FRAMED = [path for path in CALLBACKS if is_framed(path)]
PAID = [path for path in FRAMED if loaded(path)["Body"]["stkCallback"]["ResultCode"] == 0]


def test_all_145_samples_are_here() -> None:
    assert len(BODIES) == 145


@pytest.mark.parametrize("path", BODIES, ids=name)
def test_every_body_at_the_callback_address_is_parsed_or_refused_with_a_reason(path: Path) -> None:
    outcome = parse_callback(path.read_bytes())

    if isinstance(outcome, Unreadable):
        assert outcome.reason
    else:
        assert path in FRAMED


@pytest.mark.parametrize("status", STATUSES)
def test_every_body_in_reply_to_a_push_has_one_of_four_meanings(status: int) -> None:
    for path in BODIES:
        reply = Reply(status, path.read_bytes())

        outcome = outcome_of(partial(decipher_push, reply))

        assert isinstance(outcome, Accepted | TokenRefused | Refused | OutcomeUnknown)
        if isinstance(outcome, Accepted):
            assert path.parent.name == "stk_ack"


@pytest.mark.parametrize("status", STATUSES)
def test_every_body_in_reply_to_a_query_is_an_answer_about_the_payment_or_none(status: int) -> None:
    for path in BODIES:
        reply = Reply(status, path.read_bytes())

        outcome = outcome_of(partial(decipher_query, reply, "ws_CO_not_in_any_sample"))

        assert isinstance(outcome, NoAnswer | TokenRefused)


@pytest.mark.parametrize("status", STATUSES)
def test_every_body_in_reply_to_a_token_request_is_a_token_or_a_reason(status: int) -> None:
    for path in BODIES:
        reply = Reply(status, path.read_bytes())

        outcome = outcome_of(partial(decipher_token, reply, NOON))

        assert isinstance(outcome, Token | NotSent)
        if isinstance(outcome, Token):
            assert path.parent.name == "oauth"


@pytest.mark.parametrize("path", FRAMED, ids=name)
def test_a_framed_callback_is_read(path: Path) -> None:
    assert isinstance(parse_callback(path.read_bytes()), StkCallback)


@pytest.mark.parametrize("path", PAID, ids=name)
def test_a_successful_callback_is_paid_with_the_exact_amount(path: Path) -> None:
    metadata = loaded(path)["Body"]["stkCallback"].get("CallbackMetadata", {})
    written = [item["Value"] for item in metadata.get("Item", []) if item["Name"] == "Amount"]

    callback = parse_callback(path.read_bytes())

    assert isinstance(callback, StkCallback)
    assert callback.result.paid
    assert callback.amount_cents == (Fraction(str(written[0])) * 100 if written else None)


def test_the_successes_among_the_samples_are_many() -> None:
    assert len(PAID) >= 20


@pytest.mark.parametrize("path", [path for path in FRAMED if path not in PAID], ids=name)
def test_a_callback_with_another_code_is_not_paid(path: Path) -> None:
    callback = parse_callback(path.read_bytes())

    assert isinstance(callback, StkCallback)
    assert not callback.result.paid
    assert callback.result.listed


def test_a_real_success_of_2018_is_read_whole() -> None:
    path = next(SAMPLES.glob("stk_callback/67_*.json"))

    callback = parse_callback(path.read_bytes())

    assert isinstance(callback, StkCallback)
    assert callback.amount_cents == 100
    assert callback.receipt is not None
    assert callback.paid_at is not None
    assert callback.phone is not None


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("stk_query_response/*.json")), ids=name)
def test_a_query_response_is_an_answer_about_the_payment_that_it_names(path: Path) -> None:
    checkout_request_id = loaded(path)["CheckoutRequestID"]

    answer = decipher_query(Reply(200, path.read_bytes()), checkout_request_id)

    assert isinstance(answer, QueryAnswer)
    assert answer.result.final
    assert answer.result.code == str(loaded(path)["ResultCode"])


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("stk_query_response/*.json")), ids=name)
def test_a_query_response_posted_to_the_callback_address_is_refused(path: Path) -> None:
    assert parse_callback(path.read_bytes()) == Unreadable("an answer to a query")


def test_no_error_repeats_a_long_run_of_digits_or_a_token_from_the_body() -> None:
    for path in BODIES:
        reply = Reply(400, path.read_bytes())
        for read in (
            partial(decipher_push, reply),
            partial(decipher_query, reply, "ws_CO_1"),
            partial(decipher_token, reply, NOON),
        ):
            error = outcome_of(read)
            if isinstance(error, MpesaError):
                shown = f"{error} {error.code} {error.request_id}"
                assert not re.search(r"(?<![0-9a-f])[0-9]{9}", str(error))
                assert "BJGFGOX" not in shown
                assert "ws_CO" not in shown
