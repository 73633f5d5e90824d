"""Values for tests of the local chats."""

from pathlib import Path
from typing import Any

from bot.outcomes import (
    Address,
    JobResult,
    JobState,
    LoraDetails,
    LoraFileFacts,
    LoraSummary,
    PictureFile,
    Platform,
    Receipt,
    Recipe,
    Status,
)
from engine.request import LoraChoice
from engine.shelf import LoraKind

JOB = "k3f9"
PNG = b"\x89PNG\r\n\x1a\n not a real picture, and nothing here opens it"


def make_recipe(prompt: str = "a face", count: int = 1) -> Recipe:
    return Recipe(prompt, (LoraChoice("sugar", "0" * 64, 0.8),), 512, 768, 7, count, 8, typed=prompt)


def make_address(platform: Platform = Platform.WEB, chat_id: str = "page", ref: str = "") -> Address:
    return Address(platform, chat_id, ref)


def make_receipt(job_id: str = JOB, **facts: Any) -> Receipt:
    return Receipt(job_id, **{"recipe": make_recipe(), "price": 1, "credits_left": 39, "position": 2} | facts)


def make_status(job_id: str = JOB, *, address: Address | None = None, **facts: Any) -> Status:
    known = {"locale": "en", "count": 1, "position": None, "step": 4, "steps": 8}
    return Status(job_id, address or make_address(), **known | facts)


def make_result(
    job_id: str = JOB, *, address: Address | None = None, paths: tuple[Path, ...] = (), **facts: Any
) -> JobResult:
    known = {
        "user_id": "local",
        "user_name": "",
        "locale": "en",
        "private": False,
        "state": JobState.DONE,
        "recipe": make_recipe(),
        "price": 1,
        "refund": 0,
        "credits_left": 39,
        "seconds": 4.25,
    }
    pictures = tuple(PictureFile(index, 7 + index, path) for index, path in enumerate(paths))
    return JobResult(job_id, address or make_address(), pictures=pictures, **known | facts)


LORA = LoraDetails(
    lora=LoraSummary("sugar", {}, "", 0.8, "a" * 64),
    kind=LoraKind.FACE,
    steps=None,
    helpers=(),
    depicts_person=False,
    is_default=False,
    facts=LoraFileFacts(1, 8, "a" * 64),
)
"""As a host sees it."""
