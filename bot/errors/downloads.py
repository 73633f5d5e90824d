"""What can go wrong when a host adds a LoRA by a link or a sent file."""

from bot.errors.base import NotAllowed, NotPossible, NotUnderstood


class LinkNotUnderstood(NotUnderstood):
    """The link does not name one file of the Hub or ModelScope, or a model of Civitai."""


class LinkNotAllowed(NotAllowed):
    """The link leads to a site that nothing is downloaded from. Facts: ``host``."""


class NotSafetensors(NotPossible):
    """The file is not a .safetensors file, or its name cannot be a file's. Facts: ``name``."""


class DownloadTooLarge(NotPossible):
    """Facts: ``limit_bytes``."""


class DownloadLeavesNoSpace(NotPossible):
    """The file would take space on the disk that must stay free. Facts: ``free_bytes`` for downloads."""


class DownloadMissing(NotPossible):
    """The site has no such file. Facts: ``site``."""


class DownloadNotAllowed(NotPossible):
    """The site gives this file only with an account. Facts: ``site``; ``setting``, for its token."""


class DownloadRedirected(NotPossible):
    """The site leads to a host that its files do not come from, or to a private address. Facts: ``host``."""


class DownloadFailed(NotPossible):
    """The site did not answer, or the answer broke off. Facts: ``site``; ``detail``, for the log."""


class DownloadDamaged(NotPossible):
    """The bytes are not those that the site announced. Facts: ``site``."""


class DownloadRunning(NotPossible):
    """The host has another download in progress. Facts: ``name`` of its file."""
