"""The made-up values of `security.key` that databases of tests are sealed with."""

__all__ = ["KEY", "SERVERS_KEY"]

KEY = "a key that is only for tests"
SERVERS_KEY = "k" * 40
"""Of processes that share a server, and were given it as a configuration would give it."""
