"""Every error says what is wrong and what to do next."""

import pytest

import engine.errors as engine
from bot import errors
from bot.commands.grammar import parse
from bot.messages import LOCALES, format_error
from bot.messages.failures import ENGINE_SENTENCES, FAIL_SENTENCES
from bot.messages.refusals import SENTENCES
from engine.request import FailReason


def family(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


OURS = [kind for kind in family(errors.SugarbotError) if kind.__module__.startswith("bot.errors.")]
ENGINES = [kind for kind in family(engine.EngineError) if kind.__module__ == "engine.errors"]
FACTS: dict[str, object] = {
    "number": 3,
    "count": 2,
    "folder": "/data/models",
    "needed_bytes": 12_600_000_000,
    "free_bytes": 3_100_000_000,
    "length": 900,
    "seconds": 20,
    "limit": 800,
    "tokens": 1013,
    "excess": 300,
    "shift": "6",
    "missing_bytes": 2_000_000_000,
    "cards": ("RTX 3060", "A10"),
    "total": 2.4,
    "needed": 0.9,
    "steps": 60,
    "names": ("fast", "faster"),
    "shape": "9:1",
    "minutes": 9,
    "text": "x",
    "flag": "--x",
    "nearest": ("sugar", "anime"),
    "example": "--size 2:3",
    "command": "lora switch",
    "chat": "discord:1",
    "job_id": "k3",
    "code": "K3F9-7QXM-2AWV",
    "name": "sugr",
    "other": "Sugr",
    "depth": 4,
    "width_px": 7,
    "height_px": 9999,
    "price": 2,
    "credits": 1,
    "renews_at_s": 1_800_000_000,
    "until_s": 1_800_000_000,
    "problems": (errors.Problem("no_table", {"setting": "web"}),),
    "package": "uvicorn",
    "path": "/var/x.db",
    "found": 9,
    "known": 1,
    "detail": "a reason",
    "link": "https://t.me/sugar_bot?start=private",
    "platform": "discord",
    "host": "127.0.0.1",
    "port": 7860,
    "site": "Civitai",
    "setting": "civitai.token",
    "limit_bytes": 2**30,
    "reason": "",
    "who": "discord:9",
    "subject": "discord:9",
}


@pytest.mark.parametrize("kind", [*OURS, *ENGINES], ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_has_its_own_sentence_in_both_languages(kind: type[Exception]) -> None:
    assert kind in SENTENCES
    message = {locale: format_error(kind(**FACTS), locale) for locale in LOCALES}
    assert message["en"] != message["zh-CN"]
    for sentence in message.values():
        assert "{" not in sentence
        assert "…" not in sentence, "a fact has no value"


def test_no_two_classes_share_a_sentence() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_every_reason_to_fail_has_its_own_sentence() -> None:
    assert set(FAIL_SENTENCES) == set(FailReason)
    assert len(set(FAIL_SENTENCES.values())) == len(FailReason)


def test_every_engine_error_is_explained() -> None:
    assert set(ENGINE_SENTENCES) == set(ENGINES)


def test_an_unknown_subclass_is_explained_as_its_parent() -> None:
    class StrangeSize(errors.BadSize):
        pass

    assert format_error(StrangeSize(text="0"), "en") == format_error(errors.BadSize(text="0"), "en")


@pytest.mark.parametrize("locale", LOCALES)
def test_any_error_is_explained_without_internal_details(locale: str) -> None:
    message = format_error(ValueError("SELECT secret"), locale)
    assert message
    assert "secret" not in message
    assert format_error(errors.BadSize(), locale)


def test_the_nearest_names_are_offered() -> None:
    error = errors.UnknownLora(name="sugr", nearest=("sugar", "sugar2"))
    assert format_error(error, "en").endswith("ask the host. Did you mean sugar, sugar2?")
    assert format_error(error, "zh-CN").endswith("请问管理员。你是不是想用 sugar、sugar2？")
    assert "mean" not in format_error(errors.UnknownLora(name="sugr", nearest=()), "en")


def test_sizes_read_as_sizes_and_times_as_times() -> None:
    error = errors.SizeNotAllowed(width_px=7, height_px=9999, nearest=((512, 768), (768, 512)))
    assert format_error(error, "en") == (
        "I can't draw 7 × 9999. Please choose another size. Did you mean 512 × 768, 768 × 512?"
    )
    no_credits = errors.NoCreditsLeft(price=2, credits=1, renews_at_s=1_800_000_000)
    assert "2027-01-15 08:00 UTC" in format_error(no_credits, "zh-CN")
    assert "<t:1800000000:R>" in format_error(no_credits, "en", times="discord")


def test_each_bad_setting_has_its_own_line() -> None:
    message = format_error(
        errors.BadSettings(
            problems=(
                errors.Problem("no_table", {"setting": "web"}),
                errors.Problem("misspelt", {"setting": "languag", "nearest_setting": "language"}),
            )
        ),
        "en",
    )
    assert message.splitlines()[1:] == [
        "- web must be a table of settings, under [web].",
        "- languag is not a setting; did you mean language?",
    ]


def test_a_refused_token_names_the_platform_and_the_variable_to_set() -> None:
    assert "DISCORD_TOKEN" in format_error(errors.TokenRefused(platform="discord"), "en")
    assert "Telegram" in format_error(errors.TokenRefused(platform="telegram"), "zh-CN")


def test_the_host_reads_the_reason_of_the_engine() -> None:
    assert "/models/x is not a folder." in format_error(
        engine.ModelMissing("/models/x is not a folder."), "en"
    )


def test_the_refusal_of_a_long_prompt_says_how_many_tokens_to_remove() -> None:
    error = errors.PromptTooLong(tokens=530, limit=512, excess=31)
    assert format_error(error, "en") == (
        "Your prompt has 530 tokens (pieces of words), but the model reads at most 512. "
        "Please remove about 31 characters."
    )
    assert format_error(error, "zh-CN") == "提示词有 530 个 token，模型最多读 512 个。请删掉大约 31 个字。"


@pytest.mark.parametrize(
    ("typed", "english", "chinese"),
    [
        ("x --skin", "--skin dewy skin", "--肤质 清透水光肌"),
        ("x --seed", "--seed 7", "--种子 7"),
        ("x --lora", "--lora sugar:0.8", "--lora sugar:0.8"),
        ("x <lora:>", "<lora:sugar:0.8>", "<lora:sugar:0.8>"),
    ],
)
def test_an_example_is_in_the_reader_s_language(typed: str, english: str, chinese: str) -> None:
    with pytest.raises(errors.MissingValue) as caught:
        parse(typed)
    assert format_error(caught.value, "en").endswith(f"needs a value, like: {english}")
    assert format_error(caught.value, "zh-CN").endswith(f"还缺一个值，比如：{chinese}")


def test_a_suggested_command_can_be_typed_as_shown() -> None:
    with pytest.raises(errors.UnknownCommand) as caught:
        parse("/sugr a face")
    assert format_error(caught.value, "en") == (
        "I don't know the command “/sugr”. /help lists what I can do. Did you mean /sugar?"
    )
    with pytest.raises(errors.UnknownCommand) as caught:
        parse("/xyz")
    assert format_error(caught.value, "en") == "I don't know the command “/xyz”. /help lists what I can do."


def test_no_english_sentence_holds_chinese() -> None:
    for sentence in SENTENCES.values():
        assert not [letter for letter in sentence if "\u3400" <= letter <= "\u9fff"], sentence
