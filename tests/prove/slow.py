"""
Slow clients, in real time: five hundred that dribble heads and bodies, and honest callbacks beside
them. The honest are answered within a second, and no dribbler holds on for more than twenty.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from pathlib import Path

from tests.prove.door import Door, Target, opened_books, running_door, stock
from tests.prove.shots import Arsenal
from tests.prove.table import Row

__all__ = ["run"]

GONE_WITHIN_S = 20.0
DRIBBLE_EVERY_S = 1.0
P99_S_MAX = 1.0
OPENED_WITHIN_S = 30.0


async def run(dribblers: int = 500, honest_per_second: int = 50, seed: int = 1) -> list[Row]:
    """Half dribble a head, half a body; every violation is printed."""
    began = time.perf_counter()
    count = int(honest_per_second * GONE_WITHIN_S)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "books.db"
        async with opened_books(database) as store:
            targets = await stock(store, [50] * count, unsure=frozenset())
        async with running_door(database) as door:
            lives = [
                asyncio.create_task(_dribble(door, targets[number % count], number))
                for number in range(dribblers)
            ]
            waits = await _honest(door, targets, honest_per_second)
            lived = await asyncio.gather(*lives)
    wrong = [f"a dribbler held on for {life:.0f} s" for life in lived if life > GONE_WITHIN_S]
    unanswered = sum(wait is None for wait in waits)
    if unanswered:
        wrong.append(f"{unanswered} honest callbacks had no 200")
    ranked = sorted(wait for wait in waits if wait is not None)
    p99 = ranked[math.ceil(len(ranked) * 0.99) - 1] if ranked else math.inf
    if p99 > P99_S_MAX:
        wrong.append(f"the honest waited {p99:.2f} s (p99)")
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    note = (
        f"seed {seed}; {len(ranked)} honest callbacks, p99 {p99 * 1000:.0f} ms; "
        f"the last dribbler was gone after {max(lived):.1f} s"
    )
    seconds = time.perf_counter() - began
    return [Row("slow clients", dribblers, "dribblers", len(wrong), seconds, note)]


async def _dribble(door: Door, target: Target, number: int) -> float:
    """Hold a connection open as long as it lasts, a byte a second; how long that was."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = f"POST {target.path} HTTP/1.1\r\nHost: x\r\n"
    writer.write((head + ("Content-Length: 5000\r\n\r\n" if number % 2 else "X: ")).encode())
    try:
        while time.perf_counter() - began < GONE_WITHIN_S + OPENED_WITHIN_S:
            try:
                async with asyncio.timeout(DRIBBLE_EVERY_S):
                    if not await reader.read(4096):
                        break
            except TimeoutError:
                writer.write(b"a")
    except OSError:
        pass
    writer.close()
    return time.perf_counter() - began


async def _honest(door: Door, targets: list[Target], per_second: int) -> list[float | None]:
    """One true callback for each payment, evenly spaced; how long each waited for its 200."""
    loop = asyncio.get_running_loop()
    posts: list[asyncio.Task[float | None]] = []
    done = asyncio.Event()

    def post(number: int) -> None:
        posts.append(asyncio.create_task(_post(door, targets[number])))
        if len(posts) == len(targets):
            done.set()

    now = loop.time()
    for number in range(len(targets)):
        loop.call_at(now + number / per_second, post, number)
    await done.wait()
    return await asyncio.gather(*posts)


async def _post(door: Door, target: Target) -> float | None:
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(Arsenal.truth(target).wire)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    except (OSError, EOFError, TimeoutError):
        return None
    return time.perf_counter() - began if head.startswith(b"HTTP/1.1 200") else None


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    table = asyncio.run(run(*numbers))
    print(*table, sep="\n")
    sys.exit(any(row.violations for row in table))
