"""Settings: their sources, their problems, and that no secret is shown."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from bot.errors import BadSettings
from bot.messages.problems import format_problem
from bot.settings import (
    EXAMPLE_COMMIT,
    PasswordHash,
    Settings,
    every_setting,
    load_settings,
    unknown_variables,
)
from engine.config import BUILT_IN, PUBLISHED_COMMIT, EngineConfig

TOKEN = "123456:secret-secret-secret-secret-secret"

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


@pytest.fixture(autouse=True)
def no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str, name: str = "sugarbot.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def problems(
    text: str = "", environ: dict[str, str] | None = None, *, folder: Path | None = None
) -> list[str]:
    path = write(folder or Path(), text)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, environ or {})
    return messages_of(caught.value)


def messages_of(error: BadSettings, locale: str = "en") -> list[str]:
    found = error.facts["problems"]
    assert isinstance(found, tuple)
    return [format_problem(problem, locale) for problem in found]


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


def test_problems_in_a_tier_name_it() -> None:
    found = problems(
        "[quota.tiers.patrons]\npeople = ['ann']\nweight = 0\ndaily_credits = -1\nweigth = 3\n"
        "[quota.tiers]\nx = 1"
    )
    assert sorted(found) == [
        "quota.tiers.patrons.daily_credits must be a whole number from 0 to 100000, not '-1'; "
        "for example: 200",
        "quota.tiers.patrons.people must be a list of people, each as platform:user-id, not 'ann'; "
        'for example: ["discord:123456789"]',
        "quota.tiers.patrons.weight must be a whole number from 1 to 100, not '0'; for example: 3",
        "quota.tiers.patrons.weigth is not a setting; did you mean quota.tiers.patrons.weight?",
        "quota.tiers.x must be a table of settings, under [quota.tiers.x].",
    ]


def test_the_file_is_the_given_one_else_the_named_one_else_the_one_here(tmp_path: Path) -> None:
    named = write(tmp_path, "web.port = 1001", "named.toml")
    given = write(tmp_path, "web.port = 1002", "given.toml")
    environ = {"SUGARBOT_CONFIG": str(named)}
    assert load_settings(environ={}).web.port == 7860
    write(tmp_path, "web.port = 1000")
    assert load_settings(environ={}).web.port == 1000
    assert load_settings(environ=environ).web.port == 1001
    assert load_settings(given, environ).web.port == 1002


@pytest.mark.parametrize("variable", ["SUGARBOT_CONFIG", "TELEGRAM_TOKEN_FILE"])
def test_a_file_of_an_unknown_user_is_reported(variable: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ={variable: "~nobody-here/file"})
    [problem] = messages_of(caught.value)
    assert "~nobody-here/file" in problem


def test_the_process_s_own_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGARBOT_WEB__PORT", "1003")
    assert load_settings().web.port == 1003


def test_the_environment_wins_over_the_file() -> None:
    path = write(Path(), 'hosts = ["discord:1"]\n[web]\nport = 1000\nenabled = false')
    settings = load_settings(path, {"SUGARBOT_WEB__PORT": "1004", "SUGARBOT_HOSTS": "telegram:2, discord:3"})
    assert (settings.web.port, settings.web.enabled) == (1004, False)
    assert settings.hosts == ("telegram:2", "discord:3")


@pytest.mark.parametrize(
    "environ",
    [
        {"TELEGRAM_TOKEN": TOKEN},
        {"SUGARBOT_TELEGRAM__TOKEN": f" {TOKEN}\n"},
        {"SUGARBOT_TELEGRAM__TOKEN": TOKEN, "TELEGRAM_TOKEN": "another"},
        {"TELEGRAM_TOKEN_FILE": "token"},
        {"SUGARBOT_TELEGRAM__TOKEN_FILE": "token"},
    ],
)
def test_a_token_comes_from_the_environment_or_a_file(environ: dict[str, str]) -> None:
    write(Path(), f"{TOKEN}\n", "token")
    settings = load_settings(environ=environ)
    assert settings.telegram.token.get_secret_value() == TOKEN
    assert settings.secrets() == (TOKEN,)
    assert not settings.discord.token.get_secret_value()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SUGARBOT_WEB__OPERATOR_PASSWORD": "a gate of jade"},
        {"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": "password"},
    ],
)
def test_of_a_password_only_the_hash_is_kept(environ: dict[str, str]) -> None:
    write(Path(), "a gate of jade\n", "password")
    file = write(Path(), 'web.operator_password = "a gate of jade"') if not environ else None

    settings = load_settings(file, environ)

    kept = settings.web.operator_password
    assert kept is not None
    assert kept.matches("a gate of jade")
    assert not kept.matches("a gate of jada")
    assert "jade" not in f"{settings!r} {settings.model_dump()} {kept.digest!r}"
    assert settings == load_settings(file, environ)  # the same password compares equal


@pytest.mark.parametrize("password", ["short", "x" * 201, 12345678, ["a gate of jade"]])
def test_a_password_of_another_length_or_type_is_refused_and_not_repeated(password: object) -> None:
    [problem] = problems(f"web.operator_password = {json.dumps(password)}")
    assert problem.startswith("web.operator_password must be a password of 8 to 200 characters")
    assert json.dumps(password) not in problem


def test_a_password_that_others_can_read_is_refused() -> None:
    path = write(Path(), 'web.operator_password = "a gate of jade"')
    path.chmod(0o644)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    assert "chmod 600" in messages_of(caught.value)[0]


def test_a_password_composed_in_another_way_is_the_same() -> None:
    assert PasswordHash.of("caf\u00e9 au lait").matches("cafe\u0301 au lait")
    assert PasswordHash.of(200 * "\u00e9").matches(200 * "e\u0301")
    assert PasswordHash.of(200 * "e\u0301").matches(200 * "\u00e9")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_an_empty_or_missing_file_of_the_password_is_refused(content: str | None) -> None:
    if content is not None:
        write(Path(), content, "password")
    with pytest.raises(BadSettings) as caught:
        load_settings(environ={"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": "password"})
    [problem] = messages_of(caught.value)
    assert problem.startswith("SUGARBOT_WEB__OPERATOR_PASSWORD_FILE must name a readable file")


def test_an_empty_password_is_none() -> None:
    assert load_settings(environ={"SUGARBOT_WEB__OPERATOR_PASSWORD": ""}).web.operator_password is None


def test_no_secret_is_shown() -> None:
    environ = {"DISCORD_TOKEN": TOKEN, "SUGARBOT_DISCORD__PROXY": "http://me:passw0rd@127.0.0.1:1"}
    settings = load_settings(environ=environ)
    for shown in (repr(settings), str(settings), repr(settings.discord), settings.model_dump_json()):
        assert "secret" not in shown
    assert "passw0rd" not in repr(settings)
    assert set(settings.secrets()) == {TOKEN, "passw0rd"}
    mirror = load_settings(environ={"SUGARBOT_ENGINE__ENDPOINT": "https://me:passw0rd@mirror.example.org"})
    assert "passw0rd" not in repr(mirror)
    assert mirror.secrets() == ("passw0rd",)


@pytest.mark.parametrize(
    "environ",
    [
        {"DISCORD_TOKEN": f"Bot {TOKEN}"},
        {"SUGARBOT_DISCORD": TOKEN},
        {"SUGARBOT_DISCORD__TOKEN__X": TOKEN},
        {"SUGARBOT_DISCORD__PROXY": f"ftp://me:{TOKEN}@127.0.0.1"},
        {"SUGARBOT_DISCORD__TOKN": TOKEN},
        {"SUGARBOT_ENGINE__ENDPOINT": f"ftp://me:{TOKEN}@mirror.example.org"},
    ],
)
def test_no_problem_repeats_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ=environ)
    assert "secret" not in str(caught.value)
    assert "discord" in str(caught.value) or "endpoint" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data_dir = 3", ["data_dir", "folder"]),
        ('language = "de"', ["language", "en, zh-CN or zh-TW", "'de'"]),
        ('hosts = ["me"]', ["hosts", "platform:user-id", "'me'", '["discord:123456789"]']),
        ('hosts = ["discord:*"]', ["hosts"]),
        ('hosts = ["web:1"]', ["hosts"]),
        ("hosts = 7", ["hosts"]),
        ('allow = ["discord"]', ["allow", "platform:id"]),
        ("quota.daily_credits = -1", ["quota.daily_credits", "0 to 100000", "-1"]),
        ("quota.max_waiting = 0", ["quota.max_waiting", "1 to 100"]),
        ('discord.api_base = ""', ["discord.api_base", "http"]),
        ('discord.api_base = "discord.com"', ["discord.api_base"]),
        ('discord.gateway = "https://x"', ["discord.gateway", "wss"]),
        ('discord.proxy = "socks5://127.0.0.1:1080"', ["discord.proxy", "http://127.0.0.1:1080"]),
        ('telegram.proxy = "127.0.0.1:1080"', ["telegram.proxy", "socks5://127.0.0.1:1080"]),
        ('telegram.proxy = "http://127.0.0.1:99999"', ["telegram.proxy"]),
        ('telegram.base_url = "file:///x"', ["telegram.base_url"]),
        ('web.host = "0.0.0.0"', ["web.host", "loopback", "127.0.0.1"]),
        ('web.host = "example.org"', ["web.host"]),
        ("web.port = 65536", ["web.port", "65535"]),
        ('web.enabled = "perhaps"', ["web.enabled", "true or false"]),
        ("web = 7", ["web", "[web]"]),
        ('engine.model = ""', ["engine.model", "built-in"]),
        (
            'engine.model = "owner/model"',
            ["engine.revision", "owner/model", EXAMPLE_COMMIT],
        ),
        ('engine.revision = "main"', ["engine.revision", "40"]),
        ('engine.source = "web"', ["engine.source", "modelscope"]),
        ('engine.device = "gpu"', ["engine.device", "cuda:1"]),
        ("engine.reserve_mib = -1", ["engine.reserve_mib"]),
        ("engine.step_timeout_s = nan", ["engine.step_timeout_s"]),
        ("engine.start_timeout_s = inf", ["engine.start_timeout_s"]),
        ('languag = "en"', ["languag is not a setting", "did you mean language?"]),
        ("web.prot = 1", ["web.prot is not a setting", "did you mean web.port?"]),
        ("quota.xyz = 1", ["quota.xyz is not a setting", "daily_credits, max_waiting"]),
    ],
)
def test_a_bad_value_is_reported_with_its_name_and_a_valid_value(text: str, words: list[str]) -> None:
    (problem,) = problems(text)
    for word in words:
        assert word in problem


def test_all_bad_values_are_reported_at_once() -> None:
    found = problems(
        'language = "de"\nweb.port = "x"\nengine.device = "gpu"\nengine.model = "a/b"\nengin = 1',
        {"SUGARBOT_QUOTA__MAX_WAITING": "0", "TELEGRAM_TOKEN_FILE": "nowhere", "SUGARBOT_WEBB__PORT": "1"},
    )
    starts = (
        "TELEGRAM_TOKEN_FILE",
        "language",
        "web.port",
        "engine.device",
        "engine.revision",
        "engin ",
        "quota.",
        "SUGARBOT_WEBB__PORT",
    )
    assert len(found) == len(starts)
    assert all(any(problem.startswith(start) for problem in found) for start in starts)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SUGARBOT_LANGUGE", "SUGARBOT_LANGUAGE"),
        ("SUGARBOT_WEBB__PORT", "SUGARBOT_WEB__PORT"),
        ("SUGARBOT_DISCORD_TOKN", "DISCORD_TOKEN"),
    ],
)
def test_a_misspelt_variable_is_reported_and_others_are_ignored(variable: str, nearest: str) -> None:
    (problem,) = problems("", {variable: "a-secret"})
    assert problem == f"{variable} is not a setting; did you mean {nearest}?"
    assert load_settings(environ={"SUGARBOT_SPECS": "/specs", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SUGARBOT_WEB_PORT", "SUGARBOT_WEB__PORT"),
        ("SUGARBOT_DISCORD__TOKN_FILE", "SUGARBOT_DISCORD__TOKEN_FILE"),
        ("SUGARBOT_CONFG", "SUGARBOT_CONFIG"),
        ("SUGARBOT_XYZZY", ""),
    ],
)
def test_a_variable_that_sets_nothing_is_found_with_the_nearest_one(variable: str, nearest: str) -> None:
    assert unknown_variables({variable: "1"}) == [(variable, nearest)]


def test_every_variable_that_sets_something_or_is_another_s_is_left_alone() -> None:
    ours = [name for each in every_setting() for name in each.variables]
    ours += ["SUGARBOT_CONFIG", "SUGARBOT_LANG", "SUGARBOT_TELEGRAM__TOKEN_FILE"]
    tests = ["SUGARBOT_SPECS", "SUGARBOT_TOKENIZER", "SUGARBOT_TEST_FAULT"]
    cluster = [
        "SUGARBOT_SERVICE_HOST",
        "SUGARBOT_SERVICE_PORT_HTTP",
        "SUGARBOT_PORT",
        "SUGARBOT_PORT_7860_TCP",
    ]
    variables = [*ours, *tests, *cluster, "SUGARBOT_QUOTA__TIERS__A__WEIGHT", "PATH", "SUGARBOT"]
    assert unknown_variables(dict.fromkeys(variables, "1")) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_every_loopback_address_is_accepted(host: str) -> None:
    assert load_settings(environ={"SUGARBOT_WEB__HOST": host}).web.host == host


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["can't be read", "no such file or folder"]),
        ("folder", ["can't be read", "it is a folder"]),
        (b"language = en", ["not valid TOML", "line 1"]),
        (b"[web]\nport = 1\n[web]\nport = 2", ["twice", "line 3"]),
        (b"language = 'en'\nlanguage = 'en'", ["twice", "line 2"]),
        (b'language = "\xff"', ["not UTF-8"]),
        (b'language = "en', ["not valid TOML"]),
        (b"[web]\nport = 1\n[engine\nmodel = 'x'", ["not valid TOML", "line 3", "bracket"]),
        (b"allow = ['discord:*'\n", ["not valid TOML", "bracket"]),
        (b"allow = " + b"[" * 100_000, ["not valid TOML", "line 1", "bracket"]),
        ("pipe", ["no regular file"]),
    ],
)
def test_an_unusable_file_is_reported_with_the_reason(
    content: bytes | str | None, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "pipe":
        os.mkfifo(path)
    elif content:
        path.mkdir()
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    [problem] = messages_of(caught.value)
    for word in (str(path), *words):
        assert word in problem.replace("No such file or directory", "no such file or folder").replace(
            "Is a directory", "it is a folder"
        )


def test_a_byte_order_mark_is_accepted() -> None:
    Path("bom.toml").write_bytes(b"\xef\xbb\xbfweb.port = 1001")
    assert load_settings(Path("bom.toml"), {}).web.port == 1001


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_refused(mode: int) -> None:
    path = write(Path(), f'[telegram]\ntoken = "{TOKEN}"')
    assert load_settings(path, {}).telegram.token.get_secret_value() == TOKEN
    path.chmod(mode)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    assert "chmod 600" in messages_of(caught.value)[0]
    assert "secret" not in str(caught.value)


def test_a_file_without_a_token_may_be_read_by_all() -> None:
    path = write(Path(), "web.port = 1")
    path.chmod(0o644)
    assert load_settings(path, {}).web.port == 1


def test_settings_do_not_change() -> None:
    settings = load_settings(environ={})
    with pytest.raises(ValidationError):
        settings.language = "zh-CN"  # type: ignore[misc]


def test_a_pinned_hub_name_or_a_folder_is_accepted(tmp_path: Path) -> None:
    environ = {
        "SUGARBOT_ENGINE__MODEL": "Tongyi-MAI/Z-Image-Turbo",
        "SUGARBOT_ENGINE__REVISION": EXAMPLE_COMMIT,
    }
    assert load_settings(environ=environ).engine.revision == EXAMPLE_COMMIT
    (tmp_path / "owner" / "name").mkdir(parents=True)
    for folder in ("owner/name", "/models/z-image", "./a/b", "models/a/b"):
        assert load_settings(environ={"SUGARBOT_ENGINE__MODEL": folder}).engine.model == folder


def test_the_engine_configuration_comes_from_the_settings() -> None:
    path = write(
        Path(), 'data_dir = "/srv/s"\n[engine]\ndevice = "cuda:1"\nreserve_mib = 1\nstep_timeout_s = 9'
    )
    assert load_settings(path, {}).to_engine_config() == EngineConfig(
        data_dir=Path("/srv/s"),
        lora_dir=Path("/srv/s/loras"),
        device="cuda:1",
        reserve_bytes=2**20,
        step_timeout_s=9.0,
    )
    assert load_settings(environ={"SUGARBOT_ENGINE__LORA_DIR": "/l"}).to_engine_config().lora_dir == Path(
        "/l"
    )


def test_the_engine_s_defaults_are_one_set_of_numbers() -> None:
    here = Path("var")
    assert load_settings(environ={}).to_engine_config() == EngineConfig(here, here / "loras")


def test_reading_settings_loads_nothing_heavy() -> None:
    root = Path(__file__).resolve().parents[3]
    code = "import sys, bot.settings; print({'torch', 'discord', 'telegram', 'starlette'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "set()"


def test_the_published_model_has_a_pin_that_the_host_may_replace() -> None:
    assert (
        load_settings(write(Path(), 'engine.model = "Tongyi-MAI/Z-Image-Turbo"'), {}).engine.revision
        == PUBLISHED_COMMIT
    )
    other = "f" * 40
    text = f'engine = {{ model = "Tongyi-MAI/Z-Image-Turbo", revision = "{other}" }}'
    assert load_settings(write(Path(), text), {}).engine.revision == other


def test_modelscope_has_commits_of_its_own_so_the_pin_of_the_hub_is_not_used_there() -> None:
    (problem,) = problems('engine = { model = "Tongyi-MAI/Z-Image-Turbo", source = "modelscope" }')
    assert "engine.revision" in problem


def test_a_mirror_reaches_the_engine() -> None:
    settings = load_settings(write(Path(), 'engine.endpoint = "https://mirror.example.org"'), {})
    assert settings.to_engine_config().endpoint == "https://mirror.example.org"


@pytest.mark.parametrize("text", ['data_dir = ""', '[engine]\nlora_dir = ""'])
def test_an_empty_folder_is_not_the_working_directory(tmp_path: Path, text: str) -> None:
    (tmp_path / "sugarbot.toml").write_text(text)
    with pytest.raises(BadSettings) as bad:
        load_settings(tmp_path / "sugarbot.toml", {})
    assert [problem.code for problem in bad.value.facts["problems"]] == ["must_be_not"]


def test_a_folder_may_be_in_the_home_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = write(tmp_path, 'data_dir = "~/bot"\n[engine]\nlora_dir = "~/loras"')
    config = load_settings(file, {}).to_engine_config()
    assert (config.data_dir, config.lora_dir) == (tmp_path / "bot", tmp_path / "loras")
    unknown = load_settings(write(tmp_path, 'data_dir = "~nobody-here/bot"'), {})
    assert unknown.data_dir == Path("~nobody-here/bot")
