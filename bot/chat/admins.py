"""Admins: whether somebody runs a group, or is in it, as Telegram says."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from telegram import ChatMember, ChatMemberRestricted
from telegram.error import TelegramError
from telegram.ext import ExtBot

__all__ = ["OUTSIDE", "Admins", "is_outside"]

log = logging.getLogger(__name__)

KNOWN_FOR = timedelta(seconds=60)
KEPT_MAX = 4096
OUTSIDE = (ChatMember.LEFT, ChatMember.BANNED)
RUNS_IT = (ChatMember.OWNER, ChatMember.ADMINISTRATOR)


class Admins:
    """Who runs a group is kept for a minute: who was put out may act for so long, and no longer."""

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

    async def is_there(self, bot: ExtBot[None], *, chat_id: int, person_id: int) -> bool | None:
        """
        Whether somebody is in a group now; None where Telegram would not say.

        Of others it tells for certain only where we are an admin (Bot API, getChatMember).
        """
        try:
            member = await bot.get_chat_member(chat_id, person_id)
        except TelegramError as exc:
            log.info("admins.not_told why=%s", exc.message)
            return None
        return not is_outside(member)


def is_outside(member: ChatMember) -> bool:
    """Whether this standing is that of somebody who is not in the chat."""
    if isinstance(member, ChatMemberRestricted):
        return not member.is_member
    return member.status in OUTSIDE
