"""A stand-in Daraja in a process of its own: a token and a yes, after a while, and a tally."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["stub"]

STUB = r"""
import asyncio, json, sys
delay_s = float(sys.argv[1])
tally = {"tokens": 0, "pushes": 0, "connections": 0}

def answer(body):
    return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)) + body

TOKEN = answer(json.dumps({"access_token": "a" * 28, "expires_in": "3599"}).encode())
YES = answer(json.dumps({
    "MerchantRequestID": "29115-34620561-1", "CheckoutRequestID": "ws_CO_191220191020363925",
    "ResponseCode": "0", "ResponseDescription": "Success. Request accepted for processing",
    "CustomerMessage": "Success. Request accepted for processing"}).encode())

class Daraja(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""
        tally["connections"] += 1

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.answer(head)

    def answer(self, head):
        if head.startswith(b"POST"):
            tally["pushes"] += 1
            asyncio.get_running_loop().call_later(delay_s, self.transport.write, YES)
        elif head.startswith(b"GET /tally"):
            self.transport.write(answer(json.dumps(tally).encode()))
        else:
            tally["tokens"] += 1
            self.transport.write(TOKEN)

async def main():
    server = await asyncio.get_running_loop().create_server(Daraja, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Stub:
    """Where it listens, and what it has counted."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port

    async def tally(self) -> dict[str, int]:
        """How many `tokens`, `pushes` and `connections` it has seen; asking is a connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"GET /tally HTTP/1.1\r\nHost: stub\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found: dict[str, int] = json.loads(await reader.readexactly(length))
        writer.close()
        return found


@asynccontextmanager
async def stub(*, delay_s: float = 0) -> AsyncIterator[Stub]:
    """The stand-in, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUB, str(delay_s)), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Stub(int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()
