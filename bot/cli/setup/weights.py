"""The questions about the model and its LoRAs."""

from dataclasses import replace
from pathlib import Path

from bot.checks.checks import check_lora_folder
from bot.cli.setup.answers import SetupAnswers
from bot.cli.setup.dialogue import Dialogue
from bot.cli.setup.options import FOLDER, HUB, KEEP, MIRROR, MODELSCOPE, SetupOptions
from bot.cli.setup.verification import AnswerRefused, check_weights, print_findings
from bot.errors import BadSettings
from bot.messages import N_, format_error, text
from bot.messages.details import translate_detail
from engine.checkpoint.remote import list_remote
from engine.config import BUILT_IN, PUBLISHED, PUBLISHED_COMMIT
from engine.errors import ModelUnreachable
from engine.formatting import without_passwords
from engine.planner.headroom import HeadroomProbe

LABELS = {
    KEEP: N_("{model}, as now"),
    HUB: N_("Z-Image-Turbo from Hugging Face, 33 GB"),
    MIRROR: N_("Z-Image-Turbo from a mirror of Hugging Face, 33 GB"),
    MODELSCOPE: N_("Z-Image-Turbo from ModelScope, 33 GB"),
    FOLDER: N_("a folder on this machine that contains the model"),
    BUILT_IN: N_("the small built-in model: faces of 128 × 192, no download, no card needed"),
}


NO_FOLDER = N_("There is no folder “{path}”. Create it, or name another one.")
REFUSALS = {
    "lora_dir_missing": NO_FOLDER,
    "lora_dir_unusable": N_(
        "The folder “{path}” can't be read: {detail}. Allow reading it, or name another one."
    ),
}
"""By the code of the finding: what was typed is named, not the setting."""


def ask_about_weights(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> None:
    """Ask where the model comes from until it is there or can be downloaded.

    Raises:
        AnswerRefused: It cannot, and nobody can be asked.
    """
    settings = answers.settings()
    has_card = HeadroomProbe(settings.engine.device, 0).read().is_card
    present = _present(answers, has_card=has_card)
    given = options.weights
    while True:
        chosen = given or _choose(answers, dialogue, present)
        try:
            _apply(chosen, answers, dialogue, options)
            config = answers.settings().to_engine_config()
        except BadSettings as error:
            if dialogue.is_silent:
                raise
            dialogue.refuse(error, text(N_("The address"), dialogue.locale))
        except ModelUnreachable as error:
            if dialogue.is_silent:
                raise
            dialogue.say(format_error(error, dialogue.locale))
        except AnswerRefused:
            if dialogue.is_silent:
                raise
        else:
            if print_findings([check_weights(config, has_card=has_card)], dialogue):
                answers.accept()
                return
            if dialogue.is_silent:
                raise AnswerRefused
        given = ""


def ask_about_loras(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> None:
    """Ask for the folder of the LoRA files until it can be read; it is left out where it is the usual one.

    Raises:
        AnswerRefused: It cannot, and nobody can be asked.
    """
    usual = str(answers.settings().data_dir / "loras")
    stored = str(answers.value("engine.lora_dir") or usual)
    given = options.loras
    while True:
        typed = given or dialogue.ask(text(N_("Folder of your LoRA files:"), dialogue.locale), stored)
        answers.set_value("engine.lora_dir", "" if typed == usual else typed)
        refusal = next(check_lora_folder(answers.settings().engine.lora_dir), None)
        if refusal is None:
            answers.accept()
            return
        facts = {key: translate_detail(str(fact), dialogue.locale) for key, fact in refusal.facts.items()}
        dialogue.say(text(REFUSALS[refusal.code], dialogue.locale, **facts))
        if dialogue.is_silent:
            raise AnswerRefused
        given = ""


def _present(answers: SetupAnswers, *, has_card: bool) -> str:
    """Return the default: what the settings say, else what this machine can draw with."""
    model = str(answers.value("engine.model") or "")
    if not model:
        return HUB if has_card else BUILT_IN
    if model == BUILT_IN:
        return BUILT_IN
    if Path(model).expanduser().is_dir():
        return FOLDER
    if model != PUBLISHED:
        return KEEP
    if answers.value("engine.source") == MODELSCOPE:
        return MODELSCOPE
    return MIRROR if answers.value("engine.endpoint") else HUB


def _choose(answers: SetupAnswers, dialogue: Dialogue, present: str) -> str:
    model = str(answers.value("engine.model") or "")
    keys = [KEEP] if present == KEEP else []
    keys += [HUB, MIRROR, MODELSCOPE, FOLDER, BUILT_IN]
    rows = [(key, text(LABELS[key], dialogue.locale, model=model)) for key in keys]
    if not dialogue.is_silent:
        dialogue.say()
    return dialogue.choose(text(N_("Which model should draw?"), dialogue.locale), rows, present)


def _apply(chosen: str, answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> None:
    """Write the choice into the answers.

    Raises:
        AnswerRefused: The folder that was typed does not exist; this is printed.
        ModelUnreachable: ModelScope does not say which commit is its newest.
    """
    if chosen == KEEP:
        return
    pinned = str(answers.value("engine.revision") or "")
    was_published = answers.value("engine.model") == PUBLISHED
    was_modelscope = was_published and answers.value("engine.source") == MODELSCOPE
    model = {BUILT_IN: BUILT_IN, HUB: PUBLISHED, MIRROR: PUBLISHED, MODELSCOPE: PUBLISHED}.get(chosen, chosen)
    endpoint = options.endpoint if chosen in (HUB, MIRROR, MODELSCOPE) else ""
    if chosen == MODELSCOPE and was_modelscope:
        endpoint = endpoint or str(answers.value("engine.endpoint") or "")
    if chosen == FOLDER:
        stored = str(answers.value("engine.model") or "")
        stored = stored if Path(stored).is_dir() else ""
        model = dialogue.ask(text(N_("The model's folder:"), dialogue.locale), stored)
        if not model or not Path(model).expanduser().is_dir():
            dialogue.say(text(NO_FOLDER, dialogue.locale, path=model))
            raise AnswerRefused
    if chosen == MIRROR and not endpoint:
        stored = str(answers.value("engine.endpoint") or "")
        question = text(
            N_("The mirror's address, like {example}:"), dialogue.locale, example="https://mirror.example.org"
        )
        endpoint = dialogue.ask(question, stored, shown=without_passwords(stored))
    answers.set_value("engine.model", model)
    answers.set_value("engine.endpoint", endpoint)
    answers.set_value("engine.source", MODELSCOPE if chosen == MODELSCOPE else "")
    is_pinned = bool(pinned) and was_published and was_modelscope == (chosen == MODELSCOPE)
    if chosen in (HUB, MIRROR):
        answers.set_value("engine.revision", pinned if is_pinned else PUBLISHED_COMMIT)
    elif chosen == MODELSCOPE:
        answers.set_value("engine.revision", pinned if is_pinned else _newest(answers, dialogue))
    else:
        answers.set_value("engine.revision", "")


def _newest(answers: SetupAnswers, dialogue: Dialogue) -> str:
    """Ask ModelScope for its newest commit, which counts from now on: it numbers commits in its own way."""
    answers.set_value("engine.revision", PUBLISHED_COMMIT)  # settings need one
    try:
        config = replace(answers.settings().to_engine_config(), revision="")
    finally:
        answers.set_value("engine.revision", "")
    commit = list_remote(config).commit
    sentence = N_("ModelScope's newest commit is {commit}. From now on, no other is used.")
    dialogue.say(text(sentence, dialogue.locale, commit=commit))
    return commit
