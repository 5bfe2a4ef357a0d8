"""About: which payment the work at hand is about, so that every log line of it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["about", "payment_at_hand"]

_payment_id: ContextVar[str | None] = ContextVar("_payment_id", default=None)


@contextmanager
def about(payment_id: str | None) -> Iterator[None]:
    """Whatever is logged inside, by us or by a library, is about this payment (None: none)."""
    before = _payment_id.set(payment_id)
    try:
        yield
    finally:
        _payment_id.reset(before)


def payment_at_hand() -> str | None:
    """The payment that is being worked on, as this task knows."""
    return _payment_id.get()
