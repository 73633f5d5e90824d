"""Every command has exactly one way through the desk."""

from pathlib import Path
from typing import get_args

from bot.commands.values import LONG_COMMANDS, Command
from bot.desk.dispatch import DRAWS, MANAGEMENT, READ_ONLY, actions
from tests.fakes.desk_harness import open_harness


async def test_every_command_draws_manages_the_shelf_or_has_an_action(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        has_action = set(actions(harness.desk.parts))
    ways = (*DRAWS, *MANAGEMENT, *has_action)
    assert sorted(way.__name__ for way in ways) == sorted(command.__name__ for command in get_args(Command))
    assert set(READ_ONLY) <= has_action
    assert set(LONG_COMMANDS) <= set(get_args(Command))
