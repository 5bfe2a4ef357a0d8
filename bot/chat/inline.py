"""Inline: `@bot` in any chat shares a drive, with its card as it stands and a way to give."""

from __future__ import annotations

import logging

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQuery,
    InlineQueryResultArticle,
    InputTextMessageContent,
)
from telegram.constants import ParseMode
from telegram.error import TelegramError

from bot.chat.context import COURTESY_S, Desk, language_of
from bot.chat.drive_cards import card, link_of
from bot.core.drive_views import CardView
from bot.texts import clean, money, plain

__all__ = ["answer"]

log = logging.getLogger(__name__)

RESULTS_MAX = 10
TITLE_CHARS_MAX = 64
CODE_CHARS = 12


async def answer(desk: Desk, query: InlineQuery) -> None:
    """
    The drive of a code; without one, those that whoever asks looks after or has given to.

    Nobody finds a drive by its name: who has no code, and has nothing to do with it, sees none.
    """
    views = await _found(desk, query)
    person = await desk.core.people.known(query.from_user.id)
    chosen = None if person is None else person.language
    language = language_of(chosen, query.from_user.language_code)
    results = [_result(desk, view, language) for view in views]
    try:
        await desk.bot.answer_inline_query(
            query.id, results, cache_time=0, is_personal=True, read_timeout=COURTESY_S
        )
    except TelegramError as exc:
        log.info("inline.not_answered why=%s", exc.message)


async def _found(desk: Desk, query: InlineQuery) -> list[CardView]:
    drives = desk.core.drives
    words = query.query.strip()
    if words.startswith("d_"):
        named = await drives.by_code(words.removeprefix("d_")[:CODE_CHARS])
        found = [] if named is None else [named]
    else:
        found = await drives.known_to(query.from_user.id)
    views = [await drives.card_view(each.id) for each in found[:RESULTS_MAX]]
    return [view for view in views if view is not None]


def _result(desk: Desk, view: CardView, language: str) -> InlineQueryResultArticle:
    drive, paper = view.drive, desk.paper
    link = link_of(drive, paper)
    give = plain(desk.texts.say(drive.language, "drive.button.open"))
    return InlineQueryResultArticle(
        id=drive.code,
        title=clean(drive.title, limit=TITLE_CHARS_MAX),
        description=plain(
            desk.texts.say(language, "drive.plain.total", total=money(view.totals.cents))
        ),
        input_message_content=InputTextMessageContent(
            card(view, paper).text, parse_mode=ParseMode.HTML
        ),
        reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton(give, url=link)]]),
    )
