"""Notices: what we owe the chats is made, sent or edited, and what became of it written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import ExtBot

from bot.chat.holding import HeldNoMore, while_held
from bot.chat.lanes import retry_after_s
from bot.chat.telling import CLOSED, LOST, UNREACHABLE, edit, says, send
from bot.chat.whispers import Whispers
from bot.core.about import about
from bot.core.hear import NotKept
from bot.core.ports import Clock
from bot.core.post import Post
from storage.records import EDITED, Notice, Reply, Whisper

__all__ = ["Make", "Notifier"]

log = logging.getLogger(__name__)

CHATS_AT_ONCE = 64
IDLE_S = 1.0  # how often we look for what has fallen due by the clock alone
LONGEST_WAIT_S = 60.0
ODD_TRIES_MAX = 5
WRITE_TRIES = 6
FINISH_WITHIN_S = 2.0
STORE_WAIT_S = 1.0

T = TypeVar("T")

Make = Callable[[Notice], Awaitable[Reply | None]]
"""Makes the message of a notice as things stand now; None if there is nothing to say."""


class _Moot(Exception):
    """What it would have said is no longer so, and nothing is left to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """How it was told: in its own chat, or as a whisper in a group."""

    reply: Reply
    message_id: int | None = None
    whisper: Whisper | None = None


class Notifier:
    """
    Tells the chats what they are owed.

    One notice per chat is on its way at a time (`Post.due` hands out no more, but beside a
    receipt's file), so a chat reads everything in order; a chat that fails or waits is put off
    alone.
    """

    def __init__(
        self,
        *,
        bot: ExtBot[None],
        post: Post,
        clock: Clock,
        make: Make,
        whispers: Whispers | None = None,
        chats_at_once: int = CHATS_AT_ONCE,
    ) -> None:
        self._bot = bot
        self._post = post
        self._clock = clock
        self._make = make
        self._whispers = whispers
        self._chats_at_once = chats_at_once
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._odd: dict[tuple[int, int], int] = {}  # notice, version -> failures unexplained

    async def run_due(self) -> int:
        """Tell everything that is due now, and what falls due by that; returns how many tries."""
        count = 0
        while notices := await self._post.due(limit=self._chats_at_once):
            count += len(notices)
            await asyncio.gather(*(self._deliver(notice) for notice in notices))
        return count

    async def run(self, stop: asyncio.Event) -> None:
        """Tell what is due, as it falls due, until *stop* is set; then finish what is begun."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._post.wake.clear()
                await self._begin_due()
                waking = asyncio.create_task(self._post.wake.wait())
                await asyncio.wait(
                    (waking, stopping), timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED
                )
                waking.cancel()
        finally:
            stopping.cancel()
            await self._finish()

    async def _begin_due(self) -> None:
        free = self._chats_at_once - len(self._on_their_way)
        if free <= 0:
            return
        try:
            notices = await self._post.due(limit=free)
        except NotKept as exc:
            log.warning("notices.not_claimed why=%s", exc)
            return
        except Exception:
            # A bug, or a row that nobody can read: telling goes on, and looks again.
            log.exception("notices.not_claimed")
            return
        for notice in notices:
            task = asyncio.create_task(self._deliver(notice))
            self._on_their_way.add(task)
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._on_their_way.discard(task)
        self._post.wake.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            # Its lease runs out, and then it is tried again.
            log.error("notice.failed", exc_info=exc)

    async def _finish(self) -> None:
        if self._on_their_way:
            await asyncio.wait(set(self._on_their_way), timeout=FINISH_WITHIN_S)
        for task in set(self._on_their_way):
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    async def _deliver(self, notice: Notice) -> None:
        with about(notice.payment_id):
            await self._carry(notice)

    async def _carry(self, notice: Notice) -> None:
        if notice.resent:
            log.info("notice.resent id=%d", notice.id)
        try:
            with while_held(lambda: self._post.holds(notice)):
                told = await self._tell(notice)
        except HeldNoMore:
            # If nobody has it now, its lease runs out, or it is freed with all that we had.
            log.warning("notice.held_no_more id=%d", notice.id)
            await self._later(notice, after_s=1, why="held too long", counts=False)
        except RetryAfter as exc:
            after_s = retry_after_s(exc)
            await self._later(notice, after_s=after_s, why="flood control", counts=False)
        except NotKept as exc:
            # The store's trouble, not the chat's: nothing has left.
            await self._later(notice, after_s=STORE_WAIT_S, why=str(exc), counts=False)
        except ChatMigrated as exc:
            await self._moved(notice, exc.new_chat_id)
        except Forbidden as exc:
            await self._unreachable(notice, exc.message)
        except BadRequest as exc:
            await self._refused(notice, exc)
        except (NetworkError, InvalidToken) as exc:
            # It may have arrived all the same: then it arrives twice, and only then.
            await self._later(notice, after_s=_growing_s(notice.tries), why=type(exc).__name__)
        except _Moot:
            log.info("notice.moot id=%d kind=%s", notice.id, notice.kind)
            await self._write(lambda: self._post.sent(notice, message_id=None))
        except Exception as exc:
            await self._odd_failure(notice, exc)
        else:
            self._odd.pop(_version(notice), None)
            goes_on = await self._write(
                lambda: self._post.sent(notice, message_id=told.message_id, whisper=told.whisper)
            )
            if goes_on is False and notice.kind in EDITED:
                await self._take_back(notice, told)
            if self._whispers is not None and notice.whisper is not None and told.whisper is None:
                await self._whispers.end(notice.whisper, told.reply)

    async def _take_back(self, notice: Notice, told: _Told) -> None:
        """Another has told it: ours would say for ever what was so when it was written."""
        if told.message_id is None or told.message_id == notice.message_id:
            return
        log.warning("notice.taken_back id=%d", notice.id)
        try:
            await self._bot.delete_message(told.reply.chat_id, told.message_id)
        except TelegramError as exc:
            log.warning("notice.not_taken_back id=%d why=%s", notice.id, exc)

    async def _tell(self, notice: Notice) -> _Told:
        """Whisper, send or edit; how it is said now."""
        reply = await self._made(notice)
        if reply.whisper_to is not None:
            whisper = await self._whispered(reply, notice.whisper)
            if whisper is not None:
                return _Told(reply=reply, whisper=whisper)
            # Said in private from now on, and at once: whoever gives waits for no group.
            reply = await self._made(replace(notice, whisper=None))
        if notice.kind in EDITED and notice.message_id is not None:
            await edit(self._bot, reply, notice.message_id)
            return _Told(reply=reply, message_id=notice.message_id)
        return _Told(reply=reply, message_id=await send(self._bot, reply))

    async def _whispered(self, reply: Reply, whisper: Whisper | None) -> Whisper | None:
        if self._whispers is None or whisper is None:
            return None
        whisper_id = await self._whispers.tell(reply, whisper.message_id)
        return None if whisper_id is None else replace(whisper, message_id=whisper_id)

    async def _made(self, notice: Notice) -> Reply:
        reply = await self._make(notice)
        if reply is None:
            raise _Moot
        return reply

    async def _refused(self, notice: Notice, exc: BadRequest) -> None:
        if says(exc, LOST):
            await self._write(lambda: self._post.lost_message(notice))
        elif says(exc, CLOSED) and notice.chat_id < 0:
            log.warning("notice.group_closed id=%d kind=%s", notice.id, notice.kind)
            self._odd.pop(_version(notice), None)
            await self._write(lambda: self._post.closed_out(notice, why=exc.message))
        elif says(exc, (*UNREACHABLE, *CLOSED)):
            await self._unreachable(notice, exc.message)
        else:
            await self._odd_failure(notice, exc)

    async def _odd_failure(self, notice: Notice, exc: Exception) -> None:
        """
        Something we did not foresee: a few tries, then it is set aside, loudly.

        What is about money is tried again every hour; then one more failure is enough.
        """
        tries = self._odd[_version(notice)] = self._odd.get(_version(notice), 0) + 1
        log.error("notice.odd id=%d kind=%s try=%d", notice.id, notice.kind, tries, exc_info=exc)
        if tries < ODD_TRIES_MAX:
            await self._later(notice, after_s=_growing_s(tries), why=type(exc).__name__)
        else:
            log.warning("notice.set_aside id=%d kind=%s", notice.id, notice.kind)
            await self._write(lambda: self._post.set_aside(notice, why=type(exc).__name__))

    async def _moved(self, notice: Notice, new_chat_id: int) -> None:
        """The group became a supergroup: everything owed to it goes there, this one first."""
        await self._write(
            lambda: self._post.migrated(old_chat_id=notice.chat_id, new_chat_id=new_chat_id)
        )
        after_s = 0 if notice.tries <= 1 else _growing_s(notice.tries)
        await self._later(notice, after_s=after_s, why="chat migrated")

    async def _later(
        self, notice: Notice, *, after_s: float, why: str, counts: bool = True
    ) -> None:
        await self._write(lambda: self._post.later(notice, after_s=after_s, why=why, counts=counts))

    async def _unreachable(self, notice: Notice, why: str) -> None:
        """They shut us out of their private chat; a whisper in the group is still theirs to see."""
        await self._undeliverable(notice, why, shut_out=True)
        if self._whispers is None or notice.whisper is None:
            return
        try:
            reply = await self._made(replace(notice, whisper=None))
        except (NotKept, _Moot) as exc:
            log.warning("notice.whisper_stays id=%d why=%s", notice.id, exc)
            return
        await self._whispers.end(notice.whisper, reply)

    async def _undeliverable(self, notice: Notice, why: str, *, shut_out: bool = False) -> None:
        self._odd.pop(_version(notice), None)
        log.warning("notice.undeliverable id=%d kind=%s why=%s", notice.id, notice.kind, why)
        await self._write(lambda: self._post.undeliverable(notice, why=why, shut_out=shut_out))

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Write down what became of it; if that never succeeds, None, and its lease runs out."""
        for number in range(WRITE_TRIES):
            try:
                return await write()
            except NotKept as exc:
                log.warning("notice.not_written try=%d why=%s", number + 1, exc)
                await self._clock.sleep(_growing_s(number))
        return None


def _version(notice: Notice) -> tuple[int, int]:
    return notice.id, notice.wanted


def _growing_s(tries: int) -> float:
    return min(2.0 ** min(tries, 10) / 2, LONGEST_WAIT_S)
