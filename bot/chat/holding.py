"""Holding: the last look, before a notice leaves, at whether it is still ours to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

__all__ = ["HeldNoMore", "HoldingRequest", "only_if_held", "while_held"]

_still_held: ContextVar[Callable[[], bool]] = ContextVar("_still_held")


class HeldNoMore(TelegramError):
    """Not a byte has left: somebody else may have told it meanwhile, and what came after it."""


@contextmanager
def while_held(still_held: Callable[[], bool]) -> Iterator[None]:
    """What is sent inside this block is sent only as long as *still_held* says so."""
    reset = _still_held.set(still_held)
    try:
        yield
    finally:
        _still_held.reset(reset)


def only_if_held() -> None:
    """The door itself: raises HeldNoMore where a notice on its way is not ours any more."""
    still_held = _still_held.get(None)
    if still_held is not None and not still_held():
        raise HeldNoMore("it was in our hands for too long")


class HoldingRequest(HTTPXRequest):
    """
    Telegram's connections, with a door.

    Here and not where the notice is made: a message waits for its chat's lane, and a process
    may be stopped for a minute anywhere between.
    """

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        only_if_held()
        return await super().do_request(*args, **kwargs)
