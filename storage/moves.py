"""Moves: payments read and written many at a time, at the price that a batch can bear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Boolean, Connection, bindparam, select, update

from storage.records import Payment, Status, Word
from storage.schema import Instant, instant, micros, payments
from storage.setwise import Among, Many

__all__ = ["PAYMENT_COLUMNS", "changed", "payment_of", "write_payments"]

_FIELDS = tuple(field.name for field in fields(Payment))
PAYMENT_COLUMNS = tuple(payments.c[name] for name in _FIELDS)

_VALUES_OF = attrgetter(*_FIELDS)
_NO_WORDS: frozenset[Word] = frozenset()

_REVS = Among(select(payments.c.id, payments.c.rev), payments.c.id)

_INSTANTS = tuple(name for name in _FIELDS if isinstance(payments.c[name].type, Instant))
_FLAGS = tuple(name for name in _FIELDS if isinstance(payments.c[name].type, Boolean))
_PLACES = {name: place for place, name in enumerate(_FIELDS)}
_INSTANT_PLACES = [_PLACES[name] for name in _INSTANTS]
_FLAG_PLACES = [_PLACES[name] for name in _FLAGS]
_STATUS_PLACE, _WORDS_PLACE = _PLACES["status"], _PLACES["words"]
_FILLERS = [Payment.__dict__[name].__set__ for name in _FIELDS]

# Of these, values are written in another form than they are held in.
_WRITTEN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_INSTANTS, micros),
    "words": lambda words: " ".join(sorted(words)),
    "status": str,
}


@lru_cache(maxsize=512)
def _move(names: tuple[str, ...]) -> Many:
    """The compare-and-set on `rev` of these columns: built once for each set of them."""
    moved = (
        update(payments)
        .where(payments.c.id == bindparam("key_id"), payments.c.rev == bindparam("key_rev"))
        .values({name: bindparam(f"to_{name}") for name in names})
    )
    return Many(dict.fromkeys(("sqlite", "postgresql"), moved), ())


def payment_of(row: Sequence[Any]) -> Payment:
    """
    The payment of one row of `PAYMENT_COLUMNS`, as the driver hands it over.

    What else was selected may follow those.
    """
    values = list(row[: len(_FIELDS)])
    for place in _INSTANT_PLACES:
        if values[place] is not None:
            values[place] = instant(values[place])
    for place in _FLAG_PLACES:
        values[place] = bool(values[place])
    values[_STATUS_PLACE] = Status(values[_STATUS_PLACE])
    values[_WORDS_PLACE] = _words(values[_WORDS_PLACE])
    return _made(values)


def _words(written: str) -> frozenset[Word]:
    return frozenset(map(Word, written.split())) if written else _NO_WORDS


def changed(payment: Payment, changes: Mapping[str, Any]) -> Payment:
    """*payment* with these fields changed."""
    values = list(_VALUES_OF(payment))
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return _made(values)


def _made(values: Iterable[Any]) -> Payment:
    """
    As `Payment(**…)`, for a third of its price: every callback makes three.

    The slots are filled past the door that keeps a payment frozen, as its own `__init__` does.
    """
    payment = object.__new__(Payment)
    for fill, value in zip(_FILLERS, values, strict=True):
        fill(payment, value)
    return payment


def write_payments(
    connection: Connection,
    moves: Sequence[tuple[Payment, Payment, bytes | None]],
) -> int:
    """
    Write (before, after, newly sealed checkout id) rows by compare-and-set on `rev`.

    Only columns that changed are written, so that no index is touched without need. Returns how
    many rows matched; the caller compares.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for before, after, checkout_id in moves:
        row: dict[str, Any] = {"key_id": before.id, "key_rev": before.rev}
        names = []
        for name, was, now in zip(_FIELDS, _VALUES_OF(before), _VALUES_OF(after), strict=True):
            if was != now:
                names.append(name)
                written = _WRITTEN.get(name)
                row[f"to_{name}"] = now if written is None else written(now)
        if checkout_id is not None:
            names.append("checkout_id")
            row["to_checkout_id"] = checkout_id
        groups.setdefault(tuple(names), []).append(row)
    matched = 0
    for names_changed, rows in groups.items():
        found = _move(names_changed)(connection, rows).rowcount
        matched += found if found >= 0 else _arrived(connection, rows)
    return matched


def _arrived(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many *rows* stand where they were moved to: asyncpg does not count a batch."""
    revs = {row.id: row.rev for row in _REVS(connection, [row["key_id"] for row in rows])}
    return sum(revs.get(row["key_id"]) == row.get("to_rev", row["key_rev"]) for row in rows)
