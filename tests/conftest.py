"""What every test may use."""

from tests.stores import clock, open_a_store, postgres_server, store

__all__ = ["clock", "open_a_store", "postgres_server", "store"]
