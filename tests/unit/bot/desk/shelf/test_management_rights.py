"""Only hosts touch the shelf, and each of their commands is carried out, answered and counted once."""

from pathlib import Path

import pytest

from bot.commands.values import LoraAdd, LoraCheck, LoraOffer, LoraReload, LoraRemove, LoraSwitch, LoraWish
from bot.desk.shelf.management import ManagementCommand
from bot.errors import HostsOnly, LinkNotUnderstood, LoraFileSent, LoraRefused, PersonError, UnknownLora
from bot.monitoring.figures import REGISTRY
from bot.outcomes import LoraFileOffered, Platform
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness
from tests.unit.bot.desk.shelf.managing import folder_of, give, names_in, sent


@pytest.mark.parametrize(
    "command",
    [
        LoraSwitch(LoraWish("sugar")),
        sent(),
        LoraRemove("sugar"),
        LoraCheck("sugar"),
        LoraReload(),
        LoraOffer("a"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_only_hosts_touch_the_shelf(harness: DeskHarness, command: object) -> None:
    refusal = LoraFileSent if isinstance(command, LoraOffer) else HostsOnly
    with pytest.raises(refusal):
        await give(harness, command, "ann")
    assert not await harness.store.shelf_changes.newest(1)
    assert not folder_of(harness).tried


async def test_an_offer_names_the_file(harness: DeskHarness) -> None:
    assert await give(harness, LoraOffer("a.safetensors")) == LoraFileOffered("a.safetensors")


async def test_an_event_is_carried_out_once(harness: DeskHarness) -> None:
    await harness.desk.store_events(Platform.CONSOLE, [("e1", "{}")])
    first = await give(harness, sent(), event="e1")
    await give(harness, LoraRemove("My Face v1.0"))
    assert await give(harness, sent(), event="e1") == first
    assert not names_in(harness.folder / "loras"), "the file is not added again"


async def test_a_refusal_is_answered_once_too(harness: DeskHarness) -> None:
    await harness.desk.store_events(Platform.CONSOLE, [("e2", "{}")])
    for _ in range(2):
        with pytest.raises(LoraRefused) as refused:
            await give(harness, sent(content=b"bad"), event="e2")
        assert refused.value.facts["reason"] == "LoraDamaged"
    assert len(await harness.store.shelf_changes.newest(9)) == 1


@pytest.mark.parametrize(
    ("command", "user_id", "refusal"),
    [
        (LoraSwitch(LoraWish("nothing")), HOST, UnknownLora),
        (LoraRemove("nothing"), HOST, UnknownLora),
        (LoraCheck("nothing"), HOST, UnknownLora),
        (LoraAdd(link="ftp://x/y"), HOST, LinkNotUnderstood),
        (LoraReload(), "ann", HostsOnly),
    ],
)
async def test_a_refusal_is_counted_once(
    tmp_path: Path, command: ManagementCommand, user_id: str, refusal: type[PersonError]
) -> None:
    def counted() -> float:
        rule = {"rule": refusal.__name__}
        return REGISTRY.get_sample_value("sugarbot_refusals_total", rule) or 0.0

    before = counted()
    async with open_harness(tmp_path) as harness:
        event = "a-stored-event"
        await harness.store.inbox.add(Platform.CONSOLE, [(event, "{}")], harness.clock())
        for _ in range(2):  # the second time it gets the stored answer
            with pytest.raises(refusal):
                await harness.desk.handle(command, a_context(event, user_id))
    repeats = 2 if refusal is HostsOnly else 1  # who may not ask at all gets no stored answer
    assert counted() == before + repeats
