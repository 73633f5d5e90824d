"""The token file: ``tokens.env`` beside the settings file, with a line ``DISCORD_TOKEN=…`` for each token.

``run`` reads it by itself, and container engines and service managers read the same form. Only its owner may
read it. The environment counts before it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.errors import Problem
from engine.durable import write_file

TOKENS_NAME = "tokens.env"
WITH_TOKENS = ("discord", "telegram", "huggingface", "modelscope", "civitai")
"""The sections with a token."""

_LINE = re.compile(
    r"(?:export\s+)?(?P<name>[A-Z]+)_TOKEN=(?P<quote>[\"']?)(?P<token>[!#-&(-~]*)(?P=quote)\s*"
)


def token_file(settings: Path | None) -> Path:
    """Return the token file that belongs to a settings file, or to the working directory."""
    return (settings.parent if settings else Path()) / TOKENS_NAME


def read_tokens(path: Path, problems: list[Problem]) -> dict[str, str]:
    """Return the tokens of a token file by section; a missing file has none. Blocking."""
    facts = {"path": str(path)}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(Problem("unreadable", {**facts, "detail": os.strerror(error.errno or 0)}))
        return {}
    except UnicodeDecodeError:
        problems.append(Problem("not_utf8", facts))
        return {}
    tokens = _tokens_in(lines, facts, problems)
    if tokens and os.name == "posix" and mode & 0o077:
        problems.append(Problem("readable_by_others", facts))
    return tokens


def _tokens_in(lines: Sequence[str], facts: dict[str, str], problems: list[Problem]) -> dict[str, str]:
    tokens = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or found["name"].lower() not in WITH_TOKENS:
            problems.append(Problem("not_a_token", {**facts, "line": str(number)}))
        elif found["token"]:
            tokens[found["name"].lower()] = found["token"]
    return tokens


def write_tokens(path: Path, tokens: Mapping[str, str], heading: str) -> None:
    """Write the tokens, by section, durably and for their owner alone. Blocking.

    Args:
        path: As ``token_file`` returns it.
        tokens: One word each.
        heading: Comment lines at the top, without their mark.

    Raises:
        OSError: The disk refused; ``path`` is unchanged.
    """
    lines = [f"# {line}" for line in heading.splitlines()]
    lines += [f"{section.upper()}_TOKEN={tokens[section]}" for section in WITH_TOKENS if tokens.get(section)]
    write_file(path, "".join(f"{line}\n" for line in lines).encode())
