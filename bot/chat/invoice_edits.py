"""Invoice edits: answers to what was asked about an invoice, typed or pressed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoice_cards import quantity
from bot.chat.invoices import mark_of, refused, say_unclear
from bot.chat.parse import Unclear, cents_at, visible_words
from bot.chat.parse_due import read_day
from bot.chat.parse_invoice import AMOUNT_KES_MAX, ItemWords, is_phone, item_words
from bot.core.bills import item_cents
from bot.core.eat import day_of
from bot.core.invoice_acts import Done, No
from bot.core.invoice_talk import WORDS_CHARS_MAX
from bot.texts import clean, money, plain
from storage.records import Bill, BillItem, Closing, Draft, Etims, VatMode

__all__ = ["answer", "cash_all", "choose_due", "choose_vat", "typed"]

NOTE_CHARS_MAX = 300
NAME_CHARS_MAX = 64
ETIMS_CHARS_MAX = 64
ITEMS_MAX = 50
TAKE_OUT = ("-", "–", "—", "remove", "ondoa")
VAT = re.compile(
    r"(?P<rate>\d{1,2}(?:\.\d{1,2})?)\s*%?\s*(?P<how>incl\w*|ndani|excl\w*|on top|plus|juu)?",
    re.IGNORECASE,
)
INSIDE = ("incl", "ndani")

Change = Callable[[Bill], Bill]


async def typed(turn: Turn, draft: Draft) -> None:
    """The answer to a question about an invoice."""
    asked: dict[str, str] = json.loads(draft.data)
    invoice_id, what = asked["invoice"], asked["what"]
    match what:
        case "cash":
            await _cash(turn, draft, invoice_id)
        case "answer":
            await answer(turn, invoice_id, int(asked["place"]))
        case "etims":
            number, _, qr_text = turn.words.strip().partition("\n")
            etims = Etims(
                number=clean(number, limit=ETIMS_CHARS_MAX), qr_text=qr_text.strip() or None
            )
            await _unless_refused(
                turn,
                await turn.core.billing.note_etims(
                    invoice_id, etims=etims, by=turn.person.id, closing=_changed(turn)
                ),
            )
        case _:
            place, _, mark = asked.get("place", "").partition(":")
            if what == "item" and (told := await _not_so(turn, invoice_id, place, mark)):
                await turn.core.post.say(turn.answered(turn.reply(told)))
                return
            change = _change(turn, what, place)
            if isinstance(change, Unclear):
                await say_unclear(turn, change)
                return
            await _unless_refused(
                turn,
                await turn.core.billing.revise(
                    invoice_id, change, by=turn.person.id, closing=_changed(turn, what)
                ),
            )


async def answer(turn: Turn, invoice_id: str, entry_id: int) -> None:
    """These words go to the customer who asked."""
    said = await turn.core.invoice_talk.answer(
        invoice_id,
        entry_id=entry_id,
        by=turn.person.id,
        text=turn.words.strip()[:WORDS_CHARS_MAX],
        key=turn.key_of_words("answer"),
        closing=turn.answered(turn.reply(turn.say("answer.sent"))),
    )
    await _unless_refused(turn, said)


async def choose_due(press: DeedPress) -> Toast:
    """A day was pressed."""
    due_on = date.fromordinal(int(press.deed.argument))
    return await _revise(press, lambda bill: replace(bill, due_on=due_on))


async def choose_vat(press: DeedPress) -> Toast:
    """A way of taxing was pressed."""
    mode, _, rate = press.deed.argument.partition(":")
    return await _revise(press, lambda bill: replace(bill, vat=VatMode(mode), vat_bp=int(rate)))


async def cash_all(press: DeedPress) -> Toast:
    """All that is left came in cash."""
    key = f"cash:{press.turn.chat_id}:{press.button}"
    answer = await _write_cash(press.turn, press.deed.subject, int(press.deed.argument), key)
    again = isinstance(answer, Done) and answer.again
    return press.turn.toast("toast.cash-known") if again else Toast()


async def _revise(press: DeedPress, change: Change) -> Toast:
    turn = press.turn
    answer = await turn.core.billing.revise(
        press.deed.subject, change, by=turn.person.id, closing=_changed(turn)
    )
    await _unless_refused(turn, answer)
    return Toast()


async def _cash(turn: Turn, draft: Draft, invoice_id: str) -> None:
    words = visible_words(turn.words)
    found = cents_at(words, 0, most_kes=AMOUNT_KES_MAX) if words else None
    if found is None:
        await say_unclear(turn, Unclear("unclear.cash", {"text": turn.words}))
        return
    cents, end = found
    if isinstance(cents, Unclear):
        await say_unclear(turn, cents)
        return
    why = clean(" ".join(words[end:]), limit=NOTE_CHARS_MAX)
    await _write_cash(turn, invoice_id, cents, f"cash:{turn.chat_id}:{turn.message_id}", why)


async def _write_cash(
    turn: Turn, invoice_id: str, cents: int, key: str, why: str = ""
) -> Done | No:
    """Say with it for which invoice: a merchant may have been asked about another meanwhile."""
    view = await turn.core.billing.view(invoice_id, by=turn.person.id)
    label = "" if view is None else view.invoice.label
    text = turn.say("invoice.cash-noted", amount=money(cents), label=label)
    answer = await turn.core.cash_book.cash(
        invoice_id,
        cents=cents,
        by=turn.person.id,
        why=why,
        key=key,
        closing=turn.answered(turn.reply(text)),
    )
    await _unless_refused(turn, answer)
    return answer


def _changed(turn: Turn, what: str = "") -> Closing:
    """Committed with the change itself: a crash leaves both, or the question and the words."""
    words = item_words(turn.words.strip()) if what == "item" else None
    if not isinstance(words, ItemWords):
        return turn.answered(turn.reply(turn.say("invoice.changed")))
    item = _billed(words)
    text = turn.say(
        "invoice.item-written",
        what=item.what,
        quantity=quantity(item.quantity_milli),
        price=money(item.price_cents),
        amount=money(item_cents(item)),
    )
    return turn.answered(turn.reply(text))


async def _unless_refused(turn: Turn, answer: Done | No) -> None:
    if isinstance(answer, No):
        await turn.core.post.say(turn.answered(turn.reply(refused(turn, answer))))
    elif answer.again:
        turn.closed = False  # these words were carried out before, with an update of their own


def _change(turn: Turn, what: str, place: str) -> Change | Unclear:
    """What these words change about the bill."""
    text = turn.words.strip()
    match what:
        case "item":
            return _item(text, place)
        case "due":
            day = read_day(text, today=day_of(turn.written_at))
            return day if isinstance(day, Unclear) else lambda bill: replace(bill, due_on=day)
        case "customer":
            name = clean(text, limit=NAME_CHARS_MAX)
            if is_phone(name):
                return Unclear("unclear.phone-name")
            username = name[1:] if name.startswith("@") and " " not in name else None
            return lambda bill: replace(bill, customer=username or name, username=username)
        case "note":
            note = "" if text in TAKE_OUT else clean(text, limit=NOTE_CHARS_MAX)
            return lambda bill: replace(bill, note=note)
        case _:
            return _vat(text)


async def _not_so(turn: Turn, invoice_id: str, place: str, mark: str) -> str:
    """Why there can be no such item: the line is another one by now, or there are too many."""
    view = await turn.core.billing.view(invoice_id, by=turn.person.id)
    if view is None:
        return refused(turn, No.NOT_YOURS)
    items = view.invoice.bill.items
    if not place:
        full = len(items) >= ITEMS_MAX
        return turn.say("unclear.items", most=ITEMS_MAX) if full else ""
    same = int(place) < len(items) and mark_of(items[int(place)]) == mark
    return "" if same else refused(turn, No.STALE)


def _item(text: str, place: str) -> Change | Unclear:
    if place and text.lower() in TAKE_OUT:
        return lambda bill: replace(bill, items=_without(bill.items, int(place)))
    words = item_words(text)
    if isinstance(words, Unclear):
        return words
    item = _billed(words)
    if not place:
        return lambda bill: replace(bill, items=(*bill.items, item))
    return lambda bill: replace(bill, items=_in_place(bill.items, int(place), item))


def _billed(words: ItemWords) -> BillItem:
    return BillItem(
        what=words.what, quantity_milli=words.quantity_milli, price_cents=words.price_cents
    )


def _without(items: tuple[BillItem, ...], place: int) -> tuple[BillItem, ...]:
    return (*items[:place], *items[place + 1 :])


def _in_place(items: tuple[BillItem, ...], place: int, item: BillItem) -> tuple[BillItem, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _vat(text: str) -> Change | Unclear:
    if text.lower() in ("0", "no", "none", "hakuna", "bila"):
        return lambda bill: replace(bill, vat=VatMode.NONE, vat_bp=0)
    found = VAT.fullmatch(text)
    if found is None:
        return Unclear("unclear.vat", {"text": plain(text)})
    rate_bp = int(Decimal(found["rate"]) * 100)
    how = (found["how"] or "incl").lower()
    mode = VatMode.INCLUSIVE if how.startswith(INSIDE) else VatMode.EXCLUSIVE
    return lambda bill: replace(bill, vat=mode, vat_bp=rate_bp)
