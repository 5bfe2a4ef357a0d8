"""Pledging: `/pledge`, by which day, and what can be pressed below a reminder."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.chat.asides import aside, aside_reply, door, invite, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_words import last_day
from bot.chat.give_words import NAME_CHARS_MAX
from bot.chat.parse import Unclear, read_amount
from bot.core.drive_views import takes_gifts
from bot.core.pledging import day_start, takes_pledges
from bot.texts import EAT, clean, kes, plain
from storage.records import (
    Button,
    Deed,
    Draft,
    DraftKind,
    Drive,
    Keyboard,
    Pledge,
    PledgeState,
    Reply,
)

__all__ = ["amount_written", "day_pressed", "day_written", "pledge", "pressed", "reminded"]

LIFE = timedelta(minutes=30)
DAY = timedelta(days=1)
DAYS_OFFERED = (1, 7, 14, 30)


async def pledge(turn: Turn) -> None:
    """`/pledge 1000`: to the open drive of this chat."""
    if turn.edited:
        return
    amount = read_amount(turn.words)
    if isinstance(amount, Unclear):
        text = turn.say("pledge.usage", command=turn.command("pledge"))
        await (aside(turn, text) if leads_in_private(turn) else turn.answer(text))
        return
    drives = turn.core.drives
    found = (
        await drives.known_to(turn.person.id)
        if turn.private
        else await drives.in_chat(turn.chat_id)
    )
    if not found:
        key = "give.none-known" if turn.private else "give.no-drive"
        values = {} if turn.private else {"command": turn.command("newdrive")}
        await turn.answer(turn.say(key, **values))
        return
    if not leads_in_private(turn):
        text = turn.say("give.invite", title=found[0].title)
        await invite(turn, text, f"d_{found[0].code}", once_as="give")
        return
    if len(found) == 1:
        await _ask_day(turn, found[0], amount)
        return
    keys = tuple(
        (
            Button(
                label=clean(each.title, limit=NAME_CHARS_MAX),
                does=Deed(action="d.pledge", subject=each.id, argument=str(amount)),
            ),
        )
        for each in found
    )
    await aside(turn, turn.say("give.which", amount=kes(amount)), Keyboard(rows=keys))


async def pressed(press: DeedPress) -> Toast:
    """ "Pledge" on a card, or the drive that an amount is pledged to."""
    turn, drive = press.turn, await press.turn.core.drives.get(press.deed.subject)
    if drive is None or not takes_gifts(drive, turn.core.clock.now()):
        return turn.toast("pledge.closed", alert=True)
    if not leads_in_private(turn):
        return door(turn, f"d_{drive.code}")
    if press.deed.argument:
        await _ask_day(turn, drive, int(press.deed.argument))
        return Toast()
    draft = _draft(turn, f"pledge {drive.id}")
    question = turn.say("pledge.how-much", title=drive.title)
    reply = aside_reply(turn, question, Keyboard(force_reply="1000"))
    await turn.core.people.keep_draft(draft, turn.closing(reply))
    return Toast() if turn.private else Toast(url=turn.link("hello"))


async def amount_written(turn: Turn, drive_id: str) -> None:
    """The answer to "how much do you pledge?"."""
    amount = read_amount(turn.words)
    drive = await turn.core.drives.get(drive_id)
    if isinstance(amount, Unclear) or drive is None:
        await turn.answer(turn.say("pledge.usage", command=turn.command("pledge")))
        return
    question = _which_day(turn, drive, amount, _mark(turn))
    await turn.core.post.say(turn.answered(question))


async def day_pressed(press: DeedPress) -> Toast:
    """One of the days that were offered, or another one; a later one changes the promise."""
    turn, drive = press.turn, await press.turn.core.drives.get(press.deed.subject)
    amount, day, *marks = press.deed.argument.split(":")
    if day == "other":
        data = " ".join((f"day {press.deed.subject} {amount}", *marks))
        reply = turn.reply(turn.say("pledge.write-day"), Keyboard(force_reply="27/11"))
        await turn.core.people.keep_draft(_draft(turn, data), turn.closing(reply))
        return Toast()
    now = turn.core.clock.now()
    if day.isdecimal():
        # A button of an older version counts from today, and knows nothing of its question.
        due_at, key = day_start(now) + int(day) * DAY, f"b:{press.button}"
    else:
        due_at, key = datetime.fromisoformat(day).replace(tzinfo=EAT), f"q:{marks[0]}"
    if drive is None or not takes_gifts(drive, now):
        return turn.toast("pledge.closed", alert=True)
    if due_at < day_start(now) or not takes_pledges(drive, due_at, now):
        mark = marks[0] if marks else _mark(turn)
        await turn.core.post.say(turn.closing(_which_day(turn, drive, int(amount), mark)))
        return Toast()
    problem = await _promise(turn, drive, int(amount), due_at, key)
    return Toast() if problem is None else turn.toast(problem, alert=True)


async def day_written(turn: Turn, words: str) -> None:
    """The answer to "by which day?"; *words* are the drive, the amount, and which question."""
    drive_id, amount, *marks = words.split(" ")
    drive, now = await turn.core.drives.get(drive_id), turn.core.clock.now()
    over = last_day(turn.words, now=now)
    if over is None:
        await turn.answer(turn.say("day.unclear"))
        return
    due_at = over - DAY
    if drive is None or not takes_gifts(drive, now):
        await turn.core.post.say(turn.answered(turn.reply(turn.say("pledge.closed"))))
        return
    if drive.closes_at is not None and not takes_pledges(drive, due_at, now):
        last = turn.paper.texts.day(turn.language, drive.closes_at - DAY / 2)
        text = turn.say("pledge.after-closing", title=drive.title, day=last)
        await turn.answer(text, Keyboard(force_reply="27/11"))
        return
    key = f"q:{marks[0]}" if marks else f"m:{turn.chat_id}:{turn.message_id}"
    problem = await _promise(turn, drive, int(amount), due_at, key)
    if problem is not None:
        await turn.core.post.say(turn.answered(turn.reply(turn.say(problem))))


async def reminded(press: DeedPress) -> Toast:
    """Below a reminder: tomorrow, no more of them, or take the pledge back."""
    turn, pledging = press.turn, press.turn.core.drives.pledging
    act, key = {
        "p.tomorrow": (pledging.remind_tomorrow, "pledge.tomorrow"),
        "p.stop": (pledging.stop_reminders, "pledge.stopped"),
        "p.withdraw": (pledging.withdraw, "pledge.withdrawn"),
    }[press.deed.action]
    closing = turn.closing(turn.reply(turn.say(key)))
    if await act(press.deed.subject, by=turn.person.id, closing=closing):
        return Toast()
    turn.closed = False
    pledge = await pledging.get(press.deed.subject)
    theirs = pledge is not None and pledge.person_id == turn.person.id
    return turn.toast("pledge.over" if theirs else "pledge.not-yours", alert=True)


async def _promise(
    turn: Turn, drive: Drive, amount_kes: int, due_at: datetime, key: str
) -> str | None:
    """Promise it, and say what the books hold; else the text of why not."""
    made = await turn.core.drives.pledging.promise(
        drive.id,
        person_id=turn.person.id,
        name=clean(turn.person.first_name, limit=NAME_CHARS_MAX),
        amount_kes=amount_kes,
        due_at=due_at,
        key=key,
        closing=turn.answered(),
        reply=lambda pledge: _promised(turn, drive, pledge),
    )
    if made is not None and made.state is PledgeState.OPEN:
        return None
    turn.closed = False
    return "pledge.closed" if made is None else "pledge.over"


def _promised(turn: Turn, drive: Drive, pledge: Pledge) -> Reply:
    """What was promised, with the key that takes it back."""
    ends, remind_at = drive.closes_at, pledge.remind_at
    reminds = remind_at is not None and (ends is None or remind_at < ends)
    text = turn.say(
        "pledge.kept-it" if reminds else "pledge.kept-it-unreminded",
        amount=kes(pledge.amount_kes),
        title=drive.title,
        day=turn.paper.texts.day(turn.language, pledge.due_at),
    )
    back = Button(
        label=plain(turn.say("pledge.button.withdraw")),
        does=Deed(action="p.withdraw", subject=pledge.id, owner=pledge.person_id),
    )
    return turn.reply(text, Keyboard(rows=((back,),)))


async def _ask_day(turn: Turn, drive: Drive, amount_kes: int) -> None:
    question = _which_day(turn, drive, amount_kes, _mark(turn))
    await turn.core.post.say(turn.closing(question))


def _mark(turn: Turn) -> str:
    """
    Tells one question from another: whatever is answered to it is one promise.

    After a week without updates Telegram numbers them anew, from anywhere.
    """
    return f"{turn.update_id}-{int(turn.core.clock.now().timestamp())}"


def _which_day(turn: Turn, drive: Drive, amount_kes: int, mark: str) -> Reply:
    today = day_start(turn.core.clock.now())

    def does(day: str) -> Deed:
        argument = f"{amount_kes}:{day}:{mark}"
        return Deed(action="p.day", subject=drive.id, argument=argument, owner=turn.person.id)

    def key(days: int) -> Button:
        day = today + days * DAY
        label = turn.paper.texts.day(turn.language, day)
        return Button(label=label, does=does(day.astimezone(EAT).date().isoformat()))

    ends = drive.closes_at
    days = [each for each in DAYS_OFFERED if ends is None or today + each * DAY < ends] or [0]
    other = Button(label=plain(turn.say("pledge.other-day")), does=does("other"))
    rows = (tuple(key(each) for each in days[:2]), (*(key(each) for each in days[2:]), other))
    text = turn.say("pledge.by-when", amount=kes(amount_kes), title=drive.title)
    return aside_reply(turn, text, Keyboard(rows=rows))


def _draft(turn: Turn, data: str) -> Draft:
    return Draft(
        chat_id=turn.person.id,
        person_id=turn.person.id,
        kind=DraftKind.DRIVE_WORDS,
        data=data,
        expires_at=turn.core.clock.now() + LIFE,
    )
