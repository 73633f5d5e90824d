"""What a typed text is read as."""

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw
from bot.errors import PersonError


def drawn(text: str) -> Draw:
    command = parse(text)
    assert isinstance(command, Draw)
    return command


def refused(text: str, error: type[PersonError]) -> dict[str, object]:
    with pytest.raises(error) as caught:
        parse(text)
    assert type(caught.value) is error
    return caught.value.facts
