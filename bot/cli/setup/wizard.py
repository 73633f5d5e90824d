"""Asks what a bot needs, in order; checks each answer; downloads the model; says what comes next."""

import os

from bot.checks.folders import require_writable
from bot.cli import logs, runner
from bot.cli.setup import model
from bot.cli.setup.answers import SetupAnswers, files_of
from bot.cli.setup.chats import ask_about_chats
from bot.cli.setup.claim import claim_instruction, has_host
from bot.cli.setup.dialogue import Dialogue
from bot.cli.setup.options import EXAMPLE_OWNER, SetupOptions, check_options
from bot.cli.setup.verification import AnswerRefused
from bot.cli.setup.weights import ask_about_loras, ask_about_weights
from bot.desk.maintenance import require_own
from bot.errors import BadSettings
from bot.languages import LOCALES
from bot.messages import N_, text
from bot.messages.catalogue import PLATFORM_NAMES
from bot.messages.page import LANGUAGES


def run_setup(options: SetupOptions) -> int:
    """Ask, check and prepare; return the exit code. Blocking.

    Without a terminal, nothing is written before all answers are right.

    Raises:
        KeyboardInterrupt: The host stopped it; it has been said which answers are kept.
        OperatorError, ModelError, OSError: The host must repair something; the same.
    """
    check_options(options)
    answers = SetupAnswers(options.config, os.environ)
    settings = answers.settings()
    logs.open_log(secrets=settings.secrets())
    require_own(settings.data_dir)
    require_writable(settings.data_dir)
    dialogue = Dialogue(options.language or settings.language, is_silent=options.is_silent)
    if options.only_claim:
        dialogue.say(claim_instruction(settings, is_new=True, locale=dialogue.locale))
        return 0
    answers.keeps_each = not dialogue.is_silent
    links: dict[str, str] | None = None
    try:
        links = _ask_everything(answers, dialogue, options)
    except AnswerRefused:
        sentence = N_("Nothing was written. Correct that and run `sugarbot setup` again.")
        dialogue.say(text(sentence, dialogue.locale))
        return 1
    finally:
        if links is None and answers.was_written:
            _say_what_is_kept(answers, dialogue)
    answers.save()
    settings = answers.settings()
    logs.open_log(secrets=settings.secrets(), verbose=True)
    dialogue.say()
    dialogue.say(text(N_("Written: {files}"), dialogue.locale, files=files_of(answers)))
    if code := runner.run(lambda: model.report(settings)):
        return code
    _print_links(links, dialogue)
    if links and not has_host(settings):
        dialogue.say(claim_instruction(settings, is_new=True, locale=dialogue.locale))
    dialogue.say(text(N_("Now start the bot: sugarbot run"), dialogue.locale))
    return 0


def _ask_everything(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> dict[str, str]:
    """Ask all questions; return the link to the bot in each chat."""
    _ask_language(answers, dialogue, options)
    links = ask_about_chats(answers, dialogue, options)
    ask_about_weights(answers, dialogue, options)
    ask_about_loras(answers, dialogue, options)
    _ask_owner(answers, dialogue, options)
    return links


def _say_what_is_kept(answers: SetupAnswers, dialogue: Dialogue) -> None:
    sentence = N_("The answers so far are kept in {files}; `sugarbot setup` goes on with them.")
    dialogue.say()
    dialogue.say(text(sentence, dialogue.locale, files=files_of(answers)))


def _ask_language(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> None:
    rows = [(locale, LANGUAGES[locale]) for locale in LOCALES]
    question = text(N_("Which language do you read?"), dialogue.locale)
    chosen = options.language or dialogue.choose(question, rows, dialogue.locale)
    answers.set_value("language", chosen)
    answers.accept()
    dialogue.locale = options.language or answers.settings().language


def _ask_owner(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> None:
    """Ask for the first host's id; most people do not know theirs, and claim the bot in a chat instead."""
    stored = [str(each) for each in answers.value("hosts") or ()]
    question = N_("Your own user id, like discord:123456789; Enter if you don't know it:")
    given = options.owner
    while True:
        shown = ", ".join(stored)
        typed = given or dialogue.ask(text(question, dialogue.locale), shown)
        hosts = list(dict.fromkeys([*stored, typed] if given else typed.replace(",", " ").split()))
        answers.set_value("hosts", hosts)
        try:
            answers.accept()
        except BadSettings:
            answers.set_value("hosts", stored)
            if dialogue.is_silent:
                raise
            sentence = N_(
                "“{text}” is no user id. Write it like {example}; several with commas between them."
            )
            dialogue.say(text(sentence, dialogue.locale, text=typed, example=EXAMPLE_OWNER))
            given = ""
            continue
        return


def _print_links(links: dict[str, str], dialogue: Dialogue) -> None:
    sentences = {
        "discord": N_("Add the bot to your server: {link}"),
        "telegram": N_("Write to the bot, or add it to a group: {link}"),
    }
    for platform, link in links.items():
        sentence = text(sentences[platform], dialogue.locale, link=link)
        dialogue.say(f"{PLATFORM_NAMES[platform]}: {sentence}")
