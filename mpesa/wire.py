"""
Values to requests, and replies to meaning: everything we know of Daraja's wire, without I/O.

Every reply is judged by its body before its HTTP status: a refused token is a 404, a spike arrest
a 500, and error bodies also ride on 200. What cannot be read with certainty is *unknown*.
"""

import base64
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from mpesa.bodies import Unreadable, read_object
from mpesa.callbacks import NAIROBI
from mpesa.errors import (
    BadCredentials,
    MpesaError,
    NoAnswer,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unreachable,
)
from mpesa.models import Accepted, Account, Ack, Push, QueryAnswer, Token
from mpesa.rejections import UNCLEAR, Rejection, Verdict, look_up_error, look_up_fault
from mpesa.results import Meaning, look_up

TOKEN_PATH: Final = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - a path
PUSH_PATH: Final = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH: Final = "/mpesa/stkpushquery/v1/query"

# Beyond it M-PESA fails the prompt with result code 1025, after accepting the push.
PROMPT_CHARS_MAX: Final = 182

_TRANSACTION_TYPES: Final = {"paybill": "CustomerPayBillOnline", "till": "CustomerBuyGoodsOnline"}
_TOKEN_LIFETIME_S: Final = 3600
_TOKEN_TEXT: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,2048}")
_ID: Final = re.compile(r"[!-~]{1,128}")
_CODE: Final = re.compile(r"(?!.*[0-9]{9})[A-Za-z0-9._-]{1,60}")
_REQUEST_ID: Final = re.compile(r"(?!ws_CO)[A-Za-z0-9-]{1,64}")
_WORD: Final = re.compile(r"[\[(]?[A-Za-z']{1,24}[\])]?[.,:;]?|-")
_YES: Final = re.compile(r"0{1,8}|1000")  # the list of payments says 1000
_DECLINED: Final = re.compile(r"(?=.*[1-9])[A-Za-z_]{0,8}[0-9.]{1,12}")


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """A whole HTTP reply, after the transport has let go of it. `retry_after_s` from its header."""

    status: int
    body: bytes
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The request was turned away at the door for its token: surely not processed."""

    code: str
    request_id: str


def build_push(push: Push, account: Account, at: datetime) -> dict[str, object]:
    """The body of a push. `at` is one aware instant, for Timestamp and Password alike."""
    stamp = timestamp(at)
    return {
        "BusinessShortCode": account.shortcode,
        "Password": password(account, stamp),
        "Timestamp": stamp,
        "TransactionType": _TRANSACTION_TYPES[account.transaction_type],
        "Amount": push.amount_kes,
        "PartyA": push.phone,
        "PartyB": account.paid_party,
        "PhoneNumber": push.phone,
        "CallBackURL": push.callback_url,
        "AccountReference": push.reference,
        "TransactionDesc": push.description,
    }


def build_query(checkout_request_id: str, account: Account, at: datetime) -> dict[str, object]:
    """The body of a query: exactly these four fields."""
    stamp = timestamp(at)
    return {
        "BusinessShortCode": account.shortcode,
        "Password": password(account, stamp),
        "Timestamp": stamp,
        "CheckoutRequestID": checkout_request_id,
    }


def timestamp(at: datetime) -> str:
    """YYYYMMDDHHmmss in East Africa Time, whatever zone this machine is in."""
    assert at.tzinfo is not None, "a naive time has no Nairobi time"
    there = at.astimezone(NAIROBI)
    # Every push has one, and strftime would cost half as much again.
    return (
        f"{there.year:04}{there.month:02}{there.day:02}"
        f"{there.hour:02}{there.minute:02}{there.second:02}"
    )


def password(account: Account, stamp: str) -> str:
    """Short code, passkey and the very stamp that the request carries, in base64."""
    joined = f"{account.shortcode}{account.passkey.get_secret_value()}{stamp}"
    return base64.b64encode(joined.encode()).decode()


def basic_authorization(consumer_key: str, consumer_secret: str) -> str:
    """The header with which a token is asked for."""
    return f"Basic {base64.b64encode(f'{consumer_key}:{consumer_secret}'.encode()).decode()}"


def prompt_length(business_name: str, amount_kes: int, reference: str) -> int:
    """How many characters the phone will show; more than `PROMPT_CHARS_MAX` is never shown."""
    return len(
        f"Do you want to pay Ksh {amount_kes:,}.00 to {business_name}"
        f" Account no. {reference}? Enter M-PESA PIN"
    )


def decipher_push(reply: Reply) -> Accepted | TokenRefused:
    """
    Read the reply to a push.

    Raises:
        Refused: a documented no; Throttled when only the timing was wrong.
        OutcomeUnknown: everything that is not clearly a yes or a no.
    """
    body = read_object(reply.body)
    if isinstance(body, Unreadable):
        raise _decipher_unreadable(reply, body)
    rejection = rejection_of(body, reply.status)
    if rejection is not None:
        return _reject(rejection, body, reply)
    code = body.get("ResponseCode")
    if code == "0" or (code == 0 and type(code) is int):
        merchant_id, checkout_id = body.get("MerchantRequestID"), body.get("CheckoutRequestID")
        if "ResultCode" in body:
            raise OutcomeUnknown("a reply to a query came in reply to the push")
        if _is_id(merchant_id) and _is_id(checkout_id):
            return Accepted(str(merchant_id), str(checkout_id))
        raise OutcomeUnknown("Daraja accepted the push without naming it")
    written = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
    if _DECLINED.fullmatch(written) and reply.status < 500:
        raise Refused(
            "Daraja did not accept the push.", meaning=Meaning.UNLISTED, code=_code(written)
        )
    if reply.status == 429:
        raise Throttled("Too many requests.", retry_after_s=reply.retry_after_s)
    raise OutcomeUnknown(f"HTTP {reply.status} that neither accepts nor refuses the push")


def decipher_ack(reply: Reply) -> Ack | TokenRefused:
    """
    Read the reply to a request whose result comes later, or to one that registers addresses.

    Raises:
        Refused: a documented no; Throttled when only the timing was wrong.
        OutcomeUnknown: everything that is not clearly a yes or a no.
    """
    body = read_object(reply.body)
    if isinstance(body, Unreadable):
        raise _decipher_unreadable(reply, body)
    rejection = rejection_of(body, reply.status)
    if rejection is not None:
        return _reject(rejection, body, reply)
    # The registration of addresses is answered with a misspelt key, and with no code at all.
    originator = body.get("OriginatorConversationID", body.get("OriginatorCoversationID"))
    conversation = body.get("ConversationID")
    code = body.get("ResponseCode")
    named = _is_id(originator) or _is_id(conversation)
    yes = (code == 0 and type(code) is int) or (isinstance(code, str) and _YES.fullmatch(code))
    if 200 <= reply.status < 300 and (yes or (code is None and named)):
        return Ack(
            str(originator) if _is_id(originator) else None,
            str(conversation) if _is_id(conversation) else None,
        )
    written = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
    if reply.status < 500 and _DECLINED.fullmatch(written):
        raise Refused("Daraja did not accept it.", meaning=Meaning.UNLISTED, code=_code(written))
    raise OutcomeUnknown(f"HTTP {reply.status} that neither accepts nor refuses the request")


def decipher_query(reply: Reply, checkout_request_id: str) -> QueryAnswer | TokenRefused:
    """
    Read the reply to a query about `checkout_request_id`.

    An error body is never a state of the payment: 500.001.1001 comes and goes between equal
    answers about a finished one, and an id queried early is called invalid.

    Raises:
        NoAnswer: everything but HTTP 200 with a ResultCode, naming this very payment.
    """
    body = read_object(reply.body)
    if isinstance(body, Unreadable):
        raise _no_answer(f"HTTP {reply.status}: {body.reason}", reply)
    rejection = rejection_of(body, reply.status)
    if rejection is not None and rejection.verdict is Verdict.TOKEN_REFUSED:
        return TokenRefused(_error_code(body), _request_id(body))
    if rejection is not None or reply.status != 200:
        raise _no_answer(f"HTTP {reply.status} in place of an answer", reply, body)
    if str(body.get("ResponseCode", "0")) != "0":
        raise _no_answer("Daraja did not take the query", reply, body)
    code = body.get("ResultCode")
    if not isinstance(code, int | str) or isinstance(code, bool) or code == "":
        raise _no_answer("an answer without a ResultCode", reply, body)
    if body.get("CheckoutRequestID") != checkout_request_id:
        raise _no_answer("an answer that does not name this payment", reply, body)
    result = look_up(code)
    if result.paid and code != "0" and not isinstance(code, int):
        raise _no_answer("a ResultCode that resembles 0 and is not 0", reply, body)
    merchant_id = body.get("MerchantRequestID")
    return QueryAnswer(
        checkout_request_id=checkout_request_id,
        merchant_request_id=str(merchant_id) if _is_id(merchant_id) else None,
        result=result,
    )


def decipher_token(reply: Reply, asked_at: datetime) -> Token:
    """
    Read the reply to a request for a token, asked for at the aware instant `asked_at`.

    Raises:
        BadCredentials: any other refusal. Wrong keys, and sandbox keys in production, are
            answered with HTTP 400 and an empty body; some saw 401, or a token that is "".
        Unreachable: 429, 5xx or the firewall's page; it passes.
    """
    body = read_object(reply.body)
    if isinstance(body, Unreadable) and _is_firewall(reply):
        raise Unreachable("Safaricom's firewall turned this server away")
    if reply.status == 429 or reply.status >= 500:
        raise Unreachable(f"the token service answers HTTP {reply.status}")
    if not 200 <= reply.status < 300:
        code = "" if isinstance(body, Unreadable) else _error_code(body)
        raise BadCredentials(
            f"Safaricom does not accept the consumer key and secret (HTTP {reply.status}):"
            " are they for this environment?",
            code=code,
        )
    value = None if isinstance(body, Unreadable) else body.get("access_token")
    if isinstance(body, Unreadable) or not isinstance(value, str):
        raise Unreachable("the token service answered without a token")
    if not _TOKEN_TEXT.fullmatch(value):
        raise BadCredentials("Safaricom grants these keys no usable token")
    lifetime = timedelta(seconds=_lifetime_s(body.get("expires_in")))
    return Token(value=value, issued_at=asked_at, expires_at=asked_at + lifetime)


def _lifetime_s(written: object) -> int:
    """Number and text are both documented; anything else gets the documented hour."""
    text = str(written)
    if text.isascii() and text.isdigit() and 0 < len(text) <= 6 and int(text) > 0:
        return int(text)
    return _TOKEN_LIFETIME_S


def rejection_of(body: dict[str, object], status: int) -> Rejection | None:
    """What an error body says; None when the body is not one."""
    if body.get("errorCode"):
        if body.get("ResponseCode") in ("0", 0):
            # A yes and a no in one body.
            return UNCLEAR
        return look_up_error(_text(body.get("errorCode")), _text(body.get("errorMessage")))
    fault = body.get("fault")
    if not isinstance(fault, dict):
        return None
    detail = fault.get("detail")
    return look_up_fault(
        _text(detail.get("errorcode")) if isinstance(detail, dict) else "", status=status
    )


def _reject(rejection: Rejection, body: dict[str, object], reply: Reply) -> TokenRefused:
    code, request_id = _error_code(body), _request_id(body)
    message = rejection.advice
    if said := quotable(_text(body.get("errorMessage"))):
        message = f'{message} Daraja said: "{said}"'
    match rejection.verdict:
        case Verdict.TOKEN_REFUSED:
            return TokenRefused(code, request_id)
        case Verdict.REFUSED:
            raise Refused(message, meaning=rejection.meaning, code=code, request_id=request_id)
        case Verdict.THROTTLED:
            raise Throttled(
                message,
                meaning=rejection.meaning,
                retry_after_s=reply.retry_after_s,
                code=code,
                request_id=request_id,
            )
        case Verdict.UNKNOWN:
            raise OutcomeUnknown(message, code=code, request_id=request_id)
        case _:
            assert_never(rejection.verdict)


def _decipher_unreadable(reply: Reply, body: Unreadable) -> MpesaError:
    """
    The firewall stands before Daraja: what it turned away, M-PESA never saw. 403 is always its
    word; 503 only with its own page that says so by a number. All others may come from behind.
    """
    if reply.status == 429:
        return Throttled("Too many requests.", retry_after_s=reply.retry_after_s)
    if reply.status == 403:
        return Refused(
            "Safaricom's firewall turned this server away.", meaning=Meaning.MISCONFIGURED
        )
    if reply.status == 503 and _is_firewall(reply) and _firewall_codes(reply):
        return Throttled(
            "Safaricom's firewall turned the push away.", retry_after_s=reply.retry_after_s
        )
    return OutcomeUnknown(f"HTTP {reply.status} in reply to the push: {body.reason}")


_FIREWALL_BLOCKS: Final = frozenset({b"15", b"16"})
_FIREWALL_CODE: Final = re.compile(
    rb"(?:error code|edet)(?:<[^<>]{0,100}>|&[a-z0-9#]{1,8};|[^\w<&]){0,8}([0-9]{1,3})"
)


def _firewall_codes(reply: Reply) -> set[bytes]:
    return set(_FIREWALL_CODE.findall(reply.body.lower()))


def _is_firewall(reply: Reply) -> bool:
    """
    Imperva's page for a request that it did not pass on.

    The same page, with another error code on it, reports that the service behind it failed, and
    that may be after the push went through.
    """
    if reply.status not in (403, 503) or b"incapsula" not in reply.body.lower():
        return False
    return _firewall_codes(reply) <= _FIREWALL_BLOCKS


def quotable(message: str) -> str:
    """
    The plain words of Daraja's `errorMessage`; "…" for every other.

    Daraja echoes rejected tokens, and may echo any field: words with digits in them, and words
    longer than its longest field name, stay out of our messages.
    """
    words = [word if _WORD.fullmatch(word) else "…" for word in message[:400].split()]
    return " ".join(words)[:160]


def _no_answer(message: str, reply: Reply, body: dict[str, object] | None = None) -> NoAnswer:
    return NoAnswer(
        message,
        retry_after_s=reply.retry_after_s,
        code=_error_code(body or {}),
        request_id=_request_id(body or {}),
    )


def _error_code(body: dict[str, object]) -> str:
    fault = body.get("fault")
    detail = fault.get("detail") if isinstance(fault, dict) else None
    found = detail.get("errorcode") if isinstance(detail, dict) else body.get("errorCode")
    return _code(_text(found))


def _code(written: str) -> str:
    return written if _CODE.fullmatch(written) else ""


def _request_id(body: dict[str, object]) -> str:
    """Daraja's id of the exchange. It has been seen to hold a checkout id, which is personal."""
    written = _text(body.get("requestId"))
    return written if _REQUEST_ID.fullmatch(written) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None
