"""
Payees: who is paid on each account, those included that the configuration has lost.

What was paid on an account stays paid to whoever had it, and what is still open there is nobody
else's: the name and number of every account ever configured are kept with the books.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bot.core.ports import Collector
from storage.engine import Store
from storage.tx import Tx

__all__ = ["payee_of", "payees_of"]

log = logging.getLogger(__name__)

SEEN = "payees"
"""The name of the value that holds them."""


def payee_of(payees: Mapping[str, Collector], account: str) -> Collector:
    """Who is paid on *account*; of one that nobody remembers the name is all there is."""
    found = payees.get(account)
    if found is not None:
        return found
    return Collector(
        name=account, kind="paybill", number="", practice=payees[""].practice, gone=True
    )


async def payees_of(store: Store, configured: Mapping[str, Collector]) -> dict[str, Collector]:
    """Those that are *configured*, and marked as gone those that once were; remembers both."""

    async def remember(tx: Tx) -> dict[str, Collector]:
        seen = _read(await tx.shared.lock(SEEN))
        known = {**seen, **configured}
        if known != seen:
            await tx.shared.put(SEEN, _written(known))
        return known

    async with store.read() as tx:
        known = _read(await tx.shared.get(SEEN))
    if {**known, **configured} != known:
        known = await store.write(remember)
    gone = {account: replace(each, gone=True) for account, each in known.items()}
    for account in gone.keys() - configured.keys():
        log.warning("account.gone name=%s number=%s", account, gone[account].number)
    return {**gone, **configured}


def _read(value: bytes | None) -> dict[str, Collector]:
    kept: dict[str, dict[str, Any]] = json.loads(value) if value else {}
    return {account: Collector(**each) for account, each in kept.items()}


def _written(payees: Mapping[str, Collector]) -> bytes:
    return json.dumps({account: asdict(each) for account, each in payees.items()}).encode()
