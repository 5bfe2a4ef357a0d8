"""
Owns what is spared the HTTP clients of the tests, ours and those of the bots they start.

Whoever is met here is met without TLS. A client reads 140 authorities all the same before it
says a word, which takes longer than many a test; and httpcore looks through all the folders of
packages several times in each request, for one that is not there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

__all__ = ["spare_clients"]


def spare_clients() -> None:
    """From now on a client of this process and of its children trusts nobody, and is quick."""
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)  # there is no authority in here
    if importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's way to say so for good
