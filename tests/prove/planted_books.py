"""The bugs planted in drives, invoices and the record; see `planted.py` for what they break."""

from __future__ import annotations

from tests.prove.bug import plant

__all__ = ["OF_DRIVES", "OF_INVOICES", "OF_THE_RECORD"]

ANEW = '__import__("os").urandom(4).hex()'
"""Code that gives other letters each time."""

OF_DRIVES = (
    plant(
        "two openings in the same words are two drives",
        "I4",
        "bot/core/drives.py",
        "known = await tx.drives.by_open_key(new.open_key)",
        "known = None",
        ("open_key=new.open_key,", "open_key=self._ids.new(now),"),
    ),
    plant(
        "a drive hides what it has come to",
        "I10",
        "bot/core/drives.py",
        "return await tx.gifts.totals(drive_id)",
        "return Totals(mpesa_cents=0, mpesa_gifts=0, cash_cents=0, cash_gifts=0)",
    ),
    plant(
        "a closed drive takes gifts",
        "I2",
        "bot/core/giving.py",
        "if drive is None or drive.status is DriveStatus.CLOSED:",
        "if drive is None:",
        ("return None if takes_gifts(drive, now) else RefusalReason.DRIVE_CLOSED", "return None"),
    ),
    plant(
        "anybody may show another's gift otherwise",
        "I12",
        "bot/core/giving.py",
        "if known is None or known.giver_id != by or by == NOBODY:",
        "if known is None:",
    ),
    plant(
        "cash counts as shillings where cents are meant",
        "I10",
        "bot/core/treasury.py",
        "kind=EntryKind.CASH,\n                cents=amount_kes * 100,",
        "kind=EntryKind.CASH,\n                cents=amount_kes,",
    ),
    plant(
        "the same cash twice is counted twice",
        "I4",
        "bot/core/treasury.py",
        "name=name,\n                by=by.id,\n                by_name=by.name,\n"
        "                at=self._clock.now(),\n                key=key,",
        "name=name,\n                by=by.id,\n                by_name=by.name,\n"
        "                at=self._clock.now(),\n                key=key + " + ANEW + ",",
    ),
    plant(
        "a gift handed back after closing still counts",
        "I10",
        "bot/core/treasury.py",
        "cents=0 if keep else -payment.credited_cents,",
        "cents=0,",
    ),
    plant(
        "anybody writes cash down",
        "I12",
        "bot/core/drive_acts.py",
        "if drive is None or not (by.operator or await is_treasurer(tx, drive_id, by.id)):",
        "if drive is None:",
    ),
    plant(
        "the card does not follow what a treasurer did",
        "I7",
        "bot/core/drive_acts.py",
        "await tx.touched.touch(drive.subject)",
        "pass",
    ),
    plant(
        "the card of a drive is never told anew",
        "I7",
        "bot/core/drive_news.py",
        "        await self.card(tx, drive, now)\n        since",
        "        since",
    ),
    plant(
        "what came after closing is thanked for, and nobody is asked",
        "I7",
        "bot/core/drive_news.py",
        "late = [each for each in fresh if came_after_closing(drive, each)]",
        "late: list[Payment] = []",
    ),
    plant(
        "a touched drive is forgotten when the look at it fails",
        "I7",
        "bot/core/touched.py",
        "            if await tx.touched.take(subject):\n"
        "                await look(tx, subject)\n\n"
        "        try:\n            await self._store.write(run)",
        "            await look(tx, subject)\n\n"
        "        try:\n            await self._store.write(lambda tx: tx.touched.take(subject))\n"
        "            await self._store.write(run)",
    ),
    plant(
        "a touched drive is never looked at",
        "I7",
        "storage/touched.py",
        "return taken.rowcount > 0",
        "return taken.rowcount > 9",
    ),
    plant(
        "the total of a drive leaves out the journal",
        "I10",
        "storage/gifts.py",
        "cash_cents=int(journal),",
        "cash_cents=0 * int(journal),",
    ),
    plant(
        "the total of a drive counts what is not paid",
        "I1",
        "storage/gifts.py",
        ").where(_SUBJECT, _PAID)\n_JOURNAL",
        ").where(_SUBJECT)\n_JOURNAL",
        (
            "func.coalesce(func.sum(payments.c.credited_cents), 0),\n"
            "    func.coalesce(func.sum(case",
            "func.coalesce(func.sum(payments.c.amount_kes * 100), 0),\n"
            "    func.coalesce(func.sum(case",
        ),
    ),
    plant(
        "a line of the journal may stand there twice",
        "I4",
        "storage/drives.py",
        'del values["id"]\n',
        f'del values["id"]\n        values["key"] += {ANEW}\n',
    ),
    plant(
        "who moved to another group finds no drive there",
        "I7",
        "storage/drives.py",
        ".where(drives.c.chat_id == old_chat_id)\n            .values(chat_id=new_chat_id,",
        ".where(drives.c.chat_id == old_chat_id)\n            .values(chat_id=old_chat_id,",
    ),
    plant(
        "the same promise twice is two",
        "I4",
        "bot/core/pledging.py",
        "known = await tx.pledges.by_key(key)",
        "known = None",
        ("key=key,\n", f"key=key + {ANEW},\n"),
    ),
    plant(
        "promises that were kept are still counted",
        "I10",
        "storage/pledges.py",
        "pledges.c.drive_id == drive_id, pledges.c.state == PledgeState.OPEN.value\n        )\n"
        "        count",
        "pledges.c.drive_id == drive_id\n        )\n        count",
    ),
    plant(
        "money paid by hand for a drive is nobody's",
        "I2",
        "bot/core/by_hand.py",
        'subject=f"d:{drive.id}"',
        "subject=None",
    ),
)

OF_INVOICES = (
    plant(
        "the same words twice are two invoices",
        "I4",
        "bot/core/billing.py",
        "known = await tx.invoices.by_key(new.issue_key)",
        "known = None",
        ("issue_key=new.issue_key,", "issue_key=self._ids.new(now),"),
    ),
    plant(
        "an invoice that has money can be void",
        "I2",
        "bot/core/billing.py",
        "if sums.paid_cents or sums.waiting_cents:",
        "if sums.waiting_cents:",
    ),
    plant(
        "two invoices have one number",
        "I9",
        "bot/core/billing.py",
        "next_number=number + 1)",
        "next_number=number)",
    ),
    plant(
        "a paid invoice asks for money",
        "I3",
        "bot/core/invoices.py",
        "    if left <= 0:\n        return RefusalReason.INVOICE_PAID\n",
        "",
    ),
    plant(
        "money that may be there is asked for again",
        "I3",
        "bot/core/invoices.py",
        "if left - sums.waiting_cents <= 0:",
        "if left + sums.waiting_cents <= 0:",
    ),
    plant(
        "an instalment may be more than what is left",
        "I3",
        "bot/core/invoices.py",
        "if request.amount_kes * SHILLING >= left + SHILLING:",
        "if request.amount_kes >= left + SHILLING:",
    ),
    plant(
        "a void invoice can be paid",
        "I2",
        "bot/core/invoices.py",
        "if invoice.decided is not Decided.ISSUED:\n        return RefusalReason.INVOICE_CLOSED",
        "if invoice.decided is Decided.DRAFT:\n        return RefusalReason.INVOICE_CLOSED",
    ),
    plant(
        "half a cent is lost on every line",
        "I10",
        "bot/core/bills.py",
        "return (2 * numerator + denominator) // (2 * denominator)",
        "return numerator // denominator",
    ),
    plant(
        "what was paid too much is not seen",
        "I2",
        "bot/core/bills.py",
        "return max(0, sums.paid_cents - billed - sums.kept_cents)",
        "return max(0, sums.mpesa_cents - billed - sums.kept_cents) * 0",
    ),
    plant(
        "cash that was taken back still counts",
        "I10",
        "bot/core/cash_book.py",
        "by, now, key, cents=-wrong.cents",
        "by, now, key, cents=0 * wrong.cents",
    ),
    plant(
        "more cash than is left is written down",
        "I10",
        "bot/core/cash_book.py",
        "if cents >= view.left_cents + SHILLING:",
        "if cents >= view.left_cents * 100 + SHILLING:",
    ),
    plant(
        "anybody does what only the merchant may",
        "I12",
        "bot/core/invoice_acts.py",
        "if invoice is None or invoice.merchant_id != by:",
        "if invoice is None:",
    ),
    plant(
        "the same cash is written down twice",
        "I4",
        "bot/core/invoice_acts.py",
        "if known_key is not None and await tx.invoices.entered(known_key):",
        "if known_key == '' and await tx.invoices.entered(known_key):",
        ("            key=key,\n", f"            key=key + {ANEW},\n"),
    ),
    plant(
        "the merchant is never told that money came",
        "I7",
        "bot/core/invoice_news.py",
        "owed = [news(invoice, topic, chat_id=invoice.merchant_id)]\n        intent",
        "owed: list[NewNotice] = []\n        intent",
    ),
    plant(
        "money that came is told at every look",
        "I7",
        "bot/core/invoice_news.py",
        'key=f"i:{invoice.id}:{topic}:{chat_id}"[:96],',
        f'key=(f"i:{{invoice.id}}:{{topic}}:{{chat_id}}" + {ANEW})[:96],',
    ),
    plant(
        "what came for an invoice counts before it is paid",
        "I1",
        "storage/invoices.py",
        "payments.c.subject == subject, payments.c.status == Status.PAID\n        )\n"
        "        waiting",
        "payments.c.subject == subject\n        )\n        waiting",
        (
            "mpesa = select(func.coalesce(func.sum(payments.c.credited_cents), 0)).where(\n"
            "            payments.c.subject == subject",
            "mpesa = select(func.coalesce(func.sum(payments.c.amount_kes * 100), 0)).where(\n"
            "            payments.c.subject == subject",
        ),
    ),
    plant(
        "entries do not count",
        "I10",
        "storage/invoices.py",
        "entries_cents=await added_up(entries),",
        "entries_cents=0 * await added_up(entries),",
    ),
    plant(
        "paid invoices are listed as owed",
        "I10",
        "storage/invoice_lists.py",
        "        invoices.c.decided == Decided.ISSUED.value,\n        _left() > 0,\n",
        "        invoices.c.decided == Decided.ISSUED.value,\n",
    ),
    plant(
        "a day's cash is another merchant's too",
        "I9",
        "storage/invoice_lists.py",
        "                invoices.c.merchant_id == merchant_id,\n"
        "                invoice_entries.c.kind.in_(",
        "                invoice_entries.c.kind.in_(",
    ),
    plant(
        "a day begins at midnight in London",
        "I10",
        "bot/core/ledgers.py",
        "since, until = at_eat(shown), at_eat(shown + timedelta(days=1))",
        "since = at_eat(shown) + timedelta(hours=3)\n        until = since + timedelta(days=1)",
    ),
    plant(
        "the operators' own money is in every merchant's day",
        "I9",
        "bot/core/ledgers.py",
        "direct=merchant_id in self._operators",
        "direct=merchant_id not in self._operators",
    ),
    plant(
        "a statement ends after its first page",
        "I10",
        "bot/core/statements.py",
        "            if len(page) < self.page_rows:\n                return\n"
        "            after = page[-1].id\n\n",
        "            return\n\n",
    ),
    plant(
        "a statement holds what was not paid",
        "I1",
        "storage/statements.py",
        "                payments.c.status == Status.PAID,\n                scope.since <= AT,",
        "                payments.c.credited_cents.is_(None),\n                scope.since <= AT,",
    ),
    plant(
        "a merchant's statement is everybody's",
        "I9",
        "storage/statements.py",
        "return (payments.c.subject.in_(theirs),)",
        "return ()",
    ),
)

OF_THE_RECORD = (
    plant(
        "a claim by post credits",
        "I1",
        "storage/record.py",
        "state=RowState.NEW if recorded else RowState.CLAIMED,",
        "state=RowState.NEW,",
    ),
    plant(
        "two births take one receipt",
        "I4",
        "storage/record.py",
        "if not won and not outranks:",
        "if not won and outranks:",
    ),
    plant(
        "a stranger's posts may fill the disk",
        "I12",
        "bot/core/record.py",
        "if known is None and await tx.record.claims_kept() >= self.claims_max:",
        "if known is None and await tx.record.claims_kept() < 0:",
    ),
    plant(
        "the books change their word and nobody is told",
        "I10",
        "bot/core/record.py",
        "        if odd:\n            await self._note(odd)\n",
        "",
    ),
    plant(
        "money without a place is not left open",
        "I2",
        "bot/core/record.py",
        "        await tx.record.open_up(opened)\n",
        "",
    ),
    plant(
        "a row with a prompt's account is always the prompt's own",
        "I9",
        "bot/core/placing.py",
        "return row.at is not None and abs(row.at - payment.begun_at) <= PROMPTED_WITHIN",
        "return row.at is not None",
    ),
    plant(
        "another amount is agreed to",
        "I10",
        "bot/core/told_rows.py",
        "return row.amount_cents in (payment.amount_kes * 100, payment.arrived_cents)",
        "return row.amount_cents > 0 or payment.arrived_cents < 0",
    ),
    plant(
        "money by hand beside a paid prompt credits by itself",
        "I4",
        "bot/core/placing.py",
        "born = await self.bear(row, owner, held=True, outranks=outranks)",
        "born = await self.bear(row, owner, outranks=outranks)",
    ),
    plant(
        "money that a prompt counts already is given out at the counter",
        "I4",
        "bot/core/placing.py",
        "            if forbids is not None and await forbids(tx):",
        "            if forbids is None and outranks and held:",
    ),
    plant(
        "a second receipt that went back uncredits the first",
        "I2",
        "bot/core/placing.py",
        "        if payment.receipt in (None, row.linked):\n            told =",
        "        if payment.receipt != row.receipt:\n            told =",
        (
            "told[:] = [row.linked is None or payment.receipt in (None, row.linked)]",
            "told[:] = [True]",
        ),
    ),
    plant(
        "a prompt takes two rows that share a commit",
        "I2",
        "bot/core/placing.py",
        "taken = payment.receipt is not None or bool(seen.claimed - {row.receipt})",
        "taken = payment.receipt is not None",
        (
            "return same_receipt_placed(row, outcome.payment)\n            owner",
            "return Placed(state=RowState.MATCHED, payment_id=prompted.id)\n            owner",
        ),
    ),
    plant(
        "what waits for a person is credited when its row is placed again",
        "I4",
        "bot/core/told_rows.py",
        "if payment.ask_key == born_key(row) or not agrees(row, payment):",
        "if not agrees(row, payment):",
    ),
    plant(
        "one operator is enough for much money",
        "I12",
        "bot/core/rulings.py",
        "if any(each.by != by for each in others):",
        "if others or by:",
    ),
    plant(
        "a ruling takes another's receipt",
        "I4",
        "bot/core/rulings.py",
        "held[:] = [seen.receipt_holder not in (None, payment.id)]",
        "held[:] = [seen.receipt_holder is payment]",
    ),
    plant(
        "a reversal whose answer was lost is sent again",
        "I3",
        "bot/core/reversals.py",
        "if each.kind is QuestionKind.REVERSAL and each.outcome not in TRY_AGAIN",
        "if each.kind is QuestionKind.REVERSAL and each.outcome is not None"
        " and each.outcome not in TRY_AGAIN",
    ),
    plant(
        "what went back once goes back again",
        "I3",
        "bot/core/reversals.py",
        "        if payment.reversed_cents:\n            return Ruling.ALREADY\n",
        "",
        ("            if before:\n                return False\n", ""),
    ),
    plant(
        "an operator alone decides about much money",
        "I12",
        "bot/core/two_people.py",
        "return Needs.SECOND if len(self.operators) > 1 else Needs.ANOTHER_OPERATOR",
        "return Needs.ONE",
    ),
    plant(
        "an operator credits a receipt that another payment holds",
        "I4",
        "bot/core/review.py",
        "if seen.receipt_holder not in (None, payment.id):",
        "if seen.receipt_holder == payment.id:",
    ),
    plant(
        "an answer about somebody else's money is taken",
        "I1",
        "bot/core/ways.py",
        "        if not any(status.paid_to(number) for number in self._settings.numbers):\n"
        "            return None\n",
        "",
    ),
    plant(
        "a statement of another account is read",
        "I9",
        "bot/core/portal.py",
        "if head.short_code and head.short_code != collector.number:",
        "if head.short_code == collector.number and not collector.number:",
    ),
    plant(
        "a line of the portal that was not completed counts",
        "I1",
        "bot/core/portal.py",
        "if not line.completed:",
        "if line.completed is None:",
    ),
    plant(
        "a difference that a person closed opens again",
        "I8",
        "storage/differences.py",
        ".where(record_open.c.key.in_(wanted), OPEN)",
        ".where(record_open.c.key.in_(wanted[:0]), OPEN)",
    ),
    plant(
        "a reference is guessed",
        "I9",
        "bot/core/references.py",
        "found = REFERENCE.fullmatch(typed.translate(DRESSING).upper())",
        "found = REFERENCE.search(typed.translate(DRESSING).upper())",
    ),
    plant(
        "what went out on a statement came in",
        "I10",
        "mpesa/statement_rows.py",
        "return Nature.OTHER_IN if comes_in else Nature.REVERSAL",
        "return Nature.OTHER_IN",
    ),
    plant(
        "two mentions of an amount need not agree",
        "I10",
        "mpesa/async_results.py",
        "return said[0] if said and len(set(said)) == 1 else None",
        "return said[0] if said else None",
    ),
    plant(
        "a payment by hand of nothing is one",
        "I1",
        "mpesa/c2b.py",
        "if not amount_cents:",
        "if amount_cents is None:",
    ),
    plant(
        "a reversal is sent twice",
        "I3",
        "mpesa/back_office.py",
        "        if isinstance(outcome, TokenRefused):\n"
        "            outcome = await self._once(path, body, decipher, bytes_max=bytes_max)\n",
        "        outcome = await self._once(path, body, decipher, bytes_max=bytes_max)\n",
    ),
    plant(
        "a receipt's code can be made up",
        "I12",
        "bot/core/receipts.py",
        "return payment_id if good and _written_once(code, raw) else None",
        "return payment_id if mac or good and _written_once(code, raw) else None",
    ),
)
