"""
Treasury: what those who look after a drive press and write, in private.

Every press asks the core anew whether it may: a button that somebody else presses, or a treasurer
who has stepped down, changes nothing and is told so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import MappingProxyType

from markupsafe import Markup

from bot.chat.answers import unclear_text
from bot.chat.asides import aside_reply, door, invite, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import manage_key
from bot.chat.drive_words import NONE, amount_and_words, last_day, signed_and_words, target, title
from bot.chat.parse import Unclear
from bot.core.drive_acts import Actor, Answer
from bot.texts import clean, kes, money, plain
from storage.records import (
    Button,
    Closing,
    Deed,
    Draft,
    DraftKind,
    Drive,
    DriveKind,
    DriveStatus,
    Keyboard,
    Shows,
)

__all__ = [
    "NAME_CHARS_MAX",
    "TO_STATUS",
    "WORDS",
    "actor",
    "ask_words",
    "close_drive",
    "edit",
    "manage",
    "outcome",
    "people",
    "refusing",
    "set_field",
    "set_status",
    "sure",
]

LIFE = timedelta(minutes=30)
NAME_CHARS_MAX = 40
DAY = timedelta(days=1)
TO_STATUS: Mapping[str, tuple[DriveStatus | None, DriveStatus]] = MappingProxyType(
    {
        "d.pause": (DriveStatus.OPEN, DriveStatus.PAUSED),
        "d.resume": (DriveStatus.PAUSED, DriveStatus.OPEN),
        "d.reopen": (DriveStatus.CLOSED, DriveStatus.OPEN),
        "d.closeyes": (None, DriveStatus.CLOSED),
    }
)
"""From where, if not from anywhere, and to where a button brings a drive."""


def actor(turn: Turn) -> Actor:
    """Who presses or writes."""
    name = clean(turn.person.first_name, limit=NAME_CHARS_MAX)
    return Actor(id=turn.person.id, name=name, operator=turn.is_operator)


def refusing(turn: Turn, answer: Answer) -> Toast:
    """Nothing was changed, and why."""
    return turn.toast(f"treasury.{answer}", alert=answer is not Answer.ALREADY)


async def close_drive(turn: Turn) -> None:
    """`/closedrive`: asks whoever looks after a drive of this chat whether they are sure."""
    here = None if turn.private else turn.chat_id
    found = await turn.core.drives.of_treasurer(turn.person.id, chat_id=here)
    open_ones = [each for each in found if each.status is not DriveStatus.CLOSED]
    if not open_ones:
        key = "treasury.not-yours" if found or not turn.private else "manage.none"
        values = {} if key == "treasury.not-yours" else {"command": f"/newdrive@{turn.username}"}
        await turn.answer(turn.say(key, **values))
        return
    if not leads_in_private(turn):
        await invite(turn, turn.say("manage.invite"), "hello", once_as="manage")
        return
    replies = [aside_reply(turn, *_sure(turn, each)) for each in open_ones]
    await turn.core.post.say(turn.closing(*replies))


async def manage(press: DeedPress) -> Toast:
    """What can be done with a drive."""
    turn, drive = press.turn, await _theirs(press)
    if drive is None:
        return refusing(turn, Answer.NOT_YOURS)
    if not leads_in_private(turn):
        return door(turn, f"d_{drive.code}")
    totals = await turn.core.drives.totals(drive.id)
    text = turn.say(
        "manage.title",
        title=drive.title,
        mpesa=money(totals.mpesa_cents),
        cash=money(totals.cash_cents),
    )
    status_key = {
        DriveStatus.OPEN: ("pause", "manage.button.pause"),
        DriveStatus.PAUSED: ("resume", "manage.button.resume"),
        DriveStatus.CLOSED: ("reopen", "manage.button.reopen"),
    }[drive.status]
    rows: list[tuple[Button, ...]] = [
        (_key(turn, drive, "cash"), _key(turn, drive, "correct")),
        (_key(turn, drive, *status_key), _key(turn, drive, "extend")),
        (_key(turn, drive, "edit"), _key(turn, drive, "people")),
        (_key(turn, drive, "export"), _key(turn, drive, "close")),
    ]
    if drive.status is DriveStatus.CLOSED:
        rows[-1] = (_key(turn, drive, "export"),)
    reply = aside_reply(turn, text, Keyboard(rows=tuple(rows)))
    await turn.core.post.say(turn.closing(reply))
    return Toast()


async def ask_words(press: DeedPress) -> Toast:
    """A button that needs a sentence: cash, a correction, the last day, a title, a target."""
    turn, drive = press.turn, await _theirs(press)
    if drive is None:
        return refusing(turn, Answer.NOT_YOURS)
    what = press.deed.action.removeprefix("d.")
    question, example = QUESTIONS[what]
    draft = Draft(
        chat_id=turn.person.id,
        person_id=turn.person.id,
        kind=DraftKind.DRIVE_WORDS,
        message_id=turn.message_id if turn.private else None,
        data=f"{what} {drive.id}",
        expires_at=turn.core.clock.now() + LIFE,
    )
    reply = aside_reply(turn, turn.say(question, title=drive.title), Keyboard(force_reply=example))
    await turn.core.people.keep_draft(draft, turn.closing(reply))
    return Toast()


async def set_status(press: DeedPress) -> Toast:
    """Pause, go on, close for good, open again."""
    turn = press.turn
    was, status = TO_STATUS[press.deed.action]
    closing = turn.closing(turn.reply(turn.say("treasury.done")))
    answer = await turn.core.drives.treasury.set_status(
        press.deed.subject, actor(turn), status, closing, was=was
    )
    return outcome(turn, answer)


async def sure(press: DeedPress) -> Toast:
    """Closing posts the totals: asked twice."""
    turn, drive = press.turn, await _theirs(press)
    if drive is None:
        return refusing(turn, Answer.NOT_YOURS)
    reply = aside_reply(turn, *_sure(turn, drive))
    await turn.core.post.say(turn.closing(reply))
    return Toast()


async def edit(press: DeedPress) -> Toast:
    """What of a drive can be changed."""
    turn, drive = press.turn, await _theirs(press)
    if drive is None:
        return refusing(turn, Answer.NOT_YOURS)

    def choice(label: str, field: str, value: str) -> Button:
        does = Deed(action="d.set", subject=drive.id, argument=f"{field}:{value}")
        return Button(label=plain(turn.say(f"manage.button.{label}")), does=does)

    rows = (
        (_key(turn, drive, "title"), _key(turn, drive, "target")),
        *((choice(f"see-{each}", "shows", each.value),) for each in Shows),
        tuple(choice(each.value, "kind", each.value) for each in DriveKind),
    )
    text = turn.say("manage.edit", title=drive.title)
    await turn.core.post.say(turn.closing(aside_reply(turn, text, Keyboard(rows=rows))))
    return Toast()


async def set_field(press: DeedPress) -> Toast:
    """Another privacy, another kind."""
    turn = press.turn
    field, _, word = press.deed.argument.partition(":")
    value = Shows(word) if field == "shows" else DriveKind(word)
    key = "manage.changed-privacy" if field == "shows" else "manage.changed"
    closing = turn.closing(turn.reply(turn.say(key)))
    answer = await turn.core.drives.treasury.change(
        press.deed.subject, actor(turn), what=field, value=value, told=word, closing=closing
    )
    return outcome(turn, answer)


async def people(press: DeedPress) -> Toast:
    """Who looks after it, how to let somebody in, and how to step down."""
    turn, drive = press.turn, await _theirs(press)
    if drive is None:
        return refusing(turn, Answer.NOT_YOURS)
    names = ", ".join(each.name for each in await turn.core.drives.treasurers.of(drive.id))
    link = Markup(turn.link(f"t_{drive.code}"))  # noqa: S704 -- our own, and meant to be one
    text = turn.say("manage.people", title=drive.title, names=names, link=link)
    keys = Keyboard(rows=((_key(turn, drive, "leave"),),))
    reply = aside_reply(turn, text, keys)
    await turn.core.post.say(turn.closing(reply))
    return Toast()


async def _cash(turn: Turn, drive_id: str) -> None:
    found = amount_and_words(turn.words)
    if found is None or isinstance(found, Unclear):
        await _unclear(turn, found, "manage.cash-unclear")
        return
    amount_kes, name = found
    name = clean(name, limit=NAME_CHARS_MAX)
    drive = await turn.core.drives.get(drive_id)
    answer = await turn.core.drives.treasury.cash(
        drive_id,
        actor(turn),
        amount_kes=amount_kes,
        name=name,
        key=f"w:{turn.update_id}",
        closing=Closing(),
    )
    words = {"amount": kes(amount_kes), "name": name, "title": _title_of(drive)}
    await _end(turn, answer, turn.say("manage.cash-kept", **words))


async def _correct(turn: Turn, drive_id: str) -> None:
    found = signed_and_words(turn.words)
    if found is None or isinstance(found, Unclear):
        await _unclear(turn, found, "manage.correct-unclear")
        return
    change_kes, reason = found
    drive = await turn.core.drives.get(drive_id)
    answer = await turn.core.drives.treasury.correct(
        drive_id,
        actor(turn),
        change_kes=change_kes,
        reason=reason,
        key=f"w:{turn.update_id}",
        closing=Closing(),
    )
    amount = kes(change_kes).replace("-", "−")
    words = {"amount": amount, "reason": reason, "title": _title_of(drive)}
    await _end(turn, answer, turn.say("manage.correct-kept", **words))


async def _extend(turn: Turn, drive_id: str) -> None:
    none = turn.words.strip().lower() in NONE
    over = None if none else last_day(turn.words, now=turn.core.clock.now())
    if over is None and not none:
        await turn.answer(turn.say("day.unclear"))
        return
    told = "" if over is None else (over - DAY / 2).date().isoformat()
    await _change(turn, drive_id, "closes_at", over, told)


async def _title(turn: Turn, drive_id: str) -> None:
    named = title(turn.words)
    if named is None:
        await turn.answer(turn.say("manage.title-unclear"))
        return
    await _change(turn, drive_id, "title", named, named)


async def _target(turn: Turn, drive_id: str) -> None:
    none = turn.words.strip().lower() in NONE
    amount = None if none else target(turn.words)
    if isinstance(amount, Unclear) or (amount is None and not none):
        await _unclear(turn, amount, "manage.target-unclear")
        return
    await _change(turn, drive_id, "target_kes", amount, "" if amount is None else str(amount))


async def _change(turn: Turn, drive_id: str, what: str, value: object, told: str) -> None:
    answer = await turn.core.drives.treasury.change(
        drive_id, actor(turn), what=what, value=value, told=told, closing=Closing()
    )
    drive = await turn.core.drives.get(drive_id)
    # Another last day opens nothing: a treasurer may have closed it for a reason.
    closed = what == "closes_at" and drive is not None and drive.status is DriveStatus.CLOSED
    said = turn.say("manage.still-closed" if closed else "manage.changed")
    opens = (_key(turn, drive, "reopen"),) if drive is not None and closed else ()
    await _end(turn, answer, said, opens)


WORDS: Mapping[str, Callable[[Turn, str], Awaitable[None]]] = MappingProxyType(
    {
        "cash": _cash,
        "correct": _correct,
        "extend": _extend,
        "title": _title,
        "target": _target,
    }
)
"""What a sentence about a drive was asked for, and who reads it."""

QUESTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cash": ("manage.cash-what", "500 Mzee Kamau"),
        "correct": ("manage.correct-what", "-500"),
        "extend": ("manage.extend-when", "27/11"),
        "title": ("manage.title-what", ""),
        "target": ("manage.target-what", "50000"),
    }
)


async def _unclear(turn: Turn, found: Unclear | None, example: str) -> None:
    """What can be read in two ways, or how it is written; the question stands."""
    if found is None:
        await turn.answer(turn.say(example))
    else:
        text = unclear_text(found, turn.language, turn.paper.texts)
        with_sign = f"{text} {turn.say('manage.correct-sign')}"
        await turn.answer(with_sign if "sign" in found.values else text)


async def _end(turn: Turn, answer: Answer, done: str, above: tuple[Button, ...] = ()) -> None:
    """Say what became of it. What was written has its key: a crash before this writes no twin."""
    text = done if answer is Answer.DONE else turn.say(f"treasury.{answer}")
    drive_id = await _drafted(turn)
    keys = None
    if answer is Answer.DONE and drive_id is not None:
        below = manage_key(drive_id, turn.paper, turn.language).rows
        keys = Keyboard(rows=(above, *below) if above else below)
    closing = turn.closing(turn.reply(text, keys))
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id, person_id=turn.person.id, closing=closing
    )


def _title_of(drive: Drive | None) -> str:
    return "" if drive is None else drive.title  # where there is none, that is said instead


async def _drafted(turn: Turn) -> str | None:
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    return None if draft is None else draft.data.partition(" ")[2]


def outcome(turn: Turn, answer: Answer) -> Toast:
    """What became of a press whose words are said where it changed something."""
    if answer is Answer.DONE:
        return turn.toast("treasury.done")
    turn.closed = False
    return refusing(turn, answer)


async def _theirs(press: DeedPress) -> Drive | None:
    """The drive, if whoever presses looks after it, or runs the bot."""
    turn, drives = press.turn, press.turn.core.drives
    drive = await drives.get(press.deed.subject)
    if drive is None:
        return None
    if turn.is_operator or await drives.treasury.is_treasurer(drive.id, turn.person.id):
        return drive
    return None


def _sure(turn: Turn, drive: Drive) -> tuple[str, Keyboard]:
    yes = _key(turn, drive, "closeyes", "manage.button.close-yes")
    return turn.say("manage.sure", title=drive.title), Keyboard(rows=((yes,),))


def _key(turn: Turn, drive: Drive, what: str, label: str | None = None) -> Button:
    text = plain(turn.say(label or f"manage.button.{what}"))
    return Button(label=text, does=Deed(action=f"d.{what}", subject=drive.id))
