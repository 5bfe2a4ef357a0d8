"""Ledgers: `/invoices` and `/today`: what a merchant has open, and what the day brought."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoices import may_invoice, today_of
from bot.chat.ledger_words import day_text, list_text
from bot.core.ledgers import InvoicePart, Which
from bot.core.reminders import Remind, Reminded
from bot.texts import money, plain
from storage.records import Button, Deed, Keyboard

__all__ = ["GOES_OUT", "invoices", "page", "remind", "today"]

PER_ROW = 3
GOES_OUT = (Reminded.SENT, Reminded.BLOCKED, Reminded.ALREADY)
"""Answers after which the customer is reminded, now or later."""


async def invoices(turn: Turn) -> None:
    """`/invoices` lists what is open; `/invoices Peter` those that say so."""
    if await may_invoice(turn) is None:
        return
    words = turn.words.strip()
    if not words:
        await _answer(turn, Which.OPEN, await turn.core.ledgers.page(turn.person.id, Which.OPEN))
        return
    found = await turn.core.ledgers.search(turn.person.id, words)
    if not found:
        await turn.answer(turn.say("list.nothing-found", text=words))
        return
    lines = list_text(found, turn.paper.texts, turn.language, today=today_of(turn))
    text = "\n".join([turn.say("list.found", text=words), *lines])
    part = InvoicePart(found=found, older=None, newer=None)
    await turn.answer(text, Keyboard(rows=tuple(_shown(turn, part))))


async def page(press: DeedPress) -> Toast:
    """Another page of a list, or another list."""
    turn = press.turn
    if turn.person.id != int(press.deed.subject):
        return turn.toast("toast.not-yours")
    kind, _, edge = press.deed.argument.partition(":")
    below = edge[1:] if edge.startswith("<") else None
    above = edge[1:] if edge.startswith(">") else None
    which = Which(kind)
    part = await turn.core.ledgers.page(turn.person.id, which, below=below, above=above)
    await _answer(turn, which, part)
    return Toast()


async def today(turn: Turn) -> None:
    """What came today, and what is still owed."""
    if await may_invoice(turn) is None:
        return
    day = await turn.core.ledgers.day(turn.person.id)
    await turn.answer(day_text(day, turn.paper.texts, turn.language, today=today_of(turn)))


async def remind(press: DeedPress) -> Toast:
    """A polite word to the customer: now, planned, no more; or ask me later."""
    turn = press.turn
    answer = await turn.core.reminders.remind(
        press.deed.subject,
        Remind(press.deed.argument),
        by=turn.person.id,
        closing=turn.closing(),
    )
    said = turn.toast(f"reminded.{answer}", alert=True)
    if answer in GOES_OUT:
        view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
        cents = 0 if view is None else view.sums.unknown_cents
        if cents:
            more = plain(turn.say("invoice.unknown", unknown=money(cents)))
            said = replace(said, text=f"{said.text} {more}")
    return said


async def _answer(turn: Turn, which: Which, part: InvoicePart) -> None:
    lines = list_text(part.found, turn.paper.texts, turn.language, today=today_of(turn))
    head = turn.say(f"list.of.{which}") if lines else turn.say(f"list.none.{which}")
    if which is Which.OPEN and lines:
        count, left = await turn.core.ledgers.owed(turn.person.id)
        head = turn.say("list.open-of", count=count, sum=money(left))
    rows = [*_shown(turn, part), _turning(turn, which, part), *_others(turn, which)]
    await turn.answer("\n".join([head, *lines]), Keyboard(rows=tuple(row for row in rows if row)))


def _shown(turn: Turn, part: InvoicePart) -> list[tuple[Button, ...]]:
    """A button for each invoice, three in a row."""
    buttons = [
        Button(
            label=each.invoice.label,
            does=Deed(action="inv-show", subject=each.invoice.id, owner=turn.person.id),
        )
        for each in part.found
    ]
    starts = range(0, len(buttons), PER_ROW)
    return [tuple(buttons[start : start + PER_ROW]) for start in starts]


def _turning(turn: Turn, which: Which, part: InvoicePart) -> tuple[Button, ...]:
    newer = (
        []
        if part.newer is None
        else [_to(turn, turn.say("button.newer"), f"{which}:>{part.newer}")]
    )
    older = (
        []
        if part.older is None
        else [_to(turn, turn.say("button.older"), f"{which}:<{part.older}")]
    )
    return (*newer, *older)


def _others(turn: Turn, which: Which) -> list[tuple[Button, ...]]:
    """The other lists, two in a row."""
    buttons = [
        _to(turn, turn.say(f"button.list.{each}"), each.value)
        for each in Which
        if each is not which
    ]
    return [tuple(buttons[start : start + 2]) for start in range(0, len(buttons), 2)]


def _to(turn: Turn, label: str, argument: str) -> Button:
    deed = Deed(
        action="inv-list",
        subject=str(turn.person.id),
        argument=argument,
        owner=turn.person.id,
    )
    return Button(label=plain(label), does=deed)
