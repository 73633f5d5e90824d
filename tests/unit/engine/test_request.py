"""A start picture: its strength, and the steps that a picture with one takes."""

import pytest

from engine.request import RenderRequest, StartPicture, remaining_steps


@pytest.mark.parametrize(
    ("steps", "strength", "taken"),
    [
        (8, 1.0, 8),
        (8, 0.125, 1),
        (8, 0.13, 2),
        (8, 0.3, 3),
        (8, 0.375, 3),
        (10, 0.7, 7),
        (10, 0.1 + 0.2, 3),  # a little more than three tenths
        (30, 0.1, 3),
        (8, 1e-9, 1),
        (1, 0.5, 1),
    ],
)
def test_a_picture_takes_the_steps_that_begin_in_its_part_of_the_schedule(
    steps: int, strength: float, taken: int
) -> None:
    assert remaining_steps(steps, strength) == taken
    request = RenderRequest("j", 1, "a face", 512, 768, 7, steps=steps)
    assert request.steps_taken == steps
    started = RenderRequest("j", 1, "a", 512, 768, 7, steps=steps, start=StartPicture(b"png", strength))
    assert started.steps_taken == taken


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.0001, float("nan"), float("inf")])
def test_a_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        StartPicture(b"png", strength)


def test_a_picture_is_not_shown_where_a_request_is() -> None:
    request = RenderRequest("j", 1, "a", 512, 768, 7, start=StartPicture(b"the file", 0.5))
    assert "the file" not in repr(request)
