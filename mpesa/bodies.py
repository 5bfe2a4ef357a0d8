"""Reads a JSON object that a stranger wrote: a value or a reason, never an exception."""

import json
from codecs import BOM_UTF8
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

BODY_BYTES_MAX: Final = 64 * 1024
NESTED_MAX: Final = 64  # Safaricom's own bodies are six deep


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a body was not taken. The reason quotes nothing of the body."""

    reason: str


def read_object(body: bytes, *, bytes_max: int = BODY_BYTES_MAX) -> dict[str, object] | Unreadable:
    """
    Parse `body` as one JSON object; numbers with a point or exponent become exact `Decimal`s.

    Stricter than `json.loads`, which takes NaN, lets the last of two equal keys win, reads UTF-16,
    raises four kinds of exception on hostile input, and has another idea of what is nested too
    deeply in each version of Python.
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
    if _is_nested_deeper(found, NESTED_MAX):
        return Unreadable("the body is nested too deeply")
    return found


def _is_nested_deeper(found: dict[str, object], most: int) -> bool:
    """Whether more than *most* objects and arrays lie in one another; never recurses itself."""
    level: list[dict[str, object] | list[object]] = [found]
    for _ in range(most):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


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
