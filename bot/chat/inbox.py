"""Inbox: every update is committed before Telegram may forget it, and handled in its order."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.core.hear import NotKept
from bot.core.inbox import Inbox
from bot.core.ports import Clock
from storage.records import InboxItem, NewUpdate

__all__ = ["InboxQueue", "PerChatProcessor", "chat_of"]

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LOOK_EVERY_S = 1.0
KEEP_EVERY = timedelta(seconds=8)
LONGEST_WAIT_S = 30.0
WAITING_MAX = 4096


class InboxQueue(asyncio.Queue[object]):
    """
    PTB's queue of updates (`ApplicationBuilder.update_queue`), in which what was put appears
    once it is committed.

    Telegram is asked for the next updates, and so told that it may forget these, only after
    `kept`: a crash at any moment loses none. What was not committed is sent again, what was
    committed is found by `replay` or, while we run, by `work`: also what another process took
    and can carry out no more.
    """

    def __init__(self, *, inbox: Inbox, clock: Clock, look_every_s: float = LOOK_EVERY_S) -> None:
        super().__init__()
        self._inbox = inbox
        self._clock = clock
        self._look_every_s = look_every_s
        self._retries: set[asyncio.Task[None]] = set()
        self._coming: list[Update] = []
        self._taking_in: asyncio.Task[None] | None = None
        self._mine: set[int] = set()  # enqueued here, and not carried out yet
        self._retrying: set[int] = set()
        self._behind: set[int | None] = set()  # chats in which something waits for its turn
        self._wake = asyncio.Event()

    async def put(self, item: object) -> None:
        """Take the update in, with all that come meanwhile; enqueue it if it is ours to do."""
        if not isinstance(item, Update) or item.inline_query is not None:
            await super().put(item)  # a query is typed again sooner than it could be replayed
            return
        self._coming.append(item)
        if self._taking_in is None or self._taking_in.done():
            self._taking_in = asyncio.create_task(self._take_in(), name="inbox")

    async def kept(self) -> None:
        """
        Returns when everything that was put is committed, however long the store fails.

        Raises NotKept: it never will be, for the queue was closed. Telegram shall come again.
        """
        while self._taking_in is not None and not self._taking_in.done():
            await asyncio.wait((self._taking_in,))
        if self._coming:
            raise NotKept("what was put before the queue was closed is not kept")

    async def _take_in(self) -> None:
        """A batch of polled updates is a commit or two, and not a hundred; its order is kept."""
        wait_s = 0.0
        while self._coming:
            batch = list(self._coming)
            try:
                await self._take(*((each, each.to_json()) for each in batch))
            except Exception as exc:
                # Telegram keeps the updates until we come back for the next ones.
                wait_s = min(2 * wait_s or FIRST_WAIT_S, LONGEST_WAIT_S)
                log.error("update.not_kept count=%d wait_s=%.1f why=%s", len(batch), wait_s, exc)
                await self._clock.sleep(wait_s)
            else:
                del self._coming[: len(batch)]
                wait_s = 0.0

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
        if update.inline_query is not None:
            await super().put(update)
            return
        await self._take((update, text))

    async def replay(self) -> int:
        """At start, before polling: enqueue what was taken and not carried out; how many."""
        await self._inbox.start()
        count = await self._find_lost() + await self._find_free()
        if count:
            log.info("inbox.replayed count=%d", count)
        return count

    async def work(self, stop: asyncio.Event) -> None:
        """Until *stop*: hold what is ours, and take over what nobody has in hand."""
        stopping = asyncio.create_task(stop.wait())
        kept_at, failing = self._clock.now(), False
        try:
            while not stop.is_set():
                waking = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    (waking, stopping),
                    timeout=self._look_every_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                waking.cancel()
                self._wake.clear()
                try:
                    await self._find_free()
                    if self._clock.now() - kept_at >= KEEP_EVERY:
                        kept_at = self._clock.now()
                        await self._find_lost()
                except Exception as exc:
                    log.log(
                        logging.DEBUG if failing else logging.WARNING,
                        "inbox.not_looked_through why=%s",
                        type(exc).__name__,
                    )
                    failing = True
                else:
                    failing = False
        finally:
            stopping.cancel()

    def again(self, update: Update, *, after_s: float) -> None:
        """Handle an update once more, later. If we stop before, another process does."""

        async def come_back() -> None:
            await self._clock.sleep(after_s)
            self._retrying.discard(update.update_id)
            self._enqueue(update)

        self._retrying.add(update.update_id)
        retry = asyncio.create_task(come_back(), name=f"update {update.update_id} again")
        self._retries.add(retry)
        retry.add_done_callback(self._retries.discard)

    def finished(self, update: object) -> None:
        """Its turn is over: it was carried out, or comes back, or is another process's."""
        if not isinstance(update, Update) or update.update_id in self._retrying:
            return
        self._mine.discard(update.update_id)
        chat_id = chat_of(update)
        if chat_id in self._behind:
            self._behind.discard(chat_id)
            self._wake.set()

    async def close(self) -> None:
        """Wait for no more second tries: they stay in the inbox. What is not in it comes again."""
        retries = [*self._retries, *filter(None, (self._taking_in,))]
        for retry in retries:
            retry.cancel()
        await asyncio.gather(*retries, return_exceptions=True)

    async def _take(self, *updates: tuple[Update, str]) -> None:
        # Shielded: once committed it must be enqueued, or it would wait until it is looked for.
        await asyncio.shield(asyncio.ensure_future(self._keep(updates)))

    async def _keep(self, updates: Sequence[tuple[Update, str]]) -> None:
        new = [
            NewUpdate(update_id=update.update_id, body=body, chat_id=chat_of(update))
            for update, body in updates
        ]
        ours = await self._inbox.take_all(new)
        for update, _ in updates:
            if update.update_id not in ours:
                self._behind.add(chat_of(update))
            elif update.update_id not in self._mine:
                # Else Telegram sent it twice, or its commit "failed" and had happened after all.
                self._enqueue(update)

    async def _find_free(self) -> int:
        """Take what nobody has in hand: of each chat the oldest, so in several turns."""
        count = 0
        while items := await self._inbox.claim():
            count += await self._enqueue_all(items)
        return count

    async def _find_lost(self) -> int:
        """Hold what we hold, and enqueue what of it we did not know of."""
        unknown = set(await self._inbox.keep()) - self._mine
        if not unknown:
            return 0
        # Read now: what was carried out since is not among them.
        return await self._enqueue_all(await self._inbox.held(unknown))

    async def _enqueue_all(self, items: Sequence[InboxItem]) -> int:
        count = 0
        for item in items:
            if item.update_id in self._mine:
                continue
            try:
                update = self._read(json.loads(item.body))
            except (ValueError, TypeError, KeyError, AttributeError):
                log.exception("update.unreadable id=%d", item.update_id)
                await self._inbox.failed(item.update_id)
            else:
                self._enqueue(update)
                count += 1
        return count

    def _enqueue(self, update: Update) -> None:
        self._mine.add(update.update_id)
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

    __slots__ = ("_busy", "_finished", "_turns")

    def __init__(
        self, chats_at_once: int = 64, *, finished: Callable[[object], None] = lambda _update: None
    ) -> None:
        super().__init__(WAITING_MAX)
        self._finished = finished
        self._busy = asyncio.Semaphore(chats_at_once)
        # A lock lives as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Carry out one update in the turn of its chat."""
        try:
            await self._in_turn(update, coroutine)
        finally:
            self._finished(update)

    async def _in_turn(self, update: object, coroutine: Awaitable[Any]) -> None:
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
