"""The file of the cost book. A broken one only means learning again."""

from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.durable import write_file
from engine.planner.costs.book import MOST_KEYS, CostBook, CostModel

log = structlog.get_logger(__name__)


class _File(BaseModel):
    """The content of the file: what was learned, by key; the key used last is the last one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    models: Annotated[dict[str, CostModel], Field(max_length=MOST_KEYS)] = {}


def read_costs(path: Path, about: str) -> CostBook:
    """Open the book that ``write_costs`` wrote; if it is missing, broken or of another pair, an empty one.

    Args:
        path: The file.
        about: Names the model and the device setting.
    """
    try:
        content = _File.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return CostBook(about)
    except (OSError, ValidationError) as error:
        log.warning("cost book unreadable, learning again", path=str(path), error=type(error).__name__)
        return CostBook(about)
    return CostBook(about, content.models if content.about == about else {})


def write_costs(book: CostBook, path: Path) -> None:
    """Write the book, whole or not at all.

    Raises:
        OSError: It could not be written; the old file is unchanged.
    """
    content = _File(about=book.about, models=book.models)
    write_file(path, f"{content.model_dump_json()}\n".encode())
