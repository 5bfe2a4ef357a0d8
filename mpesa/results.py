"""
The one table of what Safaricom's result codes mean for an STK payment.

Safaricom publishes no complete list, and its descriptions change with channel and year, so
nothing here looks at prose: a code is in the table or it is `UNLISTED`. `final` is the closed
list of codes that end an attempt *when a query says them*; whatever is not listed ends nothing.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What a code, or a refusal of the push itself, comes down to for the people involved."""

    PAID = "paid"
    PROCESSING = "processing"
    NO_BALANCE = "no-balance"
    BELOW_MINIMUM = "below-minimum"
    ABOVE_MAXIMUM = "above-maximum"
    DAILY_LIMIT = "daily-limit"
    MERCHANT_FULL = "merchant-full"
    ACCOUNT_INACTIVE = "account-inactive"
    SAME_AMOUNT_TOO_SOON = "same-amount-too-soon"
    BUSY = "busy"
    LINE_BUSY = "line-busy"
    EXPIRED = "expired"
    PROMPT_FAILED = "prompt-failed"
    CANCELLED = "cancelled"
    NO_ANSWER = "no-answer"
    WRONG_PIN = "wrong-pin"
    PIN_LOCKED = "pin-locked"
    NOT_REGISTERED = "not-registered"
    MISCONFIGURED = "misconfigured"
    BAD_PHONE = "bad-phone"
    BAD_AMOUNT = "bad-amount"
    AUTH_FAILED = "auth-failed"
    SANDBOX_REFUSED = "sandbox-refused"
    DUPLICATE = "duplicate"
    UNCLEAR = "unclear"
    UNLISTED = "unlisted"


class AskAgain(StrEnum):
    """Whether a *new* push makes sense, once a person wants one. Nothing asks by itself."""

    NEVER = "never"
    AT_ONCE = "at-once"
    LATER = "later"
    AFTER_FIX = "after-fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    One result code, decided.

    `wait_s` is how many seconds to let pass before asking again; 0 unless `ask_again` is LATER.
    `code` is "" when there was none, or none that may be shown.
    """

    code: str
    meaning: Meaning
    final: bool
    ask_again: AskAgain
    advice: str
    listed: bool
    wait_s: int = 0

    @property
    def paid(self) -> bool:
        """Safaricom says that the money moved."""
        return self.meaning is Meaning.PAID


def _row(
    code: str,
    meaning: Meaning,
    ask_again: AskAgain,
    advice: str,
    *,
    wait_s: int = 0,
    final: bool = True,
) -> Result:
    assert (wait_s > 0) is (ask_again is AskAgain.LATER), code
    return Result(
        code=code,
        meaning=meaning,
        final=final,
        ask_again=ask_again,
        advice=advice,
        listed=True,
        wait_s=wait_s,
    )


_NEVER, _AT_ONCE, _LATER, _FIX = AskAgain

_ROWS: Final = (
    _row("0", Meaning.PAID, _NEVER, "Paid."),
    _row("1", Meaning.NO_BALANCE, _FIX, "Not enough M-PESA balance: top up, then pay."),
    _row("2", Meaning.BELOW_MINIMUM, _FIX, "The amount is below M-PESA's minimum of KES 1."),
    _row("3", Meaning.ABOVE_MAXIMUM, _FIX, "The amount is above M-PESA's limit for one payment."),
    _row("4", Meaning.DAILY_LIMIT, _LATER, "The payer's daily limit is used up.", wait_s=86_400),
    # One code for two sides of a payment; for an STK push the full account is the receiver's.
    _row("8", Meaning.MERCHANT_FULL, _FIX, "The merchant's account is full and must be emptied."),
    _row("11", Meaning.ACCOUNT_INACTIVE, _FIX, "The payer's account is not active."),
    _row("14", Meaning.MISCONFIGURED, _FIX, "The receiving party is not valid."),
    _row("15", Meaning.DUPLICATE, _NEVER, "M-PESA holds this for a repeat: look up the first one."),
    # Other lists call 17 an internal error; Safaricom's own page names the two-minute rule.
    _row(
        "17",
        Meaning.SAME_AMOUNT_TOO_SOON,
        _LATER,
        "The same amount to the same business within two minutes: wait, then pay.",
        wait_s=120,
    ),
    _row("21", Meaning.MISCONFIGURED, _FIX, "The initiator is not allowed to do this."),
    _row("26", Meaning.BUSY, _LATER, "M-PESA is busy.", wait_s=30),
    _row(
        "1001",
        Meaning.LINE_BUSY,
        _LATER,
        "Another M-PESA session is open on this phone: finish it first.",
        wait_s=60,
    ),
    _row("1005", Meaning.MISCONFIGURED, _FIX, "The account reference is invalid."),
    _row("1019", Meaning.EXPIRED, _AT_ONCE, "The request expired before it was processed."),
    _row(
        "1025",
        Meaning.PROMPT_FAILED,
        _LATER,
        "The prompt could not be delivered: too long, or a passing fault.",
        wait_s=60,
    ),
    # "Lipa na Bonga" writes 1031 for a PIN not entered in time; both are the payer not finishing.
    _row("1031", Meaning.CANCELLED, _AT_ONCE, "Cancelled, or not finished, on the phone."),
    _row("1032", Meaning.CANCELLED, _AT_ONCE, "Cancelled, or not finished, on the phone."),
    _row("1036", Meaning.NO_ANSWER, _AT_ONCE, "The prompt arrived and no answer came back."),
    # Off, ignored and an outdated SIM share 1037: the text must fit all three.
    _row(
        "1037",
        Meaning.NO_ANSWER,
        _AT_ONCE,
        "No answer from the phone: is it on and unlocked? An old SIM is updated with *234*1*6#.",
    ),
    _row("1101", Meaning.PROMPT_FAILED, _FIX, "The prompt is too long: shorten the reference."),
    _row("1102", Meaning.PROMPT_FAILED, _FIX, "The prompt is too long: shorten the reference."),
    # "The initiator information is invalid" is what M-PESA calls a mistyped PIN on an STK push.
    _row("2001", Meaning.WRONG_PIN, _AT_ONCE, "The M-PESA PIN was wrong."),
    _row("2006", Meaning.ACCOUNT_INACTIVE, _FIX, "The payer's account is not active."),
    _row("2007", Meaning.MISCONFIGURED, _FIX, "The business's own validation declined it."),
    _row("2008", Meaning.AUTH_FAILED, _AT_ONCE, "M-PESA could not authenticate the session."),
    _row("2026", Meaning.AUTH_FAILED, _AT_ONCE, "The M-PESA session expired."),
    _row("2028", Meaning.MISCONFIGURED, _FIX, "Not allowed for this short code: Paybill or Till?"),
    _row("2029", Meaning.MISCONFIGURED, _FIX, "Declined for a reason M-PESA does not resolve."),
    _row("2033", Meaning.MISCONFIGURED, _FIX, "M-PESA does not find the receipt."),
    _row("2040", Meaning.NOT_REGISTERED, _FIX, "This line is not registered for M-PESA."),
    _row("2043", Meaning.MISCONFIGURED, _FIX, "The organisation is not a child of the other."),
    _row("2202", Meaning.MISCONFIGURED, _FIX, "The account number is not accepted."),
    _row("4999", Meaning.PROCESSING, _NEVER, "Still being processed.", final=False),
    _row("8006", Meaning.PIN_LOCKED, _FIX, "The M-PESA PIN is locked: call 100 or 200."),
    _row(
        "9999",
        Meaning.PROMPT_FAILED,
        _LATER,
        "The prompt could not be delivered.",
        wait_s=60,
    ),
    _row("E3008", Meaning.SANDBOX_REFUSED, _FIX, "The sandbox does not serve this line."),
    _row(
        "SFC_IC0003",
        Meaning.MISCONFIGURED,
        _FIX,
        "The receiving party is invalid: short code in place of the till, or the reverse?",
    ),
    _row(
        "100000100",
        Meaning.UNCLEAR,
        _NEVER,
        "M-PESA could not store its own answer: look the payment up.",
        final=False,
    ),
)

RESULTS: Final = {row.code: row for row in _ROWS}

_UNLISTED_WAIT_S: Final = 120
_SHOWABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,20}")
_PERHAPS_A_PHONE: Final = re.compile(r"\d{9}")


def look_up(code: object) -> Result:
    """
    Read a ResultCode as it came out of JSON. Never raises.

    Callbacks carry integers, queries strings, and both carry words such as "SFC_IC0003". What is
    not in the table keeps its code and is `UNLISTED`, final for nobody; so are true, null, a list.
    """
    written = _as_written(code)
    listed = RESULTS.get(written.upper())
    if listed is not None:
        return listed
    showable = _SHOWABLE.fullmatch(written) and not _PERHAPS_A_PHONE.search(written)
    return Result(
        code=written if showable else "",
        meaning=Meaning.UNLISTED,
        final=False,
        ask_again=AskAgain.LATER,
        advice="A code that Safaricom does not document.",
        listed=False,
        wait_s=_UNLISTED_WAIT_S,
    )


def _as_written(code: object) -> str:
    match code:
        case bool():
            return ""
        case int():
            # Every code that exists is shorter; a huge integer would not even convert to text.
            return str(code) if abs(code) < 10**12 else ""
        case float():
            return _as_written(Decimal(code))
        case Decimal():
            whole = code.is_finite() and abs(code) < 10**12 and code == int(code)
            return str(int(code)) if whole else ""
        case str():
            return code.strip()
        case _:
            return ""
