"""``sugarbot lora``: one short function for each subcommand."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.shell.running import AsJson, Config, run_command
from bot.cli.usage import UsageCommand, UsageGroup

loras = typer.Typer(
    cls=UsageGroup, help="Look at the LoRA shelf and change it; without a subcommand: `list`."
)


@loras.callback(invoke_without_command=True)
def lora_without_command(context: typer.Context, config: Config = None) -> None:
    """Look at the LoRA shelf and change it; without a subcommand: `list`."""
    if context.invoked_subcommand is None:
        list_loras(config=config)


@loras.command("list", cls=UsageCommand)
def list_loras(as_json: AsJson = False, config: Config = None) -> None:
    """List the shelf: each LoRA with its file, and each refused file with the reason."""
    from bot.cli import lora

    run_command(lambda settings: lora.list_shelf(settings, as_json=as_json), config)


@loras.command("check", cls=UsageCommand)
def check_lora(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA file, anywhere.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Check a LoRA file in every way that needs no card; exits 1 if it is refused."""
    from bot.cli import lora

    run_command(lambda settings: lora.check(settings, file, as_json=as_json), config)


@loras.command("info", cls=UsageCommand)
def show_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the shelf.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show what is known of a LoRA, and what its trainer wrote about it."""
    from bot.cli import lora

    run_command(lambda settings: lora.info(settings, name, as_json=as_json), config)


@loras.command("add", cls=UsageCommand)
def add_lora(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA file, anywhere.")],
    name: Annotated[str, typer.Option("--name", help="Its name on the shelf; default: the file's.")] = "",
    config: Config = None,
) -> None:
    """Check a LoRA file and copy it into the LoRA folder; a running bot notices it."""
    from bot.cli import lora

    run_command(lambda settings: lora.add(settings, file, name), config)


@loras.command("pin", cls=UsageCommand)
def pin_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the LoRA folder.")],
    off: Annotated[bool, typer.Option("--off", help="Allow another content again.")] = False,
    config: Config = None,
) -> None:
    """Keep a LoRA as it is: a file of this name with another content is refused."""
    from bot.cli import lora

    run_command(lambda settings: lora.pin(settings, name, is_off=off), config)


@loras.command("remove", cls=UsageCommand)
def remove_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A LoRA of the LoRA folder.")],
    config: Config = None,
) -> None:
    """Delete a LoRA from the LoRA folder; waiting jobs of a running bot keep it."""
    from bot.cli import lora

    run_command(lambda settings: lora.remove(settings, name), config)
