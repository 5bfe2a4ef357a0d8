"""Privacy: `/privacy`: what is kept about somebody, all of it as files, and to be forgotten."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

from bot.chat.context import Toast, Turn
from bot.core.privacy import Asked, Forgotten, MyData
from bot.texts import EAT, plain
from storage.records import Button, Closing, Deed, Document, Keyboard, Merchant, Reply

__all__ = ["delete_me", "delete_me_sure", "my_data", "privacy"]

COLUMNS = (
    *("asked_at", "amount_kes", "phone", "note", "status", "credited_kes", "receipt", "paid_at"),
    *("account", "id"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would work out instead of showing."""


async def privacy(turn: Turn) -> None:
    """What is kept, why, for how long, who can see it, and how to have it, or have it forgotten."""
    buttons = (
        _button(turn, "my-data", turn.say("button.my-data")),
        _button(turn, "delete-me", turn.say("button.delete-me"), style="danger"),
    )
    text = turn.say("privacy", collector=turn.core.collector.name)
    await turn.answer(text, Keyboard(rows=(buttons,)))


async def my_data(turn: Turn) -> Toast:
    """A press of "my data": two files, in private."""
    if not turn.private:
        return turn.toast("toast.old")
    data = await turn.core.privacy.my_data(turn.person.id)
    files = (
        Document(filename="my-data.json", content=_as_json(data)),
        Document(filename="my-payments.csv", content=_as_csv(data)),
    )
    captions = (
        turn.say("my-data.all", count=len(data.asked)),
        turn.say("my-data.payments"),
    )
    replies = [
        Reply(chat_id=turn.chat_id, text=caption, document=file)
        for caption, file in zip(captions, files, strict=True)
    ]
    await turn.core.post.say(turn.closing(*replies))
    return Toast()


async def delete_me(turn: Turn) -> Toast:
    """A press of "delete me": what goes, what stays, and are they sure?"""
    if not turn.private:
        return turn.toast("toast.old")
    sure = _button(turn, "delete-me-sure", turn.say("button.delete-me-sure"), style="danger")
    text = turn.say("delete-me.sure", collector=turn.core.collector.name)
    await turn.answer(text, Keyboard(rows=((sure,),)))
    return Toast()


async def delete_me_sure(turn: Turn) -> Toast:
    """They are sure."""
    if not turn.private:
        return turn.toast("toast.old")

    def recent(over_at: datetime) -> Closing:
        now = turn.core.clock.now()
        until = turn.desk.texts.until(turn.language, over_at, now=now)
        return turn.closing(turn.reply(turn.say("delete-me.recent", until=until)))

    answer = await turn.core.privacy.forget(
        turn.person.id,
        done=turn.closing(turn.reply(turn.say("delete-me.done"), Keyboard(remove=True))),
        waiting=turn.closing(turn.reply(turn.say("delete-me.waiting"))),
        needed=turn.closing(turn.reply(turn.say("delete-me.needed", command="/drive"))),
        owed=turn.closing(turn.reply(turn.say("delete-me.owed", command="/invoices"))),
        recent=recent,
    )
    return turn.toast("toast.forgotten") if answer is Forgotten.DONE else Toast()


def _as_json(data: MyData) -> bytes:
    person = data.person
    whole = {
        "taken_at": _when(data.at),
        "you": {
            "telegram_id": person.id,
            "first_name": person.first_name,
            "language": person.language,
            "telegram_language": person.telegram_language,
            "phone": None if person.phone is None else f"+{person.phone}",
        },
        "payments": [
            {
                **_facts(each),
                "words": sorted(each.payment.words),
                "messages_you_pasted": list(each.pasted),
                "whole_number_shown_at": [_when(at) for at in each.looks],
            }
            for each in data.asked
        ],
        "drives": [
            {
                "what": each.what,
                "drive": each.title,
                "name": each.name,
                "on_behalf_of": each.on_behalf or None,
                "state": each.state or None,
                "amount_kes": each.amount_kes,
                "at": _when(each.at),
            }
            for each in data.in_drives
        ],
        "invoices": [
            {
                "what": each.what,
                "invoice": each.label,
                "merchant": each.merchant,
                "words": each.words or None,
                "amount_kes": _kes(each.cents) if each.cents else None,
                "at": _when(each.at),
            }
            for each in data.on_invoices
        ],
        "merchant": None if data.merchant is None else _profile(data.merchant),
    }
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def _profile(merchant: Merchant) -> dict[str, Any]:
    return {
        "name": merchant.name,
        "kra_pin": merchant.kra_pin,
        "due_days": merchant.due_days,
        "language": merchant.language,
        "since": _when(merchant.appointed_at),
        "until": None if merchant.revoked_at is None else _when(merchant.revoked_at),
    }


def _as_csv(data: MyData) -> bytes:
    """With the mark by which spreadsheets know UTF-8."""
    file = io.StringIO()
    rows = csv.DictWriter(file, COLUMNS)
    rows.writeheader()
    for each in data.asked:
        rows.writerow({name: _cell(value) for name, value in _facts(each).items()})
    return file.getvalue().encode("utf-8-sig")


def _facts(asked: Asked) -> dict[str, Any]:
    payment = asked.payment
    credited = payment.credited_cents
    return {
        "asked_at": _when(payment.created_at),
        "amount_kes": payment.amount_kes,
        "phone": f"+{asked.phone}",
        "note": asked.note,
        "status": payment.status.value,
        "credited_kes": None if credited is None else _kes(credited),
        "receipt": payment.receipt,
        "paid_at": None if payment.paid_at is None else _when(payment.paid_at),
        "account": asked.account,
        "id": payment.id,
    }


def _kes(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is shown as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _when(at: datetime) -> str:
    return f"{at.astimezone(EAT):%Y-%m-%d %H:%M:%S}"


def _button(turn: Turn, action: str, label: str, *, style: str | None = None) -> Button:
    person_id = turn.person.id
    does = Deed(action=action, subject=str(person_id), owner=person_id)
    return Button(label=plain(label), does=does, style=style)
