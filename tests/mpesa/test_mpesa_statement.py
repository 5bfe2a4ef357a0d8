"""The portal's statement in every form: what each line says, and what cannot be read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import xlsxwriter

from mpesa.simulator import ManualClock, Portal, Simulator, SimulatorSettings
from mpesa.statement import BadRow, BadStatement, Nature, Statement, StatementRow, open_statement

PORTAL = Path(__file__).parent.parent / "samples" / "portal"
HEADING = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,"
    "Balance,Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No.,Currency"
)
LINE = (
    "UKM1AAAA01,22-11-2026 08:02:11,22-11-2026 08:02:11,"
    "Pay Bill from 25470****101 - ALICE **** SAMPLE Acc. INV-1001,Completed,1500.0,,11500.0,true,"
    "Pay Utility,25470****101 - ALICE **** SAMPLE,,INV-1001,KES"
)


def read(path: Path) -> list[StatementRow | BadRow]:
    with open_statement(path) as statement:
        return list(statement)


def rows(path: Path) -> list[StatementRow]:
    found = read(path)
    assert not [each for each in found if isinstance(each, BadRow)]
    return [each for each in found if isinstance(each, StatementRow)]


def written(folder: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    path = folder / "statement.csv"
    path.write_bytes(end.join([*lines, ""]).encode(encoding))
    return path


def test_the_portals_own_form_in_csv_and_in_a_workbook_is_the_same() -> None:
    in_csv, in_xlsx = rows(PORTAL / "paybill.csv"), rows(PORTAL / "paybill.xlsx")

    assert in_csv == in_xlsx
    assert len(in_csv) == 11
    payments = [each for each in in_csv if each.nature is Nature.PAYMENT and each.completed]
    assert sum(each.paid_in_cents for each in payments) == 9_176_350
    by_receipt = {each.receipt: each for each in payments}
    assert by_receipt["UKM1AAAA02"].account_reference == "0850060"
    assert by_receipt["UKM1AAAA03"].account_reference == "inv 1003"
    assert by_receipt["UKM1AAAA04"].account_reference == ""
    assert by_receipt["UKM1AAAA01"].completed_at == datetime(2026, 11, 22, 5, 2, 11, tzinfo=UTC)
    assert by_receipt["UKM1AAAA01"].line == 18


def test_the_head_says_whose_books_of_which_time_these_are() -> None:
    with open_statement(PORTAL / "paybill.csv") as statement:
        head = statement.head

    assert head.short_code == "600999"
    assert head.account == "Utility Account"
    assert head.since == datetime(2026, 11, 21, 21, 0, tzinfo=UTC)
    assert head.until == datetime(2026, 11, 22, 20, 59, 59, tzinfo=UTC)


def test_what_is_no_payment_is_told_apart() -> None:
    natures = {(each.receipt, each.nature) for each in rows(PORTAL / "paybill.csv")}

    assert ("UKM1AAAA01", Nature.CHARGE) in natures
    assert ("UKM1AAAA01", Nature.PAYMENT) in natures
    assert ("UKM1AAAA08", Nature.REVERSAL) in natures
    assert ("UKM1AAAA09", Nature.SWEEP) in natures
    reversal = next(each for each in rows(PORTAL / "paybill.csv") if each.linked_receipt)
    assert reversal.linked_receipt == "UKM1AAAA07"
    assert reversal.withdrawn_cents == 1500_00


@pytest.mark.parametrize(
    ("details", "reason", "nature"),
    [
        ("Pay Bill Charge", "Pay Bill Reversal", Nature.CHARGE),
        ("Pay Bill Reversal Charge", "Pay Bill Reversal", Nature.CHARGE),
        ("Merchant Reversal Charge to M-PESA", "Merchant Reversal", Nature.CHARGE),
        ("FSI to Merchant Charge by Receiver", "FSI to Merchant Reversal", Nature.CHARGE),
        ("Pay Bill Reversal to 25470****101 - ALICE", "Pay Bill Reversal", Nature.REVERSAL),
        ("Pay Bill Reversal to 25470****101 - NO CHARGE", "Pay Bill Reversal", Nature.REVERSAL),
        ("Pay Bill Reversal to 600123 - RECHARGE", "Pay Bill Reversal", Nature.REVERSAL),
    ],
)
def test_the_charge_of_a_reversal_is_none_whatever_its_reason_says(
    tmp_path: Path, details: str, reason: str, nature: Nature
) -> None:
    line = LINE.replace("1500.0,,", ",-5.0,").replace("Pay Utility", reason)
    line = line.replace("Pay Bill from 25470****101 - ALICE **** SAMPLE Acc. INV-1001", details)

    [row] = rows(written(tmp_path, HEADING, line))

    assert (row.nature, row.withdrawn_cents) == (nature, 5_00)


def test_a_line_that_did_not_complete_is_there_and_says_so() -> None:
    failed = next(each for each in rows(PORTAL / "paybill.csv") if each.receipt == "UKM1AAAA05")

    assert not failed.completed
    assert failed.status == "Failed"


def test_the_newer_form_has_thousands_and_no_account_column() -> None:
    found = rows(next(PORTAL.glob("Statements for*.csv")))
    paid = {each.receipt: each for each in found if each.nature is Nature.PAYMENT}

    assert len(found) == 11
    assert paid["UKM3CCCC01"].paid_in_cents == 1100_00
    assert paid["UKM3CCCC02"].account_reference == "INV-2002"
    assert paid["UKM3CCCC05"].account_reference == "Frank"
    assert paid["UKM3CCCC06"].account_reference == ""
    assert paid["UKM3CCCC01"].other_party == "2547****111 - ALICE WANJA SAMPLE"
    # Both legs of a sweep, one of which comes in, are none of a customer's.
    assert len(paid) == 6


def test_the_first_portals_form() -> None:
    found = rows(PORTAL / "legacy_2009.csv")

    assert [each.account_reference for each in found] == ["LOAN001", "12345", ""]
    assert [each.completed for each in found] == [True, False, True]
    assert found[0].completed_at == datetime(2014, 3, 5, 7, 11, 12, tzinfo=UTC)
    assert found[2].withdrawn_cents == 5000_00


def test_the_head_offices_form_with_one_heading_too_many(tmp_path: Path) -> None:
    heading = (
        "ROW,STORE_NAME,RECEIPT_NUMBER,ACCOUNT_TYPE_NAME,TRANSACTION_TYPE,START_TIMESTAMP,"
        "TRANSACTION_PARTY_DETAILS,CREDIT_AMOUNT,DEBIT_AMOUNT,BALANCE,LINKED_TRANSACTION_ID"
    )
    line = (
        "SHOP 1,UKM1AAAA01,Merchant Account,Customer Merchant Payment,2026-11-22 08:02:11,"
        "254712***678 - ASHA,100.00,0,100.00,"
    )

    (row,) = rows(written(tmp_path, heading, line))

    assert row.receipt == "UKM1AAAA01"
    assert row.paid_in_cents == 100_00
    assert row.nature is Nature.PAYMENT
    assert row.completed


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_spreadsheet_program_may_save_it_otherwise(
    tmp_path: Path, encoding: str, mark: str
) -> None:
    line = LINE.replace("ALICE", "JOSÉ")
    path = written(
        tmp_path,
        HEADING.replace(",", mark),
        line.replace(",", mark),
        encoding=encoding,
        end="\r\n",
    )

    (row,) = rows(path)

    assert row.paid_in_cents == 1500_00
    assert row.other_party == "25470****101 - JOSÉ **** SAMPLE"


def test_a_completion_time_without_its_day_is_taken_from_the_initiation(tmp_path: Path) -> None:
    (row,) = rows(written(tmp_path, HEADING, LINE.replace("22-11-2026 08:02:11", "08:02", 1)))

    assert row.time_is_initiation
    assert row.completed_at == datetime(2026, 11, 22, 5, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("UKM1AAAA01", "5.1E+11", "no receipt"),
        ("UKM1AAAA01", "########", "no receipt"),
        ("22-11-2026 08:02:11", "########", "completion time"),
        ("22-11-2026 08:02:11", "31-02-2026 08:02:11", "completion time"),
        ("22-11-2026 08:02:11", "22-11-2026 25:02:11", "completion time"),
        (",1500.0,", ",1.5E+3,", "amount"),
        (",1500.0,", ",1500.005,", "amount"),
        (",1500.0,", ',"1,50.0",', "amount"),
        (",1500.0,", ",NaN,", "amount"),
        (",KES", ",USD", "USD"),
    ],
)
def test_a_damaged_line_is_named_and_the_others_are_read(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    good = LINE.replace("UKM1AAAA01", "UKM1AAAA02")
    path = written(tmp_path, "Short Code:,600999", HEADING, LINE.replace(was, becomes), good)

    bad, row = read(path)

    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert says in bad.why
    assert isinstance(row, StatementRow)
    assert row.line == 4


def test_a_line_that_is_cut_off_is_not_a_payment_of_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, HEADING, LINE[:60])

    (bad,) = read(path)

    assert isinstance(bad, BadRow)
    assert bad.line == 2


def test_a_quote_that_never_ends_does_not_swallow_the_rest_in_silence(tmp_path: Path) -> None:
    path = written(tmp_path, HEADING, LINE, LINE.replace("Pay Bill from", '"Pay Bill from', 1))

    with (
        pytest.raises(BadStatement) as raised,
        open_statement(path) as statement,
    ):
        list(statement)

    assert raised.value.line == 3
    assert str(raised.value).startswith("line 3: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "headings"),
        (b"hello", "headings"),
        (b"Name,Amount\nA,1\n", "headings"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04rubbish", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0rubbish", "spreadsheet"),
        (b"\x00\xff\x00\xff" * 100, "headings"),
    ],
)
def test_what_is_no_statement_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(content)

    with pytest.raises(BadStatement, match=says), open_statement(path) as statement:
        list(statement)


def test_totals_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, HEADING, "", LINE, ",,,Total,,1500.0,,,,,,,,", "")

    assert [row.receipt for row in rows(path)] == ["UKM1AAAA01"]


def test_a_till_is_paid_without_an_account(tmp_path: Path) -> None:
    line = (
        "UKM2BBBB01,22-11-2026 06:04:11,22-11-2026 06:04:11,"
        "Merchant Payment from 070****111 - FAITH **** SAMPLE,Completed,100.0,,10100.0,true,"
        "Pay Merchant,070****111 - FAITH **** SAMPLE,,,KES"
    )

    (row,) = rows(written(tmp_path, HEADING, line))

    assert row.nature is Nature.PAYMENT
    assert row.account_reference == ""


@pytest.mark.parametrize("till", [False, True])
async def test_the_simulators_export_says_what_its_books_say(tmp_path: Path, till: bool) -> None:
    settings = SimulatorSettings(
        transaction_type="till" if till else "paybill", till_number="600777" if till else None
    )
    simulator = Simulator(clock=ManualClock(), settings=settings)
    for amount in (1, 1500, 2500):
        simulator.pay_by_hand("254712345678", amount, "LIPA-7K2QX")
    paid = simulator.books.statement()
    simulator.reverse(paid[1].receipt)
    export = Portal(simulator.books, settings, charges=True).export(until=simulator.clock.now())
    for name, content in (("a.csv", export.csv()), ("a.xlsx", export.xlsx())):
        (tmp_path / name).write_bytes(content)

    in_csv, in_xlsx = rows(tmp_path / "a.csv"), rows(tmp_path / "a.xlsx")

    assert in_csv == in_xlsx
    got = {row.receipt: row for row in in_csv if row.nature is Nature.PAYMENT}
    assert {receipt: row.paid_in_cents for receipt, row in got.items()} == {
        row.receipt: row.amount_cents for row in paid
    }
    assert {row.account_reference for row in got.values()} == {"" if till else "LIPA-7K2QX"}
    (back,) = (row for row in in_csv if row.nature is Nature.REVERSAL)
    assert back.linked_receipt == paid[1].receipt
    assert len([row for row in in_csv if row.nature is Nature.CHARGE]) == 2


def test_a_statement_is_walked_through_once_and_lazily(tmp_path: Path) -> None:
    path = written(tmp_path, HEADING, LINE, LINE.replace("UKM1AAAA01", "UKM1AAAA02"))

    with open_statement(path) as statement:
        assert isinstance(statement, Statement)
        walk = iter(statement)
        first = next(walk)
        assert isinstance(first, StatementRow)
        assert first.receipt == "UKM1AAAA01"


def test_a_workbook_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "statement.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADING.split(","))
        for number in range(1, 101):
            line = LINE.replace("UKM1AAAA01", f"UKM1AAA{number:03}")
            sheet.write_row(number, 0, line.split(","))

    found = rows(path)

    assert [each.receipt for each in found] == [f"UKM1AAA{number:03}" for number in range(1, 101)]
