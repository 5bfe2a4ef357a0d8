"""The one table of the error codes with which Daraja turns a request away, and what each means."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mpesa.results import Meaning


class Verdict(StrEnum):
    """What an error says about the push that it answers."""

    REFUSED = "refused"
    THROTTLED = "throttled"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - a word, not a secret
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One error code, decided for a push. A query learns nothing from any of them."""

    verdict: Verdict
    meaning: Meaning
    advice: str


_REFUSED, _THROTTLED, _TOKEN, _UNKNOWN = Verdict

_BAD_TOKEN: Final = Rejection(_TOKEN, Meaning.MISCONFIGURED, "The access token is not accepted.")
_WRONG_PATH: Final = Rejection(
    _REFUSED, Meaning.MISCONFIGURED, "No such service at this address: check mpesa.base_url."
)
_BAD_REQUEST: Final = Rejection(
    _REFUSED, Meaning.MISCONFIGURED, "Daraja does not accept a field of the request."
)
UNCLEAR: Final = Rejection(
    _UNKNOWN, Meaning.UNCLEAR, "Daraja reports trouble of its own; the push may have been accepted."
)

# (errorCode, words its message must hold with the spaces taken out, the verdict); first match wins.
# The message decides only where one code has several meanings and no other field tells them apart.
_ROWS: Final[tuple[tuple[str, str, Rejection], ...]] = (
    (
        "400.002.02",
        "phonenumber",
        Rejection(_REFUSED, Meaning.BAD_PHONE, "Daraja does not accept the phone number."),
    ),
    (
        "400.002.02",
        "partya",
        Rejection(_REFUSED, Meaning.BAD_PHONE, "Daraja does not accept the phone number."),
    ),
    (
        "400.002.02",
        "amount",
        Rejection(_REFUSED, Meaning.BAD_AMOUNT, "Daraja does not accept the amount."),
    ),
    ("400.002.02", "", _BAD_REQUEST),
    ("400.002.05", "", _BAD_REQUEST),
    # The same refusal of a token has another code in each of Safaricom's products.
    ("400.003.01", "", _BAD_TOKEN),
    ("401.001", "", _BAD_TOKEN),
    ("401.002.01", "", _BAD_TOKEN),
    ("401.003.01", "", _BAD_TOKEN),
    ("404.001.03", "", _BAD_TOKEN),
    ("404.001.04", "", _BAD_TOKEN),
    ("404.001.01", "", _WRONG_PATH),
    ("404.002.01", "", _WRONG_PATH),
    ("404.003.01", "", _WRONG_PATH),
    ("405.001", "", _WRONG_PATH),
    (
        "500.001.1001",
        "merchantdoesnotexist",
        Rejection(
            _REFUSED,
            Meaning.MISCONFIGURED,
            "Daraja does not know the short code: is it for this environment?",
        ),
    ),
    (
        "500.001.1001",
        "wrongcredentials",
        Rejection(
            _REFUSED, Meaning.MISCONFIGURED, "Short code and passkey do not belong together."
        ),
    ),
    (
        "500.001.1001",
        "unabletolocksubscriber",
        Rejection(_REFUSED, Meaning.LINE_BUSY, "Another M-PESA session is open on this phone."),
    ),
    ("500.001.1001", "", UNCLEAR),
    # Daraja says so because an earlier request with our id *was* accepted.
    ("500.002.1001", "", UNCLEAR),
    ("500.003.02", "", Rejection(_THROTTLED, Meaning.BUSY, "M-PESA is busy.")),
    ("500.003.03", "", Rejection(_THROTTLED, Meaning.BUSY, "The quota of these keys is used up.")),
    ("500.003.1001", "", UNCLEAR),
)

_GATEWAY_TOKEN_FAULTS: Final = ("keymanagement.service.", "oauth.v2.")


def look_up_error(code: str, message: str) -> Rejection:
    """
    Decide an `errorCode`. Codes outside the table: the 4xx family refuses, all else is unknown.

    The family is read from the code and not from the HTTP status, because errors also ride on 200.
    """
    words = "".join(message.lower().split())
    for listed, must_hold, rejection in _ROWS:
        if code == listed and must_hold in words:
            return rejection
    if code.startswith(("400.", "401.", "403.", "404.", "405.")):
        return _BAD_REQUEST
    return UNCLEAR


def look_up_fault(code: str, *, status: int) -> Rejection:
    """
    Decide a fault of the Apigee gateway that stands before Daraja.

    A spike arrest, a token fault and a 404 stop a request at the door. Any other fault may be
    the gateway failing to hear the *answer* of the service behind it, so it is unknown.
    """
    fault = code.lower()
    if fault.startswith("policies.ratelimit.") or status == 429:
        return Rejection(_THROTTLED, Meaning.BUSY, "Too many requests for these keys.")
    if fault.startswith(_GATEWAY_TOKEN_FAULTS):
        return _BAD_TOKEN
    if status == 404:
        return _WRONG_PATH
    return UNCLEAR
