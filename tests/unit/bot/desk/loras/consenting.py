"""LoRAs with an owner, and people who ask for them."""

from pathlib import Path
from typing import Any

from bot.commands.values import (
    Draw,
    LoraWish,
    Reroll,
)
from bot.errors import UnknownLora
from bot.outcomes import (
    Platform,
)
from bot.policy.rules import Rules
from engine.shelf import Helper, LoraFile, LoraKind, Shelf, Sidecar
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

OWNER, MEMBER, STRANGER, HOST = "the-owner", "a-member", "a-stranger", "a-host"


def a_lora(name: str, **stated: Any) -> LoraFile:
    return LoraFile(name, Path(name), name[0] * 64, 1, 8, sidecar=Sidecar(**stated))


FILES = {
    "face": a_lora(
        "face",
        kind=LoraKind.FACE,
        depicts_person=True,
        owner=f"console:{OWNER}",
        people=frozenset({f"console:{MEMBER}"}),
        chats=frozenset({"console:club"}),
    ),
    "open": a_lora("open", owner=f"console:{OWNER}"),
    "helped": a_lora("helped", helpers=(Helper("face"),)),
}


NAMED = (LoraWish("face"),)


def opened(folder: Path, **others: Any) -> Any:
    rules = Rules(hosts=frozenset({f"discord:{HOST}"}), allow=frozenset({"discord:*"}), max_waiting=99)
    return open_harness(folder, **{"shelf": Shelf(FILES), "rules": rules} | others)


class Speaker:
    """Sends commands, each with a new event id."""

    def __init__(self, harness: DeskHarness) -> None:
        self.harness = harness
        self.said = 0

    async def __call__(
        self, user_id: str, command: Any, chat_id: str = "here", platform: Platform = Platform.CONSOLE
    ) -> Any:
        self.said += 1
        context = a_context(f"event {self.said}", user_id, chat_id=chat_id, platform=platform)
        return await self.harness.desk.handle(command, context)

    async def may(self, user_id: str, chat_id: str = "here", command: Draw | Reroll | None = None) -> bool:
        try:
            await self(user_id, command or Draw(prompt="a", loras=NAMED), chat_id)
        except UnknownLora:
            return False
        return True
