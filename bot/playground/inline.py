"""Owns inline mode: what a person types after the bot's name in any chat, and the cards for it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bot.playground.backend import Backend, Method
from bot.playground.chats import Chat, Message, User
from bot.playground.entities import FormattedText, parse_html
from bot.playground.errors import Json, bad_request
from bot.playground.keyboards import parse_markup
from bot.playground.params import Params
from bot.playground.world import Draft, World

__all__ = ["INLINE", "InlineCard", "InlineQuestion", "ask_inline"]

RESULTS_MAX = 50
ID_BYTES_MAX = 64
QUERY_CHARS_MAX = 256


@dataclass(frozen=True)
class InlineCard:
    """One answer that can be put into a chat."""

    title: str
    description: str
    body: FormattedText
    markup: Any


@dataclass(eq=False)
class InlineQuestion:
    """What somebody typed, and what the bot offered for it."""

    id: str
    person: User
    query: str
    world: World = field(repr=False)
    answered: bool = False
    cards: tuple[InlineCard, ...] = ()
    button: Json | None = None

    def put(self, title: str, chat: Chat) -> Message:
        """The person taps a card: it stands in the chat as theirs.

        Raises LookupError when there is no such card.
        """
        card = next((each for each in self.cards if each.title == title), None)
        if card is None:
            raise LookupError(f"no card {title!r} among {[each.title for each in self.cards]}")
        draft = Draft(card.body, markup=parse_markup(card.markup, private=chat.is_private))
        return self.world.put(chat, self.person, draft)


def ask_inline(world: World, person: User, query: str) -> InlineQuestion:
    """Type the bot's name and *query* in any chat.

    Raises ValueError for more than Telegram's clients send.
    """
    if len(query) > QUERY_CHARS_MAX:
        raise ValueError(f"Telegram's clients send at most {QUERY_CHARS_MAX} characters")
    question = InlineQuestion(secrets.token_hex(8), person, query, world)
    world.questions[question.id] = question
    body: Json = {"id": question.id, "from": person.json(), "query": query, "offset": ""}
    world.updates.add("inline_query", body)
    return question


def answer_inline_query(backend: Backend, params: Params) -> bool:
    """answerInlineQuery; only articles with a text, which is all that the bot sends."""
    question = backend.world.questions.get(params.text("inline_query_id"))
    if question is None or question.answered:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    results = params.object("results")
    if not isinstance(results, list):
        raise bad_request("can't parse inline query results JSON object")
    if len(results) > RESULTS_MAX:
        raise bad_request("too many inline query results specified")
    if len({str(each.get("id")) for each in results}) != len(results):
        raise bad_request("result id's must be unique")
    question.cards = tuple(_card(each) for each in results)
    question.button = params.object("button")
    question.answered = True
    backend.world.changes.notify()
    return True


def _card(raw: Json) -> InlineCard:
    if not 1 <= len(str(raw.get("id", "")).encode()) <= ID_BYTES_MAX:
        raise bad_request("RESULT_ID_INVALID")
    content = raw.get("input_message_content") or {}
    text = str(content.get("message_text", ""))
    if raw.get("type") != "article" or not raw.get("title") or not text:
        raise bad_request("article has no title or no text")
    body = parse_html(text) if content.get("parse_mode") == "HTML" else FormattedText(text)
    markup = raw.get("reply_markup")
    return InlineCard(
        title=str(raw["title"]),
        description=str(raw.get("description", "")),
        body=body,
        markup=None if markup is None else json.dumps(markup),
    )


INLINE: MappingProxyType[str, Method] = MappingProxyType({"answerinlinequery": answer_inline_query})
