"""Faults: why a start failed, named by its key: wrong until a person mends it, or only not now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from bot.config import ConfigError

__all__ = ["NotNow", "naming"]

WRONG_PATHS = (FileExistsError, IsADirectoryError, NotADirectoryError)
"""A folder where a file should be, or the other way round."""

WRONG_NAMES = ("28", "3D")
"""PostgreSQL's classes of errors: it does not let us in, or has no such database."""


class NotNow(Exception):
    """What the configuration names is not to be had at this moment. Another try may do."""


@contextmanager
def naming(keys: str) -> Iterator[None]:
    """
    What the machine says about an address of the configuration, with the key it stands at.

    Raises:
        ConfigError: it stays so until somebody changes the configuration.
        NotNow: it may pass: a server that comes up later than we do, a port that is still taken.
    """
    try:
        yield
    except WRONG_PATHS as exc:
        raise ConfigError(f"{keys}: {exc.strerror}") from None
    except OSError as exc:
        raise NotNow(f"{keys}: {exc.strerror or exc or type(exc).__name__}") from None
    except DBAPIError as exc:
        # Its own words, without the statement and what was in it.
        kind = ConfigError if _names_no_database(exc) else NotNow
        raise kind(f"{keys}: {exc.orig}") from None


def _names_no_database(exc: DBAPIError) -> bool:
    state = getattr(exc.orig, "sqlstate", None) or ""
    no_file_of_sqlite = getattr(exc.orig, "sqlite_errorname", None) == "SQLITE_NOTADB"
    return no_file_of_sqlite or state.startswith(WRONG_NAMES)
