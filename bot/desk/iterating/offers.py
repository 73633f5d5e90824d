"""What the controls of pictures offer where they are shown."""

from collections.abc import Sequence
from functools import lru_cache

from bot.outcomes import Offers
from bot.policy.rules import others_read
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo


def offers_of(model: ModelInfo, job: JobRow, chats: Sequence[str] = ()) -> Offers:
    """Return what can be done with a job's pictures in a chat.

    Args:
        model: The model that would draw them larger.
        job: The job.
        chats: As ``bot.policy.rules.chats_of`` returns them; empty for the chat to which the job is
            delivered.
    """
    delivered = f"{job.platform}:{job.chat_id}"
    chats = chats or (job.asked_in if delivered in job.asked_in else (delivered,))
    recipe = job.recipe
    return Offers(
        enlarge=_can_grow(model, recipe.width_px, recipe.height_px),
        publish=job.private and others_read(job.asked_in),
        report=not job.private and others_read(chats),
    )


@lru_cache
def _can_grow(model: ModelInfo, width_px: int, height_px: int) -> bool:
    return bool(model.larger_sizes(width_px, height_px))
