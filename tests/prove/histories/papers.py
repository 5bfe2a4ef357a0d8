"""Owns the papers of the histories: each kind is drawn once, for nobody there reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bot.documents.invoice import invoice_pdf
from bot.documents.qr import qr_png
from bot.documents.receipt import receipt_pdf

__all__ = ["done_in_a_thread"]

PAPERS = frozenset((invoice_pdf, qr_png, receipt_pdf))
_drawn: dict[Any, Any] = {}


def done_in_a_thread(func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What a thread would do; a paper is the first of its kind, again and again."""
    # `asyncio.to_thread` hands over `Context.run` with what it shall run.
    paper = func.args[0] if isinstance(func, partial) and func.args else None
    if paper not in PAPERS:
        return func(*args)
    if paper not in _drawn:
        _drawn[paper] = func(*args)
    return _drawn[paper]
