"""What the command line of ``setup`` says, so that it is not asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    """The options; empty means not given.

    Attributes:
        config: The settings file.
        token_files: By platform, a file with the token; tokens themselves would be in the shell's history.
        proxies: By platform.
        weights: One of ``weights.SOURCES``, or a folder.
        endpoint: The address of a mirror.
        owner: The first host, as ``platform:user-id``.
        is_silent: Take the default wherever nothing is said, and ask nothing.
        only_claim: Make a new code for the first host, and nothing else.
    """

    config: Path | None = None
    language: str = ""
    token_files: Mapping[str, Path] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    endpoint: str = ""
    loras: str = ""
    owner: str = ""
    is_silent: bool = False
    only_claim: bool = False
