"""Reads a JSON object that a stranger wrote: a value or a reason, never an exception."""

import json
from codecs import BOM_UTF8
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

BODY_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a body was not taken. The reason quotes nothing of the body."""

    reason: str


def read_object(body: bytes, *, bytes_max: int = BODY_BYTES_MAX) -> dict[str, object] | Unreadable:
    """
    Parse `body` as one JSON object; numbers with a point or exponent become exact `Decimal`s.

    Stricter than `json.loads`, which takes NaN, lets the last of two equal keys win, reads UTF-16
    and raises four kinds of exception on hostile input.
    """
    if len(body) > bytes_max:
        return Unreadable("the body is too long")
    try:
        text = body.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError:
        return Unreadable("the body is not UTF-8")
    try:
        found = _STRICT.decode(text)
    except RecursionError:
        return Unreadable("the body is nested too deeply")
    except _NotTaken as refusal:
        return Unreadable(str(refusal))
    except json.JSONDecodeError:
        return Unreadable("the body is not JSON")
    except (ValueError, ArithmeticError):
        return Unreadable("a number is too long")
    if not isinstance(found, dict):
        return Unreadable("the body is not a JSON object")
    return found


class _NotTaken(Exception):
    """A rule of ours, broken by well-formed JSON."""


def _refuse_constant(_name: str) -> object:
    raise _NotTaken("a number is not finite")


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two parsers that pick different twins would disagree about money.
        raise _NotTaken("a key is given twice")
    return found


# Built once: `json.loads` with these arguments builds a decoder for every body.
_STRICT: Final = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_twins
)
