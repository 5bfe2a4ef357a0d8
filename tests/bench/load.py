"""The load of the bench: a program of its own, so that its CPU is not the server's."""

__all__ = ["LOAD"]

LOAD = r"""
import asyncio, json, sys, time
port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
paths = iter(json.loads(sys.stdin.readline()))
print("ready", flush=True)
sys.stdin.readline()
until = time.perf_counter() + seconds
answered = 0
number = 0

def body():
    global number
    number += 1
    text = json.dumps({"Body": {"stkCallback": {
        "MerchantRequestID": "m-%d" % number, "CheckoutRequestID": "ws_CO_%d" % number,
        "ResultCode": 0, "ResultDesc": "ok", "CallbackMetadata": {"Item": [
            {"Name": "Amount", "Value": 50.0},
            {"Name": "MpesaReceiptNumber", "Value": "U%09d" % number},
            {"Name": "TransactionDate", "Value": 20261123101530}]}}}})
    return text.encode()

async def one():
    global answered
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in paths:
        if time.perf_counter() > until:
            break
        sent = body()
        writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                     % (path.encode(), len(sent)) + sent)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        answered += 1
    writer.close()

async def main():
    await asyncio.gather(*(one() for _ in range(connections)))

asyncio.run(main())
print(answered, flush=True)
"""
