"""What we say to Daraja and what it says back, as checked values."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import SecretStr

from mpesa.results import Result

AMOUNT_KES_MAX: Final = 250_000
REFERENCE_CHARS_MAX: Final = 12
DESCRIPTION_CHARS_MAX: Final = 13

_PHONE: Final = re.compile(r"254[17][0-9]{8}")
_SHORTCODE: Final = re.compile(r"[0-9]{5,7}")
_TEXT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._/-]*[A-Za-z0-9])?")
_NAME: Final = re.compile(r"[!-~]{1,64}")
_URL: Final = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True)
class Account:
    """
    Whose money it becomes.

    For a till, `shortcode` is the *store* (head office) number that signs the request, and
    `till_number` the till that is paid; mixing them up is answered with SFC_IC0003 or 2028.

    Raises:
        ValueError: names the field that is wrong.
    """

    shortcode: str
    passkey: SecretStr
    transaction_type: Literal["paybill", "till"] = "paybill"
    till_number: str | None = None

    def __post_init__(self) -> None:
        if not _SHORTCODE.fullmatch(self.shortcode):
            raise ValueError("shortcode must be 5 to 7 digits")
        if not self.passkey.get_secret_value():
            raise ValueError("passkey must not be empty")
        match self.transaction_type:
            case "paybill":
                if self.till_number is not None:
                    raise ValueError("till_number belongs to transaction_type 'till' only")
            case "till":
                if self.till_number is None or not _SHORTCODE.fullmatch(self.till_number):
                    raise ValueError("till_number must be 5 to 7 digits")
            case _:
                raise ValueError("transaction_type must be 'paybill' or 'till'")

    @property
    def paid_party(self) -> str:
        """The number that receives the money: Daraja's PartyB."""
        return self.till_number or self.shortcode


@dataclass(frozen=True, slots=True, repr=False)
class Push:
    """
    One prompt to put on one phone.

    `phone` is twelve digits, 2547… or 2541…; `amount_kes` whole shillings; `reference` is shown
    on the prompt and in the payer's SMS, so it holds no secret; `callback_url` does. The lengths
    are Safaricom's (AccountReference 12, TransactionDesc 13); an empty TransactionDesc, though
    documented as optional, is answered with "Invalid Remarks".

    Raises:
        ValueError: names the field that is wrong, never its value.
    """

    phone: str
    amount_kes: int
    reference: str
    description: str
    callback_url: str

    def __post_init__(self) -> None:
        if not _PHONE.fullmatch(self.phone):
            raise ValueError("phone must be 12 digits beginning with 2547 or 2541")
        if isinstance(self.amount_kes, bool) or not isinstance(self.amount_kes, int):
            raise ValueError("amount_kes must be a whole number of shillings")
        if not 1 <= self.amount_kes <= AMOUNT_KES_MAX:
            raise ValueError(f"amount_kes must be 1 to {AMOUNT_KES_MAX}")
        _check_text("reference", self.reference, REFERENCE_CHARS_MAX)
        _check_text("description", self.description, DESCRIPTION_CHARS_MAX)
        check_url("callback_url", self.callback_url)


def check_url(field: str, url: str) -> None:
    """Daraja answers "Invalid CallBackURL" to spaces and to angle brackets. Raises ValueError."""
    if not _URL.fullmatch(url) or set(url) & set("<>\"'"):
        raise ValueError(f"{field} must be an http(s) address without spaces or brackets")


def _check_text(field: str, text: str, chars_max: int) -> None:
    if not 1 <= len(text) <= chars_max:
        raise ValueError(f"{field} must be 1 to {chars_max} characters")
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{field} must be plain letters, digits, spaces and . _ / -")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An OAuth access token; the text of `value` opens the operator's account, so no repr."""

    value: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Initiator:
    """
    Who asks in the organisation's name: the API operator's user name in the M-PESA portal, and its
    password as `mpesa.credential.security_credential` locks it.

    Raises:
        ValueError: names the field that is wrong, never its value.
    """

    name: str
    credential: SecretStr

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("initiator must be a plain user name")
        if not self.credential.get_secret_value():
            raise ValueError("the security credential must not be empty")


@dataclass(frozen=True, slots=True, repr=False)
class ResultUrls:
    """
    Where Safaricom posts how a request ended, and where that it did not get to it.

    Raises:
        ValueError: an address is none.
    """

    result_url: str
    timeout_url: str

    def __post_init__(self) -> None:
        for url in (self.result_url, self.timeout_url):
            check_url("an address", url)


@dataclass(frozen=True, slots=True, repr=False)
class Ack:
    """Daraja took a request whose result comes later. It is *not* done."""

    originator_conversation_id: str | None
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PulledRow:
    """
    One payment as Pull Transactions lists it.

    `amount_cents` is integer cents; `paid_at` aware UTC; `payer` as said, whole or masked, or "".
    """

    receipt: str
    paid_at: datetime
    amount_cents: int
    payer: str
    account_reference: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PulledPage:
    """A page of the list. `unreadable` counts what is on it that is no payment that came in."""

    rows: tuple[PulledRow, ...]
    unreadable: int

    @property
    def size(self) -> int:
        """How far the next page's offset is from this one's; 0 at the end."""
        return len(self.rows) + self.unreadable


@dataclass(frozen=True, slots=True, repr=False)
class Accepted:
    """Daraja took the push: a prompt is on its way. It is *not* paid. The ids are personal."""

    merchant_request_id: str
    checkout_request_id: str


@dataclass(frozen=True, slots=True, repr=False)
class QueryAnswer:
    """What the query said of the very payment that we asked about, which it named."""

    checkout_request_id: str
    merchant_request_id: str | None
    result: Result


@dataclass(frozen=True, slots=True, repr=False)
class StkCallback:
    """
    A callback as it was written. Nothing here is trusted: callbacks are unsigned.

    A field is None when it was absent or could not be read exactly. `amount_cents` is integer
    cents; `paid_at` aware UTC; `phone` twelve digits. No field but the ids can be relied on, and
    AccountReference never comes back at all.
    """

    merchant_request_id: str | None
    checkout_request_id: str | None
    result: Result
    amount_cents: int | None
    receipt: str | None
    paid_at: datetime | None
    phone: str | None
