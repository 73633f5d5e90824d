"""The words of a job, and the query of what a person types."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.desk.finding.words import MAX_SEARCH_BYTES, cut_search, query_of, words_of


def test_words_are_latin_words_chinese_characters_and_their_syllables() -> None:
    words, pinyin = words_of("一个女孩, Red-Lips ＡＢ 7", '["糖面部"]', '[{"name": "su_gar 2"}]')
    assert words == "一 个 女 孩 red lips ab 7 糖 面 部 su gar 2"
    assert pinyin == "yi ge nv hai tang mian bu"
    assert words_of("", "[]", "[]") == ("", "")


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("red", '(words : "red"*)'),
        ("a", '(words : "a" OR pinyin : "a"*)'),
        ("红唇", '(words : "红 唇")'),
        (
            "fangan",
            '(words : "fangan"* OR pinyin : "fang an"* OR pinyin : "fan gan"*)',
        ),
    ],
)
def test_a_query_has_every_word(typed: str, query: str) -> None:
    assert query_of(typed, ["p1", "p7"]) == f'(who : ("p1" OR "p7")) AND {query}'


def test_no_word_is_no_query() -> None:
    assert query_of("", ["p1"]) == query_of('"*()', ["p1"]) == ""


@given(st.text())
def test_any_search_is_short_and_a_valid_query(typed: str) -> None:
    search = cut_search(typed)
    assert len(search.encode()) <= MAX_SEARCH_BYTES
    query = query_of(search, ["p1"])
    if query:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE VIRTUAL TABLE t USING fts5 (who, words, pinyin)")
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (query,)).fetchall()
        connection.close()


@given(st.text())
def test_a_text_is_found_by_itself(typed: str) -> None:
    search = cut_search(typed)
    query = query_of(search, ["p1"])
    if not query:
        return
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE t USING fts5 (who, words, pinyin, tokenize = 'unicode61 remove_diacritics 2')"
    )
    connection.execute("INSERT INTO t VALUES (?, ?, ?)", ("p1", *words_of(search, "[]", "[]")))
    assert connection.execute("SELECT count(*) FROM t WHERE t MATCH ?", (query,)).fetchone() == (1,)
    connection.close()
