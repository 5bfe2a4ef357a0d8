"""
The planted bugs: what each is, where, and which promise it breaks.

Promises: I1 no credit without money · I2 no money lost or left unseen · I3 one push per attempt ·
I4 one credit per receipt and attempt · I5 more evidence never uncredits · I6 order changes
nothing · I7 told · I8 nothing silent for ever · I9 no cross-talk · I10 sums are those of the
evidence · I11 answered only after COMMIT · I12 nothing moves for who is not authenticated ·
line: the payer's line is protected · seen: who looked at whole numbers is known.
"""

from __future__ import annotations

from tests.prove.bug import plant
from tests.prove.planted_books import OF_DRIVES, OF_INVOICES, OF_THE_RECORD

__all__ = ["MONEY_FILES", "PLANTED", "PROMISES"]

PROMISES = tuple(f"I{number}" for number in range(1, 13))

MONEY_FILES = (
    *(
        f"bot/core/{name}.py"
        for name in (
            *("ask", "billing", "bills", "books", "buttons", "by_hand", "cash_book"),
            *("drive_acts", "drive_news", "drives", "giving", "hear", "inbox", "invoice_acts"),
            *("invoice_news", "invoices", "ledgers", "limits", "people", "placing", "pledging"),
            *("portal", "post", "promises", "receipts", "reconcile", "record", "references"),
            *("replay", "reversal_ends", "reversal_rows", "reversals", "review", "rulings"),
            *("send", "settle", "statements", "touched", "treasury", "ways", "went_back"),
            "write_off",
        )
    ),
    *(
        f"storage/{name}.py"
        for name in (
            *("crypt", "differences", "drives", "engine", "evidence", "gifts", "inbox"),
            *("invoice_lists", "invoices", "lines", "locks", "moves", "notice_picks"),
            *("notice_tells", "notices", "owing", "payments", "pledges", "reading", "record"),
            *("rooms", "schema", "statements", "touched", "units", "writer"),
        )
    ),
    "bot/web/callbacks.py",
    *(
        f"mpesa/{name}.py"
        for name in (
            *("async_results", "back_office", "c2b", "callbacks", "client", "fields"),
            *("results", "statement_rows", "tokens", "transport", "wire"),
        )
    ),
)


_SETTLE = (
    plant(
        "a forged success above the limit credits",
        "I1",
        "bot/core/settle.py",
        "return small and not each.held",
        "return not each.held",
    ),
    plant(
        "a query that says 0 while the prompt is open credits",
        "I1",
        "bot/core/settle.py",
        "prompt_was_over = begun_at is not None and query.at >= begun_at + PROMPT_LIFE",
        "prompt_was_over = True",
    ),
    plant(
        "a held success credits",
        "I1",
        "bot/core/settle.py",
        "return small and not each.held",
        "return small",
    ),
    plant(
        "a no wins over a later proof",
        "I5",
        "bot/core/settle.py",
        "    if credits:\n",
        "    if credits and not _has(evidence, *NEGATIVES):\n",
    ),
    plant(
        "a yes beside a no is written off",
        "I2",
        "bot/core/settle.py",
        "return (Status.REVIEW if in_doubt else Status.CONFIRMING), positives",
        "return (Status.DECLINED if in_doubt else Status.CONFIRMING), positives",
    ),
    plant(
        "what nobody could say is called failed",
        "I2",
        "bot/core/settle.py",
        "(Kind.LAPSED, Status.LAPSED),",
        "(Kind.LAPSED, Status.DECLINED),",
    ),
    plant(
        "the credit that was listed first counts",
        "I6",
        "bot/core/settle.py",
        "key=lambda each: (each.receipt in gone, CREDIT_RANK.index(each.kind), *_age(each)),",
        "key=lambda each: each.receipt in gone,",
    ),
    plant(
        "an untrusted body says no",
        "I12",
        "bot/core/settle.py",
        "FAILURES = (Kind.CALLBACK_FAILED, Kind.QUERY_FAILED)",
        "FAILURES = (Kind.CALLBACK_FAILED, Kind.QUERY_FAILED, Kind.UNTRUSTED)",
    ),
    plant(
        "the record's amount is ignored",
        "I10",
        "bot/core/settle.py",
        "arrived_cents = asked_cents if best.amount_cents is None else best.amount_cents",
        "arrived_cents = asked_cents",
    ),
    plant(
        "a contradicted credit alarms nobody",
        "I7",
        "bot/core/settle.py",
        "new_words = standing.words - payment.words",
        "new_words = standing.words & payment.words",
    ),
    plant(
        "a last word is not told",
        "I7",
        "bot/core/settle.py",
        "notices = [status_notice(payment.id)]",
        "notices: list[NewNotice] = []",
    ),
    plant(
        "a yes that is no proof is never asked about",
        "I8",
        "bot/core/settle.py",
        "case Status.CONFIRMING if payment.status is not Status.CONFIRMING:",
        "case Status.CONFIRMING if payment.status is Status.CONFIRMING:",
    ),
    plant(
        "a payment that lapsed waits for nobody",
        "I8",
        "bot/core/settle.py",
        "if standing.status in (Status.REVIEW, Status.LAPSED)",
        "if standing.status in (Status.REVIEW,)",
    ),
    plant(
        "a claim after a write-off waits for nobody",
        "I8",
        "bot/core/settle.py",
        "not_covered(evidence, Kind.CLAIM)\n",
        "not last_at(evidence) and not_covered(evidence, Kind.CLAIM)\n",
    ),
    plant(
        "a yes that opens what was written off rings nobody",
        "I7",
        "bot/core/settle.py",
        "key = once_more(payment.id, evidence)",
        "key = payment.id",
    ),
    plant(
        "a write-off covers a yes that was on its way",
        "I2",
        "bot/core/write_off.py",
        "if up_to is None:  # an older",
        "if write_off.at:  # an older",
    ),
)

_PUSH = (
    plant(
        "a push whose reply was lost is sent again",
        "I3",
        "bot/core/send.py",
        "            except NotSent:\n                if again or left_s()",
        "            except (NotSent, OutcomeUnknown):\n                if again or left_s()",
    ),
    plant(
        "a push that was not heard of waits as if it had been throttled, and goes again",
        "I3",
        "bot/core/send.py",
        "            except Throttled as exc:",
        "            except (Throttled, OutcomeUnknown) as exc:",
        ("exc.retry_after_s or 0.0", "0.0"),
    ),
    plant(
        "a throttled push goes again at once",
        "I3",
        "bot/core/send.py",
        "                await self._clock.sleep(wait_s)\n",
        "",
    ),
    plant(
        "pushes into the void never stop",
        "I3",
        "bot/core/outage.py",
        "if len(self._lost) < LOST_IN_A_ROW or",
        "if True or",
    ),
    plant(
        "an outage that is over goes on",
        "I8",
        "bot/core/outage.py",
        "            self._until = None\n            self._looker = None\n\n    def lost",
        "            self._looker = None\n\n    def lost",
    ),
    plant(
        "replies that are lost one after another are an outage, whatever was answered meanwhile",
        "I8",
        "bot/core/outage.py",
        "if number <= self._answered:",
        "if False:",
    ),
    plant(
        "an outage of one account is one of all",
        "I8",
        "bot/core/outage.py",
        "self._known.setdefault(account, ",
        'self._known.setdefault("", ',
    ),
    plant(
        "who looks whether an outage is over is turned away where its commit is run again",
        "I8",
        "bot/core/outage.py",
        " or who == self._looker:",
        ":",
    ),
    plant(
        "operators are told of an outage that only a burst's last ones seem to show",
        "I7",
        "bot/core/health.py",
        "pushes = [ended[each] for each in begun if each in ended]",
        "pushes = [each for each in recent if ended.get(each.payment_id) is each]",
    ),
    plant(
        "a push that the firewall may have passed on is sent again",
        "I3",
        "mpesa/wire.py",
        " and _firewall_codes(reply):",
        ":",
    ),
    plant(
        "whoever tries again is asked though an earlier attempt was paid",
        "I3",
        "bot/core/ask.py",
        "if beside(await tx.attempts.others(previous)) is Beside.COUNTS:",
        "if False:",
    ),
    plant(
        "no money has left, it says beside an attempt that may be paid",
        "I7",
        "bot/chat/cards.py",
        "if other is Beside.COUNTS or (other is Beside.MAYBE and not _final(view)):",
        "if other is Beside.COUNTS:",
    ),
    plant(
        "a further prompt leaves though another was paid while it waited",
        "I3",
        "bot/core/send.py",
        "if payment.retried and beside(",
        "if False and beside(",
    ),
    plant(
        "money by hand leaves the messages beside it as they were",
        "I7",
        "bot/core/placing.py",
        'await tx.touched.touch(*subjects, f"{ATTEMPT}:{born.id}")',
        "await tx.touched.touch(*subjects)",
    ),
    plant(
        "a press that has opened a payment says that nothing was sent",
        "I7",
        "bot/chat/giving.py",
        "    if (before := await pressed_before(turn)) is not None:\n        return before\n",
        "",
    ),
    plant(
        "an invoice that is paid is shown how to be paid by hand",
        "I7",
        "bot/core/books.py",
        "elif payment.subject is not None:",
        "elif False:",
    ),
    plant(
        "a pledge is asked for while its gift may be there",
        "I7",
        "bot/core/pledging.py",
        "if paused or await tx.pledges.may_be_kept(pledge):",
        "if paused:",
    ),
    plant(
        "a customer is reminded of what nobody knows whether it was paid",
        "I7",
        "bot/core/reminders.py",
        "if held or (payable and unknown):",
        "if held:",
    ),
    plant(
        "a message goes on offering what another attempt has brought",
        "I7",
        "storage/units.py",
        'return [*touched, f"{ATTEMPT}:{now.id}"] if now.retried else touched',
        "return touched",
    ),
    plant(
        "the last of the disk goes to new payments",
        "I11",
        "bot/core/ask.py",
        "free_bytes < ROOM_BYTES",
        "free_bytes < 0",
    ),
    plant(
        "a push that a crash cut off is sent again",
        "I3",
        "bot/core/send.py",
        "            if payment.id not in self._in_hand:\n"
        "                await self._cut_off(payment)",
        "            self.start(payment.id)",
        (
            "            if payment.status is not Status.CREATED:\n"
            "                return Admitted()\n            # Of one from",
            "            if payment.status not in (Status.CREATED, Status.ASKING):\n"
            "                return Admitted()\n            # Of one from",
        ),
    ),
    plant(
        "a push that waited too long is sent all the same",
        "I3",
        "bot/core/send.py",
        "if abs(now - payment.created_at) > SEND_WITHIN:",
        "if payment.created_at - now > SEND_WITHIN:",
    ),
    plant(
        "a push of a clock that was set back since is sent, however old it is",
        "I3",
        "bot/core/send.py",
        "if abs(now - payment.created_at) > SEND_WITHIN:",
        "if now - payment.created_at > SEND_WITHIN:",
    ),
    plant(
        "a push that was cut off is never called unsure",
        "I8",
        "bot/core/send.py",
        "await self._cut_off(payment)",
        "self._wake()",
    ),
    plant(
        "the id of an accepted push is not kept",
        "I8",
        "bot/core/send.py",
        "checkout_id=accepted.checkout_request_id if adopts else None,",
        "checkout_id=None,",
    ),
    plant(
        "the library sends a push again when the connection breaks",
        "I3",
        "mpesa/client.py",
        "        except Lost as lost:\n            raise OutcomeUnknown(str(lost)) from None\n",
        "        except Lost:\n            reply = await self._transport.post(\n"
        "                wire.PUSH_PATH, _encoded(body), authorization=_bearer(token)\n"
        "            )\n",
    ),
    plant(
        "a redirect is followed with the push",
        "I3",
        "mpesa/transport.py",
        "allow_redirects=False",
        "allow_redirects=True",
    ),
    plant(
        "bytes that left are called not sent",
        "I3",
        "mpesa/transport.py",
        "gate.passed = True",
        "gate.passed = False",
    ),
    plant(
        "a late refusal throws the new token away",
        "I3",
        "mpesa/tokens.py",
        "if token is self._token:",
        "if token is not None:",
    ),
    plant(
        "a failing server's answer is a refusal",
        "I2",
        "mpesa/wire.py",
        "if _DECLINED.fullmatch(written) and reply.status < 500:\n        raise Refused(\n",
        "if reply.status >= 500 or _DECLINED.fullmatch(written):\n        raise Refused(\n",
    ),
    plant(
        "the same words twice are two payments",
        "I3",
        "bot/core/ask.py",
        "known = await tx.payments.by_ask_key(request.ask_key)",
        "known = None",
        ("ask_key=request.ask_key,", "ask_key=self._ids.new(now),"),
    ),
    plant(
        "a payment that may be paid can be asked for again",
        "I3",
        "bot/core/ask.py",
        "if previous.status in (Status.PAID, Status.CONFIRMING, Status.REVIEW):",
        "if previous.status is Status.PAID:",
    ),
    plant(
        "two prompts may be on one phone",
        "line",
        "bot/core/limits.py",
        "if facts.open_payment is not None:",
        "if facts.open_payment is not None and facts.own:",
    ),
    plant(
        "a fifth prompt reaches the line",
        "line",
        "bot/core/limits.py",
        "if facts.streak >= settings.incomplete_before_pause:",
        "if facts.streak > settings.incomplete_before_pause:",
    ),
    plant(
        "prompts that were not completed are not counted",
        "line",
        "storage/lines.py",
        "payments.c.begun_at > _LAST_PAID.scalar_subquery(),",
        "payments.c.begun_at < _LAST_PAID.scalar_subquery(),",
    ),
)

_HEARD = (
    plant(
        "any signature opens a callback address",
        "I12",
        "bot/core/hear.py",
        "return self._store.crypt.signed(ADDRESS, payment_id, mac)",
        'return mac != "" or self._store.crypt.signed(ADDRESS, payment_id, mac)',
    ),
    plant(
        "a callback is believed about any day",
        "I1",
        "bot/core/hear.py",
        "if at is None or not begun_at - CLOCKS_DIFFER <= at <= now + CLOCKS_DIFFER:",
        "if at is None or not begun_at <= now + CLOCKS_DIFFER:",
    ),
    plant(
        "the amount of a success is not compared",
        "I1",
        "bot/core/hear.py",
        "right = heard.amount_cents == payment.amount_kes * 100",
        "right = heard.amount_cents > 0",
    ),
    plant(
        "a callback may name another push",
        "I9",
        "bot/core/hear.py",
        "if payment.checkout_index is not None and seen.checkout_index != payment.checkout_index:",
        "if payment.checkout_index is None and seen.checkout_index is None:",
    ),
    plant(
        "a callback may name another request",
        "I9",
        "bot/core/hear.py",
        "return known is None or heard.merchant_request_id == known",
        "return known is None or heard.merchant_request_id != known or known != ''",
    ),
    plant(
        "one receipt credits two payments",
        "I4",
        "bot/core/hear.py",
        "if seen.receipt_holder not in (None, payment.id):",
        "if seen.receipt_holder == payment.id:",
    ),
    plant(
        "unconfirmed credits have no total",
        "I1",
        "bot/core/hear.py",
        "if by_callback_alone and total_kes > self._unconfirmed_total_kes:",
        "if by_callback_alone and payment.amount_kes > self._unconfirmed_total_kes:",
    ),
    plant(
        "a liar may fill the disk",
        "I12",
        "bot/core/hear.py",
        "if seen.untrusted >= UNTRUSTED_KEPT:",
        "if seen.untrusted < 0:",
    ),
    plant(
        "safaricom is answered before the commit",
        "I11",
        "bot/web/callbacks.py",
        "await self.hear.callback(payment_id, heard, body, source=source)",
        "asyncio.ensure_future(\n"
        "                self.hear.callback(payment_id, heard, body, source=source)\n            )",
    ),
    plant(
        "safaricom is told 200 for what was not kept",
        "I11",
        "bot/web/callbacks.py",
        'type(exc).__name__)\n            return web.Response(status=503, text="Try again")',
        "type(exc).__name__)\n            return web.Response(body=ACCEPTED)",
    ),
    plant(
        "an amount is rounded",
        "I1",
        "mpesa/fields.py",
        "exponent < -2",
        "exponent < -9",
    ),
    plant(
        "a code that resembles 0 is a success",
        "I1",
        "mpesa/callbacks.py",
        'if result.paid and code != "0" and not isinstance(code, int):',
        'if result.paid and code == "no":',
    ),
    plant(
        "still being processed is a no",
        "I2",
        "mpesa/results.py",
        '"Still being processed.", final=False',
        '"Still being processed.", final=True',
    ),
    plant(
        "an answer about another payment is taken",
        "I9",
        "mpesa/wire.py",
        'if body.get("CheckoutRequestID") != checkout_request_id:',
        'if not body.get("CheckoutRequestID"):',
    ),
    plant(
        "a code that nobody knows ends a payment",
        "I2",
        "bot/core/reconcile.py",
        "elif result.final:",
        "elif result.code:",
    ),
    plant(
        "an answer counts as later than its question",
        "I1",
        "bot/core/reconcile.py",
        "Kind.QUERY_PAID, hearsay, asked_at),)",
        "Kind.QUERY_PAID, hearsay, now),)",
    ),
    plant(
        "asking never ends",
        "I8",
        "bot/core/reconcile.py",
        "payment.status in OPEN and exhausted:",
        "payment.status is Status.PAID and exhausted:",
    ),
    plant(
        "a person who wants to know after two days is told that we ask, and nobody asks",
        "I8",
        "bot/core/check_times.py",
        "if wanted_at is not None and now < wanted_at + WANTED_FOR:",
        "if wanted_at is not None and now < begun_at + LAPSE_AFTER:",
    ),
    plant(
        "a person's question that gets no answer is put for ever",
        "I8",
        "bot/core/reconcile.py",
        '"check_holder": None, "user_check_at": None}',
        '"check_holder": None}',
    ),
    plant(
        "a yes to which Safaricom answers neither yes nor no comes to nobody",
        "I8",
        "bot/core/reconcile.py",
        "if not evidence and needs_person(payment, now):",
        "if evidence and needs_person(payment, now):",
    ),
    plant(
        "what was asked for by a clock since set back is asked about when it shows that hour again",
        "I8",
        "bot/core/clock_steps.py",
        "if now < self._latest - FAR_AHEAD:",
        "if now < self._latest - FAR_AHEAD * 10_000:",
    ),
    plant(
        "each process that sees the clock set back hurries all checks once more",
        "I8",
        "bot/core/clock_steps.py",
        "left = by - (hurried_us - self._hurried_us) * MICROSECOND",
        "left = by",
    ),
    plant(
        "a payment without an id never comes to a person",
        "I8",
        "bot/core/reconcile.py",
        "if now < called_at:",
        "if now >= begun_at:",
    ),
    plant(
        "a claim is a credit",
        "I1",
        "bot/core/people.py",
        "kind=Kind.CLAIM,",
        "kind=Kind.OPERATOR_PAID,",
    ),
    plant(
        "anybody may press a button",
        "I12",
        "bot/core/buttons.py",
        "if shown.deed.owner not in (None, by):",
        "if shown.deed.owner == -1:",
    ),
    plant(
        "nobody knows who looked at whole numbers",
        "seen",
        "bot/core/books.py",
        "payment_ids=[payment.id for payment in found],",
        "payment_ids=[],",
    ),
    plant(
        "a replay looks away from money",
        "I10",
        "bot/core/replay.py",
        '*("status", "words", "reason", "receipt", "credited_cents", "reversed_cents"),',
        '*("status", "words", "reason", "receipt", "reversed_cents"),',
    ),
)

_KEPT = (
    plant(
        "the same evidence twice is two",
        "I4",
        "storage/units.py",
        "if (each.kind, each.digest) not in told]",
        "if each.kind not in told]",
    ),
    plant(
        "a receipt that was taken in this very commit is free",
        "I4",
        "storage/units.py",
        "self._receipt_holders[receipt] = unit.payment_id\n            case.claims",
        "self._receipt_holders.pop(receipt, None)\n            case.claims",
    ),
    plant(
        "evidence that moves nothing is not settled",
        "I6",
        "storage/units.py",
        'changes["rev"] = case.now.rev + max(1, len(fresh))',
        'changes["rev"] = case.now.rev + (1 if admitted.changes else 0)',
    ),
    plant(
        "a slow instance writes over a quick one",
        "I5",
        "storage/moves.py",
        'payments.c.rev == bindparam("key_rev"))',
        'payments.c.rev >= 0 * bindparam("key_rev"))',
    ),
    plant(
        "half asked payments are not found at start",
        "I8",
        "storage/schema.py",
        "UNSENT = text(\"status IN ('created', 'asking')\")",
        "UNSENT = text(\"status IN ('created')\")",
    ),
    plant(
        "what was cut off while it asked is never found",
        "I8",
        "storage/payments.py",
        "query = select(payments).where(payments.c.status == Status.ASKING)",
        "query = select(payments).where(payments.c.status == Status.UNSURE)",
    ),
    plant(
        "a rival's receipt is taken from it",
        "I4",
        "storage/evidence.py",
        "pg_insert(receipts)\n    .on_conflict_do_nothing(",
        'pg_insert(receipts)\n    .on_conflict_do_update(set_={"at": 0}, ',
    ),
    plant(
        "bodies without a payment may fill the disk",
        "I12",
        "storage/evidence.py",
        ">= ORPHANS_PER_PAYMENT",
        "< 0",
    ),
    plant(
        "a write is answered without a commit",
        "I11",
        "storage/rooms.py",
        "            work(connection)  # if it raises, closing the connection rolls back\n"
        "            _commit(connection)",
        "            work(connection)  # if it raises, closing the connection rolls back",
    ),
    plant(
        "evidence that cannot be settled is thrown away",
        "I2",
        "storage/writer.py",
        "settle, failed = False, exc",
        "failed = exc",
    ),
    plant(
        "one poisoned write takes the others along",
        "I2",
        "storage/writer.py",
        "            elif len(batch) == 1:\n",
        "            elif len(batch) > 1:\n                self._reject(batch, exc)\n"
        "            elif len(batch) == 1:\n",
    ),
    plant(
        "what changed while it was being told is forgotten",
        "I7",
        "storage/notice_tells.py",
        'state=case((notices.c.wanted > _VERSION, "due"), else_="told"),',
        'state=case((notices.c.wanted > _VERSION, "told"), else_="told"),',
    ),
    plant(
        "a stale word that is written over the last one stays there",
        "I7",
        "storage/notice_tells.py",
        'state=case((notices.c.state == "told", "due"), else_=notices.c.state),',
        "state=notices.c.state,",
    ),
    plant(
        "a card asked for anew is lost where the old one is being edited",
        "I7",
        "storage/notices.py",
        'or_(notices.c.state.in_(("due", "told")), edited)',
        'notices.c.state.in_(("due", "told"))',
    ),
    plant(
        "a first word that came after another's last stays there",
        "I7",
        "bot/chat/notices.py",
        "if goes_on is False and notice.kind in EDITED:",
        "if goes_on is None and notice.kind in EDITED:",
    ),
    plant(
        "what changed after it was told is told once only",
        "I7",
        "storage/owing.py",
        '"state": case((notices.c.state == _SENDING, _SENDING), else_=_DUE),',
        '"state": notices.c.state,',
    ),
    plant(
        "a message that a crash cut off is never sent",
        "I7",
        "storage/notice_picks.py",
        '        and_(notices.c.state == "sending", over),',
        '        and_(notices.c.state == "dead", over),',
    ),
    plant(
        "every edit is a new message",
        "I7",
        "bot/core/post.py",
        "message_id=message_id, now=",
        "message_id=None, now=",
    ),
    plant(
        "an update that failed once is given up",
        "I7",
        "bot/core/inbox.py",
        "            if tries >= TRIES_MAX:",
        "            if tries >= 1:",
    ),
    plant(
        "a redelivered update is new",
        "I3",
        "storage/inbox.py",
        'make(inbox).on_conflict_do_nothing(index_elements=["update_id"])',
        "make(inbox).on_conflict_do_update(\n"
        '        index_elements=["update_id"], set_={"done_at": None}\n'
        "    )",
    ),
    plant(
        "a signature of nothing is good",
        "I12",
        "storage/crypt.py",
        "        good = False\n",
        "        good = not mac.strip('0')\n",
    ),
    plant(
        "two processes may have one file",
        "I3",
        "storage/locks.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
    ),
    plant(
        "a commit does not wait for the disk",
        "I11",
        "storage/engine.py",
        '"synchronous = FULL",',
        '"synchronous = OFF",',
    ),
    plant(
        "a replay does not see the last payments",
        "I10",
        "storage/reading.py",
        "yield kept\n            if len(found) < batch:",
        "yield kept\n            if len(found) <= batch:",
    ),
)

PLANTED = (*_SETTLE, *_PUSH, *_HEARD, *_KEPT, *OF_DRIVES, *OF_INVOICES, *OF_THE_RECORD)
