"""Buttons outlive restarts and versions, and refuse what they do not know."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.buttons import EXAMPLE_PROMPT, ButtonCommand, data_of, press_of
from bot.commands.values import (
    Adopt,
    Cancel,
    Delete,
    Draw,
    DrawRecipe,
    Edit,
    Enlarge,
    Favourite,
    LoraInfo,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    ShowQueue,
    Vary,
)
from bot.desk.finding.words import cut_search
from bot.errors import OldButton, UnknownCommand

JOB_IDS = st.text("abcXYZ019_-", min_size=1, max_size=40)
OF_A_JOB = st.builds(
    lambda kind, job_id: kind(job_id),
    st.sampled_from([Cancel, Reroll, Repeat, Edit, Original, Publish, Delete, Report]),
    JOB_IDS,
)
OF_A_PICTURE = (
    st.builds(Pick, JOB_IDS, st.integers(0, 99))
    | st.builds(Adopt, JOB_IDS, st.integers(0, 99))
    | st.builds(Enlarge, JOB_IDS, st.integers(0, 99))
    | st.builds(Vary, JOB_IDS, st.integers(0, 99), st.booleans())
)
COMMANDS: st.SearchStrategy[Any] = (
    OF_A_JOB
    | OF_A_PICTURE
    | st.builds(LoraRevoke, JOB_IDS.map(lambda text: f"#{text}"))
    | st.builds(LoraInfo, JOB_IDS.map(lambda text: f"#{text}"))
    | st.builds(LoraList, st.text(max_size=36).map(cut_search), st.integers(1, 999))
    | st.builds(lambda text: LoraSwitch(LoraWish(f"#{text}")), JOB_IDS)
    | st.builds(lambda text: Draw(EXAMPLE_PROMPT, loras=(LoraWish(f"#{text}"),)), JOB_IDS)
    | st.builds(Favourite, JOB_IDS, st.none() | st.integers(0, 99), st.booleans())
    | st.builds(DrawRecipe, st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=12, max_size=12))
    | st.builds(ShowQueue, st.integers(1, 999))
    | st.builds(Cancel, JOB_IDS, st.integers(1, 999))
    | st.builds(Mine, st.text(max_size=36).map(cut_search), st.integers(1, 999), st.booleans())
)

EXAMPLES = {
    Cancel("k3f9"): "v2:cancel:k3f9",
    Reroll("k3f9"): "v2:reroll:k3f9",
    Repeat("k3f9"): "v2:repeat:k3f9",
    Vary("k3f9", 0): "v2:vary:k3f9:0",
    Vary("k3f9", 0, strong=True): "v2:vary-strong:k3f9:0",
    Enlarge("k3f9", 1): "v2:larger:k3f9:1",
    Pick("k3f9", 3): "v2:pick:k3f9:3",
    Adopt("k3f9", 15): "v2:adopt:k3f9:15",
    Edit("k3f9"): "v2:edit:k3f9",
    Original("k3f9"): "v2:original:k3f9",
    Publish("k3f9"): "v2:publish:k3f9",
    Delete("k3f9"): "v2:delete:k3f9",
    Report("k3f9"): "v2:report:k3f9",
    LoraRevoke("#0a1b"): "v2:revoke:0a1b",
    LoraInfo("#0a1b"): "v2:lora:0a1b",
    LoraList("雀斑", 2): "v2:loras:6ZuA5paR:2",
    LoraSwitch(LoraWish("#0a1b")): "v2:default:0a1b",
    Draw(EXAMPLE_PROMPT, loras=(LoraWish("#0a1b"),)): "v2:example:0a1b",
    Favourite("k3f9", 1): "v2:star:k3f9:1",
    Favourite("k3f9", None, on=False): "v2:unstar:k3f9",
    DrawRecipe("K3F97QXM2AWV"): "v2:draw:K3F97QXM2AWV",
    ShowQueue(2): "v2:queue:-:2",
    Cancel("k3f9", 2): "v2:queue-cancel:k3f9:2",
    Mine(page=2): "v2:mine:-:2",
    Mine("雀斑 red", 1, favourites=True): "v2:starred:6ZuA5paRIHJlZA:1",
}
"""Messages that are already sent have this data: it never changes its meaning."""


@given(COMMANDS)
def test_a_press_gives_the_command_the_button_was_made_for(command: ButtonCommand) -> None:
    data = data_of(command)
    assert press_of(data) == command
    assert len(data.encode()) <= 64, "Telegram takes no more"


def test_the_data_equals_the_data_in_messages_already_sent() -> None:
    assert {command: data_of(command) for command in EXAMPLES} == EXAMPLES
    assert {type(command) for command in EXAMPLES} == set(get_args(ButtonCommand))


@pytest.mark.parametrize(
    ("data", "command"),
    [
        ("v1:c:k3f9", Cancel("k3f9")),
        ("v1:r:k3f9", Reroll("k3f9")),
        ("v1:o:k3f9", Original("k3f9")),
        ("v1:w:0a1b", LoraRevoke("#0a1b")),
    ],
)
def test_a_button_of_the_first_version_is_read_for_ever(data: str, command: ButtonCommand) -> None:
    assert press_of(data) == command


@pytest.mark.parametrize(
    "data",
    [
        *("", "v1:x:k3", "v1:c:", "v1:c:k3:0", "v1:c:k 3", "v1:c:k3\n", "c" * 200),
        *("v3:cancel:k3", "v2:c:k3", "v2:cancel:", "v2:cancel:k3:0", "v2:cancel:k 3", "v2:cancel:k3\n"),
        *("v2:pick:k3", "v2:pick:k3:", "v2:pick:k3:-1", "v2:pick:k3:01", "v2:pick:k3:1000", "v2:pick:k3:１"),
        *("v2:mine:-", "v2:mine:-:0", "v2:starred:a:1", "v2:starred:_w:1", "v2:draw:K3:1"),
        *(
            "v2:loras:-",
            "v2:loras:-:0",
            "v2:lora:0a1b:1",
            "v2:queue:-",
            "v2:queue:-:0",
            "v2:queue-cancel:k3",
            "v2:queue-cancel:k3:0",
        ),
    ],
)
def test_data_of_another_version_is_refused(data: str) -> None:
    with pytest.raises(OldButton) as caught:
        press_of(data)
    assert isinstance(caught.value, UnknownCommand)
    assert caught.value.facts == {"text": data[:64], "nearest": ()}


@given(st.text() | st.from_regex(r"v[12]:[a-z]{1,6}:[a-z0-9]{1,4}(:\d)?", fullmatch=True))
def test_no_data_raises_anything_else(data: str) -> None:
    try:
        command = press_of(data)
    except OldButton:
        return
    assert isinstance(command, get_args(ButtonCommand))
    assert press_of(data_of(command)) == command


@pytest.mark.parametrize("job_id", ["", "k:3", "a" * 49, "面"])
def test_a_job_id_that_no_button_can_carry_is_our_mistake(job_id: str) -> None:
    with pytest.raises(ValueError, match="a button cannot hold"):
        data_of(Cancel(job_id))
