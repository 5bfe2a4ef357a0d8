"""Drive letters: what a drive owes to its group and its treasurers, made when its turn comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.chat.drive_cards import accept_keys, card, closed_text, manage_key, offered, thanks_text
from bot.chat.drive_papers import closing_paper
from bot.chat.gift_letters import handed_back, language_for, late, turned, went_back
from bot.chat.keyboards import Stationery
from bot.core.core import Core
from bot.core.drive_views import CardView, shown, takes_gifts
from bot.texts import kes, money, plain
from storage.records import (
    Button,
    Deed,
    DriveStatus,
    Gift,
    Keyboard,
    Notice,
    PaymentView,
    Reply,
    Shows,
    Status,
)

__all__ = ["dressed", "make"]

Maker = Callable[[Core, Stationery, Notice, CardView, list[str]], Awaitable[Reply | None]]
DAY = timedelta(days=1)


async def make(core: Core, paper: Stationery, notice: Notice) -> Reply | None:
    """The CARD or NEWS of a drive; None where there is nothing to make it from."""
    view = await core.drives.card_view((notice.subject or "").removeprefix("d:"))
    what, *details = notice.topic.split(":")
    maker = MAKERS.get(what)
    return (
        None if view is None or maker is None else await maker(core, paper, notice, view, details)
    )


async def _card(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    drive = view.drive
    if details and int(details[0]) != drive.card:
        # Its total would be believed for ever: it says where the one is that is kept up to date.
        text = paper.texts.say(drive.language, "drive.further-down", title=drive.title)
        return Reply(chat_id=notice.chat_id, thread_id=drive.thread_id, text=text, quiet=True)
    made = card(view, paper)
    return Reply(
        chat_id=notice.chat_id,
        thread_id=view.drive.thread_id,
        text=made.text,
        keyboard=made.keyboard,
        pin=True,
    )


async def _thanks(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    drive = view.drive
    found = await core.drives.thanked(drive.id, thanks=int(details[0]))
    # What went back within the two minutes is none of what came in.
    rows = [each for each in found if each.cents]
    if not rows:
        return None
    text = thanks_text(drive, shown(rows, drive.shows), len(rows), paper)
    return Reply(chat_id=notice.chat_id, thread_id=drive.thread_id, text=text, quiet=True)


async def _closed(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    if view.drive.status is not DriveStatus.CLOSED:
        return None  # while this waited, it was opened again, as its card says
    return Reply(
        chat_id=notice.chat_id,
        thread_id=view.drive.thread_id,
        text=closed_text(view, paper),
    )


async def _statement(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    """A message of its own: the totals do not wait for a paper."""
    drive = view.drive
    statement = await core.drives.treasury.public_statement(drive.id)
    assert statement is not None, "the drive is there"
    if statement.drive.shows is Shows.TOTALS or statement.drive.status is not DriveStatus.CLOSED:
        return None  # while this waited, it came to show no names, or was opened again
    return Reply(
        chat_id=notice.chat_id,
        thread_id=drive.thread_id,
        text=paper.texts.say(drive.language, "drive.statement", title=drive.title),
        document=await closing_paper(statement, paper, core.clock.now()),
        quiet=True,
    )


async def _join(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    drive, person_id = view.drive, int(details[0])
    name = await core.drives.treasurers.name_of(drive.id, person_id)
    language = await language_for(core, notice.chat_id)
    keys = tuple(
        Button(
            label=plain(paper.texts.say(language, f"treasurer.button.{what}")),
            does=Deed(
                action=f"d.{what}",
                subject=drive.id,
                argument=str(person_id),
                owner=notice.chat_id,
            ),
        )
        for what in ("agree", "refuse")
    )
    text = paper.texts.say(language, "treasurer.asks", name=name, title=drive.title)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=Keyboard(rows=(keys,)))


async def _named(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    """Somebody was named as a treasurer: will they?"""
    drive = view.drive
    name = await core.drives.treasurers.name_of(drive.id, int(details[0]))
    language = await language_for(core, notice.chat_id)
    text = paper.texts.say(language, "treasurer.named", name=name, title=drive.title)
    keys = accept_keys(drive.id, notice.chat_id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def _answered(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    """Whoever was named has answered, or somebody who runs the group has come in."""
    word = notice.topic.partition(":")[0]
    language = await language_for(core, notice.chat_id)
    name = await core.drives.treasurers.name_of(view.drive.id, int(details[0]))
    text = paper.texts.say(language, f"treasurer.{word}", name=name, title=view.drive.title)
    keys = manage_key(view.drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def _joined(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    language = await language_for(core, notice.chat_id)
    text = paper.texts.say(language, "treasurer.joined", title=view.drive.title)
    keys = manage_key(view.drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def _left(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    language = await language_for(core, notice.chat_id)
    name = await core.drives.treasurers.name_of(view.drive.id, int(details[0]))
    text = paper.texts.say(language, "treasurer.left", name=name, title=view.drive.title)
    keys = manage_key(view.drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def _gone(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    """A treasurer left the group: what do the others say?"""
    drive, person_id = view.drive, details[0]
    language = await language_for(core, notice.chat_id)
    name = await core.drives.treasurers.name_of(drive.id, int(person_id))
    keys = tuple(
        Button(
            label=plain(paper.texts.say(language, f"treasurer.button.{what}")),
            does=Deed(
                action=f"d.{what}", subject=drive.id, argument=person_id, owner=notice.chat_id
            ),
        )
        for what in ("off", "stay")
    )
    text = paper.texts.say(language, "treasurer.gone", name=name, title=drive.title)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=Keyboard(rows=(keys,)))


async def _alone(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    """None of its treasurers is in the group any more: an admin of it may come in."""
    drive = view.drive
    label = plain(paper.texts.say(drive.language, "treasurer.button.take"))
    does = Deed(action="d.take", subject=drive.id, argument=details[0])
    return Reply(
        chat_id=notice.chat_id,
        thread_id=drive.thread_id,
        text=paper.texts.say(drive.language, "treasurer.alone", title=drive.title),
        keyboard=Keyboard(rows=((Button(label=label, does=does),),)),
    )


async def _off(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply:
    """Who left was taken off: told to them and to the other treasurers."""
    title, person_id = view.drive.title, int(details[0])
    language = await language_for(core, notice.chat_id)
    if notice.chat_id == person_id:
        text = paper.texts.say(language, "treasurer.off-you", title=title)
        return Reply(chat_id=notice.chat_id, text=text)
    name = await core.drives.treasurers.name_of(view.drive.id, person_id)
    text = paper.texts.say(language, "treasurer.off", name=name, title=title)
    keys = manage_key(view.drive.id, paper, language)
    return Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def _pledge(
    core: Core, paper: Stationery, notice: Notice, view: CardView, details: list[str]
) -> Reply | None:
    found, now = await core.drives.pledging.reminded_of(details[0]), core.clock.now()
    if found is None or not takes_gifts(view.drive, now):
        return None
    pledge, left_kes = found
    if int(details[1]) < pledge.reminded:
        return None  # who let us in again after a while hears the last one, not all at once
    language, drive = await language_for(core, notice.chat_id), view.drive
    when = "due-today"
    if now < pledge.due_at:
        when = "due-soon"
    elif now >= pledge.due_at + DAY:
        when = "was-due"
    text = paper.texts.say(
        language,
        f"pledge.{when}",
        amount=kes(pledge.amount_kes),
        title=drive.title,
        **({} if when == "due-today" else {"day": paper.texts.day(language, pledge.due_at)}),
    )

    def key(what: str) -> Button:
        label = plain(paper.texts.say(language, f"pledge.button.{what}"))
        does = Deed(action=f"p.{what}", subject=pledge.id, owner=pledge.person_id)
        return Button(label=label, does=does)

    if left_kes < pledge.amount_kes:
        text += "\n" + paper.texts.say(language, "pledge.left", amount=kes(left_kes))
    [pay, *_] = offered(drive, paper, language, left_kes)
    rows = (pay, (key("tomorrow"), key("stop")), (key("withdraw"),))
    return Reply(chat_id=notice.chat_id, text=text, keyboard=Keyboard(rows=rows))


MAKERS: dict[str, Maker] = {
    "card": _card,
    "thanks": _thanks,
    "closed": _closed,
    "statement": _statement,
    "late": late,
    "went-back": went_back,
    "handed-back": handed_back,
    "reversed": turned,
    "again": turned,
    "join": _join,
    "joined": _joined,
    "named": _named,
    "accepted": _answered,
    "declined": _answered,
    "left": _left,
    "gone": _gone,
    "alone": _alone,
    "off": _off,
    "took": _answered,
    "pledge": _pledge,
}


async def dressed(core: Core, paper: Stationery, view: PaymentView, reply: Reply) -> Reply:
    """The status of a gift: for which drive, how the group sees it, and how to change that."""
    gift = await core.drives.giving.gift(view.intent.id)
    if gift is None or not view.intent.private:
        return reply
    drive = await core.drives.get(gift.drive_id)
    assert drive is not None, "a gift is to a drive"
    language, say = view.intent.language, paper.texts.say
    lines = [reply.text, _seen(view, gift, drive.title, drive.shows, paper)]
    payment = view.payment
    if payment.status is Status.PAID:
        word = await core.drives.late_word(drive, payment)
        lines += [] if word is None else [say(language, f"gift.late.{word}")]
    rows = () if reply.keyboard is None else reply.keyboard.rows
    if drive.shows is not Shows.TOTALS and not payment.superseded:
        rows = (*rows, *_gift_keys(gift, drive.shows, paper, language))
    return Reply(
        chat_id=reply.chat_id,
        thread_id=reply.thread_id,
        reply_to=reply.reply_to,
        text="\n".join(lines),
        keyboard=Keyboard(rows=rows),
    )


def _seen(view: PaymentView, gift: Gift, title: str, shows: Shows, paper: Stationery) -> str:
    language, say = view.intent.language, paper.texts.say
    if shows is Shows.TOTALS:
        return say(language, "gift.seen-nothing", title=title)
    name = gift.on_behalf or gift.name
    if gift.anonymous:
        name = plain(say(language, "drive.well-wisher"))
    if gift.hide_amount or shows is Shows.NAMES:
        return say(language, "gift.seen-hidden", title=title, name=name)
    cents = view.payment.credited_cents
    amount = kes(view.payment.amount_kes) if cents is None else money(cents)
    return say(language, "gift.seen", title=title, name=name, amount=amount)


def _gift_keys(
    gift: Gift, shows: Shows, paper: Stationery, language: str
) -> tuple[tuple[Button, ...], ...]:
    whats = ["named" if gift.anonymous else "unnamed"]
    if shows is Shows.ALL:
        whats.append("show" if gift.hide_amount else "hide")

    def key(what: str) -> Button:
        label = plain(paper.texts.say(language, f"gift.button.{what}"))
        does = Deed(action=f"g.{what}", subject=gift.intent_id, owner=gift.giver_id)
        return Button(label=label, does=does)

    return (tuple(key(what) for what in whats), (key("behalf"),))
