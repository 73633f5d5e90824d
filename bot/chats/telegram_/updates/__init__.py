"""What arrives from Telegram: ``kinds`` is the table of every kind and what becomes of it."""
