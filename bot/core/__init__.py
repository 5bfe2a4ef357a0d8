"""What the money does: no Telegram, no HTTP, no SQL, and no clock of its own."""
