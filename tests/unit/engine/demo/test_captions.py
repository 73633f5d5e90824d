"""Captions mention the traits that they list, in both languages."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.demo.captions import NAMES, vocabulary_texts, write_caption
from engine.demo.phrases import CUT_EN, CUT_ZH, EN, HAIR_EN, HAIR_ZH, TRIGGERS, ZH

PHRASES = {
    "zh": {**ZH, "hair": HAIR_ZH, "cut": CUT_ZH},
    "en": {**EN, "hair": HAIR_EN, "cut": CUT_EN},
}
FACES = st.fixed_dictionaries({name: st.sampled_from(sorted(PHRASES["zh"][name])) for name in NAMES})


@given(values=FACES, seed=st.integers(0, 10**9), language=st.sampled_from(["zh", "en"]))
def test_every_mentioned_trait_is_in_the_text(values: dict[str, str], seed: int, language: str) -> None:
    caption = write_caption(values, random.Random(seed), language)
    text = caption.text.lower()
    for name in caption.mentioned - {"hair", "cut"}:
        words = PHRASES[language][name][values[name]]
        assert any(word.lower() in text for word in words), name


@given(values=FACES, seed=st.integers(0, 10**9))
def test_the_same_seed_writes_the_same_caption(values: dict[str, str], seed: int) -> None:
    assert write_caption(values, random.Random(seed)) == write_caption(values, random.Random(seed))


def test_some_captions_mention_few_traits_and_most_mention_many() -> None:
    values = {name: sorted(PHRASES["zh"][name])[0] for name in NAMES}
    rng = random.Random(1)
    counts = [len(write_caption(values, rng).mentioned) for _ in range(500)]
    assert min(counts) <= 2
    assert max(counts) == len(NAMES)
    assert sum(counts) / len(counts) > 7


def test_a_hair_colour_and_cut_become_one_phrase_in_both_languages() -> None:
    values = {name: sorted(PHRASES["zh"][name])[0] for name in NAMES} | {"hair": "pink", "cut": "twintails"}
    rng = random.Random(2)
    texts = " ".join(
        write_caption(values, rng, language).text for language in ("zh", "en") for _ in range(200)
    )
    assert "粉色双马尾" in texts
    assert "pink twintails" in texts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_phrase_means_two_values_of_a_trait(language: str, name: str) -> None:
    phrases = [phrase for row in PHRASES[language][name].values() for phrase in row]
    assert len(phrases) == len(set(phrases))


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_know_the_same_values(name: str) -> None:
    assert set(PHRASES["zh"][name]) == set(PHRASES["en"][name])


def test_a_requested_style_puts_its_trigger_into_most_captions() -> None:
    values = {name: sorted(PHRASES["zh"][name])[0] for name in NAMES}
    rng = random.Random(3)
    texts = [write_caption(values, rng, trigger="anime").text for _ in range(200)]
    assert 120 < sum(text.startswith(TRIGGERS["anime"]) for text in texts) < 200


def test_the_vocabulary_covers_every_phrase() -> None:
    known = set("".join(vocabulary_texts()))
    for language in PHRASES.values():
        for rows in language.values():
            assert all(set(phrase) <= known for row in rows.values() for phrase in row)
