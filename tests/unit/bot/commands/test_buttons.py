"""Buttons outlive restarts, and refuse what they do not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.buttons import data_of, press_of
from bot.commands.values import Cancel, Original, Reroll
from bot.errors import OldButton, UnknownCommand

JOB_IDS = st.text("abcXYZ019_-", min_size=1, max_size=40)


@given(JOB_IDS, st.sampled_from([Cancel, Reroll, Original]))
def test_a_press_gives_the_command_the_button_was_made_for(
    job_id: str, kind: type[Cancel | Reroll | Original]
) -> None:
    data = data_of(kind(job_id))
    assert press_of(data) == kind(job_id)
    assert len(data.encode()) <= 64, "Telegram takes no more"


def test_the_data_equals_the_data_in_messages_already_sent() -> None:
    assert data_of(Cancel("k3f9")) == "v1:c:k3f9"
    assert data_of(Reroll("k3f9")) == "v1:r:k3f9"
    assert data_of(Original("k3f9")) == "v1:o:k3f9"


@pytest.mark.parametrize(
    "data", ["", "v2:c:k3", "v1:x:k3", "v1:c:", "v1:c:k3:0", "v1:c:k 3", "v1:c:k3\n", "c" * 200]
)
def test_data_of_another_version_is_refused(data: str) -> None:
    with pytest.raises(OldButton) as caught:
        press_of(data)
    assert isinstance(caught.value, UnknownCommand)
    assert caught.value.facts == {"text": data[:64], "nearest": ()}


@given(st.text())
def test_no_data_raises_anything_else(data: str) -> None:
    try:
        command = press_of(data)
    except OldButton:
        return
    assert isinstance(command, Cancel | Reroll | Original)
    assert data_of(command) == data


@pytest.mark.parametrize("job_id", ["", "k:3", "a" * 41, "面"])
def test_a_job_id_that_no_button_can_carry_is_our_mistake(job_id: str) -> None:
    with pytest.raises(ValueError, match="a button cannot hold"):
        data_of(Cancel(job_id))
