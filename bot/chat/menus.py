"""Menus: the command lists, and the words an empty chat shows, per scope and language."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.chat.routes import COMMANDS, Place
from bot.core.core import Core
from bot.texts import Texts, plain

__all__ = ["refresh_menu", "set_menus"]

log = logging.getLogger(__name__)

# Telegram's default list (no language code) is ours in English.
CODES: Mapping[str, str | None] = MappingProxyType({"en": None, "sw": "sw"})


async def set_menus(
    bot: ExtBot[None],
    texts: Texts,
    operators: Iterable[int],
    merchants: Iterable[int] = (),
    revoked: Iterable[int] = (),
) -> bool:
    """
    Bring menus and descriptions up to date, asking first so that a restart is quiet.

    Returns whether all is as it should be. A failure is logged and stops nobody: the commands
    work without a menu.
    """
    good = True
    scopes: list[tuple[BotCommandScope, Place]] = [
        (BotCommandScopeAllPrivateChats(), Place.PRIVATE),
        (BotCommandScopeAllGroupChats(), Place.GROUP),
    ]
    scopes += [(BotCommandScopeChat(each), Place.OPERATOR) for each in operators]
    scopes += [(BotCommandScopeChat(each), Place.MERCHANT) for each in merchants]
    for language, code in CODES.items():
        good &= await _describe(bot, texts, language, code)
        for scope, place in scopes:
            good &= await _offer(bot, scope, code, _commands(texts, language, place))
        for each in revoked:
            good &= await _withdraw(bot, BotCommandScopeChat(each), code)
    return good


async def refresh_menu(bot: ExtBot[None], texts: Texts, core: Core, person_id: int) -> None:
    """The menu of a person's private chat as their part is now; without one, everybody's."""
    place = None
    if person_id in core.operators:
        place = Place.OPERATOR
    elif await core.merchants.get(person_id) is not None:
        place = Place.MERCHANT
    scope = BotCommandScopeChat(person_id)
    for language, code in CODES.items():
        if place is None:
            await _withdraw(bot, scope, code)
        else:
            await _offer(bot, scope, code, _commands(texts, language, place))


def _commands(texts: Texts, language: str, place: Place) -> list[BotCommand]:
    return [
        BotCommand(each.name, plain(texts.say(language, f"menu.{each.name}")))
        for each in COMMANDS
        if each.in_menu and each.offered_in(place)
    ]


async def _offer(
    bot: ExtBot[None], scope: BotCommandScope, code: str | None, wanted: Sequence[BotCommand]
) -> bool:
    try:
        if list(await bot.get_my_commands(scope, code)) != list(wanted):
            await bot.set_my_commands(wanted, scope, code)
    except TelegramError as exc:
        # An operator who never opened a chat with us has none to put a menu in.
        log.warning("menus.not_set scope=%s why=%s", scope.type, exc.message)
        return False
    return True


async def _withdraw(bot: ExtBot[None], scope: BotCommandScope, code: str | None) -> bool:
    """What everybody is offered is offered again."""
    try:
        if await bot.get_my_commands(scope, code):
            await bot.delete_my_commands(scope, code)
    except TelegramError as exc:
        log.warning("menus.not_withdrawn scope=%s why=%s", scope.type, exc.message)
        return False
    return True


async def _describe(bot: ExtBot[None], texts: Texts, language: str, code: str | None) -> bool:
    long = plain(texts.say(language, "about.description"))
    short = plain(texts.say(language, "about.short"))
    try:
        if (await bot.get_my_description(code)).description != long:
            await bot.set_my_description(long, code)
        if (await bot.get_my_short_description(code)).short_description != short:
            await bot.set_my_short_description(short, code)
    except TelegramError as exc:
        log.warning("menus.not_described why=%s", exc.message)
        return False
    return True
