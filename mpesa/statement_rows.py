"""What a line of the M-PESA portal's statement says, and how its cells are read."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from mpesa.fields import NAIROBI

__all__ = [
    "BadRow",
    "Cell",
    "Columns",
    "Nature",
    "StatementRow",
    "folded",
    "moment",
    "read_row",
]


class Nature(StrEnum):
    """What kind of movement a row is."""

    PAYMENT = "payment"  # a customer, business or bank paid us
    CHARGE = "charge"
    SWEEP = "sweep"  # between our own accounts, or to our bank
    REVERSAL = "reversal"  # money of a payment went back
    OTHER_IN = "other-in"  # came in, and not in a form that is known to be a payment
    OTHER_OUT = "other-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """
    One line. Amounts are integer cents, never negative; `completed_at` is aware UTC.

    `line` counts from 1, as an editor does. `completed` is whether the movement took place. A
    receipt may stand on several lines: the payment and its charge. `time_is_initiation`: the line
    had lost its completion time, and this is when it was begun.
    """

    line: int
    receipt: str
    completed_at: datetime
    details: str
    status: str
    completed: bool
    paid_in_cents: int
    withdrawn_cents: int
    reason: str
    other_party: str
    linked_receipt: str | None
    account_reference: str
    nature: Nature
    time_is_initiation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A line that cannot be read, and why. The others are not affected."""

    line: int
    why: str


class BadCell(ValueError):
    """Why a line cannot be read."""


Cell = str | float | bool | date | datetime | time | timedelta | None

# Headings without punctuation, spaces, case and a "(KSHs)" at their end.
_FIELDS: Final = {
    "receipt": ("receiptno", "receipt", "receiptnumber"),
    "completed": ("completiontime", "date", "starttimestamp"),
    "initiated": ("initiationtime",),
    "details": ("details",),
    "status": ("transactionstatus", "status"),
    "paid_in": ("paidin", "creditamount"),
    "withdrawn": ("withdrawn", "debitamount"),
    "reason": ("reasontype", "transactiontype"),
    "party": ("otherpartyinfo", "oppositeparty", "otherparty", "transactionpartydetails"),
    "linked": ("linkedtransactionid",),
    "account": ("acno",),
    "currency": ("currency",),
    "store": ("storename",),
}
_NEEDED: Final = ("receipt", "completed", "paid_in")
_WIDE: Final = re.compile(r"\s\s|[^\S ]")
_RECEIPT: Final = re.compile(r"[A-Z0-9]{6,12}")
_MONEY: Final = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")
_THOUSANDS: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_DAY_FIRST: Final = re.compile(r"(\d\d)[-/](\d\d)[-/](20\d\d)", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(20\d\d)[-/](\d\d)[-/](\d\d)", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?(?:\.0+)?", re.ASCII)
_ACCOUNT: Final = re.compile(r"\bAcc\.\s*(.*?)(?:\s+via\s+\S+\s+by\s+.*)?$", re.DOTALL)
_PARTY: Final = re.compile(r"\s(?:received from|from|by)\s+(.*?)\s*(?:\bAcc\..*)?$", re.IGNORECASE)
_PAYMENT: Final = re.compile(
    r"(?:small business |business |online |customer |otc )*"
    r"(?:pay ?bill|pay utility|pay merchant|merchant pay|merchant payment|merchant to merchant"
    r" payment|buy ?goods|payment received|fsi to (?:pay bill|merchant))",
    re.IGNORECASE,
)
_SWEEP: Final = re.compile(
    r"(?:utility|merchant|working|organi[sz]ation settlement|charges paid|mmf)\s+account to\b"
    r"|agency withdrawal|withdrawal of funds|real time settlement|organi[sz]ation withdrawal",
    re.IGNORECASE,
)

# Its reason is the movement's own, whose receipt it has too. No party comes before the word.
_CHARGE: Final = re.compile(r"[^-*0-9]*\bcharges?(?:\s+(?:to|by)\b.*)?", re.IGNORECASE | re.DOTALL)


def folded(cell: Cell) -> str:
    """A heading as it is compared."""
    text = re.sub(r"\(kshs?\)\s*$", "", str(cell or "").strip().casefold())
    return "".join(char for char in text if char.isalnum())


class Columns:
    """Where each field stands, found by the headings' names."""

    def __init__(self, headings: Sequence[Cell]) -> None:
        names = [folded(each) for each in headings]
        self.count = len(names)
        while self.count and not names[self.count - 1]:
            self.count -= 1
        self._places: dict[str, int] = {}
        for field, known in _FIELDS.items():
            place = next((names.index(name) for name in known if name in names), None)
            if place is not None:
                self._places[field] = place
        # The oldest form has the account in a column that a later one uses for the payer.
        if "otherpartyinfo" in names and "transactionpartydetails" in names:
            self._places["account"] = names.index("transactionpartydetails")
        self.shifted = False

    @property
    def complete(self) -> bool:
        """Whether these are the headings of a statement."""
        return all(name in self._places for name in _NEEDED)

    def has(self, field: str) -> bool:
        return field in self._places

    def shift_left(self) -> None:
        """The headings have one name more than the lines have cells: the first names nothing."""
        self._places = {field: max(place - 1, 0) for field, place in self._places.items()}
        self.shifted = True

    def reader(self) -> Callable[[Sequence[Cell], str], Cell]:
        places = self._places

        def read(row: Sequence[Cell], field: str) -> Cell:
            place = places.get(field)
            return row[place] if place is not None and place < len(row) else None

        return read


def read_row(
    line: int, row: Sequence[Cell], read: Callable[[Sequence[Cell], str], Cell]
) -> StatementRow | BadRow | None:
    """A line as it stands; None for one without a receipt, which is a total or empty."""
    receipt = _text(read(row, "receipt")).upper()
    if not receipt:
        return None
    if read(row, "paid_in") is None and read(row, "withdrawn") is None:
        return BadRow(line=line, why="the line is cut off: it has no amounts")
    try:
        return _read(line, receipt, row, read)
    except BadCell as exc:
        return BadRow(line=line, why=str(exc))


def _read(
    line: int,
    receipt: str,
    row: Sequence[Cell],
    read: Callable[[Sequence[Cell], str], Cell],
) -> StatementRow:
    if not _RECEIPT.fullmatch(receipt):
        raise BadCell(f"“{receipt[:20]}” is no receipt: a spreadsheet program may have changed it")
    currency = _text(read(row, "currency"))
    if currency not in ("", "KES", "KSH"):
        raise BadCell(f"the currency is {currency[:8]}, not KES")
    completed_at = moment(read(row, "completed"))
    by_initiation = completed_at is None
    if completed_at is None:
        completed_at = moment(read(row, "initiated"))
    if completed_at is None:
        raise BadCell("the completion time cannot be read")
    paid_in = _cents(read(row, "paid_in"))
    withdrawn = _cents(read(row, "withdrawn"))
    details = _text(read(row, "details"))
    reason = _text(read(row, "reason"))
    status = _text(read(row, "status"))
    party = _text(read(row, "party")) or _found(_PARTY, details)
    account = _text(read(row, "account")) or _found(_ACCOUNT, details)
    linked = _text(read(row, "linked")).upper()
    return StatementRow(
        line=line,
        receipt=receipt,
        completed_at=completed_at,
        details=details,
        status=status,
        # The head-office file has no such column: what is in it has taken place.
        completed=status.casefold() == "completed" or read(row, "status") is None,
        paid_in_cents=abs(paid_in),
        withdrawn_cents=abs(withdrawn),
        reason=reason,
        other_party=party,
        linked_receipt=linked if _RECEIPT.fullmatch(linked) else None,
        account_reference=account,
        nature=_nature(details, reason, comes_in=paid_in > 0),
        time_is_initiation=by_initiation,
    )


def _nature(details: str, reason: str, *, comes_in: bool) -> Nature:
    if _SWEEP.match(details) or (not details and _SWEEP.match(reason)):
        return Nature.SWEEP
    if not comes_in and _CHARGE.fullmatch(details):
        return Nature.CHARGE
    words = f"{details} {reason}".casefold()
    if "reversal" in words or "reversed" in words:
        return Nature.OTHER_IN if comes_in else Nature.REVERSAL
    if not comes_in:
        return Nature.CHARGE if "charge" in words else Nature.OTHER_OUT
    known = _PAYMENT.match(details or reason)
    return Nature.PAYMENT if known else Nature.OTHER_IN


def _found(pattern: re.Pattern[str], details: str) -> str:
    found = pattern.search(details)
    return found.group(1).strip() if found else ""


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            bare = cell.strip()
            # Nearly every cell is as it should be, and there are millions of them.
            return " ".join(bare.split()) if _WIDE.search(bare) else bare
        case bool():
            return str(cell)
        case float() if cell.is_integer():
            return str(int(cell))  # a spreadsheet makes 850060.0 of an account 850060
        case _:
            return str(cell)


def _cents(cell: Cell) -> int:
    """A side of the books; an empty one is 0."""
    if isinstance(cell, bool):
        raise BadCell("an amount cannot be read")
    if isinstance(cell, float):
        # A spreadsheet's numbers are binary; they carry cents exactly up to thousands of millions.
        cents = round(cell * 100)
        if not -(10**14) < cents < 10**14 or abs(cell * 100 - cents) > 0.01:
            raise BadCell("an amount cannot be read")
        return cents
    text = _text(cell)
    if not text:
        return 0
    if "," in text:
        if not _THOUSANDS.fullmatch(text):
            raise BadCell(f"the amount “{text[:20]}” cannot be read")
        text = text.replace(",", "")
    found = _MONEY.fullmatch(text)
    if found is None:
        raise BadCell(f"the amount “{text[:20]}” cannot be read")
    sign, whole, part = found.groups()
    cents = int(whole) * 100 + (int(part.ljust(2, "0")) if part else 0)
    return -cents if sign else cents


def moment(cell: Cell) -> datetime | None:
    """Nairobi's time as aware UTC; None where there is no whole date with a time."""
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=NAIROBI).astimezone(UTC)
    if not isinstance(cell, str):
        return None
    day_text, _, clock_text = cell.strip().replace("T", " ").partition(" ")
    midnight = _midnight(day_text)
    clock = _CLOCK.fullmatch(clock_text.strip())
    if midnight is None or clock is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = hour * 3600 + minute * 60 + second
    return datetime.fromtimestamp(midnight + seconds, UTC)


@lru_cache(maxsize=512)
def _midnight(text: str) -> int | None:
    """A day's beginning in Nairobi, in seconds since 1970; the day comes before the month."""
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year = found.groups()
    elif found := _YEAR_FIRST.fullmatch(text):
        year, month, day = found.groups()
    else:
        return None
    try:
        return int(datetime(int(year), int(month), int(day), tzinfo=NAIROBI).timestamp())
    except ValueError:
        return None
