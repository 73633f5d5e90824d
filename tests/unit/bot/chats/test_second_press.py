"""A button whose work cannot be undone works at its second press."""

import pytest

from bot.chats.second_press import WITHIN_S, SecondPress
from bot.errors import PressAgain


def test_a_second_press_of_the_same_person_for_the_same_job_counts_for_some_seconds() -> None:
    now_s = 0.0
    presses = SecondPress(lambda: now_s)
    for job_id, user_id, event_id in (("j1", "7", "1"), ("j2", "7", "2"), ("j1", "8", "3"), ("j1", "7", "1")):
        with pytest.raises(PressAgain):
            presses.require(job_id, user_id, event_id)
    now_s = WITHIN_S - 1
    for _ in range(2):  # after a failed answer, the chat handles an event again
        presses.require("j1", "7", "4")
    now_s = WITHIN_S
    with pytest.raises(PressAgain) as asked:
        presses.require("j1", "7", "5")
    assert asked.value.facts == {"job_id": "j1", "seconds": WITHIN_S}
