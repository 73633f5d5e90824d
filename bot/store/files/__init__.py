"""The database as a file: its lock, its backups and its migrations."""
