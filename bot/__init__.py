"""Lipabot: M-Pesa payments in a Telegram chat."""
