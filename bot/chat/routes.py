"""Routes: the one ordered table of commands and buttons, read by the menus and /help too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType

from bot.chat import (
    bills,
    books,
    claims,
    counter,
    drive_papers,
    drives,
    giving,
    health,
    history,
    invoice_edits,
    invoice_talk,
    invoices,
    ledgers,
    merchant,
    pay,
    person,
    pledging,
    privacy,
    review,
    start,
    statement_choice,
    statements,
    treasury,
)
from bot.chat.context import DeedPress, Press, Toast, Turn
from bot.chat.drive_routes import DRIVE_RULES
from bot.chat.keyboards import Action
from bot.chat.read_late import FRESH_FOR
from bot.core.buttons import Rule
from bot.texts import Texts

__all__ = [
    "BUTTON_RULES",
    "COMMANDS",
    "DEED_BUTTONS",
    "PAYMENT_BUTTONS",
    "PERSON_BUTTONS",
    "REVIEW_BUTTONS",
    "Command",
    "Place",
    "command",
    "help_text",
]


class Place(StrEnum):
    """Where a command menu is shown."""

    PRIVATE = "private"
    GROUP = "group"
    MERCHANT = "merchant"  # the private chat of somebody who may issue invoices
    OPERATOR = "operator"  # the private chat of somebody who runs the bot


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. Its sentences are `menu.<name>` (for the menu) and `help.<name>`."""

    name: str
    handler: Callable[[Turn], Awaitable[None]]
    groups: bool = False  # works in groups; elsewhere it would tell others too much
    operators: bool = False  # for operators; to others it does not exist
    merchants: bool = False  # for those who may issue invoices; named to nobody else
    in_menu: bool = True

    def offered_in(self, place: Place) -> bool:
        """Whether /help in this place names it; a command may be too plain for a menu."""
        match place:
            case Place.GROUP:
                return self.groups and not self.operators
            case Place.PRIVATE:
                return not self.operators and not self.merchants
            case Place.MERCHANT:
                return not self.operators
            case Place.OPERATOR:
                return True


def help_text(
    texts: Texts, language: str, place: Place, *, collector: str, typed: Callable[[str], str]
) -> str:
    """What can be done in this place, one line each; *typed* is how a command is written there."""
    lines = [
        texts.say(language, f"help.{each.name}", command=typed(each.name))
        for each in COMMANDS
        if each.offered_in(place)
    ]
    return "\n".join([texts.say(language, "help-title", collector=collector), *lines])


async def help_(turn: Turn) -> None:
    """What can be done here."""
    place = Place.GROUP
    if turn.private:
        place = Place.OPERATOR if turn.is_operator else Place.PRIVATE
        if not turn.is_operator and await turn.core.merchants.get(turn.person.id) is not None:
            place = Place.MERCHANT
    collector = turn.core.collector.name
    await turn.answer(
        help_text(turn.paper.texts, turn.language, place, collector=collector, typed=turn.command)
    )


COMMANDS = (
    Command(name="pay", handler=pay.pay, groups=True),
    Command(name="give", handler=giving.give, groups=True),
    Command(name="drive", handler=drives.drive, groups=True),
    Command(name="pledge", handler=pledging.pledge, groups=True),
    Command(name="newdrive", handler=drives.newdrive, groups=True),
    Command(name="closedrive", handler=treasury.close_drive, groups=True, in_menu=False),
    Command(name="export", handler=drive_papers.export, groups=True, in_menu=False),
    Command(name="status", handler=history.status, groups=True),
    Command(name="history", handler=history.history),
    Command(name="receipt", handler=history.receipt),
    Command(name="statement", handler=statement_choice.statement),
    Command(name="phone", handler=person.phone),
    Command(name="language", handler=person.language, groups=True),
    Command(name="privacy", handler=privacy.privacy),
    Command(name="cancel", handler=start.cancel, groups=True, in_menu=False),
    Command(name="pending", handler=review.pending, operators=True),
    Command(name="unmatched", handler=books.unmatched, operators=True),
    Command(name="review", handler=review.pending, operators=True),
    Command(name="health", handler=health.health, operators=True),
    Command(name="invoice", handler=invoices.invoice, merchants=True),
    Command(name="invoices", handler=ledgers.invoices, merchants=True),
    Command(name="today", handler=ledgers.today, merchants=True),
    Command(name="report", handler=statements.report, merchants=True),
    Command(name="merchant", handler=merchant.profile, merchants=True),
    Command(name="verify", handler=books.verify, merchants=True),
    Command(name="appoint", handler=merchant.appoint, groups=True, operators=True),
    Command(name="help", handler=help_, groups=True),
    Command(name="start", handler=start.start, groups=True, in_menu=False),
)

SENDS_A_PROMPT = Rule(once=True, fresh_for=FRESH_FOR)

DECIDED_SOON = Rule(fresh_for=timedelta(hours=6))
"""What was looked up a day ago may be another today. A press repeated decides nothing twice."""

PAYMENT_BUTTONS: Mapping[str, tuple[Callable[[Press], Awaitable[Toast]], Rule]] = MappingProxyType(
    {
        Action.AGAIN.value: (pay.again, SENDS_A_PROMPT),
        Action.UNSEEN.value: (pay.again, SENDS_A_PROMPT),
        Action.CHECK.value: (pay.check, Rule()),  # as often as one likes: asks once in 30 s
        Action.BYHAND.value: (pay.by_hand, Rule()),
        Action.CLAIM.value: (claims.claim, Rule()),
        Action.WHY.value: (pay.why_not, Rule()),
        Action.PAPER.value: (pay.paper, Rule()),
    }
)
"""Buttons about a payment: what a press does, and how often and how late it may."""

REVIEW_BUTTONS: Mapping[str, tuple[Callable[[Press], Awaitable[Toast]], Rule]] = MappingProxyType(
    {
        review.Act.CREDIT.value: (review.credit, Rule()),
        review.Act.VOID.value: (review.void, Rule()),
        review.Act.REVERSE.value: (review.reverse, Rule()),
        review.Act.ASK.value: (review.ask_again, Rule()),
        review.Act.YES.value: (review.decide, DECIDED_SOON),
        review.Act.AGREE.value: (review.agree, DECIDED_SOON),
        review.Act.GIVE_BACK.value: (review.give_back, Rule()),
        review.Act.GIVE_BACK_YES.value: (review.give_back_now, DECIDED_SOON),
    }
)
"""Buttons about a payment that an operator looks at."""
DEED_BUTTONS: Mapping[str, tuple[Callable[[DeedPress], Awaitable[Toast]], Rule]] = MappingProxyType(
    {
        "lift": (health.lift, Rule()),
        "inv-issue": (invoices.issue, Rule()),
        "inv-show": (invoices.show, Rule()),
        "inv-ask": (invoices.ask, Rule()),
        "inv-edit": (invoices.edit, Rule()),
        "inv-items": (invoices.items, Rule()),
        "inv-close": (invoices.close, Rule()),
        "inv-close-as": (invoices.close_as, Rule()),
        "inv-reopen": (invoices.reopen, Rule()),
        "inv-excess": (invoices.excess, Rule(once=True)),
        "inv-both": (invoices.both_went_back, Rule()),
        "inv-uncash": (invoices.uncash, Rule()),
        "inv-pdf": (invoices.pdf, Rule()),
        "inv-qr": (invoices.code, Rule()),
        "inv-due": (invoice_edits.choose_due, Rule()),
        "inv-vat": (invoice_edits.choose_vat, Rule()),
        "inv-cash": (invoice_edits.cash_all, Rule()),
        "inv-remind": (ledgers.remind, Rule()),
        "inv-decide": (invoice_talk.decide, Rule()),
        "inv-list": (ledgers.page, Rule()),
        "bill-pay": (bills.pay, Rule()),
        "bill-part": (bills.part, Rule()),
        "bill-part-of": (bills.part_of, Rule()),
        "bill-pdf": (bills.pdf, Rule()),
        "bill-question": (bills.question, Rule()),
        "bill-not-mine": (bills.not_mine, Rule()),
        "statement": (statements.make, Rule()),
        "statement-of": (statement_choice.chosen, Rule()),
        "statement-who": (statement_choice.who, Rule()),
        "ct-look": (counter.look, DECIDED_SOON),
        "ct-give": (counter.give, DECIDED_SOON),
        "ct-yes": (counter.give_now, DECIDED_SOON),
        "mer-revoke": (merchant.revoke, Rule()),
        "mer-appoint": (merchant.appoint_back, Rule()),
        "mer-account": (merchant.account, Rule()),
        "mer-ask": (merchant.ask, Rule()),
        "mer-set": (merchant.choose, Rule()),
    }
)
"""Buttons about invoices, merchants and a restore. What may be done once is, in its commit."""

PERSON_BUTTONS: Mapping[str, Callable[[Turn], Awaitable[Toast]]] = MappingProxyType(
    {
        "share": person.share,
        "forget": person.forget,
        "my-data": privacy.my_data,
        "delete-me": privacy.delete_me,
        "delete-me-sure": privacy.delete_me_sure,
        "health": health.refresh,
        "health-details": health.details,
        "resume": health.resume,
        **{
            action: partial(person.choose, chosen=chosen)
            for action, chosen in person.LANGUAGE_BUTTONS.items()
        },
    }
)
"""Buttons about a person: pressed twice, or late, they do no more than once."""

BUTTON_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **{action: rule for action, (_, rule) in PAYMENT_BUTTONS.items()},
        **{action: rule for action, (_, rule) in REVIEW_BUTTONS.items()},
        **{act.value: DECIDED_SOON for act in books.BooksAct},
        **{action: rule for action, (_, rule) in DEED_BUTTONS.items()},
        **{action: Rule() for action in PERSON_BUTTONS},
        **DRIVE_RULES,
    }
)
"""The rule of every button there is."""


def command(name: str, *, is_operator: bool) -> Command | None:
    """The command of this name, if it exists for this person."""
    for each in COMMANDS:
        if each.name == name and (is_operator or not each.operators):
            return each
    return None
