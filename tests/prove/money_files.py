"""
Which files handle money, or decide who may: each has a planted bug. Which do not, and why not.

Every file of the folders below is in one of the two lists; a new one has to be put there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["FOLDERS", "MONEY_FILES", "NO_MONEY", "in_folders"]

FOLDERS = ("bot/core", "bot/web", "mpesa", "storage")
"""Looked over file by file; not the folders in them (the simulator, migrations, records, pages)."""


def in_folders(root: Path) -> frozenset[str]:
    """All files that have to be in one of the two lists."""
    return frozenset(
        str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).glob("*.py")
    )


def _in(folder: str, names: str) -> Iterator[str]:
    return (f"{folder}/{name}.py" for name in names.split())


MONEY_FILES = (
    *_in(
        "bot/core",
        """
        accounts apart ask attempts billing bills books books_alarm buttons by_hand cash_book
        check_times claims_alarm clock_steps counter decisions departures drive_acts
        drive_news drive_privacy drive_views drive_words drives gift_reversals given_back
        giving health hear inbox invoice_acts invoice_news invoice_talk invoices leaving
        ledgers limits looks merchants money named_late outage outcomes payees people
        placing pledging portal post privacy promises prompt_age proposals receipt_words receipts
        reconcile record record_desk references registering reminders replay restored ruled
        reversal_ends reversal_rows reversals review row_batches rulings send settle skew
        statement_desk statements status_answers suggestions takeover tokens told_rows
        touched treasurers treasury turns two_people unanswered unread ways went_back
        write_off
        """,
    ),
    *_in(
        "bot/web",
        """
        books callbacks drives forms guard invoices progress prompting receipts telegram
        wishes words
        """,
    ),
    *_in(
        "mpesa",
        """
        async_results back_office bodies c2b callbacks client fields models org_results
        org_wire phones rejections results statement statement_rows tokens transport wire
        """,
    ),
    *_in(
        "storage",
        """
        asked attempts backups buttons crypt differences drives engine evidence gifts health
        inbox invoice_lists invoices journals leases lines locks merchants moves named
        notice_picks notice_returns notice_tells notices owing page_prompts payment_rows
        payments people pledges postgres presence privacy privacy_drives privacy_invoices
        privacy_keys reading record reminders rooms schema set_back statements taken_back
        touched units unnamed_claims unreceipted writer
        """,
    ),
)
"""What comes to a sum, a push, a receipt, a message about one, or who may have it."""

NO_MONEY = {
    "It holds other files together, and decides nothing itself.": (
        *_in("bot/core", "__init__ core ports"),
        *_in("bot/web", "__init__ server site"),
        *_in("mpesa", "__init__"),
        *_in("storage", "__init__ hearing tx"),
    ),
    "Names of columns, of errors, or of numbers: what is done with them is elsewhere.": (
        *_in("bot/core", "phones"),
        *_in("mpesa", "addresses errors"),
        *_in("storage", "columns drive_tables errors invoice_tables page_tables record_tables"),
    ),
    "How soon, how often and by which process: what may be done once is guarded elsewhere.": (
        *_in("bot/core", "eat lead pace"),
        *_in("bot/web", "seats"),
        *_in("storage", "paces"),
    ),
    "It watches the machine or its files, and tells a person: it judges no payment.": (
        *_in("bot/core", "about latencies reach"),
        *_in("bot/web", "probe"),
        *_in("storage", "examining newest"),
    ),
    "It keeps or words what it is given, whatever that is.": (
        *_in("bot/web", "assets live pages papers rendering"),
        *_in("storage", "documents drafts notice_words setwise shared"),
    ),
    "It locks a password: where that is done wrongly, nothing leaves.": (
        *_in("mpesa", "credential"),
    ),
}
"""The others, by the reason why no bug in them moves money or says that it moved."""
