"""The words that the built-in model knows."""

import subprocess
import sys

import pytest

from engine.demo.captions import make_rng, write_caption
from engine.demo.faces.traits import TRAITS
from engine.demo.phrases import EN, TRIGGERS, ZH
from engine.demo.vocabulary import MAX_NAMED, PromptReading, UnknownFeature, read_prompt, vocabulary

EYES = ("upturned eyes", "round eyes", "smiling eyes")


@pytest.mark.parametrize("phrases", [ZH, EN], ids=["zh", "en"])
def test_every_phrase_of_the_training_is_known(phrases: dict[str, dict[str, tuple[str, ...]]]) -> None:
    for rows in phrases.values():
        for row in rows.values():
            for text in row:
                assert read_prompt(text) == PromptReading(), text


def test_every_caption_of_the_training_is_known() -> None:
    rng = make_rng(7)
    strange = 0
    for _ in range(400):
        values = {trait.name: rng.choice(trait.values) for trait in TRAITS}
        caption = write_caption(values, rng, "zh" if rng.random() < 0.5 else "en")
        strange += read_prompt(caption.text) != PromptReading()
    assert strange <= 20  # three in a hundred have meaningless letters on purpose


KNOWN = [
    "", "123", "a girl", "masterpiece, best quality, 8k", "一个女孩的脸",
    "very long pink hair and round glasses", "A woman with long wavy blonde hair, smiling",
    "黑色的长发，红唇", "eyes with a lazy smile",
]  # fmt: skip


@pytest.mark.parametrize("prompt", [*KNOWN, *TRIGGERS.values()])
def test_known_words_are_not_named(prompt: str) -> None:
    assert read_prompt(prompt) == PromptReading()


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a girl with green hair", "green hair"),
        ("Spiky Green hair", "Spiky Green hair"),
        ("white background", "white background"),
        ("Very Spiky Neat Green Hair", "Spiky Neat Green Hair"),
        ("neat spiky grassy Green hair", "spiky grassy Green hair"),
        ("绿色头发的女孩", "绿色头发"),
        ("一个绿发女孩", "绿发"),
        ("白色背景", "白色背景"),
    ],
)
def test_an_unknown_feature_is_named_with_the_known_alternatives(prompt: str, text: str) -> None:
    (feature,) = read_prompt(prompt).features
    assert feature.text == text
    assert len(feature.known) >= 3
    assert not read_prompt(prompt).words
    assert not read_prompt(prompt).is_blank


def test_a_colour_is_known_only_where_training_used_it() -> None:
    assert read_prompt("blue hair") == read_prompt("蓝色头发") == PromptReading()
    assert read_prompt("blue eyes").features == (UnknownFeature("blue eyes", EYES),)
    assert read_prompt("蓝色眼睛").features[0].text == "蓝色眼睛"


def test_two_features_in_one_part_are_distinguished() -> None:
    text = [feature.text for feature in read_prompt("pink hair and blue eyes with green lips").features]
    assert text == ["blue eyes", "green lips"]


@pytest.mark.parametrize(
    ("prompt", "words", "is_blank"),
    [
        ("a fox", ("fox",), True),
        ("hello", ("hello",), True),
        ("画一只猫", ("猫",), True),
        ("وجه", ("وجه",), True),
        ("red lips, a hat", ("hat",), False),
        ("红唇，戴着帽子，在海边", ("帽子", "海边"), False),
        ("a portrait of a dragon", ("dragon",), False),
        ("hat, hat, Hat", ("hat", "Hat"), True),
    ],
)
def test_unknown_words_are_named(prompt: str, words: tuple[str, ...], is_blank: bool) -> None:
    assert read_prompt(prompt) == PromptReading(words=words, is_blank=is_blank)


def test_few_words_of_a_completely_unknown_text_are_named() -> None:
    reading = read_prompt(" ".join(f"{'x' * 90}{letter} green{letter} hair," for letter in "abcdefgh"))
    assert len(reading.features) == MAX_NAMED
    assert all(len(feature.text) <= 24 for feature in reading.features)
    words = read_prompt(", ".join(letter * 90 for letter in "bcdefghj")).words
    assert len(words) == MAX_NAMED
    assert all(len(word) <= 24 for word in words)


def test_the_vocabulary_has_a_line_for_each_trait_in_both_languages() -> None:
    english, chinese = vocabulary("en"), vocabulary("zh-CN")
    assert len(english) == len(chinese) == len(TRAITS)
    assert "dewy / matte / porcelain / tan / deep skin" in english
    assert "black / brown / blonde / ginger / pink / blue hair" in english
    assert "清透水光肌、雾面奶油肌、冷白瓷肌、小麦色肌肤、深棕肌肤" in chinese
    assert "".join(english).isascii()


def test_vocabulary_imports_no_torch() -> None:
    code = "import sys, engine.demo.vocabulary as v; v.read_prompt('a face'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
