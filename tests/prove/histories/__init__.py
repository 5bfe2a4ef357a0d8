"""Seeded histories: the real core, storage and outbox through days of every fault at once."""
