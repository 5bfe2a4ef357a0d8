"""Reads single values of Safaricom's bodies, exactly or not at all: amounts, times, receipts."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

__all__ = ["NAIROBI", "read_cents", "read_id", "read_instant", "read_receipt", "read_text"]

NAIROBI: Final = timezone(timedelta(hours=3), "EAT")

_ID: Final = re.compile(r"[!-~]{1,128}")
_RECEIPT: Final = re.compile(r"[A-Z0-9]{10}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_STAMP: Final = re.compile(r"(20..)(..)(..)(..)(..)(..)", re.ASCII)
_ISO: Final = re.compile(r"(20..)-(..)-(..)[ T](..):(..):(..)(?:\.0{1,6})?Z?", re.ASCII)
_DOTTED: Final = re.compile(r"(..)\.(..)\.(20..) (..):(..):(..)", re.ASCII)
_CENTS_MAX: Final = 10**14
_TEXT_CHARS_MAX: Final = 200


def read_id(value: object) -> str | None:
    """An id of Safaricom's; None for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def read_receipt(value: object) -> str | None:
    """
    A receipt: ten capitals and digits.

    One that ends in seven zeros is what Safaricom writes where there is none.
    """
    if not isinstance(value, str) or not _RECEIPT.fullmatch(value):
        return None
    return None if value.endswith("0000000") else value


def read_cents(value: object) -> int | None:
    """Shillings as 150, 150.00 or "150.5" to integer cents, exactly; None for all else."""
    match value:
        case bool():
            return None
        case int():
            cents = value * 100
            return cents if 0 <= cents < _CENTS_MAX else None
        case str():
            return read_cents(Decimal(value)) if _AMOUNT.fullmatch(value) else None
        case Decimal():
            exponent = value.as_tuple().exponent
            # The bounds come first: 1e999999 is a short text and a very long number.
            if not isinstance(exponent, int) or exponent < -2 or value.adjusted() > 12:
                return None
            cents = int(value.scaleb(2))
            return cents if 0 <= cents < _CENTS_MAX and not value.is_signed() else None
        case _:
            return None


def read_instant(value: object) -> datetime | None:
    """
    A moment in Nairobi as aware UTC: 20261122080211 as number or text, 2026-11-22 08:02:11, the
    same with a T, or 22.11.2026 08:02:11.

    A "Z" at the end is decoration: the service that writes it means Nairobi's time like the rest.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        value = str(value) if 0 <= value < 10**15 else ""
    if not isinstance(value, str):
        return None
    if found := _DOTTED.fullmatch(value):
        day, month, year, *clock = found.groups()
    elif found := _STAMP.fullmatch(value) or _ISO.fullmatch(value):
        year, month, day, *clock = found.groups()
    else:
        return None
    parts = (year, month, day, *clock)
    if not all(part.isdecimal() for part in parts):
        return None
    try:
        there = datetime(*map(int, parts), tzinfo=NAIROBI)  # type: ignore[misc, arg-type]  # six numbers
    except ValueError:
        return None
    return there.astimezone(UTC)


def read_text(value: object) -> str:
    """A short plain text, "" where there is none; numbers become digits."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else ""
    if isinstance(value, Decimal):
        return str(value) if -10 < value.adjusted() < 30 else ""
    if not isinstance(value, str):
        return ""
    return " ".join(value[:_TEXT_CHARS_MAX].split())
