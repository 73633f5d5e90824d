"""One try to send a message to a private chat, and what follows from how it ended."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import structlog

from bot.outcomes import RetryLater, Undeliverable
from bot.store.rows import OutboxState
from engine.backoff import Backoff

log = structlog.get_logger("bot.desk")

DELIVER_TIMEOUT_S = 60.0


async def send_once(
    what: str, sending: Awaitable[None], attempts: int, back_off: Backoff, most: int, **facts: Any
) -> tuple[OutboxState, float]:
    """Send a message; return how that ended, and after how many seconds to try again.

    Args:
        what: Names the kind of message in the log.
        sending: Sends it.
        attempts: How often it was tried, this try included.
        back_off: The pauses between two tries.
        most: After so many tries it is kept.
        facts: For the log.
    """
    wait_s = back_off.pause_s(attempts)
    try:
        async with asyncio.timeout(DELIVER_TIMEOUT_S):
            await sending
    except Undeliverable as reason:
        log.warning(f"{what} not deliverable", **facts, reason=str(reason))
        return OutboxState.KEPT, wait_s
    except RetryLater as reason:
        return OutboxState.MAYBE, reason.after_s
    except Exception as error:  # noqa: BLE001 - supervision: whatever a platform raises, the message is retried
        log.warning(f"{what} not delivered", **facts, error=type(error).__name__)
        return OutboxState.KEPT if attempts >= most else OutboxState.MAYBE, wait_s
    log.info(f"{what} delivered", **facts)
    return OutboxState.SENT, wait_s
