"""The one-time code with which the first host claims a bot: ``claim.json`` in the data folder has its hash.

Whoever can write there can make a code: the shell commands do, also while the bot runs. Blocking.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from pydantic import TypeAdapter, ValidationError

from bot.commands.reading import CODE_DIGITS, link_code_of
from engine.durable import make_folder, write_file

CLAIM_FILE = "claim.json"
CODE_CHARS = 12  # 60 bits: nobody finds the code of a hash within a day
GROUP_CHARS = 4
LASTS_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class IssuedClaim:
    """What is kept of a code; times are unix milliseconds."""

    sha256: str
    issued_ms: int
    expires_ms: int

    def is_of(self, typed: str) -> bool:
        """Whether a typed code is this one; it takes the same time for each wrong code."""
        return hmac.compare_digest(_hash(typed), self.sha256)


_ISSUED = TypeAdapter(IssuedClaim)


def issue_claim(data_dir: Path, now_ms: int, random: Random) -> str:
    """Make a code, which replaces an earlier one; return it as people read it: ``K3F9-7QXM-2B4C``.

    Args:
        data_dir: The data folder; it is created.
        now_ms: The present time.
        random: Must be a SystemRandom, so that nobody can guess the code.

    Raises:
        OSError: The disk refused; an earlier code stays valid.
    """
    code = "".join(random.choice(CODE_DIGITS) for _ in range(CODE_CHARS))
    issued = IssuedClaim(_hash(code), now_ms, now_ms + LASTS_MS)
    make_folder(data_dir)
    write_file(data_dir / CLAIM_FILE, json.dumps(asdict(issued)).encode())
    groups = range(0, CODE_CHARS, GROUP_CHARS)
    return "-".join(code[begin : begin + GROUP_CHARS] for begin in groups)


def read_claim(data_dir: Path, now_ms: int) -> IssuedClaim | None:
    """Return what is kept of the code that is valid now; None without one."""
    try:
        issued = _ISSUED.validate_json((data_dir / CLAIM_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return issued if issued.issued_ms <= now_ms < issued.expires_ms else None


def void_claim(data_dir: Path) -> None:
    """Make the present code invalid."""
    (data_dir / CLAIM_FILE).unlink(missing_ok=True)


def _hash(code: str) -> str:
    return hashlib.sha256(link_code_of(code).encode()).hexdigest()
