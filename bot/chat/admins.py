"""Admins: whether somebody runs a group, as Telegram says; asked again after a minute."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from telegram import ChatMember
from telegram.error import TelegramError
from telegram.ext import ExtBot

__all__ = ["Admins"]

log = logging.getLogger(__name__)

KNOWN_FOR = timedelta(seconds=60)
KEPT_MAX = 4096
RUNS_IT = (ChatMember.OWNER, ChatMember.ADMINISTRATOR)


class Admins:
    """Answers are kept for a minute: who was put out may act for so long, and no longer."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[bool, datetime]] = {}

    async def is_admin(
        self, bot: ExtBot[None], *, chat_id: int, person_id: int, now: datetime
    ) -> bool:
        """False also where Telegram would not say."""
        known = self._known.get((chat_id, person_id))
        if known is not None and now - known[1] <= KNOWN_FOR:
            return known[0]
        try:
            member = await bot.get_chat_member(chat_id, person_id)
        except TelegramError as exc:
            log.info("admins.not_told why=%s", exc.message)
            return False
        if len(self._known) >= KEPT_MAX:
            self._known.clear()
        answer = member.status in RUNS_IT
        self._known[chat_id, person_id] = answer, now
        return answer
