"""The questions about a chat: its token and its proxy, which are tried at once."""

from bot.checks.checks import PLATFORMS
from bot.cli import logs
from bot.cli.setup.answers import SetupAnswers
from bot.cli.setup.dialogue import Dialogue
from bot.cli.setup.options import SetupOptions
from bot.cli.setup.verification import AnswerRefused, check_chat, print_findings
from bot.errors import BadSettings
from bot.messages import N_, text
from bot.messages.catalogue import PLATFORM_NAMES
from engine.formatting import without_passwords

NONE = "-"  # typed to remove a token or a proxy
WHERE_TOKENS_COME_FROM = {
    "discord": N_(
        "Discord: on https://discord.com/developers/applications create an application, open “Bot”, press "
        "“Reset Token” and copy the token."
    ),
    "telegram": N_("Telegram: send /newbot to @BotFather and copy the token from its answer."),
}


def ask_about_chats(answers: SetupAnswers, dialogue: Dialogue, options: SetupOptions) -> dict[str, str]:
    """Ask for tokens and proxies until the platforms accept them; return the link to each bot.

    Raises:
        AnswerRefused: A token was given that does not work, and nobody can be asked.
    """
    given = answers.given | {
        platform: file.expanduser().read_text(encoding="utf-8").strip()
        for platform, file in options.token_files.items()
    }
    links = {}
    for platform in PLATFORMS:
        stored = answers.tokens.get(platform, ""), str(answers.value(f"{platform}.proxy") or "")
        answers.tokens[platform] = given.get(platform) or stored[0]
        answers.set_value(f"{platform}.proxy", options.proxies.get(platform) or stored[1])
        try:
            link = _ask_about_chat(platform, answers, dialogue)
        except (AnswerRefused, BadSettings):
            answers.tokens[platform] = stored[0]  # only what works is kept
            answers.set_value(f"{platform}.proxy", stored[1])
            raise
        if link:
            links[platform] = link
        answers.accept()
    return links


def _ask_about_chat(platform: str, answers: SetupAnswers, dialogue: Dialogue) -> str:
    """Ask until the platform accepts the answers; return the link to the bot, empty without a token."""
    name, locale = PLATFORM_NAMES[platform], dialogue.locale
    if not dialogue.is_silent:
        dialogue.say()
        dialogue.say(text(WHERE_TOKENS_COME_FROM[platform], locale))
    while True:
        _ask_token(platform, answers, dialogue)
        if not answers.tokens.get(platform):
            dialogue.say(text(N_("{platform} stays off."), locale, platform=name))
            return ""
        _ask_proxy(platform, answers, dialogue)
        settings = answers.settings()
        logs.open_log(secrets=settings.secrets())
        findings = check_chat(platform, settings)
        if print_findings(findings, dialogue):
            return next((str(each.facts["link"]) for each in findings if each.code == "accepted"), "")
        if dialogue.is_silent:
            raise AnswerRefused


def _ask_token(platform: str, answers: SetupAnswers, dialogue: Dialogue) -> None:
    """Ask until the answer has the form of a token or is empty."""
    name, locale = PLATFORM_NAMES[platform], dialogue.locale
    stored = answers.tokens.get(platform, "")
    while True:
        hint = N_("Enter: keep the present one; {none}: none") if stored else N_("Enter: without {platform}")
        typed = dialogue.ask(
            text(N_("Token for {platform} (it is not shown):"), locale, platform=name),
            stored,
            shown=text(hint, locale, platform=name, none=NONE),
            is_hidden=True,
        )
        answers.tokens[platform] = "" if typed == NONE else typed
        try:
            answers.settings()
        except BadSettings:
            if dialogue.is_silent:
                raise
            dialogue.say(text(N_("A token is one word without spaces. Please copy it again."), locale))
            stored = "" if typed == stored else stored
        else:
            return


def _ask_proxy(platform: str, answers: SetupAnswers, dialogue: Dialogue) -> None:
    """Ask until the answer is an address that the chat can use or is empty."""
    locale = dialogue.locale
    stored = str(answers.value(f"{platform}.proxy") or "")
    kept = N_("Enter: keep {proxy}; {none}: none") if stored else N_("Enter: none")
    while True:
        typed = dialogue.ask(
            text(N_("Proxy for {platform}:"), locale, platform=PLATFORM_NAMES[platform]),
            stored,
            shown=text(kept, locale, proxy=without_passwords(stored), none=NONE),
        )
        answers.set_value(f"{platform}.proxy", "" if typed == NONE else typed)
        try:
            answers.settings()
        except BadSettings as error:
            if dialogue.is_silent:
                raise
            dialogue.refuse(error, text(N_("The proxy"), locale))
        else:
            return
