"""What cannot work in a prompt is found, in both languages, and nothing else."""

import pytest

from bot.commands.prompts.advice import PATTERNS, AdviceKind


def advice_for(typed: str) -> list[AdviceKind]:
    return [kind for kind, pattern in PATTERNS.items() if pattern.search(typed)]


@pytest.mark.parametrize(
    ("typed", "kinds"),
    [
        ("a girl, masterpiece, best quality, 8k", "quality resolution"),
        ("Masterpiece portrait", "quality"),
        ("highest quality, ultra-detailed", "quality"),
        ("甜妹，杰作，最佳质量", "quality"),
        ("甜妹，傑作，高畫質，8K", "quality resolution"),
        ("uhd photo", "resolution"),
        ("超高清", "resolution"),
        ("a (red:1.3) dress", "weights"),
        ("甜妹，（红唇：1.2）", "weights"),
        ("a girl (smiling), a quality time at 8 km", ""),
        ("a master of 18k gold, a detailed map", ""),
        ("比例（2：3）的画", ""),
        ("甜妹，高质感皮肤", ""),
    ],
)
def test_what_cannot_work_is_found(typed: str, kinds: str) -> None:
    assert " ".join(advice_for(typed)) == kinds


@pytest.mark.parametrize("typed", ["(" * 8_000, "(a:" * 2_600, "best " * 1_600, "(" + "a" * 7_900])
def test_hostile_texts_take_no_time_that_a_test_could_see(typed: str) -> None:
    assert AdviceKind.QUALITY not in advice_for(typed)
