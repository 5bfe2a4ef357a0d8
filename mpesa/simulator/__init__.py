"""Owns a stand-in for Safaricom's Daraja: token, push, query, callbacks, phones and its own books.

It speaks real HTTP, follows Daraja's field names, codes and error bodies, and keeps a statement of
account that no client can influence except by a right PIN: the judge of what was paid. Nothing is
random: the same seed and the same calls give the same ids and receipts.

    simulator = Simulator(seed=1)
    async with simulator.serving() as base_url:        # point a Daraja client here
        simulator.phone("254712345678").behave(Behaviour.CANCEL)
        simulator.faults.next_push(Fault(reply=ReplyFault.LOST))
        ...
        await simulator.settled()
        simulator.books.statement(exclude_overnight_reversals=True)

Credentials: consumer key `demo-key`, secret `demo-secret`, shortcode `174379`, passkey
`demo-passkey` (all in `SimulatorSettings`); every PIN is 1234.

What a phone does (`phone.behave(...)` from now on, `phone.next_time(...)` once)

| behaviour        | what happens                                                     | result     |
|------------------|------------------------------------------------------------------|------------|
| `pay`            | the right PIN after `answer_after_s`; 1 if the balance is short  | 0          |
| `cancel`         | Cancel is pressed                                                | 1032       |
| `ignore`         | the prompt stays until its time is up                            | 1037       |
| `wrong-pin`      | a wrong PIN; the third in a row locks the PIN                    | 2001, 8006 |
| `no-balance`     | the right PIN, and not enough money                              | 1          |
| `off`            | no prompt appears                                                | 1037       |
| `no-applet`      | the SIM cannot show prompts: as `off`, and none can tell apart   | 1037       |
| `locked`         | M-PESA takes no PIN from the line                                | 8006       |
| `not-registered` | the line has no M-PESA                                           | 2040       |
| `busy`           | the push is refused at once: "Unable to lock subscriber"         | (HTTP 500) |
| `busy-later`     | accepted, and found busy afterwards                              | 1001       |
| `fail-after-pin` | the right PIN, then a failure: 26, or the `result_code` given    | 26 …       |
| `manual`         | a person answers: `enter_pin`, `cancel`, `ignore`                | as done    |

Any phone also refuses a second push while one is open (HTTP 500, 500.001.1001), the same amount
within two minutes of paying it (17), and a prompt over 182 characters (1025). A wrong
TransactionType ends with 2028 and a wrong PartyB with SFC_IC0003. After five prompts in a row that
were not completed the line is blocked for 24 hours: what that looks like is not documented; here a
push is accepted, no prompt appears, and the result is 1037.

Amounts that mean something by themselves (`magic_amounts=False` switches them off)

| whole shillings        | meaning                                                           |
|------------------------|-------------------------------------------------------------------|
| 10,000 + a result code | ends so: 10001 no balance, 10017, 10026, 11001 busy, 11019, 11025,|
|                        | 11032 cancelled, 11037 off, 12001 wrong PIN, 12040, 18006 locked … |
| 4401                   | the token is refused (404.001.03); the next try passes            |
| 4429                   | HTTP 429                                                          |
| 4502                   | 500.003.02, system busy                                           |
| 4503                   | the firewall's HTML page, HTTP 503                                |
| 4504                   | accepted, but the reply is HTTP 504                               |
| 4505                   | accepted, but the connection drops without a reply                |
| 4506                   | the reply takes 10 s                                              |
| 4601                   | the callback comes before the reply                               |
| 4602                   | the callback comes twice                                          |
| 4603                   | the callback comes three minutes late                             |
| 4604                   | the callback never comes                                          |
| 4611, 4612             | while open, queries say 500.001.1001 with HTTP 500, with HTTP 200 |
| 4613                   | while open, queries say 400.002.02 Invalid CheckoutRequestID      |
| 4614                   | while open, queries say 0, paid, although nobody has              |

Every other amount from 1 to 250,000 is ordinary. A behaviour asked for with `next_time` comes
before the amount, and the amount before what the phone does as a rule.

Faults (`faults.next_push`, `next_query`, `next_token`, `for_phone`, `for_amount`, `always`)

| field of `Fault`   | values                                                                |
|--------------------|-----------------------------------------------------------------------|
| `slow_s`           | seconds before the reply, with the work already done                  |
| `reply`, not done  | `throttled` 429, `busy` and `spike-arrest` 500.003.02, `quota`        |
|                    | 500.003.03, `html-503`, `token-expired`, `hung-up` (no reply)         |
| `reply`, done      | `lost` (no reply), `server-error` 504, `unreadable` (half a JSON),    |
|                    | `without-ids`                                                         |
| `callback`         | `never`, `twice`, `before-reply`                                      |
| `callback_late_s`  | seconds later than usual                                              |
| `pending`          | `processing` 4999, `error-500`, `error-200`, `invalid-id`, `zero`     |

In `SimulatorSettings`: `pending` for all queries, `query_rate=QueryRate()` for the sandbox's limit
(5 in 60 s, one at a time, then 429), `blocks_lines`, and `returns_test_money`: at midnight, East
Africa Time, everything paid goes back as rows of kind `reversal` with reason `overnight`.

The organisation's own services: Transaction Status, Reversal, C2B addresses (`settings.c2b` says
which version), and Pull Transactions. Initiator `testapi`, password `demo-initiator`, locked with
`simulator.org.certificate`. What is paid by hand (`pay_by_hand`) is told to the registered
confirmation address, first asked about with `c2b_validates`, and stands in the list; with
`c2b_tells_pushes` prompts that were paid are told, too. Faults at the endpoints `status`,
`reversal`, `pull`, `register` as above; what is posted later takes `callback` (`never`, `twice`,
`timeout`: to the QueueTimeOutURL) and `callback_late_s`; `c2b` is the endpoint of confirmations.
`Portal(books, settings).export()` gives the statement as the portal exports it, CSV or XLSX.

Control calls over HTTP, JSON in and out: `GET /control/state`, `/control/statement`,
`/control/pushes`, `/control/deliveries`, `/control/posts`, `/control/certificate`,
`/control/portal.csv`, `/control/portal.xlsx`; `PUT /control/phones/<phone>` (behaviour,
result_code, next_time, balance_kes, pin); `POST /control/phones/<phone>/answer` (action pin,
cancel or ignore, and pin); `POST /control/phones/<phone>/pay-by-hand` (amount_kes,
account_reference);
`POST` and `DELETE /control/faults` (when, fault, endpoint, times, phone, amount_kes);
`POST /control/expire-token`, `/control/return-test-money`, `/control/reverse` (receipt).
"""

from mpesa.simulator.books import Books, ReversalReason, Row, RowKind
from mpesa.simulator.callbacks import Delivery, Posted
from mpesa.simulator.changes import Change, Changes, Topic
from mpesa.simulator.clock import EAT, Clock, ManualClock, RealClock
from mpesa.simulator.control import phone_json, row_json
from mpesa.simulator.faults import (
    CallbackFault,
    Endpoint,
    Fault,
    FaultScript,
    PendingAnswer,
    ReplyFault,
)
from mpesa.simulator.handsets import Behaviour, Handset, Prompt, Sms
from mpesa.simulator.portal import Portal, PortalExport
from mpesa.simulator.pushes import PushOrder, PushRecord
from mpesa.simulator.settings import QueryRate, SimulatorSettings
from mpesa.simulator.simulator import Simulator, serve

__all__ = [
    "EAT",
    "Behaviour",
    "Books",
    "CallbackFault",
    "Change",
    "Changes",
    "Clock",
    "Delivery",
    "Endpoint",
    "Fault",
    "FaultScript",
    "Handset",
    "ManualClock",
    "PendingAnswer",
    "Portal",
    "PortalExport",
    "Posted",
    "Prompt",
    "PushOrder",
    "PushRecord",
    "QueryRate",
    "RealClock",
    "ReplyFault",
    "ReversalReason",
    "Row",
    "RowKind",
    "Simulator",
    "SimulatorSettings",
    "Sms",
    "Topic",
    "phone_json",
    "row_json",
    "serve",
]
