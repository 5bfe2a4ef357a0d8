"""Owns the updates on their way to the bot: the queue, long polling, repeats and disorder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.playground.changes import Changes
from bot.playground.errors import Json, conflict

# What Telegram leaves out unless it is asked for by name (Bot API, getUpdates).
_ONLY_BY_NAME = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(eq=False)
class Update:
    """One update; `repeats` more deliveries are owed after it was confirmed.

    A `forced` one is delivered below the offset too, until it was handed out.
    """

    id: int
    body: Json
    repeats: int = 0
    forced: bool = False
    handed_out: bool = False


class UpdateQueue:
    """Unconfirmed updates in the order of delivery; ids increase by one."""

    def __init__(self, changes: Changes, first_id: int = 100_000) -> None:
        self._changes = changes
        self._next_id = first_id
        self._poll_turn = 0
        self._ended_by = ""
        self._twice = 0
        self._held: list[Update] | None = None
        self.pending: list[Update] = []
        self.sent: list[Update] = []
        self.allowed: list[str] = []
        self.closed = False

    def add(self, kind: str, body: Json) -> Update | None:
        """Queue one update of this kind; None when `allowed_updates` leaves the kind out."""
        wanted = kind in self.allowed if self.allowed else kind not in _ONLY_BY_NAME
        if not wanted:
            return None
        update = Update(self._next_id, {"update_id": self._next_id, kind: body})
        self._next_id += 1
        if self._twice > 0:
            self._twice -= 1
            update.repeats = 1
        self.sent.append(update)
        (self.pending if self._held is None else self._held).append(update)
        self._changes.notify()
        return update

    def deliver_twice(self, times: int = 1) -> None:
        """The next `times` updates come again after the bot confirmed them."""
        self._twice += times

    def redeliver(self, update: Update) -> None:
        """An update that was confirmed comes once more, with its old id."""
        self.pending.append(Update(update.id, update.body, forced=True))
        self._changes.notify()

    @contextmanager
    def out_of_order(self) -> Iterator[None]:
        """Updates made inside the block are delivered after it, the newest first."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            self.pending += reversed(held)
            self._changes.notify()

    def confirm(self, offset: int) -> None:
        """Forget what lies below `offset`; a negative one keeps only that many newest."""
        if offset < 0:
            self.pending = self.pending[offset:]
        elif offset > 0:
            self.pending = [u for u in self.pending if u.id >= offset or _owes_one_more(u)]
        self._changes.notify()

    def drop_all(self) -> None:
        self.pending.clear()
        self._changes.notify()

    def delivered(self, update: Update) -> None:
        """A webhook answered 200 for this update."""
        update.handed_out = True
        if not _owes_one_more(update):
            self.pending.remove(update)
        self._changes.notify()

    async def poll(self, offset: int, limit: int, timeout_s: float) -> list[Json]:
        """getUpdates: what is unconfirmed from `offset` on, waiting `timeout_s` for the first.

        Raises ApiError 409 in the older of two polls, as Telegram does.
        """
        self._poll_turn += 1
        self._ended_by = "other getUpdates request; make sure that only one bot instance is running"
        turn = self._poll_turn
        self.confirm(offset)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            batch = [u for u in self.pending if u.id >= offset or u.forced][:limit]
            left_s = deadline - loop.time()
            if batch or left_s <= 0 or self.closed:
                for update in batch:
                    update.handed_out = True
                return [update.body for update in batch]
            await self._changes.next(left_s)
            if turn != self._poll_turn:
                raise conflict(f"terminated by {self._ended_by}")

    def interrupt_poll(self) -> None:
        """A webhook was set: the poll that waits is ended with 409."""
        self._poll_turn += 1
        self._ended_by = "setWebhook request"
        self._changes.notify()

    def close(self) -> None:
        """Let every poll go, with what it has."""
        self.closed = True
        self._changes.notify()


def _owes_one_more(update: Update) -> bool:
    if update.forced and not update.handed_out:
        return True
    if update.repeats <= 0:
        return False
    update.repeats -= 1
    update.forced, update.handed_out = True, False
    return True
