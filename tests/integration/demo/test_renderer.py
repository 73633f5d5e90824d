"""The renderer shows every trait in its position, and a partial style is in between."""

import pytest
import torch

from engine.demo.faces.renderer import detail_weights, render_faces
from engine.demo.faces.styles import STYLES
from engine.demo.faces.traits import TRAIT, TRAITS, Faces, Trait, sample_faces
from engine.demo.networks import SHAPES

SIZE = (128, 192)


def faces_with(values: dict[str, str], count: int, seed: int) -> Faces:
    """Random faces that all have these trait values."""
    faces = sample_faces(count, seed)
    for name, value in values.items():
        faces.traits[name].fill_(TRAIT[name].values.index(value))
    return faces


def test_the_same_faces_give_the_same_pictures() -> None:
    assert torch.equal(render_faces(sample_faces(2, 5), SIZE), render_faces(sample_faces(2, 5), SIZE))


@pytest.mark.parametrize("size", SHAPES)
def test_every_size_is_rendered_completely_and_in_range(size: tuple[int, int]) -> None:
    picture = render_faces(sample_faces(1, 3), size, supersampling=1)
    assert picture.shape == (1, 3, size[1], size[0])
    assert 0 <= picture.min() < picture.max() <= 1
    assert picture.std() > 0.05


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: trait.name)
def test_every_value_of_a_trait_looks_different_from_every_other(trait: Trait) -> None:
    pictures = [
        render_faces(faces_with({trait.name: value}, 1, 11), SIZE, supersampling=1) for value in trait.values
    ]
    for index, one in enumerate(pictures):
        for other in pictures[index + 1 :]:
            changed = ((one - other).abs().amax(1) > 0.06).sum()
            assert changed > 30, "fewer than 30 px change: too little to be seen"


def test_lips_change_the_mouth_and_nothing_else() -> None:
    red, berry = (
        render_faces(faces_with({"lips": value}, 1, 4), SIZE, supersampling=1) for value in ("red", "berry")
    )
    changed = (red - berry).abs().amax(1)[0] > 0.02
    rows, columns = changed.nonzero().unbind(1)
    assert rows.max() - rows.min() < 24
    assert columns.max() - columns.min() < 40


@pytest.mark.parametrize("style", [name for name in STYLES if name != "base"])
def test_half_a_style_is_between_the_base_and_the_full_style(style: str) -> None:
    faces = sample_faces(2, 8)
    base, half, whole = (
        render_faces(faces, SIZE, STYLES[style].at(share), supersampling=1) for share in (0.0, 0.5, 1.0)
    )
    far = float((whole - base).abs().mean())
    assert far > 0.01
    assert 0.25 * far < float((half - base).abs().mean()) < 0.8 * far


def test_detail_weights_mark_eyes_and_lips_but_not_the_corners() -> None:
    weight = detail_weights(faces_with({"gaze": "front"}, 1, 2), SIZE)[0]
    assert weight.max() > 0.9
    assert weight[:8, :8].max() < 0.01
    assert 0.02 < float(weight.mean()) < 0.3
