"""
Accounts: which Safaricom a payment goes through: the one whose keys its shortcode has.

A payment is stamped with its account when it is asked for, so pushes and queries find the same
keys whatever has been changed since. Callbacks come to the payment's own address and need none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bot.core.ports import Daraja
from mpesa.errors import NoAnswer, NotSent
from mpesa.models import Accepted, Push, QueryAnswer

__all__ = ["Accounts"]

log = logging.getLogger(__name__)


class _Gone:
    """An account that the configuration has lost: nothing leaves, and nothing is known."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def ready(self) -> None:
        log.error("account.gone name=%s", self._name)
        raise NotSent("the account of this payment is no longer configured")

    async def push(self, push: Push, *, leave_within_s: float) -> Accepted:
        raise NotSent("the account of this payment is no longer configured")

    async def query(self, checkout_request_id: str) -> QueryAnswer:
        raise NoAnswer("the account of this payment is no longer configured")


class Accounts:
    """The Daraja of each account; the one without a name is the first."""

    def __init__(self, first: Daraja, others: Mapping[str, Daraja] | None = None) -> None:
        self._known: dict[str, Daraja] = {**(others or {}), "": first}

    def of(self, account: str) -> Daraja:
        """The one whose keys this account has; one that refuses everything if it is gone."""
        return self._known.get(account) or _Gone(account)
