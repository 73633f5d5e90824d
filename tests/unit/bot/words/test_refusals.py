"""Every error says what is wrong and what to do next."""

import pytest

import engine.errors as engine
from bot import errors
from bot.words import LOCALES, explain
from bot.words.failures import ENGINE_SENTENCES, FAILED
from bot.words.refusals import SENTENCES
from engine.request import FailReason


def family(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


OURS = [kind for kind in family(errors.SugarbotError) if kind.__module__ == "bot.errors"]
ENGINES = [kind for kind in family(engine.EngineError) if kind.__module__ == "engine.errors"]
FACTS: dict[str, object] = {
    "folder": "/data/models",
    "needed_bytes": 12_600_000_000,
    "free_bytes": 3_100_000_000,
    "length": 900,
    "limit": 800,
    "minutes": 9,
    "text": "x",
    "flag": "--x",
    "nearest": ("sugar", "anime"),
    "example": "--size 2:3",
    "command": "lora switch",
    "chat": "discord:1",
    "job_id": "k3",
    "name": "sugr",
    "width_px": 7,
    "height_px": 9999,
    "price": 2,
    "credits": 1,
    "renews_at_s": 1_800_000_000,
    "problems": (errors.Problem("no_table", {"setting": "web"}),),
    "package": "uvicorn",
    "path": "/var/x.db",
    "found": 9,
    "known": 1,
    "detail": "a reason",
    "platform": "discord",
    "host": "127.0.0.1",
    "port": 7860,
}


@pytest.mark.parametrize("kind", [*OURS, *ENGINES], ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_has_its_own_sentence_in_both_languages(kind: type[Exception]) -> None:
    assert kind in SENTENCES
    said = {locale: explain(kind(**FACTS), locale) for locale in LOCALES}
    assert said["en"] != said["zh-CN"]
    for sentence in said.values():
        assert "{" not in sentence
        assert "…" not in sentence, "a fact has no value"


def test_no_two_classes_say_the_same() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_every_reason_to_fail_has_its_own_sentence() -> None:
    assert set(FAILED) == set(FailReason)
    assert len(set(FAILED.values())) == len(FailReason)


def test_engine_errors_are_all_told() -> None:
    assert set(ENGINE_SENTENCES) == set(ENGINES)


def test_a_subclass_nobody_foresaw_is_explained_as_its_parent() -> None:
    class StrangeSize(errors.BadSize):
        pass

    assert explain(StrangeSize(text="0"), "en") == explain(errors.BadSize(text="0"), "en")


@pytest.mark.parametrize("locale", LOCALES)
def test_any_error_at_all_is_explained_without_its_inside(locale: str) -> None:
    said = explain(ValueError("SELECT secret"), locale)
    assert said
    assert "secret" not in said
    assert explain(errors.BadSize(), locale)


def test_the_nearest_names_are_offered() -> None:
    error = errors.UnknownLora(name="sugr", nearest=("sugar", "sugar2"))
    assert explain(error, "en").endswith("/loras shows all of them. Did you mean sugar, sugar2?")
    assert explain(error, "zh-CN").endswith("查看全部。你是不是想用 sugar、sugar2？")
    assert "mean" not in explain(errors.UnknownLora(name="sugr", nearest=()), "en")


def test_sizes_read_as_sizes_and_times_as_times() -> None:
    error = errors.SizeNotAllowed(width_px=7, height_px=9999, nearest=((512, 768), (768, 512)))
    assert explain(error, "en") == (
        "I can't draw 7 × 9999. Please choose another size. Did you mean 512 × 768, 768 × 512?"
    )
    assert "2027-01-15 08:00 UTC" in explain(
        errors.NoCreditsLeft(price=2, credits=1, renews_at_s=1_800_000_000), "zh-CN"
    )


def test_each_bad_setting_stands_on_its_own_line() -> None:
    said = explain(
        errors.BadSettings(
            problems=(
                errors.Problem("no_table", {"setting": "web"}),
                errors.Problem("misspelt", {"setting": "languag", "nearest_setting": "language"}),
            )
        ),
        "en",
    )
    assert said.splitlines()[1:] == [
        "- web must be a table of settings, as under [web].",
        "- languag is not a setting; did you mean language?",
    ]


def test_a_missing_token_names_the_variable_to_set() -> None:
    assert "DISCORD_TOKEN" in explain(errors.TokenMissing(platform="discord"), "en")
    assert "Telegram" in explain(errors.TokenRefused(platform="telegram"), "zh-CN")


def test_the_host_is_told_the_engine_s_own_reason() -> None:
    assert "/models/x is not a folder." in explain(engine.ModelMissing("/models/x is not a folder."), "en")
