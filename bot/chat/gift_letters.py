"""Gift letters: what is told of one gift that came late, was handed back, or went back."""

from __future__ import annotations

from bot.chat.context import language_of
from bot.chat.drive_cards import TREASURERS_NAMED, manage_key
from bot.chat.keyboards import Stationery
from bot.core.core import Core
from bot.core.drive_views import CardView, shown
from bot.core.gift_reversals import AGAIN
from bot.texts import clean, money, plain
from storage.records import Button, Deed, Keyboard, Notice, Person, Reply, Shows

__all__ = ["handed_back", "language_for", "late", "turned", "went_back"]


async def late(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    """A gift that came after closing: its treasurers are asked what becomes of it."""
    drive, payment_id = view.drive, details[0]
    found = await core.drives.among([payment_id])
    if not found or not found[0].cents:
        return None  # it has all gone back by now
    language = await language_for(core, notice.chat_id)
    [gift] = shown(found, Shows.ALL, treasurer=True)
    text = paper.texts.say(
        language,
        "late.asks",
        amount=money(gift.cents or 0),
        name=gift.name or gift.phone_mask,
        title=drive.title,
    )
    if not view.treasurers:
        text = f"{text}\n{paper.texts.say(language, 'late.nobody')}"
    keys = tuple(
        Button(
            label=plain(paper.texts.say(language, f"late.button.{what}")),
            does=Deed(
                action=f"d.{what}", subject=drive.id, argument=payment_id, owner=notice.chat_id
            ),
        )
        for what in ("keep", "return")
    )
    return Reply(chat_id=notice.chat_id, text=text, keyboard=Keyboard(rows=(keys,)))


async def went_back(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    """A gift that was handed back, and that M-Pesa took back too, or not after all."""
    drive = view.drive
    entry = await core.drives.treasury.took_back(drive.id, int(details[0]))
    if entry is None:
        return None
    language = await language_for(core, notice.chat_id)
    text = paper.texts.say(
        language,
        "late.went-back" if entry.cents > 0 else "late.untold",
        amount=money(abs(entry.cents)),
        name=entry.name or plain(paper.texts.say(language, "drive.well-wisher")),
        title=drive.title,
        total=money(view.totals.cents),
    )
    keys = manage_key(drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def handed_back(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    """Whoever gave it reads that it was handed back: if it was not, nobody else can know."""
    drive = view.drive
    entry = await core.drives.handed_back(drive.id, details[0])
    if entry is None:
        return None
    language, say = await language_for(core, notice.chat_id), paper.texts.say
    names = ", ".join(clean(each.name) for each in view.treasurers[:TREASURERS_NAMED])
    lines = (
        say(language, "gift.handed-back", amount=money(-entry.cents), title=drive.title),
        say(language, "gift.not-got", names=names) if names else say(language, "gift.not-got-it"),
    )
    return Reply(chat_id=notice.chat_id, text="\n".join(lines))


async def turned(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    """A gift that M-Pesa took back, or did not after all; what is told is how it was then."""
    drive, [payment_id, *part] = view.drive, details
    found = await core.drives.among([payment_id])
    if not found:
        return None
    language = await language_for(core, notice.chat_id)
    [gift] = shown(found, Shows.ALL, treasurer=True)
    came_cents = found[0].cents + found[0].reversed_cents
    say, what = paper.texts.say, "reversed"
    if notice.topic.startswith(AGAIN):
        what = "again"
    elif part and part[0]:
        what = "part-reversed"
    text = say(
        language,
        f"gift.{what}",
        name=gift.name or gift.phone_mask or plain(say(language, "drive.well-wisher")),
        amount=money(came_cents),
        title=drive.title,
        receipt=gift.receipt or "–",
        total=money(view.totals.cents),
        **({"back": money(int(part[0]))} if what == "part-reversed" else {}),
    )
    keys = manage_key(drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def language_for(core: Core, person_id: int) -> str:
    person: Person | None = await core.people.get(person_id)
    if person is None:
        return language_of(None, None)
    return language_of(person.language, person.telegram_language)
