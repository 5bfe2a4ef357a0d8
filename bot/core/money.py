"""Amounts: what a prompt may ask for. Prompts are whole shillings; credited money is cents."""

from mpesa.models import AMOUNT_KES_MAX

__all__ = ["AMOUNT_KES_MAX", "AMOUNT_KES_MIN", "may_be_prompted"]

AMOUNT_KES_MIN = 1


def may_be_prompted(amount_kes: int) -> bool:
    """Safaricom's limits for one transaction (daily limits are the payer's own matter)."""
    return AMOUNT_KES_MIN <= amount_kes <= AMOUNT_KES_MAX
