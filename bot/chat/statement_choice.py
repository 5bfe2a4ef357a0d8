"""Statement choice: `/statement`, whose it is and of which days, by words and by buttons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoices import DRAFT_LIFE, say_unclear, today_of
from bot.chat.parse import Unclear
from bot.chat.parse_period import FIRST_DAY, find_period, read_period
from bot.core.statement_desk import Choice
from bot.core.statements import Whose
from bot.texts import clean, plain
from storage.records import Button, Deed, Draft, DraftKind, Keyboard

__all__ = ["chosen", "statement", "typed", "who"]

FORMATS = ("csv", "xlsx", "pdf")
ICONS = {
    Whose.EVERYBODY: "📚",
    Whose.MERCHANT: "🏪",
    Whose.DRIVE: "🤝",
    Whose.PERSON: "👤",
    Whose.CUSTOMER: "👤",
    Whose.LINE: "📱",
}
PER_ROW = 2
LABEL_CHARS_MAX = 30
TYPED_CHARS_MAX = 64

Period = tuple[date, date]


async def statement(turn: Turn) -> None:
    """`/statement last month`, `/statement Peter november`: which format?"""
    words, period = find_period(turn.words, today=today_of(turn))
    if not words:
        await _offer(turn, await turn.core.statement_desk.own(turn.person), period)
    elif await turn.core.statement_desk.kinds(turn.person.id):
        await _found(turn, words, period)
    else:
        await say_unclear(turn, Unclear("unclear.period", {"text": turn.words.strip()}))


async def typed(turn: Turn, draft: Draft) -> None:
    """The answer to "whose?"; it may name other days as well."""
    asked: dict[str, int] = json.loads(draft.data)
    words, period = turn.words.strip(), _days(asked["since"], asked["until"])
    if isinstance(read_period(words, today=today_of(turn)), Unclear):
        found, other = find_period(words, today=today_of(turn))
        words, period = (found, other) if found != words else (words, period)
    await _found(turn, words[:TYPED_CHARS_MAX], period, answered=True)


async def chosen(press: DeedPress) -> Toast:
    """Somebody was pressed, or other days."""
    turn = press.turn
    whose, since, until, about = press.deed.argument.split(":")
    choice = await turn.core.statement_desk.choice(turn.person, Whose(whose), about)
    if choice is None:
        return turn.toast("toast.old")
    await _offer(turn, choice, _days(int(since), int(until)))
    return Toast()


async def who(press: DeedPress) -> Toast:
    """Merchants, drives or customers to press; people are written."""
    turn = press.turn
    kind, since, until = press.deed.argument.split(":")
    desk, period = turn.core.statement_desk, _days(int(since), int(until))
    if Whose(kind) not in await desk.kinds(turn.person.id):
        return turn.toast("toast.old")
    found = await desk.newest(turn.person.id, Whose(kind))
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.STATEMENT,
        message_id=turn.message_id,
        data=json.dumps({"since": int(since), "until": int(until)}),
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    key = f"statement.who.{kind}" if found else f"statement.write.{kind}"
    keys = Keyboard(rows=_rows(turn, found, period)) if found else Keyboard(force_reply="…")
    await turn.core.people.keep_draft(draft, turn.closing(turn.reply(turn.say(key), keys)))
    return Toast()


async def _found(turn: Turn, words: str, period: Period, *, answered: bool = False) -> None:
    """The one who is meant, or those who may be."""
    found = await turn.core.statement_desk.find(turn.person.id, words)
    if len(found) == 1:
        await _offer(turn, found[0], period, answered=answered)
        return
    if found:
        text, keys = turn.say("statement.which-one", text=words), _rows(turn, found, period)
    else:
        text, keys = turn.say("statement.nobody", text=words), ()
    reply = turn.reply(text, Keyboard(rows=keys) if keys else None)
    # The question stays open while nobody was found: the next words may name somebody.
    closing = turn.answered(reply) if answered and found else turn.closing(reply)
    await turn.core.post.say(closing)


async def _offer(turn: Turn, choice: Choice, period: Period, *, answered: bool = False) -> None:
    """Formats, other days, and whose else it could be."""
    desk = turn.core.statement_desk
    own = await desk.own(turn.person)
    mine = (choice.whose, choice.about) == (own.whose, own.about)
    key = f"statement.which.{choice.whose}" if mine else "statement.which-of"
    text = turn.say(key, title=choice.title, period=_period(turn, period))
    formats = tuple(
        _button(turn, f"button.statement.{each}", "statement", f"{each}:{_code(choice, period)}")
        for each in FORMATS
    )
    others = tuple(
        _button(turn, f"button.statement.{name}", "statement-of", _code(choice, each))
        for name, each in _other_days(turn, period)
    )
    since, until = period
    kinds = [
        _button(
            turn,
            f"button.statement-of.{each}",
            "statement-who",
            f"{each}:{since.toordinal()}:{until.toordinal()}",
        )
        for each in await desk.kinds(turn.person.id)
    ]
    starts = range(0, len(kinds), PER_ROW)
    rows = (formats, others, *(tuple(kinds[start : start + PER_ROW]) for start in starts))
    reply = turn.reply(text, Keyboard(rows=rows))
    await turn.core.post.say(turn.answered(reply) if answered else turn.closing(reply))


def _other_days(turn: Turn, period: Period) -> list[tuple[str, Period]]:
    today = today_of(turn)
    first = today.replace(day=1)
    last = first - timedelta(days=1)
    known = [
        ("this-month", (first, today)),
        ("last-month", (last.replace(day=1), last)),
        ("all", (FIRST_DAY, today)),
    ]
    return [each for each in known if each[1] != period]


def _rows(turn: Turn, found: Sequence[Choice], period: Period) -> tuple[tuple[Button, ...], ...]:
    """Each one a button: what it is, and what people call it."""
    buttons = [
        Button(
            label=clean(f"{ICONS[each.whose]} {each.title}", limit=LABEL_CHARS_MAX),
            does=_deed(turn, "statement-of", _code(each, period)),
        )
        for each in found
    ]
    starts = range(0, len(buttons), PER_ROW)
    return tuple(tuple(buttons[start : start + PER_ROW]) for start in starts)


def _code(choice: Choice, period: Period) -> str:
    since, until = period
    return f"{choice.whose}:{since.toordinal()}:{until.toordinal()}:{choice.about}"


def _button(turn: Turn, key: str, action: str, argument: str) -> Button:
    return Button(label=plain(turn.say(key)), does=_deed(turn, action, argument))


def _deed(turn: Turn, action: str, argument: str) -> Deed:
    person_id = turn.person.id
    return Deed(action=action, subject=str(person_id), argument=argument, owner=person_id)


def _days(since: int, until: int) -> Period:
    return date.fromordinal(since), date.fromordinal(until)


def _period(turn: Turn, period: Period) -> str:
    since, until = period
    today = today_of(turn)
    first = turn.paper.texts.day(turn.language, since, today=today)
    last = turn.paper.texts.day(turn.language, until, today=today)
    if since == FIRST_DAY:
        return plain(turn.say("statement.up-to", day=last))
    return first if since == until else f"{first} – {last}"
