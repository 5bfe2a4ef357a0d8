"""
Values to requests, and replies to meaning, of the services for the organisation itself: status of
a transaction, reversal, addresses for payments by hand, and the list of the last two days.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from mpesa.bodies import Unreadable, read_object
from mpesa.errors import NoAnswer
from mpesa.fields import NAIROBI, read_cents, read_instant, read_receipt, read_text
from mpesa.models import Account, Initiator, PulledPage, PulledRow, ResultUrls
from mpesa.rejections import Verdict
from mpesa.wire import Reply, TokenRefused, rejection_of

STATUS_PATH: Final = "/mpesa/transactionstatus/v1/query"
REVERSAL_PATH: Final = "/mpesa/reversal/v1/request"
REGISTER_PATHS: Final = {
    "v1": "/mpesa/c2b/v1/registerurl",
    "v2": "/mpesa/c2b/v2/registerurl",
}
PULL_REGISTER_PATH: Final = "/pulltransactions/v1/register"
PULL_PATH: Final = "/pulltransactions/v1/query"
PULLED_BYTES_MAX: Final = 8 * 1024 * 1024

_SHORTCODE, _TILL, _REVERSED_FROM = "4", "2", "11"
_REMARKS_CHARS_MAX: Final = 100
_PULLED, _NONE_PULLED = "1000", "1001"
_TAKEN_BACK: Final = "revers"
"""In the name of a type, whose names are in no list: such a row is no money that came in."""


def build_status_question(
    receipt: str, account: Account, initiator: Initiator, urls: ResultUrls
) -> dict[str, object]:
    """Asks what became of the transaction with that receipt."""
    return {
        "Initiator": initiator.name,
        "SecurityCredential": initiator.credential.get_secret_value(),
        "CommandID": "TransactionStatusQuery",
        "TransactionID": receipt,
        "PartyA": account.paid_party,
        "IdentifierType": _SHORTCODE if account.till_number is None else _TILL,
        "ResultURL": urls.result_url,
        "QueueTimeOutURL": urls.timeout_url,
        "Remarks": "Status",
        "Occasion": "Status",
    }


def build_reversal(
    receipt: str,
    amount_kes: int,
    account: Account,
    initiator: Initiator,
    urls: ResultUrls,
    *,
    remarks: str,
) -> dict[str, object]:
    """Gives the whole of one payment back. *remarks* are 2 to 100 characters."""
    if not 2 <= len(remarks) <= _REMARKS_CHARS_MAX:
        raise ValueError("remarks must be 2 to 100 characters")
    if amount_kes < 1:
        raise ValueError("amount_kes must be at least 1")
    return {
        "Initiator": initiator.name,
        "SecurityCredential": initiator.credential.get_secret_value(),
        "CommandID": "TransactionReversal",
        "TransactionID": receipt,
        "Amount": amount_kes,
        "ReceiverParty": account.paid_party,
        # Misspelt like this by Safaricom; the right spelling is refused.
        "RecieverIdentifierType": _REVERSED_FROM,
        "ResultURL": urls.result_url,
        "QueueTimeOutURL": urls.timeout_url,
        "Remarks": remarks,
        "Occasion": "Reversal",
    }


def build_registration(
    account: Account, *, confirmation_url: str, validation_url: str
) -> dict[str, object]:
    """Where payments by hand are told; what nobody validates in time is completed."""
    return {
        "ShortCode": account.shortcode,
        "ResponseType": "Completed",
        "ConfirmationURL": confirmation_url,
        "ValidationURL": validation_url,
    }


def build_pull_registration(
    account: Account, *, nominated_number: str, callback_url: str
) -> dict[str, object]:
    """Opens the list, once. *nominated_number* is a phone of the business, 2547…."""
    return {
        "ShortCode": account.shortcode,
        "RequestType": "Pull",
        "NominatedNumber": nominated_number,
        "CallBackURL": callback_url,
    }


def build_pull(
    account: Account, *, since: datetime, until: datetime, offset: int
) -> dict[str, object]:
    """Asks for a page of the list; the moments are aware, and written in Nairobi's time."""
    return {
        "ShortCode": account.shortcode,
        "StartDate": _written(since),
        "EndDate": _written(until),
        "OffSetValue": str(offset),
    }


def decipher_pull(reply: Reply) -> PulledPage | TokenRefused:
    """
    Read a page of the list.

    Raises:
        NoAnswer: everything that is not one.
    """
    body = read_object(reply.body, bytes_max=PULLED_BYTES_MAX)
    if isinstance(body, Unreadable):
        raise NoAnswer(f"HTTP {reply.status}: {body.reason}", retry_after_s=reply.retry_after_s)
    rejection = rejection_of(body, reply.status)
    if rejection is not None:
        code, request_id = read_text(body.get("errorCode"))[:60], ""
        if rejection.verdict is Verdict.TOKEN_REFUSED:
            return TokenRefused(code, request_id)
        raise NoAnswer(rejection.advice, retry_after_s=reply.retry_after_s)
    code = read_text(body.get("ResponseCode"))
    if reply.status != 200 or code not in (_PULLED, _NONE_PULLED):
        raise NoAnswer(f"HTTP {reply.status} without a list", retry_after_s=reply.retry_after_s)
    listed = body.get("Response")
    if not isinstance(listed, list):
        raise NoAnswer("a list that is none")
    entries = [each for part in listed for each in (part if isinstance(part, list) else [part])]
    rows = [row for row in map(_row, entries) if row is not None]
    return PulledPage(rows=tuple(rows), unreadable=len(entries) - len(rows))


def _row(entry: object) -> PulledRow | None:
    if not isinstance(entry, dict):
        return None
    # Keys have been seen in lower case and in camel case.
    found = {str(key).lower(): value for key, value in entry.items()}
    receipt = read_receipt(found.get("transactionid"))
    paid_at = read_instant(found.get("trxdate"))
    amount_cents = read_cents(found.get("amount"))
    kind = read_text(found.get("transactiontype"))
    if receipt is None or paid_at is None or not amount_cents:
        return None
    if _TAKEN_BACK in kind.casefold():
        return None
    return PulledRow(
        receipt=receipt,
        paid_at=paid_at,
        amount_cents=amount_cents,
        payer=_payer(found.get("msisdn")),
        account_reference=read_text(found.get("billreference")),
        kind=kind,
    )


def _payer(said: object) -> str:
    return "".join(read_text(int(said) if isinstance(said, Decimal) else said).split())


def _written(at: datetime) -> str:
    assert at.tzinfo is not None, "a naive time has no Nairobi time"
    return at.astimezone(NAIROBI).strftime("%Y-%m-%d %H:%M:%S")
