"""The playground: a strict stand-in for Telegram and the page of `lipabot demo`."""
