"""Rows: many payments at once, made inside the database, for benches that need them stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import text

from storage.engine import Store
from storage.records import Status
from storage.schema import payments
from storage.tx import Tx
from tests.fakes import add_payment

__all__ = ["fill", "payment_ids"]

# The only words in which the engines differ: whole numbers in a row, and one as an id.
SERIES = {
    "sqlite": (
        "WITH RECURSIVE series(n) AS"
        " (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n < :last) ",
        "series",
        "printf('%032x', n)",
    ),
    "postgresql": (
        "",
        "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n",
        "lpad(to_hex(n), 32, '0')",
    ),
}


def payment_ids(count: int) -> list[str]:
    """The ids of the first *count* payments that `fill` makes."""
    return [f"{number:032x}" for number in range(1, count + 1)]


async def fill(store: Store, count: int, *, status: Status, begun_at: datetime) -> None:
    """*count* payments of one intent, copies of the first, asked for a second after each other."""
    await add_payment(
        store,
        change=lambda payment: replace(
            payment,
            begun_at=begun_at,
            status=status,
            confirmed=status is Status.PAID,
            credited_cents=payment.amount_kes * 100 if status is Status.PAID else None,
        ),
    )

    async def copy(tx: Tx) -> None:
        connection = tx.payments._connection
        before, series, hexadecimal = SERIES[connection.dialect.name]
        own = {
            "id": hexadecimal,
            "push_ref": "'P' || n",
            "ask_key": "'bench:' || n",
            "created_at": "payments.created_at + n * 1000000",
            "begun_at": "payments.begun_at + n * 1000000",
        }
        names = [column.name for column in payments.c]
        wanted = ", ".join(own.get(name, f"payments.{name}") for name in names)
        await connection.execute(
            text(
                f"INSERT INTO payments ({', '.join(names)}) {before}SELECT {wanted}"
                f" FROM payments, {series} WHERE payments.id = :template"
            ),
            {"first": 2, "last": count, "template": payment_ids(1)[0]},
        )

    if count > 1:
        await store.write(copy)
