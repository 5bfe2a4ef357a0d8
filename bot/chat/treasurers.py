"""Treasurers: somebody offers to look after a drive, is let in, or steps down."""

from __future__ import annotations

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.drive_cards import accept_keys, manage_key
from bot.chat.treasury import actor, refusing
from bot.core.drive_acts import Answer
from bot.texts import plain
from storage.records import Button, Deed, Keyboard

__all__ = ["accepted", "agreed", "left", "offer", "offered"]


async def offer(turn: Turn, payload: str) -> None:
    """The link that a treasurer sends to somebody: `t_<code>`."""
    drive = await turn.core.drives.by_code(payload.removeprefix("t_"))
    if drive is None:
        await turn.answer(turn.say("give.old-link"))
        return
    if await turn.core.drives.treasurers.was_named(drive.id, turn.person.id):
        keys = accept_keys(drive.id, turn.person.id, turn.paper, turn.language)
        await turn.answer(turn.say("treasurer.named-you", title=drive.title), keys)
        return
    label = plain(turn.say("treasurer.button.offer"))
    does = Deed(action="d.offer", subject=drive.id, owner=turn.person.id)
    keys = Keyboard(rows=((Button(label=label, does=does),),))
    await turn.answer(turn.say("treasurer.offer", title=drive.title), keys)


async def offered(press: DeedPress) -> Toast:
    """ "Yes, I will": the treasurers are asked."""
    turn = press.turn
    closing = turn.closing(turn.reply(turn.say("treasurer.offered")))
    answer = await turn.core.drives.treasurers.ask_to_join(press.deed.subject, actor(turn), closing)
    return _outcome(turn, answer)


async def accepted(press: DeedPress) -> Toast:
    """Whoever was named says that they will, or will not."""
    turn, yes = press.turn, press.deed.action == "d.accept"
    drive = await turn.core.drives.get(press.deed.subject)
    if drive is None:
        return turn.toast("toast.old")
    key = "treasurer.joined" if yes else "treasurer.you-declined"
    keys = manage_key(drive.id, turn.paper, turn.language) if yes else None
    answer = await turn.core.drives.treasurers.accept(
        drive.id,
        actor(turn),
        yes=yes,
        closing=turn.closing(turn.reply(turn.say(key, title=drive.title), keys)),
    )
    return _outcome(turn, answer)


async def agreed(press: DeedPress) -> Toast:
    """A treasurer lets them in, or does not."""
    turn = press.turn
    answer = await turn.core.drives.treasurers.agree(
        press.deed.subject,
        actor(turn),
        person_id=int(press.deed.argument),
        yes=press.deed.action == "d.agree",
        closing=turn.closing(turn.reply(turn.say("treasury.done"))),
    )
    return _outcome(turn, answer)


async def left(press: DeedPress) -> Toast:
    """A treasurer steps down."""
    turn = press.turn
    closing = turn.closing(turn.reply(turn.say("treasurer.stepped-down")))
    answer = await turn.core.drives.treasurers.leave(press.deed.subject, actor(turn), closing)
    return _outcome(turn, answer)


def _outcome(turn: Turn, answer: Answer) -> Toast:
    if answer is Answer.DONE:
        return turn.toast("treasury.done")
    turn.closed = False
    return refusing(turn, answer)
