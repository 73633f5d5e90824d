"""The process does not start, or a chat does not open."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.errors.base import OperatorError


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the settings or the set-up that the host must repair.

    Attributes:
        code: Key of its sentence in ``bot.messages``.
        facts: Values for the sentence; never a secret.
    """

    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


class BadSettings(OperatorError):
    """Facts: ``problems``, a tuple of ``Problem``, one for each bad value."""


class FolderUnusable(OperatorError):
    """The data folder is not writable. Facts: ``path``, ``detail``."""


class DataFolderForeign(OperatorError):
    """The data folder holds other files than ours, or belongs to others; nothing changed. Facts: ``path``."""


class OutFolderUnusable(OperatorError):
    """The folder for pictures is not writable. Facts: ``path``, ``detail``."""


class DatabaseNewer(OperatorError):
    """Facts: ``path``, ``found`` and ``known`` schema versions."""


class DatabaseInUse(OperatorError):
    """Another process uses this data folder. Facts: ``path``."""


class DatabaseDamaged(OperatorError):
    """Facts: ``path``, ``detail``; ``backup``, the newest sound one, or None."""


class DatabaseLost(DatabaseDamaged):
    """The file is missing or empty where a bot has run; nothing changed. Facts: ``path``, ``backup``."""


class BackupDamaged(DatabaseDamaged):
    """The file to restore is; nothing changed. Facts: ``path``, ``detail``; ``backup``, another, or None."""


class DatabaseMissing(OperatorError):
    """The file does not exist. Facts: ``path``."""


class DatabaseForeign(OperatorError):
    """The file is another program's SQLite database; it stays unchanged. Facts: ``path``."""


class DiskFull(OperatorError):
    """The disk is full; no existing file changed. Facts: ``path``, the folder."""


class BackupFailed(OperatorError):
    """The backup could not be written; nothing changed. Facts: ``path``, the folder; ``detail``."""


class RestoreFailed(OperatorError):
    """The backup could not be put in place; nothing changed. Facts: ``path``, the folder; ``detail``."""


class MigrationFailed(OperatorError):
    """A migration does not fit a database's rows; nothing changed. Facts: ``path``, ``detail``."""


class BackupUnsound(OperatorError):
    """A backup is not sound after its migration; nothing changed. Facts: ``path``, ``problems``."""


class TokenRefused(OperatorError):
    """Facts: ``platform``."""


class PortTaken(OperatorError):
    """Facts: ``host``, ``port``."""


class UnknownCard(OperatorError):
    """No card of this name is known. Facts: ``name``, ``cards``."""


class NoCard(OperatorError):
    """This machine has no card that the bot may use. Facts: ``cards``, which may be named."""


class PlatformUnreachable(OperatorError):
    """Facts: ``platform``, ``detail``."""


class PackageMissing(OperatorError):
    """An optional package is not installed. Facts: ``platform``, the chat that needs it; ``package``."""


class NotStartable(OperatorError):
    """The set-up has faults, which ``sugarbot doctor`` shows. Facts: ``problems``, a tuple of ``Problem``."""
