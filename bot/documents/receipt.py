"""Receipt: what a payer gets on paper for one payment, A5, with the page that proves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.documents.words import Words, line

if TYPE_CHECKING:
    from bot.documents.page import Page

__all__ = ["Method", "Receipt", "Reversal", "method_word", "receipt_pdf"]


class Method(StrEnum):
    """How money came, as a reader of papers tells it apart."""

    MPESA = "mpesa"  # by a prompt of ours
    BY_HAND = "by-hand"  # to the Paybill or Till, typed by the payer
    CASH = "cash"  # told by a treasurer or merchant
    REVERSAL = "reversal"  # went back
    CORRECTION = "correction"  # a wrong entry made right by another


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """Money of a payment that went back."""

    cents: int  # above nothing
    at: datetime  # aware
    receipt: str | None  # M-Pesa's code of the reversal


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One payment that is paid. No whole phone number: a receipt is passed on."""

    collector: str  # merchant, drive or group that has the money
    payer: str  # a name, or the mask of the line
    amount_cents: int  # as it was paid, before any reversal
    method: Method = Method.MPESA
    receipt: str | None  # M-Pesa's code; None: to follow, or cash
    paid_at: datetime  # aware
    made_at: datetime  # aware
    account: str  # the account reference that the payer saw
    what_for: str = ""
    on_behalf_of: str = ""
    recorded_by: str = ""  # who wrote the cash down
    page_url: str | None = None  # where a third party checks it
    logo: bytes | None = None  # PNG or JPEG
    kra_pin: str | None = None
    late: bool = False  # arrived after we had called it failed
    reversals: tuple[Reversal, ...] = ()
    practice: bool = False  # of the sandbox or the demo: says so across the page


def method_word(words: Words, method: Method) -> str:
    """`M-Pesa`, `cash` …, in the reader's language."""
    return words.say(f"paper.method.{method}")


def receipt_pdf(receipt: Receipt, words: Words) -> bytes:
    """The receipt as a PDF, about 60 kB. Takes tens of milliseconds: run it in a thread."""
    from bot.documents.page import GREEN, GREY, RED, Page

    code = receipt.receipt or words.say("code-to-follow")
    gone = sum(each.cents for each in receipt.reversals)
    stamp = ""
    if receipt.practice:
        stamp = words.say("paper.stamp.practice")
    elif gone >= receipt.amount_cents:
        stamp = words.say("paper.stamp.reversed")
    page = Page(
        words,
        title=words.say("paper.receipt.title", code=code),
        author=receipt.collector,
        made_at=receipt.made_at,
        foot=words.say("paper.made", when=words.when(receipt.made_at)),
        stamp=(stamp, RED) if stamp else None,
    )
    pin = words.say("paper.kra-pin", pin=line(receipt.kra_pin)) if receipt.kra_pin else ""
    page.letterhead(receipt.collector, receipt.logo, pin)

    page.ink(11, colour=GREY)
    page.put(words.say("paper.receipt.head"))
    page.ink(26, bold=True, colour=RED if gone else GREEN)
    page.put(words.money(receipt.amount_cents))
    page.ln(2)
    page.ink(11)
    page.facts(_facts(receipt, words), label_mm=42)
    _reversals(page, receipt, gone)
    _proof(page, receipt)
    return page.finished()


def _facts(receipt: Receipt, words: Words) -> list[tuple[str, str]]:
    cash = receipt.method is Method.CASH
    return [
        (words.say("paper.from"), line(receipt.payer)),
        (words.say("paper.on-behalf-of"), line(receipt.on_behalf_of)),
        (words.say("paper.what-for"), line(receipt.what_for, 200)),
        (words.say("paper.code"), "" if cash else receipt.receipt or words.say("code-to-follow")),
        (words.say("paper.paid-at"), words.say("paper.eat", when=words.when(receipt.paid_at))),
        (words.say("paper.account"), line(receipt.account)),
        (words.say("paper.method"), method_word(words, receipt.method)),
        (words.say("paper.recorded-by"), line(receipt.recorded_by)),
        (words.say("paper.note"), words.say("paper.receipt.late") if receipt.late else ""),
    ]


def _reversals(page: Page, receipt: Receipt, gone: int) -> None:
    from bot.documents.page import RED

    if not gone:
        return
    words = page.words
    page.ln(1)
    page.ink(11, bold=True, colour=RED)
    for each in receipt.reversals:
        page.put(
            words.say(
                "paper.receipt.reversed",
                amount=words.money(each.cents),
                when=words.when(each.at),
                code=each.receipt or words.say("code-to-follow"),
            )
        )
    page.put(words.say("paper.receipt.left", amount=words.money(receipt.amount_cents - gone)))


def _proof(page: Page, receipt: Receipt) -> None:
    """The code and the address of the page that says whether this paper is true."""
    from bot.documents.page import GREY

    if receipt.page_url is None:
        return
    side = page.box_mm(38, 26)
    page.rule(above=3, below=3)
    top = page.y
    page.qr(receipt.page_url, x=page.l_margin, y=top, side=side)
    left = page.l_margin + side + 4
    page.set_xy(left, top + 6)
    page.ink(10, bold=True)
    page.put(page.words.say("paper.receipt.check"))
    page.set_x(left)
    page.ink(9, colour=GREY)
    page.put(receipt.page_url)
    page.set_y(max(page.y, top + side))
