"""Exporting: payments as rows of CSV, one at a time, whatever their number."""

from __future__ import annotations

import calendar
import csv
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import click

from bot.clock import SystemClock
from bot.config import Config
from bot.core.looks import export_looked
from bot.texts import EAT
from storage.crypt import Crypt
from storage.engine import Store
from storage.reading import Listed, open_reader

__all__ = ["COLUMNS", "Period", "exported"]

COLUMNS = (
    *("asked_at", "status", "words", "amount_kes", "credited_kes", "receipt", "paid_at"),
    *("phone", "account", "id"),
)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days of East Africa, the last one included."""

    first: datetime  # midnight, aware
    last: datetime

    @classmethod
    def of(cls, month: str | None, first: datetime | None, last: datetime | None) -> Period:
        """Raises click.UsageError unless it is a month, or a first and a last day."""
        if month is not None and first is None and last is None:
            try:
                begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=EAT)
            except ValueError:
                raise click.UsageError("--month is like 2026-11") from None
            days = calendar.monthrange(begin.year, begin.month)[1]
            return cls(begin, begin + timedelta(days=days - 1))
        if month is None and first is not None and last is not None and first <= last:
            return cls(first.replace(tzinfo=EAT), last.replace(tzinfo=EAT))
        raise click.UsageError("say --month 2026-11, or --from and --to, the earlier day first")

    @property
    def since(self) -> datetime:
        return self.first.astimezone(UTC)

    @property
    def until(self) -> datetime:
        """Not included."""
        return (self.last + timedelta(days=1)).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d}..{self.last:%Y-%m-%d}"


async def exported(
    config: Config,
    period: Period,
    output: IO[str],
    whole: AbstractAsyncContextManager[Store] | None,
) -> None:
    """
    Write the payments of *period* to *output*.

    *whole* opens the store for whole numbers: that they were taken out is committed before the
    first of them is written.
    """
    if whole is None:
        await _write(config, period, output, None)
        return
    async with whole as store:
        await export_looked(store, period=str(period), at=SystemClock().now())
        await _write(config, period, output, store.crypt)


async def _write(config: Config, period: Period, output: IO[str], crypt: Crypt | None) -> None:
    rows = csv.writer(output)
    rows.writerow(COLUMNS)
    async with open_reader(config.storage.url.get_secret_value()) as reader:
        async for listed in reader.payments_between(period.since, period.until):
            rows.writerow(_row(listed, crypt))


def _row(listed: Listed, crypt: Crypt | None) -> list[Any]:
    payment = listed.payment
    credited = payment.credited_cents
    return [
        _when(payment.created_at),
        payment.status,
        " ".join(sorted(payment.words)),
        payment.amount_kes,
        "" if credited is None else f"{credited // 100}.{credited % 100:02d}",
        payment.receipt or "",
        _when(payment.paid_at),
        payment.phone_mask if crypt is None else f"+{crypt.open_text(listed.phone)}",
        payment.push_ref,
        payment.id,
    ]


def _when(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(EAT):%Y-%m-%d %H:%M:%S}"
