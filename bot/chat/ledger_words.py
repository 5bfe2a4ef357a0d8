"""Ledger words: lists of invoices, days and debts as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from bot.core.ledgers import Ageing, Day, Listed, Takings
from bot.texts import Texts, money, signed
from storage.records import Decided

__all__ = ["ageing_text", "day_text", "list_text"]


def day_text(
    day: Day, texts: Texts, language: str, *, today: date, evening_before: Takings | None = None
) -> str:
    """What a day brought and what is still owed; with what the last summary was too early for."""
    takings = day.takings
    lines = [
        texts.say(
            language,
            "day.head",
            day=texts.day(language, day.day, today=today),
            sum=money(takings.cents),
        ),
        texts.say(
            language,
            "day.counts",
            paid=takings.paid,
            failed=takings.failed,
            undecided=takings.undecided,
        ),
    ]
    if takings.cash_cents:
        lines.append(texts.say(language, "day.cash", cash=money(takings.cash_cents)))
    if takings.earlier_cents:
        change = signed(takings.earlier_cents)
        lines.append(texts.say(language, "day.taken-back", change=change))
    if takings.given_back_cents:
        change = signed(takings.given_back_cents)
        lines.append(texts.say(language, "day.given-back", change=change))
    if evening_before is not None and evening_before.cents:
        lines.append(texts.say(language, "day.evening", sum=money(evening_before.cents)))
    if day.open_count:
        lines.append(
            texts.say(
                language,
                "day.open",
                count=day.open_count,
                sum=money(day.open_cents),
                late=day.overdue_count,
            )
        )
    return "\n".join([*lines, *ageing_text(day.ageing, texts, language)])


def ageing_text(ageing: Sequence[Ageing], texts: Texts, language: str) -> list[str]:
    """What is late, a line for each step; nothing where nothing is late."""
    late = [each for each in ageing if each.label != "0"]
    return [
        texts.say(
            language,
            "day.ageing",
            days=each.label,
            count=each.count,
            sum=money(each.left_cents),
        )
        for each in late
    ]


def list_text(found: Sequence[Listed], texts: Texts, language: str, *, today: date) -> list[str]:
    """A line for each invoice."""
    lines = []
    for each in found:
        invoice = each.invoice
        issued = invoice.decided is Decided.ISSUED
        late = issued and each.left_cents > 0 and invoice.due_on < today
        key = "list.late" if late else "list.line"
        lines.append(
            texts.say(
                language,
                key,
                label=invoice.label,
                customer=invoice.bill.customer,
                left=money(each.left_cents or invoice.total_cents),
                due=texts.day(language, invoice.due_on, today=today),
            )
        )
    return lines
