"""The settings: their defaults, the example that names them all, tiers, and what is accepted."""

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from bot.settings import Settings, load_settings
from engine.config import BUILT_IN
from tests.unit.bot.settings.reading import write

EXAMPLE = """
# Everything has a default; an empty file, or none, is a working Sugarbot on this machine alone.

data_dir = "var"            # database, pictures, models; kept between starts
language = "en"             # en or zh-CN: the log, the page, and chats that do not say theirs
hosts = []                  # who may switch LoRAs: ["discord:123456789", "telegram:987654321"]
allow = []                  # served guilds, channels, chats: ["discord:1122", "telegram:-1001", "discord:*"]
alerts = true               # hosts read in a direct message what is wrong with the bot

[quota]
daily_credits = 40          # each person is filled up to this every day at 00:00 UTC
max_waiting = 4             # jobs one person may have waiting at once
tiers = {}                  # or a table for each: [quota.tiers.patrons] with people, weight, daily_credits

[discord]
# token = "…"               # better: the environment variable DISCORD_TOKEN, or DISCORD_TOKEN_FILE
api_base = "https://discord.com/api/v10"
gateway = ""                # empty: asked from the API
proxy = ""                  # http:// or https://

[telegram]
# token = "…"               # better: the environment variable TELEGRAM_TOKEN, or TELEGRAM_TOKEN_FILE
base_url = "https://api.telegram.org/bot"
base_file_url = "https://api.telegram.org/file/bot"
proxy = ""                  # http://, https:// or socks5://

[web]
enabled = true
host = "127.0.0.1"          # loopback only: whoever opens the page acts as a host
port = 7860                 # 0: any free port
# operator_password = "…"   # opens the operator tab; better: SUGARBOT_WEB__OPERATOR_PASSWORD_FILE

[storage]
reserve_mib = 256           # nothing is drawn while less of the disk is free (small disk: a twentieth of it)
keep_pictures_days = 30     # older pictures are deleted, and /mine says so; 0 keeps them for ever
keep_originals_days = 7     # older pictures are kept as small previews; 0 keeps originals as long as pictures

[engine]
model = "built-in"          # or a diffusers folder, or a Hub name such as "Tongyi-MAI/Z-Image-Turbo"
revision = ""               # the commit of a Hub name, 40 hexadecimal digits; required for one
source = "hub"              # or modelscope
endpoint = ""               # a mirror of the source
device = "auto"             # auto, cpu, cuda, cuda:1
precision = "auto"          # or bf16, fp8, int8: eight bits are faster and change the picture
default_lora = ""           # used where nobody names one
# lora_dir = "/srv/loras"   # left out: data_dir/loras
reserve_mib = 512           # memory on the card left to others
idle_release_min = 15       # without a job for so long, the card is given back until the next job; 0: never
spare_worker = true         # a second process replaces a lost worker in seconds
step_timeout_s = 120
start_timeout_s = 300

[huggingface]               # accounts at the sites of /lora add; most files need none
token = ""

[modelscope]
token = ""

[civitai]
token = ""
"""


def test_without_a_file_everything_has_a_default() -> None:
    settings = load_settings(environ={})
    assert settings.engine.model == BUILT_IN
    assert settings.web.host == "127.0.0.1"
    assert settings.secrets() == ()


def test_the_example_contains_the_defaults() -> None:
    assert load_settings(write(Path(), EXAMPLE), {}) == Settings()


def test_the_example_names_every_setting() -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines()[2:]]
    example = tomllib.loads("\n".join(lines))
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            assert set(example[name]) == set(section.model_fields)
        else:
            assert name in example


def test_a_tier_names_people_their_weight_and_their_credits() -> None:
    text = '[quota.tiers.patrons]\npeople = ["discord:1", "telegram:2"]\nweight = 3\ndaily_credits = 200'
    environ = {"SUGARBOT_QUOTA__TIERS__FRIENDS__PEOPLE": "telegram:3"}
    tiers = load_settings(write(Path(), text), environ).quota.tiers
    assert tiers["patrons"].people == ("discord:1", "telegram:2")
    assert (tiers["patrons"].weight, tiers["patrons"].daily_credits) == (3, 200)
    assert (tiers["friends"].people, tiers["friends"].weight) == (("telegram:3",), 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_every_loopback_address_is_accepted(host: str) -> None:
    assert load_settings(environ={"SUGARBOT_WEB__HOST": host}).web.host == host


def test_settings_do_not_change() -> None:
    settings = load_settings(environ={})
    with pytest.raises(ValidationError):
        settings.language = "zh-CN"  # type: ignore[misc]
