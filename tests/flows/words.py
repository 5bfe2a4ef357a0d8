"""What a sentence of the catalogue must leave in a chat, whatever is filled into it."""

from __future__ import annotations

import re

from bot.playground.chats import Chat, Message
from bot.texts import Texts, plain

__all__ = ["found", "fragment", "latest", "says"]

PLACEHOLDER = re.compile(r"\{[^}]*\}")


def fragment(key: str, language: str = "en") -> str:
    """The longest piece of the sentence *key* that holds nothing filled in."""
    texts = Texts.load()
    template = texts._translations[language].gettext(key)
    assert template != key, f"no sentence {key}"
    return max(PLACEHOLDER.split(plain(template)), key=len).strip()


def says(message: Message, key: str, language: str = "en") -> bool:
    return fragment(key, language) in message.text


def latest(chat: Chat) -> str:
    """What the bot said last in *chat*, or nothing yet."""
    return chat.from_bot[-1].text if chat.from_bot else ""


def found(chat: Chat, key: str, language: str = "en") -> bool:
    """Whether any message of the bot in *chat* says *key* now."""
    return any(says(message, key, language) for message in chat.from_bot)
