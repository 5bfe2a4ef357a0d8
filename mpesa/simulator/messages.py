"""Owns the words on the phone: the prompt and the SMS that M-PESA sends."""

from datetime import datetime

from mpesa.simulator.books import Row
from mpesa.simulator.clock import EAT

PROMPT_LENGTH = 182
"""Characters a prompt may have; a longer one ends with result 1025."""


def prompt_text(*, business: str, amount_kes: int, account_reference: str | None) -> str:
    """What the phone asks; a till's prompt names no account."""
    account = f" Account no. {account_reference}" if account_reference else ""
    return f"Do you want to pay Ksh {amount_kes}.00 to {business}{account}? Enter M-PESA PIN"


def paid_text(row: Row, *, business: str, balance_cents: int, till: bool) -> str:
    """The payer's SMS after a payment to a Paybill or a till."""
    money = _ksh(row.amount_cents)
    what = (
        f"{money} paid to {business}."
        if till
        else f"{money} sent to {business} for account {row.account_reference}"
    )
    return (
        f"{row.receipt} Confirmed. {what} on {_when(row.completed_at)}."
        f" New M-PESA balance is {_ksh(balance_cents)}. Transaction cost, Ksh0.00."
    )


def reversed_text(row: Row, *, balance_cents: int) -> str:
    """The payer's SMS after money came back."""
    return (
        f"{row.receipt} Confirmed. Transaction {row.linked_receipt} has been reversed."
        f" {_ksh(row.amount_cents)} has been credited to your account on"
        f" {_when(row.completed_at)}. New M-PESA balance is {_ksh(balance_cents)}."
    )


def short_text(*, business: str, amount_kes: int, balance_cents: int) -> str:
    """The payer's SMS when the balance is short."""
    return (
        "Failed. You do not have enough money in your M-PESA account to pay"
        f" {_ksh(amount_kes * 100)} to {business}. M-PESA balance is {_ksh(balance_cents)}."
    )


def wrong_pin_text() -> str:
    """The payer's SMS after a wrong PIN."""
    return "Failed. You have entered a wrong M-PESA PIN. Please try again."


def _ksh(cents: int) -> str:
    return f"Ksh{cents // 100:,}.{cents % 100:02d}"


def _when(at: datetime) -> str:
    local = at.astimezone(EAT)
    hour = local.hour % 12 or 12
    half = "AM" if local.hour < 12 else "PM"
    date = f"{local.day}/{local.month}/{local:%y}"
    return f"{date} at {hour}:{local:%M} {half}"
