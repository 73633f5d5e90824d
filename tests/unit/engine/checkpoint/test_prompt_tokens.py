"""A prompt is measured in the parent as the worker counts it, and without torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.checkpoint.model import BUILT_IN_WEIGHTS
from engine.checkpoint.prompt_tokens import PromptLength, PromptTokens
from engine.errors import ModelIncomplete
from engine.request import MAX_PROMPT_TOKENS
from tests.fakes.vocabulary import real_tokenizer_folder

TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["Sugar面部", "，", ", ", "a girl", "  ", "\n", "👩🏽‍🎨", "é", "e\u0301", "ｄｅｗｙ", "<|im_end|>",
         "<think>", "وجه", "123", "\ufffd", "\x1b"]
    ),
    max_size=30,
).map("".join)  # fmt: skip
EXAMPLE = (
    "Sugar面部,纯欲甜妹脸部,淡颜系清甜长相,清透水光肌,微醺蜜桃腮红,"
    "薄涂裸粉唇釉,眼尾轻挑带慵懒笑意,细碎睫毛轻颤"
)


@pytest.fixture(scope="module", params=["built-in", "real"])
def folder(request: pytest.FixtureRequest) -> Path:
    return BUILT_IN_WEIGHTS / "tokenizer" if request.param == "built-in" else real_tokenizer_folder()


@pytest.fixture(scope="module")
def tokens(folder: Path) -> PromptTokens:
    return PromptTokens(folder)


@pytest.fixture(scope="module")
def workers_count(folder: Path) -> Callable[[str], int]:
    """What ``engine.zimage.text.prompt.Text`` counts, with the tokenizer that the worker loads."""
    from engine.zimage.text.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder.parent, "Qwen2Tokenizer")
    return lambda prompt: len(tokenizer.token_ids(prompt))


@settings(max_examples=150)
@given(prompt=TEXTS)
def test_parent_and_worker_count_the_same(
    tokens: PromptTokens, workers_count: Callable[[str], int], prompt: str
) -> None:
    assert tokens.measure(prompt).tokens == workers_count(prompt)


def test_the_library_s_own_class_counts_the_same(tokens: PromptTokens, folder: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    turn = [{"role": "user", "content": EXAMPLE}]
    layout = tokenizer.apply_chat_template(
        turn, tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    assert tokens.measure(EXAMPLE).tokens == len(tokenizer(layout).input_ids)


@pytest.mark.parametrize("word", ["a ", "脸", "wonderful ", "，清透水光肌", " 👩🏽‍🎨"])
def test_the_limit_is_the_models_and_the_excess_is_in_characters(tokens: PromptTokens, word: str) -> None:
    fitting = ""
    while tokens.measure(fitting + word).tokens <= MAX_PROMPT_TOKENS:
        fitting += word
    assert tokens.measure(fitting).excess_chars == 0
    longer = fitting + word * 50
    measured = tokens.measure(longer)
    assert measured.limit == MAX_PROMPT_TOKENS < measured.tokens
    assert 0 < measured.excess_chars < len(longer)
    assert tokens.measure(longer[: -measured.excess_chars]).tokens <= MAX_PROMPT_TOKENS
    assert measured.excess_chars <= len(word) * 51


def test_the_article_s_example_has_fifty_tokens_and_the_layout_eight() -> None:
    tokens = PromptTokens(real_tokenizer_folder())
    assert tokens.measure("") == PromptLength(8, MAX_PROMPT_TOKENS, 0)
    assert tokens.measure(EXAMPLE) == PromptLength(58, MAX_PROMPT_TOKENS, 0)


def test_a_text_of_64_kib_is_measured_whole(tokens: PromptTokens) -> None:
    length = tokens.measure("面" * 65_536)
    assert length.tokens > MAX_PROMPT_TOKENS
    assert 0 < length.excess_chars < 65_536


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages[0].content }}"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelIncomplete) as caught:
        PromptTokens(tmp_path)
    assert "tokenizer.json" in str(caught.value)


@pytest.mark.parametrize("template", ["{% for %}", "{{ nothing.at.all }}"])
def test_a_broken_layout_is_named(tmp_path: Path, template: str) -> None:
    tokenizer = BUILT_IN_WEIGHTS / "tokenizer" / "tokenizer.json"
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    with pytest.raises(ModelIncomplete) as caught:
        PromptTokens(tmp_path)
    assert "chat template" in str(caught.value)


def test_measuring_imports_no_torch() -> None:
    code = "import sys, engine.checkpoint.prompt_tokens as m;"
    code += "from engine.checkpoint.model import BUILT_IN_WEIGHTS as w;"
    code += "m.PromptTokens(w / 'tokenizer').measure('a face'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
