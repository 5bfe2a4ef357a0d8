"""Private PostgreSQL servers for the benches, and fresh databases on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.postgres import binaries, running_server

__all__ = ["administer", "database", "postgres"]


@asynccontextmanager
async def postgres(*, durable: bool) -> AsyncIterator[str]:
    """The address of a server of our own."""
    found = binaries()
    assert found is not None, "no PostgreSQL here: apt install postgresql"
    with running_server(found, durable=durable) as server:
        yield server


async def administer(server: str, *statements: str) -> None:
    """Run *statements*, each by itself."""
    connection = await asyncpg.connect(server)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def database(server: str, name: str, *, like: str = "template1") -> str:
    """The address of a fresh database, a copy of another one."""
    await administer(
        server,
        f"DROP DATABASE IF EXISTS {name}",
        f"CREATE DATABASE {name} TEMPLATE {like}",
        "CHECKPOINT",
    )
    return server.removesuffix("postgres") + name
