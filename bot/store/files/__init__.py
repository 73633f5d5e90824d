"""The database as a file: its lock, its backups, restores and migrations."""
