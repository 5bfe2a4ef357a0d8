"""
Inline mode: what can be put into any chat by typing our name there: bills to be paid, say.

Each source offers its own cards; a card holds a link, so whoever taps it comes to us in private.
A query is nothing that must be kept: it is not in the inbox, and a lost one is typed again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQuery,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
)
from telegram.constants import ParseMode
from telegram.error import TelegramError

from bot.chat.context import COURTESY_S, Desk, language_of
from bot.chat.drive_cards import card, link_of
from bot.chat.invoice_cards import Quill, invoice_link
from bot.core.eat import day_of
from bot.core.ledgers import Which
from bot.texts import clean, money, plain

__all__ = ["SOURCES", "InlineCard", "Source", "answer"]

log = logging.getLogger(__name__)

CARDS_MAX = 20
TITLE_CHARS_MAX = 60
QUERY_CHARS_MAX = 64
DRIVE_LINK = "d_"
CODE_CHARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineCard:
    """Something that can be put into a chat."""

    id: str  # at most 64 bytes, unique among its query's
    title: str
    description: str
    text: str  # HTML, what stands in the chat
    button: str
    link: str


Source = Callable[[Desk, int, str, str], Awaitable[Sequence[InlineCard]]]
"""Cards for a person (their id), in a language, that fit the words they typed."""


async def invoices(desk: Desk, person_id: int, language: str, words: str) -> Sequence[InlineCard]:
    """A merchant's own invoices that wait to be paid."""
    if await desk.core.merchants.get(person_id) is None:
        return ()
    if words:
        found = await desk.core.ledgers.search(person_id, words)
    else:
        found = (await desk.core.ledgers.page(person_id, Which.OPEN)).found
    cards = []
    for each in found:
        view = await desk.core.billing.view(each.invoice.id, by=person_id)
        if view is None or not view.ask_kes:
            continue
        quill = Quill(
            view=view,
            paper=desk.paper,
            language=language,
            today=day_of(desk.core.clock.now()),
            owner=person_id,
        )
        invoice = view.invoice
        cards.append(
            InlineCard(
                id=f"i:{invoice.id}",
                title=f"{invoice.label} · {money(view.beside_cents)}",
                description=invoice.bill.customer,
                text="\n".join([quill.say("bill.asks"), *quill.items(), quill.tax_words()]),
                button=plain(quill.say("button.bill-open")),
                link=invoice_link(desk.paper.username, invoice.code),
            )
        )
    return cards


async def drives(desk: Desk, person_id: int, language: str, words: str) -> Sequence[InlineCard]:
    """
    The drive of a code; without one, those that whoever asks looks after or has given to.

    Nobody finds a drive by its name: who has no code, and has nothing to do with it, sees none.
    """
    known = desk.core.drives
    if words.startswith(DRIVE_LINK):
        named = await known.by_code(words.removeprefix(DRIVE_LINK)[:CODE_CHARS])
        found = [] if named is None else [named]
    else:
        found = [] if words else await known.known_to(person_id)
    views = [await known.card_view(each.id) for each in found[:CARDS_MAX]]
    return [
        InlineCard(
            id=view.drive.code,
            title=view.drive.title,
            description=plain(
                desk.texts.say(language, "drive.plain.total", total=money(view.totals.cents))
            ),
            text=card(view, desk.paper).text,
            button=plain(desk.texts.say(view.drive.language, "drive.button.open")),
            link=link_of(view.drive, desk.paper),
        )
        for view in views
        if view is not None
    ]


SOURCES: tuple[Source, ...] = (drives, invoices)
"""In the order in which their cards are shown."""


async def answer(desk: Desk, query: InlineQuery) -> None:
    """Offer what fits; nobody else sees it, and nothing of it is remembered by Telegram."""
    user = query.from_user
    person = await desk.core.people.get(user.id)
    language = language_of(None if person is None else person.language, user.language_code)
    words = clean(query.query, limit=QUERY_CHARS_MAX)
    cards: list[InlineCard] = []
    for source in SOURCES:
        cards += await source(desk, user.id, language, words)
    button = InlineQueryResultsButton(
        plain(desk.texts.say(language, "inline.open")), start_parameter="inline"
    )
    try:
        await desk.bot.answer_inline_query(
            query.id,
            [_article(each) for each in cards[:CARDS_MAX]],
            cache_time=0,
            is_personal=True,
            button=button,
            read_timeout=COURTESY_S,
        )
    except TelegramError as exc:
        # Typed on meanwhile, most likely: the next letters are a query of their own.
        log.info("inline.not_answered why=%s", exc.message)


def _article(shown: InlineCard) -> InlineQueryResultArticle:
    open_it = InlineKeyboardButton(shown.button, url=shown.link)
    return InlineQueryResultArticle(
        id=shown.id,
        title=clean(shown.title, limit=TITLE_CHARS_MAX),
        description=clean(shown.description),
        input_message_content=InputTextMessageContent(shown.text, parse_mode=ParseMode.HTML),
        reply_markup=InlineKeyboardMarkup([[open_it]]),
    )
