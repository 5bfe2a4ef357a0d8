"""No column takes more on one engine than on the other, where words of strangers are kept."""

from __future__ import annotations

import pytest
from sqlalchemy import String, text
from sqlalchemy.exc import DBAPIError

from storage.columns import metadata
from storage.engine import Store
from storage.tx import Tx
from tests.bounds import INTEGER_MAX, bounded

REFUSED = ("too much for a column", "value too long for type", "integer out of range")


async def test_what_one_engine_refuses_the_other_refuses_too(store: Store) -> None:
    taken = []

    async def add(tx: Tx, table: str, column: str, value: str) -> str:
        connection = tx.payments._connection
        statement = text(f'INSERT INTO {table} ("{column}") VALUES ({value})')
        with pytest.raises(DBAPIError) as refused:
            async with connection.begin_nested():
                await connection.execute(statement)
        return str(refused.value.orig)

    async def run(tx: Tx) -> None:
        for table, columns in bounded(metadata):
            for column in columns:
                value = f"CAST({INTEGER_MAX + 1} AS bigint)"
                if isinstance(column.type, String) and column.type.length is not None:
                    value = f"'{'x' * (column.type.length + 1)}'"
                elif isinstance(column.type, String):
                    continue  # its only bound is that it holds no NUL
                why = await add(tx, table.name, column.name, value)
                if not any(each in why for each in REFUSED):
                    taken.append(f"{table.name}.{column.name}: {why}")

    await store.write(run)

    assert taken == []
