"""``sugarbot setup``: its options."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.shell.running import Config, run_plainly
from bot.cli.usage import UsageRefusal


def set_up(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the options and the defaults.")
    ] = False,
    claim: Annotated[
        bool, typer.Option("--claim", help="Only make a new code: whoever sends it to the bot is a host.")
    ] = False,
    language: Annotated[str, typer.Option("--language", help="en, zh-CN or zh-TW.")] = "",
    discord_token_file: Annotated[
        Path | None,
        typer.Option("--discord-token-file", help="A file with the token; or set DISCORD_TOKEN."),
    ] = None,
    telegram_token_file: Annotated[
        Path | None,
        typer.Option("--telegram-token-file", help="A file with the token; or set TELEGRAM_TOKEN."),
    ] = None,
    discord_proxy: Annotated[
        str, typer.Option("--discord-proxy", help="The proxy on the way to Discord, http or https.")
    ] = "",
    telegram_proxy: Annotated[
        str, typer.Option("--telegram-proxy", help="The proxy on the way to Telegram, also socks5.")
    ] = "",
    weights: Annotated[
        str,
        typer.Option("--weights", help="built-in, hub, mirror, modelscope, or a folder with the model."),
    ] = "",
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="The address of a mirror, for --weights mirror.")
    ] = "",
    loras: Annotated[str, typer.Option("--loras", help="The folder of your LoRA files.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="The first host, like: discord:123456789")] = "",
    config: Config = None,
) -> None:
    """Ask what a bot needs, check each answer at once, download and convert the model; repeatable."""
    from bot.cli.setup.options import MIRROR, SetupOptions
    from bot.cli.setup.wizard import run_setup
    from bot.messages import N_

    if weights == MIRROR and yes and not endpoint:
        raise UsageRefusal(N_("--weights mirror needs --endpoint with the address of the mirror."))
    tokens = {"discord": discord_token_file, "telegram": telegram_token_file}
    proxies = {"discord": discord_proxy, "telegram": telegram_proxy}
    options = SetupOptions(
        config=config,
        language=language,
        token_files={platform: path for platform, path in tokens.items() if path is not None},
        proxies={platform: proxy for platform, proxy in proxies.items() if proxy},
        weights=weights,
        endpoint=endpoint,
        loras=loras,
        owner=owner,
        is_silent=yes,
        only_claim=claim,
    )
    run_plainly(lambda: run_setup(options))
