"""Start: the first words to a person or a group, `/cancel`, and what we answer to the rest."""

from __future__ import annotations

from bot.chat import bills
from bot.chat.cards import practice_line
from bot.chat.context import Turn
from bot.chat.drive_routes import start_payload
from bot.chat.pay import INVOICE_LINK
from bot.chat.person import phone
from storage.records import Closing, Keyboard

__all__ = ["SHARE_PHONE", "cancel", "joined", "start", "unknown"]

SHARE_PHONE = "phone"
"""The payload of the link that a group offers for sharing one's number in private."""


async def start(turn: Turn) -> None:
    """Greets. A link's payload that we do not know is met like none: it may be an old one."""
    if turn.private:
        await turn.core.post.returned(turn.chat_id)
        if await turn.core.merchants.get(turn.person.id) is not None:
            turn.refresh_menu(turn.person.id)  # appointed before there was a chat to put it in
    payload = turn.words.strip()
    if payload == SHARE_PHONE and turn.private:
        await phone(turn)
        return
    if turn.private and payload and await start_payload(turn, payload):
        return
    if payload.startswith(INVOICE_LINK) and turn.private:
        await bills.open_link(turn, payload.removeprefix(INVOICE_LINK))
        return
    lines = [
        turn.say(
            "start.hello",
            name=turn.person.first_name,
            collector=turn.core.collector.name,
            pay=turn.command("pay"),
            help=turn.command("help"),
        ),
        practice_line(turn.core.collector, turn.paper.texts, turn.language),
    ]
    await turn.answer("\n".join(line for line in lines if line))


async def cancel(turn: Turn) -> None:
    """Drops the open question. A prompt on a phone can only be cancelled there."""
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    key = "cancel.nothing" if draft is None else "cancel.done"
    keys = Keyboard(remove=True) if draft is not None and turn.private else None
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        closing=turn.closing(turn.reply(turn.say(key), keys)),
    )


async def unknown(turn: Turn, *, command: bool) -> None:
    """One line in private; in a group it was meant for somebody else."""
    if turn.private and not turn.edited:
        key = "unknown.command" if command else "unknown.words"
        await turn.answer(turn.say(key, pay=turn.command("pay"), help=turn.command("help")))


async def joined(turn: Turn) -> None:
    """We were added to a group: how to pay here, the cards of open drives, what was missed."""
    await turn.core.drives.came_back(turn.chat_id, Closing())
    await turn.core.post.returned(turn.chat_id)
    await turn.answer(
        turn.say("start.group", pay=turn.command("pay"), collector=turn.core.collector.name)
    )
