"""Streams: rows from the database to a paper, a batch at a time, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

__all__ = ["BATCH_ROWS", "Progress", "in_thread", "pour", "whole"]

Row = TypeVar("Row")
Given = ParamSpec("Given")
Made = TypeVar("Made")

BATCH_ROWS: Final = 1000

Progress = Callable[[int], Awaitable[None]]
"""Told how many rows are done, after each batch; the chat shows it as often as it likes."""


async def in_thread(work: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
    """
    The result of *work*, done in a thread.

    Whoever cancels us waits until the thread is out: the file is not closed under its hands.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def pour(
    rows: AsyncIterable[Row],
    add: Callable[[Sequence[Row]], None],
    *,
    progress: Progress | None = None,
    done: int = 0,
) -> int:
    """Hand all *rows* to *add*, in a thread, in batches; says how many there are now."""
    batch: list[Row] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            await in_thread(add, batch)
            done += len(batch)
            batch = []
            if progress is not None:
                await progress(done)
    if batch:
        await in_thread(add, batch)
        done += len(batch)
    if progress is not None:
        await progress(done)
    return done


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """A paper that could not be finished is not left lying about at *path*."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
