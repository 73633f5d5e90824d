"""Only hosts ask for a diagnosis, and only where nobody else reads it: it names folders."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Diagnose
from bot.errors import HostsOnly, NotInPublic
from bot.messages import LOCALES, format_outcome
from bot.outcomes import Diagnosis, FoundFault
from tests.fakes.desk_harness import HOST, a_context, in_group, open_harness


async def test_who_may_ask(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(Diagnose(), a_context("1", "ann"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(Diagnose(), replace(in_group("2", HOST)))
        assert await harness.desk.handle(Diagnose(), a_context("3", HOST)) == Diagnosis((), 0)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_answer_fits_into_one_message(locale: str) -> None:
    facts = {"path": "/srv/" + "x" * 40, "detail": "Permission denied", "free": "1", "needed": "2"}
    faults = tuple(FoundFault("data", "data_unusable", facts, is_note=number > 5) for number in range(30))
    text = format_outcome(Diagnosis(faults, 9, ("discord",)), locale)
    assert text.count("✗") == 6
    assert "18" in text
    assert "Discord" in text
    assert len(text) < 2_000
