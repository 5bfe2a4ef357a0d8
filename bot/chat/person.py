"""Person: `/phone` and `/language`: a person's own number and language, and their buttons."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.chat.context import Toast, Turn
from bot.chat.keyboards import share_number
from bot.core.phones import mask
from bot.texts import plain
from storage.records import Button, Deed, Keyboard, Reply

__all__ = ["LANGUAGE_BUTTONS", "choose", "forget", "language", "phone", "share"]

LANGUAGE_BUTTONS: Mapping[str, str] = MappingProxyType({"english": "en", "kiswahili": "sw"})
"""Each language under its own name, which is not translated: the button's action and label."""

# What people write after /language.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "en",
        "eng": "en",
        "english": "en",
        "kiingereza": "en",
        "sw": "sw",
        "swa": "sw",
        "swahili": "sw",
        "kiswahili": "sw",
    }
)


async def phone(turn: Turn) -> None:
    """The number we remember, masked, with what can be done about it."""
    if turn.person.phone is None:
        keys = share_number(turn.paper.texts, turn.language)
        await turn.answer(turn.say("phone.none"), keys)
        return
    buttons = (
        _button(turn, "share", plain(turn.say("button.other-number"))),
        _button(turn, "forget", plain(turn.say("button.forget"))),
    )
    text = turn.say("phone.known", phone=mask(turn.person.phone))
    await turn.answer(text, Keyboard(rows=(buttons,)))


async def share(turn: Turn) -> Toast:
    """A press of "another number": the key that shares one."""
    keys = share_number(turn.paper.texts, turn.language)
    await turn.answer(turn.say("phone.share"), keys)
    return Toast()


async def forget(turn: Turn) -> Toast:
    """A press of "forget it"."""
    known = turn.person.phone is not None
    key = "phone.forgotten" if known else "phone.nothing-to-forget"
    closing = turn.closing(turn.reply(turn.say(key), Keyboard(remove=True)))
    await turn.core.people.forget_phone(turn.person.id, closing)
    return Toast()


async def language(turn: Turn) -> None:
    """`/language sw` chooses; `/language` alone offers."""
    wanted = turn.words.strip().lower()
    if wanted in NAMES:
        await turn.core.people.choose_language(
            turn.person.id, NAMES[wanted], turn.closing(_chosen(turn, NAMES[wanted]))
        )
        return
    buttons = tuple(_button(turn, action, action.capitalize()) for action in LANGUAGE_BUTTONS)
    await turn.answer(turn.say("language.which"), Keyboard(rows=(buttons,)))


async def choose(turn: Turn, chosen: str) -> Toast:
    """A press of one of the language buttons; *chosen* is "en" or "sw"."""
    closing = turn.closing(_chosen(turn, chosen))
    await turn.core.people.choose_language(turn.person.id, chosen, closing)
    return Toast()


def _chosen(turn: Turn, chosen: str) -> Reply:
    turn.language = chosen
    return turn.reply(turn.say("language.chosen"))


def _button(turn: Turn, action: str, label: str) -> Button:
    person_id = turn.person.id
    return Button(label=label, does=Deed(action=action, subject=str(person_id), owner=person_id))
