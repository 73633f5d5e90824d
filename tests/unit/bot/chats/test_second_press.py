"""A button whose work cannot be undone works at its second press."""

from bot.chats.second_press import SecondPress
from bot.commands.values import Delete
from bot.errors import NotYours, PressAgain

QUESTION = PressAgain(job_id="j1", seconds=30)
SURE, UNSURE = Delete("j1"), Delete("j1", is_sure=False)


def test_a_press_that_comes_after_the_question_answers_it_for_some_seconds() -> None:
    presses = SecondPress()
    assert presses.mark(SURE, "7", came_s=1.0) == UNSURE
    assert presses.mark(SURE, "7", came_s=2.0) == UNSURE, "nobody has read a question yet"
    presses.note_shown(QUESTION, "7", now_s=3.0)
    for came_s, expected in ((2.0, UNSURE), (3.0, UNSURE), (3.1, SURE), (32.9, SURE), (33.0, UNSURE)):
        assert presses.mark(SURE, "7", came_s) == expected, came_s
    assert presses.mark(Delete("j2"), "7", came_s=4.0) == Delete("j2", is_sure=False)
    assert presses.mark(SURE, "8", came_s=4.0) == UNSURE, "another person has read nothing"


def test_no_other_refusal_asks_and_old_questions_are_forgotten() -> None:
    presses = SecondPress()
    presses.note_shown(NotYours(job_id="j1"), "7", now_s=1.0)
    assert presses.mark(SURE, "7", came_s=2.0) == UNSURE
    for number in range(100):
        presses.note_shown(PressAgain(job_id=f"j{number}", seconds=30), "7", now_s=10.0 * number)
    assert len(presses._read) == 3
