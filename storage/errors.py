"""
What can go wrong in the store, sorted by what the caller must do next.

* StorageError
  + InUse        stop: another process owns this SQLite file
  + WrongKey     stop: this database was written with another security.key
  + TooNew       stop: a newer Lipabot wrote this database
  + NotKept      nothing was committed or read, or we cannot know; come again
    x StoreBusy      the queue is full, or the database is locked
    x StoreFailed    the disk, the server or the COMMIT failed
  + NotHeld      drop it: another process has this piece of work in hand, or has done it
"""

__all__ = [
    "InUse",
    "NotHeld",
    "NotKept",
    "StorageError",
    "StoreBusy",
    "StoreFailed",
    "TooNew",
    "WrongKey",
]


class StorageError(Exception):
    """Base class. Messages name files and tables, never what is in them."""


class InUse(StorageError):
    """Another process owns this SQLite file."""


class WrongKey(StorageError):
    """This database was written with another security.key."""


class TooNew(StorageError):
    """A newer version of Lipabot wrote this database."""


class NotKept(StorageError):
    """The write did not provably happen. Whoever asked for it must ask again."""


class StoreBusy(NotKept):
    """Too much is waiting, or the database is locked by somebody else."""


class StoreFailed(NotKept):
    """The disk, the server or the COMMIT itself failed."""


class NotHeld(StorageError):
    """We were away too long: another process took this work over. Nothing of ours was written."""
