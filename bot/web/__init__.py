"""HTTP in: what Safaricom, Telegram and a health check may ask of us."""
