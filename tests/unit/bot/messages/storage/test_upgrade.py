"""The reason of each migration is known in both languages."""

from pathlib import Path

from bot.messages import text
from bot.messages.storage.upgrade import MIGRATION_REASONS
from bot.store.files.migrate import read_migrations

MIGRATIONS = Path(__file__).parents[5] / "migrations"


def test_the_reasons_are_those_of_the_files() -> None:
    reasons = [migration.read_reason() for migration in read_migrations(MIGRATIONS)]
    missing = [reason for reason in reasons if reason not in MIGRATION_REASONS]
    assert not missing, f"add these to bot/messages/storage/upgrade.py: {missing}"
    assert list(MIGRATION_REASONS) == reasons
    assert all(text(reason, "zh-CN") != reason for reason in reasons)
