"""Inbox: every update is committed before Telegram may forget it, and handled in its order."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable
from typing import Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.core.inbox import Inbox
from bot.core.ports import Clock
from storage.records import InboxItem

__all__ = ["InboxQueue", "PerChatProcessor", "chat_of"]

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
WAITING_MAX = 4096


class InboxQueue(asyncio.Queue[object]):
    """
    PTB's queue of updates (`ApplicationBuilder.update_queue`), whose `put` commits first.

    PTB confirms updates to Telegram only after `put` returned, so a crash at any moment loses
    none: what was not committed is sent again, what was committed is replayed at start.
    """

    def __init__(self, *, inbox: Inbox, clock: Clock) -> None:
        super().__init__()
        self._inbox = inbox
        self._clock = clock
        self._retries: set[asyncio.Task[None]] = set()
        self._replayed = False
        self._early: set[int] = set()  # taken by this process before it replayed

    async def put(self, item: object) -> None:
        """Commit the update, however long the store fails; enqueue it if it is new."""
        if not isinstance(item, Update):
            await super().put(item)
            return
        body = item.to_json()
        wait_s = 0.0
        while True:
            try:
                await self._take(item, body, unsure=wait_s > 0)
            except Exception as exc:
                # Telegram keeps the update until we come back for the next one.
                wait_s = min(2 * wait_s or FIRST_WAIT_S, LONGEST_WAIT_S)
                log.error("update.not_kept id=%d wait_s=%.1f why=%s", item.update_id, wait_s, exc)
                await self._clock.sleep(wait_s)
            else:
                return

    async def take_raw(self, body: bytes) -> None:
        """
        Take an update as Telegram posts it to a webhook; returns after the commit.

        Raises:
            ValueError: the body is no update.
            NotKept: it could not be kept; Telegram shall come again.
        """
        try:
            text = body.decode()
            update = self._read(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise ValueError("the body is no update") from exc
        await self._take(update, text, unsure=False)

    async def replay(self) -> int:
        """At start, before polling: enqueue what was taken and not carried out; how many."""
        waiting = [
            item for item in await self._inbox.waiting() if item.update_id not in self._early
        ]
        for item in waiting:
            try:
                update = self._read(json.loads(item.body))
            except (ValueError, TypeError, KeyError, AttributeError):
                log.exception("update.unreadable id=%d", item.update_id)
                await self._inbox.failed(item.update_id)
            else:
                self.put_nowait(update)
        if waiting:
            log.info("inbox.replayed count=%d", len(waiting))
        self._replayed = True
        self._early.clear()
        return len(waiting)

    def again(self, update: Update, *, after_s: float) -> None:
        """Handle an update once more, later. If we stop before, the next start replays it."""

        async def come_back() -> None:
            await self._clock.sleep(after_s)
            self.put_nowait(update)

        retry = asyncio.create_task(come_back(), name=f"update {update.update_id} again")
        self._retries.add(retry)
        retry.add_done_callback(self._retries.discard)

    async def close(self) -> None:
        """Wait for no more second tries; they stay in the inbox."""
        retries = list(self._retries)
        for retry in retries:
            retry.cancel()
        await asyncio.gather(*retries, return_exceptions=True)

    async def _take(self, update: Update, body: str, *, unsure: bool) -> None:
        # Shielded: once committed it must be enqueued, or it would wait for the next start.
        await asyncio.shield(asyncio.ensure_future(self._keep(update, body, unsure=unsure)))

    async def _keep(self, update: Update, body: str, *, unsure: bool) -> None:
        new = await self._inbox.take(update.update_id, body)
        if not new and unsure:
            # The commit that "failed" may have happened after all, with nobody to enqueue it.
            new = any(_is(item, update) for item in await self._inbox.waiting())
        if new:
            if not self._replayed:
                self._early.add(update.update_id)
            self.put_nowait(update)

    @staticmethod
    def _read(data: Any) -> Update:
        if not isinstance(data, dict) or type(data.get("update_id")) is not int:
            raise ValueError("no update id")
        return Update.de_json(data, None)


class PerChatProcessor(BaseUpdateProcessor):
    """
    Different chats at the same time, the updates of one chat one after the other.

    The place among the *chats_at_once* is taken after the chat's own turn has come: somebody
    who sends a hundred messages waits for themselves, and nobody else does.
    """

    __slots__ = ("_busy", "_turns")

    def __init__(self, chats_at_once: int = 64) -> None:
        super().__init__(WAITING_MAX)
        self._busy = asyncio.Semaphore(chats_at_once)
        # A lock lives as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Carry out one update in the turn of its chat."""
        chat_id = chat_of(update)
        if chat_id is None:
            async with self._busy:
                await coroutine
            return
        turn = self._turns.get(chat_id)
        if turn is None:
            turn = self._turns[chat_id] = asyncio.Lock()
        async with turn, self._busy:
            await coroutine


def chat_of(update: object) -> int | None:
    """The chat in whose order an update is handled; a person's, where it has none."""
    if not isinstance(update, Update):
        return None
    if update.effective_chat is not None:
        return update.effective_chat.id
    return None if update.effective_user is None else update.effective_user.id


def _is(item: InboxItem, update: Update) -> bool:
    return item.update_id == update.update_id
