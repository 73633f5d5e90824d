"""`sugarbot setup` checks each answer at once, says what to do, keeps what was there, and shows no token."""

import re
import shutil
import stat
import sys
import tomllib
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.cli.screen import Screen
from bot.cli.setup import dialogue, verification
from bot.cli.setup.options import SetupOptions
from bot.cli.setup.wizard import run_setup
from bot.desk.people.claim_file import CLAIM_FILE
from bot.settings import load_settings
from engine.config import PUBLISHED, PUBLISHED_COMMIT
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.fakes.model_hub import ModelHub, model_hub
from tests.fakes.platform_answers import DISCORD_TOKEN, TELEGRAM_TOKEN, PlatformAnswers, platform_answers
from tests.languages import foreign
from tests.unit.engine.folders import write_model

Usage = namedtuple("Usage", "total used free")
CODE = re.compile(r"/claim [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
SECRET = "123456:a-secret-secret-secret-secret-secret"


@dataclass
class HostFolder:
    """A folder in which a host runs setup, with both platforms on loopback."""

    folder: Path
    platforms: PlatformAnswers
    patch: pytest.MonkeyPatch
    typed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """What the settings file says."""
        return tomllib.loads((self.folder / "sugarbot.toml").read_text())

    @property
    def tokens(self) -> str:
        """The token file; empty without one."""
        path = self.folder / "tokens.env"
        return path.read_text() if path.exists() else ""

    def token_file(self, token: str, name: str = "token") -> str:
        (self.folder / name).write_text(f"{token}\n")
        return name

    def run(self, *words: str) -> tuple[int, str]:
        """Run it without a terminal; return the exit code and everything that it printed."""
        self.patch.setattr(sys, "argv", ["sugarbot", "setup", "--yes", *words])  # whose language counts
        ended = CliRunner().invoke(app, sys.argv[1:])
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended.exit_code, ended.output

    def talk(self, *typed: str, **options: Any) -> int:
        """Run it at a terminal where somebody types these lines; all of them must be asked for."""
        waiting = list(typed)

        def answer(prompt: str) -> str:
            self.asked.append(prompt)
            if not waiting:
                raise EOFError
            return waiting.pop(0)

        def hidden_answer(prompt: str) -> str:
            self.hidden.append(prompt)
            return answer(prompt)

        with self.patch.context() as patch:
            patch.setattr(Screen, "input", lambda _, prompt, **__: answer(prompt))
            patch.setattr(dialogue, "getpass", hidden_answer)
            patch.setattr(dialogue, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
            code = run_setup(SetupOptions(**options))
        assert not waiting
        return code


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostFolder]:
    monkeypatch.chdir(tmp_path)
    for name in ("SUGARBOT_CONFIG", "HF_ENDPOINT", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(HeadroomProbe, "read", lambda _: Headroom(1, 1, 0, "CPU", "for this test"))
    with platform_answers() as platforms:
        monkeypatch.setenv("SUGARBOT_DISCORD__API_BASE", f"{platforms.url}/discord")
        monkeypatch.setenv("SUGARBOT_TELEGRAM__BASE_URL", f"{platforms.url}/bot")
        yield HostFolder(tmp_path, platforms, monkeypatch)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    with model_hub(write_model(tmp_path / "published"), PUBLISHED, PUBLISHED_COMMIT) as served:
        yield served


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Without a terminal.


def test_without_anything_there_is_a_bot_on_this_machine_alone(host: HostFolder) -> None:
    code, output = host.run()
    assert code == 0
    assert host.settings["engine"]["model"] == "built-in"
    assert not host.tokens
    assert not CODE.search(output)  # no chat in which a code could be sent
    assert not (host.folder / "sugarbot.toml.bak").exists()
    assert load_settings(environ={}).language == "en"


def test_tokens_come_from_files_or_the_environment_and_stand_in_the_token_file_alone(
    host: HostFolder,
) -> None:
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    code, output = host.run("--discord-token-file", host.token_file(DISCORD_TOKEN))
    assert code == 0, output
    assert host.tokens.splitlines()[1:] == ["DISCORD_TOKEN=d", f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}"]
    assert mode_of(host.folder / "tokens.env") == mode_of(host.folder / "sugarbot.toml") == 0o600
    assert TELEGRAM_TOKEN not in output + (host.folder / "sugarbot.toml").read_text()
    assert "https://t.me/sugar_bot" in output
    assert "https://discord.com/oauth2/authorize?client_id=9&scope=bot+applications.commands" in output
    assert CODE.search(output)
    host.patch.delenv("TELEGRAM_TOKEN")
    assert load_settings(environ={}).telegram.token.get_secret_value() == TELEGRAM_TOKEN


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("method", "answer", "english", "chinese"),
    [
        ("getMe", 401, "refused the token", "令牌"),
        ("getMe", 503, "can't be reached", "连不上"),
        ("getUpdates", 409, "Another program reads", "另一个程序"),
        ("users/@me", 401, "refused the token", "令牌"),
        (
            "applications/@me",
            {"id": "9", "interactions_endpoint_url": "https://x"},
            "Endpoint URL",
            "https://x",
        ),
    ],
)
def test_a_chat_that_does_not_work_ends_it_with_what_to_do(
    host: HostFolder, language: str, method: str, answer: Any, english: str, chinese: str
) -> None:
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    host.patch.setenv("DISCORD_TOKEN", DISCORD_TOKEN)
    host.platforms.answers[method] = answer
    code, output = host.run("--language", language)
    assert code == 1
    assert (english if language == "en" else chinese) in output
    assert TELEGRAM_TOKEN not in output
    assert not (host.folder / "sugarbot.toml").exists()
    assert not (host.folder / "tokens.env").exists()
    assert ("Nothing was written." if language == "en" else "没有写入任何文件") in output
    assert "✗ Telegram：" in output or "✗ Discord：" in output or language == "en"
    assert not foreign(output, language)


@pytest.mark.parametrize("platform", ["discord", "telegram"])
def test_a_proxy_is_used_for_the_check(host: HostFolder, platform: str) -> None:
    host.patch.setenv(
        f"{platform.upper()}_TOKEN", TELEGRAM_TOKEN if platform == "telegram" else DISCORD_TOKEN
    )
    code, output = host.run(f"--{platform}-proxy", "http://127.0.0.1:9")
    assert code == 1
    assert "no connection" in output or "proxy" in output
    assert not (host.folder / "sugarbot.toml").exists()


def test_a_proxy_of_a_kind_that_the_chat_cannot_use_is_refused(host: HostFolder) -> None:
    host.patch.setenv("DISCORD_TOKEN", DISCORD_TOKEN)
    code, output = host.run("--discord-proxy", "socks5://127.0.0.1:9")
    assert code == 1
    assert "--discord-proxy must be" in output


def test_a_token_of_two_words_is_refused_without_showing_it(host: HostFolder) -> None:
    code, output = host.run("--telegram-token-file", host.token_file("two secret-words"))
    assert code == 1
    assert "telegram.token" in output
    assert "secret-words" not in output


def test_a_token_file_that_is_missing_is_named(host: HostFolder) -> None:
    code, output = host.run("--telegram-token-file", "nowhere")
    assert code == 1
    assert "nowhere" in output


def test_what_was_there_stays_and_the_file_as_it_was_is_kept(host: HostFolder) -> None:
    before = (
        '# mine\nlanguage = "zh-TW"\n[web]\nport = 7861\n[quota.tiers."my friends"]\n'
        f'people = ["discord:1"]\nweight = 3\n[telegram]\ntoken = "{TELEGRAM_TOKEN}"\n'
    )
    (host.folder / "sugarbot.toml").write_text(before)
    (host.folder / "sugarbot.toml").chmod(0o600)
    code, output = host.run()
    assert code == 0, output
    assert host.settings["web"] == {"port": 7861}
    assert host.settings["quota"]["tiers"] == {"my friends": {"people": ["discord:1"], "weight": 3}}
    assert host.settings["language"] == "zh-TW"
    assert TELEGRAM_TOKEN not in (host.folder / "sugarbot.toml").read_text()
    assert f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}" in host.tokens
    kept = host.folder / "sugarbot.toml.bak"
    assert kept.read_text() == before
    assert mode_of(kept) == 0o600
    written = (host.folder / "sugarbot.toml").read_bytes()
    assert host.run()[0] == 0
    assert (host.folder / "sugarbot.toml").read_bytes() == written
    assert kept.read_text() == before


@pytest.mark.parametrize("words", [[], ["--claim"]])
def test_a_data_folder_of_other_files_is_refused_before_anything_is_written(
    words: list[str], host: HostFolder
) -> None:
    (host.folder / "home").mkdir()
    (host.folder / "home" / "letter.txt").touch()
    host.patch.setenv("SUGARBOT_DATA_DIR", "home")
    code, output = host.run(*words)
    assert code == 1
    assert "Set data_dir to a new or an empty folder" in output
    assert not (host.folder / "sugarbot.toml").exists()
    assert [path.name for path in (host.folder / "home").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    "words", [["--loras", "nowhere"], ["--weights", "damaged"], ["--owner", "telegram:x"]]
)
def test_a_set_up_that_fails_leaves_the_files_as_they_were(words: list[str], host: HostFolder) -> None:
    (host.folder / "damaged").mkdir()
    before = 'language = "zh-TW"\n[web]\nport = 7861\n'
    (host.folder / "sugarbot.toml").write_text(before)
    code, output = host.run("--language", "en", *words)
    assert code == 1, output
    assert (host.folder / "sugarbot.toml").read_text() == before
    assert not (host.folder / "sugarbot.toml.bak").exists()


def test_settings_with_a_fault_are_left_alone(host: HostFolder) -> None:
    (host.folder / "sugarbot.toml").write_text("web.port = -1")
    code, output = host.run("--weights", "built-in")
    assert code == 1
    assert "web.port" in output
    assert (host.folder / "sugarbot.toml").read_text() == "web.port = -1"


def test_a_line_in_the_token_file_that_is_none_is_not_lost(host: HostFolder) -> None:
    (host.folder / "tokens.env").write_text("MINE=1\n")
    code, output = host.run()
    assert code == 1
    assert "line 1" in output
    assert host.tokens == "MINE=1\n"


def test_a_token_file_that_others_read_becomes_private(host: HostFolder) -> None:
    (host.folder / "tokens.env").write_text(f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}\n")
    (host.folder / "tokens.env").chmod(0o644)
    assert host.run()[0] == 0
    assert mode_of(host.folder / "tokens.env") == 0o600


def test_another_file_gets_its_own_tokens(host: HostFolder) -> None:
    (host.folder / "etc").mkdir()
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    assert host.run("--config", "etc/sugarbot.toml")[0] == 0
    assert {path.name for path in (host.folder / "etc").iterdir()} == {"sugarbot.toml", "tokens.env"}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("--owner", "somebody", "discord:123456789"),
        ("--owner", "discord:1,discord:2", "discord:123456789"),
        ("--weights", "nowhere", "built-in"),
        ("--weights", "owner/model", "built-in"),
        ("--endpoint", "not an address", "https://"),
        ("--telegram-proxy", "ftp://x", "socks5://"),
    ],
)
def test_a_refused_value_is_named_by_its_option_before_anything_is_written(
    option: str, value: str, example: str, language: str, host: HostFolder
) -> None:
    code, output = host.run("--language", language, option, value)
    assert code == 1
    line = output.splitlines()[-1]
    assert line.startswith(f"- {option} ")
    assert value in line or "proxy" in option  # which may hold a password
    assert example in line
    assert "[" not in line  # an example of the settings file
    assert not foreign(output.replace(value, ""), language)
    assert not (host.folder / "sugarbot.toml").exists()


@pytest.mark.parametrize("words", [[], ["--claim"]])
def test_a_language_that_is_none_of_ours_is_refused_whatever_the_environment_says(
    words: list[str], host: HostFolder
) -> None:
    host.patch.setenv("SUGARBOT_LANGUAGE", "en")
    code, output = host.run("--language", "fr", *words)
    assert code == 1
    assert "--language must be en, zh-CN or zh-TW, not 'fr'" in output
    assert list(host.folder.iterdir()) == []


# The model.


def test_a_folder_without_a_part_is_refused_with_its_name(host: HostFolder) -> None:
    model = write_model(host.folder / "model")
    (model / "vae" / "config.json").unlink()
    code, output = host.run("--weights", str(model))
    assert code == 1
    assert "vae/config.json" in output


def test_a_folder_that_does_not_exist_is_refused(host: HostFolder) -> None:
    code, output = host.run("--weights", "nowhere")
    assert code == 1
    assert "nowhere" in output


@pytest.mark.parametrize("weights", ["hub", "mirror"])
def test_the_published_model_is_pinned_downloaded_once_and_checked(
    host: HostFolder, hub: ModelHub, weights: str
) -> None:
    code, output = host.run("--weights", weights, "--endpoint", hub.url)
    assert code == 0, output
    assert host.settings["engine"]["revision"] == PUBLISHED_COMMIT
    assert host.settings["engine"]["endpoint"] == hub.url
    assert PUBLISHED_COMMIT in output
    hub.asked.clear()
    assert host.run()[0] == 0
    assert not hub.asked


def test_the_newest_commit_of_modelscope_is_pinned_and_stays(host: HostFolder, hub: ModelHub) -> None:
    hub.commit = "a" * 40
    code, output = host.run("--weights", "modelscope", "--endpoint", hub.url)
    assert code == 0, output
    assert "a" * 40 in output
    hub.commit = "b" * 40
    assert host.run()[0] == 0
    assert host.settings["engine"]["revision"] == "a" * 40
    assert host.settings["engine"]["source"] == "modelscope"
    assert host.settings["engine"]["endpoint"] == hub.url


def test_the_commit_that_a_host_has_pinned_stays(host: HostFolder, hub: ModelHub) -> None:
    hub.commit = "d" * 40
    pin = f'[engine]\nmodel = "{PUBLISHED}"\nrevision = "{hub.commit}"\nendpoint = "{hub.url}"\n'
    (host.folder / "sugarbot.toml").write_text(pin)
    code, output = host.run()
    assert code == 0, output
    assert host.settings["engine"] == {"model": PUBLISHED, "revision": hub.commit, "endpoint": hub.url}
    assert host.run("--weights", "built-in")[0] == 0
    assert host.settings["engine"] == {"model": "built-in"}


@pytest.mark.parametrize("weights", ["hub", "modelscope"])
def test_a_source_out_of_reach_ends_it_with_what_to_do(host: HostFolder, weights: str) -> None:
    code, output = host.run("--weights", weights, "--endpoint", "http://127.0.0.1:9")
    assert code == 1
    assert "engine.endpoint" in output


def test_a_disk_without_room_is_noticed_before_the_download(host: HostFolder, hub: ModelHub) -> None:
    full = SimpleNamespace(disk_usage=lambda _: Usage(2**30, 2**30, 2**20))
    host.patch.setattr(verification, "shutil", full)
    code, output = host.run("--weights", "hub", "--endpoint", hub.url)
    assert code == 1
    assert "GiB" in output
    assert not (host.folder / "var" / "models").exists()


def test_with_a_card_the_copy_counts_too(host: HostFolder, hub: ModelHub) -> None:
    config = load_settings(
        environ={"SUGARBOT_ENGINE__MODEL": PUBLISHED, "SUGARBOT_ENGINE__ENDPOINT": hub.url}
    )
    host.patch.setattr(
        verification, "shutil", SimpleNamespace(disk_usage=lambda _: Usage(2**40, 0, 5 * 2**30))
    )
    found = [
        verification.check_weights(config.to_engine_config(), has_card=has_card).code
        for has_card in (False, True)
    ]
    assert found == ["to_download", "model_unusable"]


def test_a_mirror_needs_its_address(host: HostFolder) -> None:
    code, output = host.run("--weights", "mirror")
    assert code == 2
    assert "--endpoint" in output
    assert not (host.folder / "sugarbot.toml").exists()


def test_a_lora_folder_that_cannot_be_read_is_refused(host: HostFolder) -> None:
    code, output = host.run("--loras", "nowhere")
    assert code == 1
    assert "nowhere" in output
    (host.folder / "mine").mkdir()
    assert host.run("--loras", "mine")[0] == 0
    assert host.settings["engine"]["lora_dir"] == "mine"


# The first host.


def test_an_owner_is_a_host_and_needs_no_code(host: HostFolder) -> None:
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    host.platforms.answers["getChat 12"] = {"result": {"id": 12}}
    code, output = host.run("--owner", "telegram:12")
    assert code == 0, output
    assert host.settings["hosts"] == ["telegram:12"]
    assert not CODE.search(output)
    code, output = host.run("--owner", "somebody")
    assert code == 1
    assert "--owner must be" in output
    assert host.settings["hosts"] == ["telegram:12"]


def test_each_claim_makes_a_new_code_which_is_nowhere_on_the_disk(host: HostFolder) -> None:
    shown = []
    for _ in range(2):
        ended = CliRunner().invoke(app, ["setup", "--claim"])
        assert ended.exit_code == 0
        found = CODE.search(ended.output)
        assert found is not None
        shown.append(found[0].split()[1])
    assert shown[0] != shown[1]
    file = host.folder / "var" / CLAIM_FILE
    assert mode_of(file) == 0o600
    assert mode_of(file.parent) == 0o700
    for code in shown:
        assert code not in file.read_text()
        assert code.replace("-", "") not in file.read_text()


@pytest.mark.parametrize(
    ("language", "said"), [("en", "To become it"), ("zh-CN", "管理员"), ("zh-TW", "管理員")]
)
def test_a_claim_is_explained_in_the_language_that_was_given(
    language: str, said: str, host: HostFolder
) -> None:
    other = "en" if language != "en" else "zh-CN"
    (host.folder / "sugarbot.toml").write_text(f'language = "{other}"')
    code, output = host.run("--claim", "--language", language)
    assert code == 0
    assert CODE.search(output)
    assert said in output
    assert not foreign(output, language)
    assert host.settings["language"] == other  # it only made a code


# At a terminal.


def test_a_wrong_token_is_asked_for_again_and_none_is_shown(
    host: HostFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    code = host.talk(
        "2",  # the language
        *("wrong", ""),  # Discord: token, proxy
        *(DISCORD_TOKEN, ""),
        *("two words", ""),  # Telegram
        *(SECRET, "ftp://x"),
        *(SECRET, "-"),
        *(TELEGRAM_TOKEN, ""),
        *("9", "5"),  # the model: there is no row 9; the built-in one
        "",  # LoRAs
        "",  # owner
    )
    output = capsys.readouterr().out
    assert code == 0, output
    assert host.settings["language"] == "zh-CN"
    assert len(host.hidden) == 6
    assert all("令牌" in prompt for prompt in host.hidden)
    for token in ("wrong", SECRET, TELEGRAM_TOKEN):
        assert token not in output + "".join(host.asked)
    assert host.tokens.count("TOKEN=") == 2
    assert not foreign(output.split("繁體")[-1], "zh-CN")


def test_a_second_run_has_the_earlier_answers_as_defaults(host: HostFolder) -> None:
    answers = ["3", DISCORD_TOKEN, "", TELEGRAM_TOKEN, "", "5", "", "discord:7"]
    assert host.talk(*answers) == 0
    before = host.settings, host.tokens
    assert host.talk(*[""] * len(answers)) == 0
    assert (host.settings, host.tokens) == before
    assert host.talk("", "-", "-", "", "", "") == 0  # without tokens no proxy is asked for
    assert "TOKEN=" not in host.tokens


def test_each_answer_about_the_model_is_asked_again_until_it_works(
    host: HostFolder, hub: ModelHub, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(host.folder / "model")
    code = host.talk(
        "1", "", "",  # language, no tokens
        *("4", "nowhere"),  # a folder
        *("2", "not an address"),  # a mirror
        *("2", "http://127.0.0.1:9"),
        *("folder", str(model)),  # rows have names, too
        "nowhere", "",  # LoRAs: the default stays
        "me", "",  # owner
    )  # fmt: skip
    assert code == 0
    assert host.settings["engine"]["model"] == str(model)
    assert "endpoint" not in host.settings["engine"]
    assert "hosts" not in host.settings
    output = capsys.readouterr().out
    for word in ("nowhere", "engine.endpoint must be", "“me” is no user id. Write it like discord:123456789"):
        assert word in output


def test_the_end_of_the_input_keeps_what_was_answered(
    host: HostFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        host.talk("3", DISCORD_TOKEN, "")
    output = capsys.readouterr().out
    assert "目前的回答已寫入 sugarbot.toml、tokens.env" in output.splitlines()[-1]
    assert host.settings["language"] == "zh-TW"
    assert "DISCORD_TOKEN=d" in host.tokens


def test_another_published_model_of_the_settings_can_be_kept(host: HostFolder) -> None:
    commit = "c" * 40
    (host.folder / "sugarbot.toml").write_text(f'[engine]\nmodel = "owner/model"\nrevision = "{commit}"\n')
    folder = host.folder / "var" / "models" / "owner--model" / commit
    folder.parent.mkdir(parents=True)
    shutil.copytree(write_model(host.folder / "model"), folder)
    assert host.talk("", "", "", "", "", "") == 0
    assert host.settings["engine"] == {"model": "owner/model", "revision": commit}
    assert any("1" in prompt for prompt in host.asked)


def test_a_card_makes_the_published_model_the_default(host: HostFolder, hub: ModelHub) -> None:
    host.patch.setattr(
        HeadroomProbe, "read", lambda _: Headroom(20 * 2**30, 24 * 2**30, 0, "NVIDIA A10", "NVML")
    )
    host.patch.setenv("HF_ENDPOINT", hub.url)
    hub.refusal = 503
    code, output = host.run()
    assert code == 1
    assert PUBLISHED in output
