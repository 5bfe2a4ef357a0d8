"""
Giving: `/give`, the buttons of a drive's card, and what is still to be asked, in private.

The group sees a drive's card and its thanks. How a gift goes, and that it failed, is told to the
giver alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.chat.answers import refusal_text, unclear_text
from bot.chat.asides import (
    answered_in_time,
    aside,
    aside_reply,
    door,
    hide_number,
    invite,
    key_of_press,
    leads_in_private,
    pressed_before,
)
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import offered, sheet
from bot.chat.give_words import NAME_CHARS_MAX, Wish, give_words
from bot.chat.keyboards import share_number
from bot.chat.parse import Unclear, read_amount
from bot.chat.read_late import read_late
from bot.core.ask import Asked, Refusal
from bot.core.drives import GiveRequest
from bot.core.phones import BadPhone, mask, read_phone
from bot.texts import clean, kes
from storage.records import (
    OPEN,
    Button,
    Closing,
    Deed,
    Draft,
    DraftKind,
    Drive,
    DriveStatus,
    Keyboard,
    Reply,
    Whisper,
)

__all__ = [
    "RESUME",
    "chosen",
    "give",
    "give_pressed",
    "opened",
    "phone_shared",
    "resumed",
    "written",
]

DRAFT_LIFE = timedelta(minutes=30)
CODE_CHARS = 12
RESUME = "give"
"""The payload of the link that goes on with a gift in private."""


async def give(turn: Turn) -> None:
    """`/give <amount> [phone] [from somebody]`: to the open drive of this chat."""
    if turn.edited:
        return
    found = give_words(turn.words)
    if isinstance(found, Unclear):
        await _unclear(turn, found)
        return
    words, on_behalf, anonymous = found
    key = f"m:{turn.chat_id}:{turn.message_id}"
    if await read_late(turn, key):
        await _privately(turn, _too_old(turn))
        return
    phone = None
    if words.phone_text is not None:
        if not turn.private and turn.message_id is not None:
            turn.desk.beside(hide_number(turn, turn.message_id))
        try:
            phone = read_phone(words.phone_text)
        except BadPhone as exc:
            await _privately(turn, turn.say(f"phone-problem.{exc.reason}"))
            return
    wish = Wish(
        key=key,
        chat_id=None if turn.private else turn.chat_id,
        amount_kes=words.amount_kes,
        phone=phone,
        on_behalf=on_behalf,
        anonymous=anonymous,
    )
    await _go_on(turn, wish, resumed=False)


async def give_pressed(press: DeedPress) -> Toast:
    """A button with an amount, or "other": on the card, or in private."""
    turn, drive = press.turn, await press.turn.core.drives.get(press.deed.subject)
    if (before := await pressed_before(turn)) is not None:
        return before
    if drive is None:
        return turn.toast("toast.old")
    if drive.status is not DriveStatus.OPEN:
        closed = drive.status is DriveStatus.CLOSED
        return turn.toast(f"refusal.drive-{'closed' if closed else 'paused'}", alert=True)
    argument = press.deed.argument
    amount = int(argument.rstrip("a")) if argument else None
    wish = Wish(
        key=key_of_press(turn),
        drive_id=drive.id,
        amount_kes=amount,
        anonymous=True if argument.endswith("a") else None,
    )
    phone = turn.person.phone
    if not turn.private and (not turn.person.reachable or amount is None or phone is None):
        ending = "" if amount is None else f"_{amount}"
        return door(turn, f"d_{drive.code}{ending}")
    if amount is None or phone is None:
        await _go_on(turn, wish, resumed=False)
        return Toast()
    words = turn.toast("give.toast", phone=mask(phone), amount=kes(amount))
    if not await answered_in_time(press, words.text):
        await _ask_again(turn, drive, amount)
        return Toast(given=True)
    await _go_on(turn, wish, resumed=False, query_id=press.query_id)
    return Toast(given=True)


async def opened(turn: Turn, payload: str) -> None:
    """A link of a drive, opened in private: `d_<code>` or `d_<code>_<amount>`."""
    after = payload.removeprefix("d_")
    # A code may hold an underscore itself; it is as long as every other.
    code, amount = after[:CODE_CHARS], after[CODE_CHARS:].lstrip("_")
    drive = await turn.core.drives.by_code(code)
    view = None if drive is None else await turn.core.drives.card_view(drive.id)
    if view is None:
        await turn.answer(turn.say("give.old-link"))
        return
    wanted = read_amount(amount) if amount.isdecimal() else None
    amount_kes = wanted if isinstance(wanted, int) else None
    made = sheet(view, turn.paper, language=turn.language, amount_kes=amount_kes)
    await turn.answer(made.text, made.keyboard)


async def resumed(turn: Turn) -> None:
    """The link that goes on in private with a gift that was begun in a group."""
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if draft is None or draft.kind is not DraftKind.GIVE:
        await turn.answer(turn.say("give.none-known"))
        return
    await _answered(turn, Wish.unpacked(draft.data))


async def written(turn: Turn, draft: Draft) -> None:
    """The answer to "how much?" or "which number?"."""
    wish = Wish.unpacked(draft.data)
    if wish.amount_kes is None:
        amount = read_amount(turn.words)
        if isinstance(amount, Unclear):
            await _unclear(turn, amount)
            return
        await _answered(turn, replace(wish, amount_kes=amount))
        return
    try:
        phone = read_phone(turn.words)
    except BadPhone as exc:
        await turn.answer(turn.say(f"phone-problem.{exc.reason}"))
        return
    await _answered(turn, replace(wish, phone=phone))


async def phone_shared(turn: Turn, draft: Draft, phone: str) -> None:
    """The answer to "which number?", by Telegram's own button."""
    await _answered(turn, replace(Wish.unpacked(draft.data), phone=phone))


async def chosen(press: DeedPress) -> Toast:
    """The answer to "which drive?"; what was wished since has a question of its own."""
    turn = press.turn
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if draft is None or draft.kind is not DraftKind.GIVE:
        return turn.toast("toast.old")
    wish = Wish.unpacked(draft.data)
    if not press.deed.argument:
        # A button of an older version does not tell which wish it is about.
        await _ask(turn, wish, await _candidates(turn, wish))
        return Toast()
    if press.deed.argument != wish.mark:
        return turn.toast("give.other-wish", alert=True)
    await _go_on(turn, replace(wish, drive_id=press.deed.subject), resumed=True)
    return Toast()


async def _answered(turn: Turn, wish: Wish) -> None:
    """Written in answer to a question: the wish goes on, unless we read that too late."""
    if not await read_late(turn, wish.key):
        await _go_on(turn, wish, resumed=True)
        return
    closing = turn.closing(aside_reply(turn, _too_old(turn), Keyboard(remove=True)))
    chat_id = turn.person.id
    await turn.core.people.drop_draft(chat_id=chat_id, person_id=chat_id, closing=closing)


def _too_old(turn: Turn) -> str:
    return turn.say("give.too-old", when=turn.paper.texts.when(turn.language, turn.written_at))


async def _go_on(turn: Turn, wish: Wish, *, resumed: bool, query_id: str | None = None) -> None:
    """Ask for what is missing, in private; with nothing missing, send the prompt."""
    if (known := await turn.core.asking.known(wish.key)) is not None:
        # Carried out once more: nothing is missing, whatever was closed or forgotten since.
        drive = await turn.core.drives.get((known.subject or "").removeprefix("d:"))
        await _tell(turn, wish, drive, Asked(payment=known, again=True), resumed=resumed)
        return
    drives = await _candidates(turn, wish)
    if len(drives) == 1:
        wish = replace(wish, drive_id=drives[0].id)
    elif not drives:
        key = "give.none-known" if turn.private else "give.no-drive"
        values = {} if turn.private else {"command": turn.command("newdrive")}
        await _privately(turn, turn.say(key, **values), payload=RESUME)
        return
    if wish.phone is None:
        wish = replace(wish, phone=turn.person.phone)
    if wish.drive_id is None or wish.amount_kes is None or wish.phone is None:
        await _ask(turn, wish, drives)
        return
    await _send(turn, wish, drives[0], resumed=resumed, query_id=query_id)


async def _candidates(turn: Turn, wish: Wish) -> list[Drive]:
    """Which drives may be meant: those of the chat, in a topic those of the topic first."""
    drives = turn.core.drives
    if wish.drive_id is not None:
        found = await drives.get(wish.drive_id)
        return [] if found is None else [found]
    if wish.chat_id is None:
        return await drives.known_to(turn.person.id)
    of_chat = await drives.in_chat(wish.chat_id)
    here = [each for each in of_chat if turn.thread_id and each.thread_id == turn.thread_id]
    return here or of_chat


async def _ask(turn: Turn, wish: Wish, drives: list[Drive]) -> None:
    """The next question; kept, so that it can be answered after a restart."""
    draft = Draft(
        chat_id=turn.person.id,
        person_id=turn.person.id,
        kind=DraftKind.GIVE,
        data=wish.packed(),
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    if not leads_in_private(turn):
        await turn.core.people.keep_draft(draft, Closing())
        one = drives[0].title if len(drives) == 1 else None
        text = turn.say("give.invite-any") if one is None else turn.say("give.invite", title=one)
        await invite(turn, text, RESUME, once_as="give")
        return
    question = aside_reply(turn, *_question(turn, wish, drives))
    await turn.core.people.keep_draft(draft, turn.closing(question))


def _question(turn: Turn, wish: Wish, drives: list[Drive]) -> tuple[str, Keyboard | None]:
    if wish.drive_id is None:
        keys = tuple(
            (
                Button(
                    label=clean(each.title, limit=NAME_CHARS_MAX),
                    does=Deed(
                        action="d.chosen",
                        subject=each.id,
                        argument=wish.mark,
                        owner=turn.person.id,
                    ),
                ),
            )
            for each in drives
        )
        assert wish.amount_kes is not None, "who presses a drive's button has chosen the drive"
        return turn.say("give.which", amount=kes(wish.amount_kes)), Keyboard(rows=keys)
    title = drives[0].title
    if wish.amount_kes is None:
        return turn.say("give.how-much", title=title), Keyboard(force_reply="500")
    text = turn.say("give.which-phone", amount=kes(wish.amount_kes), title=title)
    return text, share_number(turn.paper.texts, turn.language)


async def _send(
    turn: Turn, wish: Wish, drive: Drive, *, resumed: bool, query_id: str | None
) -> None:
    """
    The prompt. It is committed before the draft is dropped and the update done: a crash between
    the two replays the update, and the key of the wish finds the same gift.
    """
    assert wish.amount_kes is not None, "nothing is missing"
    assert wish.phone is not None, "nothing is missing"
    person = turn.person
    answer = await turn.core.drives.give(
        GiveRequest(
            drive_id=drive.id,
            giver_id=person.id,
            chat_id=person.id,
            name=clean(person.first_name, limit=NAME_CHARS_MAX),
            amount_kes=wish.amount_kes,
            phone=wish.phone,
            language=turn.language,
            ask_key=wish.key,
            on_behalf=wish.on_behalf,
            anonymous=wish.anonymous,
            whisper=_place(turn, query_id),
        )
    )
    await _tell(turn, wish, drive, answer, resumed=resumed)


async def _tell(
    turn: Turn, wish: Wish, drive: Drive | None, answer: Asked | Refusal, *, resumed: bool
) -> None:
    """What is said of the answer, which ends the update and the question."""
    said = _said(turn, answer, wish, resumed=resumed)
    replies = [said] if said is not None and leads_in_private(turn) else []
    if not leads_in_private(turn):
        if isinstance(answer, Asked):
            out = "sent" if answer.payment.status in OPEN else "went"
            text = turn.say(f"give.invite-{out}", phone=answer.payment.phone_mask)
        else:
            assert said is not None, "a refusal is said"
            text = said.text
        # Each giver is told: a prompt of which nobody knows is paid twice.
        payload = RESUME if drive is None else f"d_{drive.code}"
        await invite(turn, text, payload, once_as=f"gave:{wish.key}")
        return
    closing = turn.closing(*replies)
    if resumed:
        chat_id = turn.person.id
        await turn.core.people.drop_draft(chat_id=chat_id, person_id=chat_id, closing=closing)
    else:
        await turn.core.post.say(closing)


def _place(turn: Turn, query_id: str | None) -> Whisper | None:
    """Where in the group they may be told how it goes; None where they gave in private."""
    if turn.private:
        return None
    return Whisper(chat_id=turn.chat_id, thread_id=turn.thread_id, query_id=query_id)


def _said(turn: Turn, answer: Asked | Refusal, wish: Wish, *, resumed: bool) -> Reply | None:
    """What is said beside the status message that follows a gift; it takes the keyboard away."""
    keys = Keyboard(remove=True) if resumed else None
    if isinstance(answer, Refusal):
        now = turn.core.clock.now()
        text = refusal_text(answer, turn.language, turn.paper.texts, now=now)
        return aside_reply(turn, text, keys)
    amount, shown = answer.payment.amount_kes, answer.payment.phone_mask
    # A wish that names no number is of the one that was remembered then.
    wished = shown if wish.phone is None else mask(wish.phone)
    gone = resumed and answer.payment.status not in OPEN
    if answer.again and (gone or (amount, shown) != (wish.amount_kes, wished)):
        text = turn.say("give.asked-before", amount=kes(amount), phone=shown)
        return aside_reply(turn, text, keys)
    if resumed:
        return aside_reply(turn, turn.say("phone.used", phone=shown), keys)
    return None


async def _privately(turn: Turn, text: str, *, payload: str = RESUME) -> None:
    """Told to the one who wrote, alone; where we cannot, the group is not told instead."""
    if leads_in_private(turn):
        await aside(turn, text)
        return
    await invite(turn, turn.say("give.invite-any"), payload, once_as="give")


async def _unclear(turn: Turn, unclear: Unclear) -> None:
    command = turn.command("give") if turn.private else f"/give@{turn.username}"
    if unclear.key == "unclear.empty":
        await _privately(turn, turn.say("give.usage", command=command))
        return
    await _privately(turn, unclear_text(unclear, turn.language, turn.paper.texts, pay=command))


async def _ask_again(turn: Turn, drive: Drive, amount_kes: int) -> None:
    """Pressed too long ago: offer the same with a fresh button, in private."""
    text = turn.say("give.stale", amount=kes(amount_kes), title=drive.title)
    rows = tuple(offered(drive, turn.paper, turn.language, amount_kes))
    await aside(turn, text, Keyboard(rows=rows))
