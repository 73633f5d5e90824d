"""The tokenizer accepts any text, knows all phrases, and fits the pipeline's chat template."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from engine.demo.captions import vocabulary_texts
from engine.demo.tokenizer import UNKNOWN, build_tokenizer

TOKENIZER = build_tokenizer(vocabulary_texts())


def tokens(text: str) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(TOKENIZER(text).input_ids)


@settings(max_examples=200)
@given(st.text(max_size=400))
def test_no_text_makes_the_tokenizer_fail(text: str) -> None:
    message = [{"role": "user", "content": text}]
    prompt = TOKENIZER.apply_chat_template(
        message, tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    found = TOKENIZER([prompt], padding="max_length", max_length=512, truncation=True, return_tensors="pt")
    assert found.input_ids.shape == (1, 512)
    assert found.attention_mask.sum() >= 3


@pytest.mark.parametrize("text", vocabulary_texts())
def test_every_phrase_is_known(text: str) -> None:
    assert UNKNOWN not in tokens(text)


def test_full_width_and_capital_letters_read_as_half_width_and_small() -> None:
    assert tokens("Ｓugar面部，ROSY cheeks") == tokens("sugar面部,rosy cheeks")


def test_an_unknown_english_word_becomes_letters_and_an_unknown_sign_the_unknown_token() -> None:
    assert tokens("zyx") == ["z", "##y", "##x"]
    assert tokens("龘") == [UNKNOWN]


def test_a_saved_tokenizer_loads_unchanged(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Sugar面部，小麦色肌肤，玫瑰腮红，正红唇，圆眼，浓密睫毛"
    assert again(text).input_ids == TOKENIZER(text).input_ids
    assert again.chat_template == TOKENIZER.chat_template
