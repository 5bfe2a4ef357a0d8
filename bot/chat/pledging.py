"""Pledging: `/pledge`, by which day, and what can be pressed below a reminder."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.chat.asides import aside, aside_reply, door, invite, leads_in_private
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_words import last_day
from bot.chat.give_words import NAME_CHARS_MAX
from bot.chat.parse import Unclear, read_amount
from bot.core.drive_views import takes_gifts
from bot.core.pledging import day_start
from bot.texts import clean, kes, plain
from storage.records import Button, Deed, Draft, DraftKind, Drive, Keyboard, Reply

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
    await turn.core.post.say(turn.answered(_which_day(turn, drive, amount)))


async def day_pressed(press: DeedPress) -> Toast:
    """One of the days that were offered, or another one."""
    turn = press.turn
    amount, _, days = press.deed.argument.partition(":")
    if days == "other":
        draft = _draft(turn, f"day {press.deed.subject} {amount}")
        reply = turn.reply(turn.say("pledge.write-day"), Keyboard(force_reply="27/11"))
        await turn.core.people.keep_draft(draft, turn.closing(reply))
        return Toast()
    due_at = day_start(turn.core.clock.now()) + int(days) * DAY
    # A second press of the same button is the same promise.
    key = f"b:{press.button}"
    done = await _promise(turn, press.deed.subject, int(amount), due_at, key)
    return Toast() if done else turn.toast("pledge.closed", alert=True)


async def day_written(turn: Turn, words: str) -> None:
    """The answer to "by which day?"; *words* are the drive and the amount."""
    drive_id, _, amount = words.partition(" ")
    over = last_day(turn.words, now=turn.core.clock.now())
    if over is None:
        await turn.answer(turn.say("day.unclear"))
        return
    key = f"m:{turn.chat_id}:{turn.message_id}"
    if not await _promise(turn, drive_id, int(amount), over - DAY, key):
        await turn.core.post.say(turn.answered(turn.reply(turn.say("pledge.closed"))))


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


async def _promise(turn: Turn, drive_id: str, amount_kes: int, due_at: datetime, key: str) -> bool:
    drive = await turn.core.drives.get(drive_id)
    if drive is None:
        return False
    day = turn.paper.texts.day(turn.language, due_at)
    text = turn.say("pledge.kept-it", amount=kes(amount_kes), title=drive.title, day=day)
    person = turn.person
    closing = turn.answered(turn.reply(text))
    made = await turn.core.drives.pledging.promise(
        drive_id,
        person_id=person.id,
        name=clean(person.first_name, limit=NAME_CHARS_MAX),
        amount_kes=amount_kes,
        due_at=due_at,
        key=key,
        closing=closing,
    )
    if made is None:
        turn.closed = False
    return made is not None


async def _ask_day(turn: Turn, drive: Drive, amount_kes: int) -> None:
    await turn.core.post.say(turn.closing(_which_day(turn, drive, amount_kes)))


def _which_day(turn: Turn, drive: Drive, amount_kes: int) -> Reply:
    today = day_start(turn.core.clock.now())

    def key(days: int) -> Button:
        label = turn.paper.texts.day(turn.language, today + days * DAY)
        return Button(label=label, does=_day(turn, drive, amount_kes, str(days)))

    ends = drive.closes_at
    days = [each for each in DAYS_OFFERED if ends is None or today + each * DAY < ends] or [0]
    other = Button(
        label=plain(turn.say("pledge.other-day")), does=_day(turn, drive, amount_kes, "other")
    )
    rows = (tuple(key(each) for each in days[:2]), (*(key(each) for each in days[2:]), other))
    text = turn.say("pledge.by-when", amount=kes(amount_kes), title=drive.title)
    return aside_reply(turn, text, Keyboard(rows=rows))


def _day(turn: Turn, drive: Drive, amount_kes: int, days: str) -> Deed:
    return Deed(
        action="p.day",
        subject=drive.id,
        argument=f"{amount_kes}:{days}",
        owner=turn.person.id,
    )


def _draft(turn: Turn, data: str) -> Draft:
    return Draft(
        chat_id=turn.person.id,
        person_id=turn.person.id,
        kind=DraftKind.DRIVE_WORDS,
        data=data,
        expires_at=turn.core.clock.now() + LIFE,
    )
