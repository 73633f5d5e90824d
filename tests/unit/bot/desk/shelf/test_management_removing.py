"""Files of the shelf are removed, checked and listed, and a name reaches no other file."""

import pytest

from bot.commands.values import LoraCheck, LoraInfo, LoraList, LoraReload, LoraRemove
from bot.errors import LoraBuiltIn, UnknownLora
from bot.outcomes import LoraChecked, LoraDetails, LoraListing, LoraRemoved, LoraState, ShelfReloaded
from tests.fakes.desk_harness import HOST, DeskHarness
from tests.fakes.lora_folder import lora_bytes
from tests.unit.bot.desk.shelf.managing import folder_of, give, names_in, sent


async def test_a_removed_file_is_gone_with_its_sidecar(harness: DeskHarness) -> None:
    await give(harness, sent())
    (harness.folder / "loras" / "My Face v1.0.toml").write_text("")
    assert await give(harness, LoraRemove("my face v1.0")) == LoraRemoved("My Face v1.0")
    assert not names_in(harness.folder / "loras")
    with pytest.raises(UnknownLora):
        await give(harness, LoraRemove("my face v1.0"))
    with pytest.raises(LoraBuiltIn):
        await give(harness, LoraRemove("sugar"))


@pytest.mark.parametrize("name", ["face", "sugar"])
async def test_a_file_of_exactly_this_name_goes_before_one_with_a_similar_name(
    harness: DeskHarness, name: str
) -> None:
    folder = harness.folder / "loras"
    for each in ("Face", name):
        (folder / f"{each}.safetensors").write_bytes(lora_bytes())
    await give(harness, LoraReload())
    checked = await give(harness, LoraCheck("face"))
    assert isinstance(checked, LoraChecked)
    assert (checked.lora, checked.problem and checked.problem.reason) == (
        ("face", "LoraNameShared") if name == "face" else ("Face", None)
    )
    assert await give(harness, LoraRemove(name)) == LoraRemoved(name)
    assert names_in(folder) == ["Face.safetensors"]
    removed = await give(harness, LoraRemove("face"))
    assert removed == LoraRemoved("Face"), "without such a file, names are compared as everywhere"


@pytest.mark.parametrize("name", ["../sugarbot.db", "../secret", "/etc/passwd", "..", ""])
async def test_a_name_never_leads_out_of_the_folder(harness: DeskHarness, name: str) -> None:
    secret = harness.folder / "secret.safetensors"
    secret.write_bytes(b"x")
    with pytest.raises(UnknownLora):
        await give(harness, LoraRemove(name))
    assert secret.exists()


async def test_a_refused_file_is_listed_for_hosts_checked_and_removed(harness: DeskHarness) -> None:
    (harness.folder / "loras" / "Bad One.safetensors").write_bytes(b"pickle")
    reloaded = await give(harness, LoraReload())
    assert isinstance(reloaded, ShelfReloaded)
    assert (reloaded.usable, reloaded.refused, reloaded.new, reloaded.gone) == (2, ("Bad One",), (), ())
    listing = await give(harness, LoraList())
    assert isinstance(listing, LoraListing)
    assert [(lora.name, lora.state) for lora in listing.loras][-1] == ("Bad One", LoraState.REFUSED)
    theirs = await give(harness, LoraList(), "ann")
    assert isinstance(theirs, LoraListing)
    assert [lora.name for lora in theirs.loras] == ["anime", "sugar"]
    checked = await give(harness, LoraCheck("bad one"))
    assert isinstance(checked, LoraChecked)
    assert checked.problem is not None
    assert checked.problem.reason == "LoraDamaged"
    assert await give(harness, LoraRemove("Bad One")) == LoraRemoved("Bad One")
    assert not names_in(harness.folder / "loras")


async def test_a_check_draws_again_and_changes_nothing(harness: DeskHarness) -> None:
    checked = await give(harness, LoraCheck("Sugar face"))
    assert isinstance(checked, LoraChecked)
    assert (checked.lora, checked.problem) == ("sugar", None)
    assert folder_of(harness).tried == ["sugar"]
    with pytest.raises(UnknownLora):
        await give(harness, LoraCheck("nobody"))


async def test_everybody_sees_what_a_lora_does_and_a_host_its_file(harness: DeskHarness) -> None:
    for user, is_host in ((HOST, True), ("ann", False)):
        details = await give(harness, LoraInfo("Sugar face"), user)
        assert isinstance(details, LoraDetails)
        assert details.lora.name == "sugar"
        assert (details.facts is not None) is is_host
        assert details.strip.startswith(b"\x89PNG")
    assert len(harness.renderer.requests) == 3, "the second answer is from the disk"
    with pytest.raises(UnknownLora):
        await give(harness, LoraInfo("nobody"))
