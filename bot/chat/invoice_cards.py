"""
Invoice cards: an invoice as its merchant sees it, and as its customer does.

Pure: an invoice with what came for it, the day and the stationery go in, text and buttons come
out. The mark of a paid message stays with payments: a card says in words how it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

from markupsafe import Markup

from bot.chat.keyboards import Stationery, keyboard
from bot.chat.pens import Card
from bot.core.bills import Standing, item_cents
from bot.core.invoices import InvoiceView
from bot.texts import money, plain
from storage.records import BillItem, Button, Deed, VatMode

__all__ = [
    "Quill",
    "customer_card",
    "decide_buttons",
    "excess_buttons",
    "invoice_link",
    "merchant_card",
    "quantity",
]

ITEMS_SHOWN = 5
PAYABLE = (Standing.OPEN, Standing.PART_PAID)


def invoice_link(username: str, code: str) -> str:
    """The address that opens the invoice in a private chat with us."""
    return f"https://t.me/{username}?start=i_{code}"


def quantity(milli: int) -> str:
    """`2`, `2.5`: thousandths without needless zeros."""
    return f"{Decimal(milli).scaleb(-3).normalize():f}"


@dataclass(frozen=True, slots=True)
class Quill:
    """Writes about one invoice for one reader."""

    view: InvoiceView
    paper: Stationery
    language: str
    today: date
    owner: int  # for whom its buttons are
    page_url: str = ""  # for customers without Telegram

    def say(self, key: str, **more: object) -> str:
        invoice, sums = self.view.invoice, self.view.sums
        values: dict[str, object] = {
            "label": invoice.label,
            "customer": invoice.bill.customer,
            "merchant": self.view.merchant.name,
            "total": money(invoice.total_cents),
            "paid": money(max(0, sums.paid_cents)),
            "left": money(self.view.left_cents),
            "asked": money(self.view.beside_cents or self.view.left_cents),
            "waiting": money(sums.waiting_cents),
            "unknown": money(sums.unknown_cents),
            "excess": money(self.view.excess_cents),
            "due": self.day(invoice.due_on),
        }
        return self.paper.texts.say(self.language, key, **(values | more))

    def day(self, day: date) -> str:
        return self.paper.texts.day(self.language, day, today=self.today)

    @property
    def is_late(self) -> bool:
        return self.view.standing in PAYABLE and self.view.invoice.due_on < self.today

    @property
    def is_disowned(self) -> bool:
        """Somebody says that it is not theirs, and the merchant has not decided."""
        return self.view.standing in PAYABLE and self.view.invoice.disowned_by is not None

    def items(self) -> list[str]:
        """A line for each item, as many as a phone shows."""
        items = self.view.invoice.bill.items
        lines = [self._item(each) for each in items[:ITEMS_SHOWN]]
        if (more := len(items) - ITEMS_SHOWN) > 0:
            lines.append(self.say("invoice.more-items", count=more))
        return lines

    def _item(self, item: BillItem) -> str:
        amount = money(item_cents(item))
        if item.quantity_milli == 1000:
            return self.say("invoice.item", what=item.what, amount=amount)
        return self.say(
            "invoice.items",
            what=item.what,
            quantity=quantity(item.quantity_milli),
            price=money(item.price_cents),
            amount=amount,
        )

    def vat(self) -> str:
        """How the tax is in it; empty where there is none."""
        bill = self.view.invoice.bill
        if bill.vat is VatMode.NONE:
            return ""
        rate = f"{Decimal(bill.vat_bp).scaleb(-2).normalize():f}"
        vat = money(self.view.amounts.vat_cents)
        return self.say(f"invoice.vat.{bill.vat}", rate=rate, vat=vat)

    def note(self) -> str:
        note = self.view.invoice.bill.note
        return self.say("note", note=note) if note else ""

    def tax_words(self) -> str:
        """That it is no tax invoice, or which one belongs to it."""
        etims = self.view.invoice.etims
        if etims is None:
            return self.say("invoice.not-etims")
        return self.say("invoice.etims", number=etims.number)

    def standing(self) -> str:
        """How it stands, in words."""
        if self.is_late:
            return self.say("invoice.standing.late")
        said = self.say(f"invoice.standing.{self.view.standing}")
        if not self.view.kept_cents:
            return said
        return f"{said} {self.say('invoice.kept', kept=money(self.view.kept_cents))}"

    def waiting(self) -> str:
        """
        What M-Pesa says was paid and is being made sure of; empty where nothing is left.

        A merchant reads as well what may have been paid though nobody says so.
        """
        view, said = self.view, list[str]()
        if not view.left_cents:
            return ""
        mine = self.owner == view.invoice.merchant_id
        if view.sums.waiting_cents:
            said.append(self.say("invoice.waiting" if mine else "bill.waiting"))
            said += [self.say("bill.beside")] if view.beside_cents else []
        if mine and view.sums.unknown_cents:
            said.append(self.say("invoice.unknown"))
        return " ".join(said)

    def button(
        self, key: str, action: str, argument: str = "", *, style: str | None = None, **more: object
    ) -> Button:
        """A button about this invoice, for this reader alone."""
        invoice = self.view.invoice
        # A customer's button knows the code, as the link does; a merchant's the invoice itself.
        subject = invoice.code if action.startswith("bill-") else invoice.id
        deed = Deed(action=action, subject=subject, argument=argument, owner=self.owner)
        return Button(label=plain(self.say(f"button.{key}", **more)), does=deed, style=style)

    def card(self, lines: Sequence[str], buttons: Sequence[Button]) -> Card:
        return Card(text="\n".join(filter(None, lines)), keyboard=keyboard(buttons))


def merchant_card(quill: Quill) -> Card:
    """The invoice for the one who issued it, with what can be done about it now."""
    view = quill.view
    revision = view.invoice.shown_revision
    lines = [
        quill.say("invoice.draft-head" if view.standing is Standing.DRAFT else "invoice.head"),
        quill.say("invoice.revision", revision=revision) if revision > 1 else "",
        *quill.items(),
        quill.vat(),
        quill.note(),
        quill.say("invoice.due-line", tax=Markup(quill.tax_words())),  # noqa: S704 -- our own sentence, escaped
        quill.standing(),
        quill.waiting(),
        quill.say("invoice.disowned") if quill.is_disowned else "",
    ]
    return quill.card(lines, [*decide_buttons(quill), *_merchant_buttons(quill)])


def decide_buttons(quill: Quill) -> list[Button]:
    """What a merchant can say to "not mine", while that is open."""
    if not quill.is_disowned:
        return []
    return [
        quill.button("inv-theirs", "inv-decide", "theirs"),
        quill.button("inv-not-theirs", "inv-decide", "not-theirs"),
    ]


def excess_buttons(quill: Quill) -> list[Button]:
    """What a merchant can say of the money that is too much here, and of no other."""
    mark = quill.view.excess_mark
    return [
        quill.button("inv-given-back", "inv-excess", f"back:{mark}"),
        quill.button("inv-keep", "inv-excess", f"keep:{mark}"),
    ]


def _merchant_buttons(quill: Quill) -> list[Button]:
    view = quill.view
    match view.standing:
        case Standing.DRAFT:
            issue = quill.button("inv-issue", "inv-issue", style="success")
            return [
                *([issue] if view.invoice.total_cents else []),
                quill.button("inv-item", "inv-ask", "item"),
                quill.button("inv-edit", "inv-edit"),
            ]
        case Standing.OPEN | Standing.PART_PAID:
            remind = quill.is_late and not view.may_be_paid
            late = [quill.button("inv-remind", "inv-remind", "now")] if remind else []
            return [
                Button(
                    label=plain(quill.say("button.inv-send")), url=_share(quill), style="primary"
                ),
                Button(label=plain(quill.say("button.inv-page")), copy=quill.page_url),
                quill.button("inv-qr", "inv-qr"),
                *late,
                quill.button("inv-cash", "inv-ask", "cash"),
                quill.button("inv-item", "inv-ask", "item"),
                quill.button("inv-edit", "inv-edit"),
                quill.button("inv-pdf", "inv-pdf"),
                quill.button("inv-close", "inv-close"),
            ]
        case Standing.OVERPAID:
            return [*excess_buttons(quill), quill.button("inv-pdf", "inv-pdf")]
        case Standing.PAID:
            return [quill.button("inv-pdf", "inv-pdf"), quill.button("inv-edit", "inv-edit")]
        case Standing.VOID | Standing.WRITTEN_OFF:
            return [
                *(excess_buttons(quill) if view.excess_cents else []),
                quill.button("inv-reopen", "inv-reopen"),
            ]


def customer_card(quill: Quill) -> Card:
    """The invoice for whoever came by its link."""
    view = quill.view
    payable = view.standing in PAYABLE
    lines = [
        quill.say("bill.asks") if payable else quill.say("bill.head"),
        *quill.items(),
        quill.vat(),
        quill.note(),
        quill.tax_words(),
        "" if view.standing is Standing.OPEN and not quill.is_late else quill.standing(),
        quill.waiting(),
    ]
    pay: list[Button] = []
    if payable and not view.may_be_paid:
        amount = money(view.ask_kes * 100)
        pay = [
            quill.button("bill-pay", "bill-pay", str(view.ask_kes), style="success", amount=amount),
            quill.button("bill-part", "bill-part"),
            quill.button("bill-phone", "bill-pay", "other"),
        ]
    return quill.card(
        lines,
        [
            *pay,
            quill.button("inv-pdf", "bill-pdf"),
            quill.button("bill-question", "bill-question"),
            *([quill.button("bill-not-mine", "bill-not-mine")] if payable else []),
        ],
    )


def _share(quill: Quill) -> str:
    """Telegram's own page that sends words and a link to a chat of one's choice."""
    link = invoice_link(quill.paper.username, quill.view.invoice.code)
    words = plain(quill.say("bill.share"))
    return f"https://t.me/share/url?{urlencode({'url': link, 'text': words})}"
