"""Polling: of several processes one asks Telegram for updates; when it is gone, another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from telegram.ext import Updater

from bot.core.lead import Lead

__all__ = ["Polling"]

log = logging.getLogger(__name__)


class Polling:
    """
    Polls while we have the lead, stands by while another has it.

    Whoever loses the lead without noticing at once does no harm: what two processes fetch is
    kept once, and Telegram answers one of them with a 409, after which it waits and looks again.
    """

    def __init__(
        self,
        *,
        updater: Updater,
        lead: Lead,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._updater = updater
        self._lead = lead
        self._start = start
        self._stop = stop

    async def begin(self) -> None:
        """Returns once we poll, or another process does."""
        if await self._lead.try_win():
            log.info("polling.lead")
            await self._start()
        else:
            log.info("polling.stand_by")

    async def run(self, halt: asyncio.Event) -> None:
        """Take turns with the others until *halt*; then hand the lead over."""
        halting = asyncio.create_task(halt.wait())
        try:
            while not halt.is_set():
                if self._updater.running:
                    await self._unless(halting, self._lead.lost())
                    await self._stop()
                elif await self._unless(halting, self._lead.won()):
                    log.info("polling.lead")
                    await self._unless(halting, self._start())
        finally:
            halting.cancel()
            if self._updater.running:
                await self._stop()
            await self._lead.resign()

    async def _unless(self, halting: asyncio.Task[bool], act: Awaitable[None]) -> bool:
        """Whether *act* came to its end before we were told to halt."""
        acting = asyncio.ensure_future(act)
        await asyncio.wait((acting, halting), return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
            return True
        acting.cancel()
        with suppress(asyncio.CancelledError):
            await acting
        return False
