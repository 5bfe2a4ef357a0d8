"""Lanes: how fast we may write to each chat, so that one chat's limit never delays another."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from bot.core.ports import Clock, SteadyClock

__all__ = ["Lanes", "retry_after_s"]

log = logging.getLogger(__name__)

Answer = bool | dict[str, Any] | list[dict[str, Any]]

WRITING = ("send", "edit", "copy", "forward")
"""How the names of the methods begin that Telegram counts as messages."""

NOT_A_MESSAGE = frozenset({"sendChatAction"})

PATIENCE_S = 1.0
"""A longer wait is handed back as RetryAfter: the outbox waits better than a held connection."""

BURST = 3
BURST_S = 3.0
TELEGRAMS_MESSAGES_PER_SECOND = 30.0
GROUP_S = 60.0
SWEEP_FROM = 1024


class Window:
    """At most *count* messages in any *seconds*."""

    def __init__(self, count: int, seconds: float) -> None:
        self._span = timedelta(seconds=seconds)
        self._taken: deque[datetime] = deque(maxlen=count)

    def free_at(self, now: datetime) -> datetime:
        full = len(self._taken) == self._taken.maxlen
        return max(now, self._taken[0] + self._span) if full else now

    def take(self, at: datetime) -> None:
        self._taken.append(at)

    def idle(self, now: datetime) -> bool:
        return not self._taken or self._taken[-1] + self._span <= now


@dataclass(slots=True)
class Lane:
    """One chat: its windows, and until when Telegram told us to be quiet there."""

    windows: list[Window]
    stopped_until: datetime | None = field(default=None)

    def free_at(self, now: datetime) -> datetime:
        free_at = max(window.free_at(now) for window in self.windows)
        return free_at if self.stopped_until is None else max(free_at, self.stopped_until)

    def idle(self, now: datetime) -> bool:
        stopped = self.stopped_until is not None and self.stopped_until > now
        return not stopped and all(window.idle(now) for window in self.windows)


class Lanes(BaseRateLimiter[None]):
    """
    Telegram's limits: 1 message a second per chat (3 at once), 20 a minute per group, 30 a
    second over all (core.telegram.org/bots/faq).

    A 429 stops that chat's lane and no other, and is handed on: whoever owes the message keeps
    it and comes back. Requests that write no message pass, unless their chat is stopped. A local
    Bot API server that takes more over all is taken to allow more per chat in proportion.
    """

    def __init__(
        self, *, clock: Clock, messages_per_second: float, group_messages_per_minute: float
    ) -> None:
        self._clock = SteadyClock(clock)
        self._all = Window(max(1, round(messages_per_second)), 1.0)
        self._burst_s = BURST_S / max(1.0, messages_per_second / TELEGRAMS_MESSAGES_PER_SECOND)
        self._group_count = max(1, round(group_messages_per_minute))
        self._lanes: dict[int | str, Lane] = {}
        self._sweep_at = SWEEP_FROM

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Answer]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,
    ) -> Answer:
        """Do the request when its turn has come. Raises RetryAfter when that is too long."""
        chat_id: int | str | None = data.get("chat_id")
        if chat_id is None:
            return await callback(*args, **kwargs)
        writes = endpoint.startswith(WRITING) and endpoint not in NOT_A_MESSAGE
        if writes:
            await self._turn(chat_id)
        elif chat_id in self._lanes:
            self._refuse_if_long(self._lanes[chat_id].stopped_until)
        try:
            return await callback(*args, **kwargs)
        except RetryAfter as exc:
            wait_s = retry_after_s(exc)
            self._lane(chat_id).stopped_until = self._clock.now() + timedelta(seconds=wait_s)
            log.info("lane.stopped wait_s=%.0f endpoint=%s", wait_s, endpoint)
            raise

    async def _turn(self, chat_id: int | str) -> None:
        lane = self._lane(chat_id)
        free_at = lane.free_at(self._clock.now())
        self._refuse_if_long(free_at)
        for window in lane.windows:
            window.take(free_at)
        await self._sleep_until(free_at)
        # Only now, or a chat that waits for itself would hold a place that others could use.
        free_at = self._all.free_at(self._clock.now())
        self._all.take(free_at)
        await self._sleep_until(free_at)
        # Another request of this chat may have been told to wait meanwhile.
        self._refuse_if_long(lane.stopped_until)

    def _refuse_if_long(self, free_at: datetime | None) -> None:
        if free_at is None:
            return
        wait = free_at - self._clock.now()
        if wait > timedelta(seconds=PATIENCE_S):
            raise RetryAfter(wait)

    async def _sleep_until(self, free_at: datetime) -> None:
        wait_s = (free_at - self._clock.now()).total_seconds()
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    def _lane(self, chat_id: int | str) -> Lane:
        lane = self._lanes.get(chat_id)
        if lane is None:
            self._sweep()
            windows = [Window(BURST, self._burst_s)]
            if not isinstance(chat_id, int) or chat_id < 0:
                windows.append(Window(self._group_count, GROUP_S))
            lane = self._lanes[chat_id] = Lane(windows)
        return lane

    def _sweep(self) -> None:
        """Forget chats that are free again: the table stays as small as what is going on."""
        if len(self._lanes) < self._sweep_at:
            return
        now = self._clock.now()
        self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.idle(now)}
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._lanes))


def retry_after_s(exc: RetryAfter) -> float:
    """How long Telegram wants us to be quiet, in seconds."""
    wait = exc.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
