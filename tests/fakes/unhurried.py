"""Time for a busy machine: Discord gives a bot three seconds, and the tests of anything else a minute."""

import pytest

PATIENCE_S = 60.0
LIMITS = (
    "bot.chats.discord_.incoming.inbox.STORE_TIMEOUT_S",
    "bot.chats.discord_.incoming.acknowledgement.ACK_TIMEOUT_S",
    "bot.chats.discord_.incoming.interactions.ACK_TIMEOUT_S",
    "bot.chats.discord_.incoming.interactions.FORM_TIMEOUT_S",
    "bot.chats.discord_.library_internals.SUGGEST_TIMEOUT_S",
)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in LIMITS:
        monkeypatch.setattr(limit, PATIENCE_S)
