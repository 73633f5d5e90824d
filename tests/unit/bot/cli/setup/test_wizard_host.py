"""`sugarbot setup` names the first host or makes a code, and asks again at a terminal."""

import shutil

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.desk.people.claim_file import CLAIM_FILE
from engine.config import PUBLISHED
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.fakes.model_hub import ModelHub
from tests.fakes.platform_answers import DISCORD_TOKEN, TELEGRAM_TOKEN
from tests.languages import foreign
from tests.unit.bot.cli.setup.host_folder import CODE, SECRET, HostFolder, mode_of
from tests.unit.engine.folders import write_model


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
        *("two words", SECRET, "ftp://x", ""),  # Telegram: what has a wrong form is asked for again at once
        *(TELEGRAM_TOKEN, ""),
        *("9", "5"),  # the model: there is no row 9; the built-in one
        "",  # LoRAs
        "",  # owner
    )
    output = capsys.readouterr().out
    assert code == 0, output
    assert host.settings["language"] == "zh-CN"
    assert len(host.hidden) == 5
    assert all("令牌" in prompt for prompt in host.hidden)
    for token in ("wrong", SECRET, TELEGRAM_TOKEN):
        assert token not in output + "".join(host.asked)
    assert host.tokens.count("TOKEN=") == 2
    assert not foreign(output.split("繁體")[-1], "zh-CN")
    assert "令牌是一个不含空格的词" in output
    assert "代理 应为" in output
    assert "settings" not in output
    assert not any("ftp://x" in prompt for prompt in host.asked)  # it is not offered as the default


def test_a_second_run_has_the_earlier_answers_as_defaults(host: HostFolder) -> None:
    answers = ["3", DISCORD_TOKEN, "", TELEGRAM_TOKEN, "", "5", "", "discord:7"]
    assert host.talk(*answers) == 0
    before = host.settings, host.tokens
    assert host.talk(*[""] * len(answers)) == 0
    assert (host.settings, host.tokens) == before
    assert host.talk("", "-", "-", "", "", "") == 0  # without tokens no proxy is asked for
    assert "TOKEN=" not in host.tokens


def test_a_password_in_a_stored_address_is_not_shown(
    host: HostFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = (
        'telegram.proxy = "http://me:passw0rd@127.0.0.1:9"',
        'engine.endpoint = "http://me:passw0rd@b"',
    )
    file = host.folder / "sugarbot.toml"
    file.write_text("\n".join(addresses))
    file.chmod(0o600)
    code = host.talk("", "", *(TELEGRAM_TOKEN, "-"), *("2", "not an address", "5"), "", "")
    assert code == 0, capsys.readouterr().out
    asked = "".join(host.asked)
    assert "passw0rd" not in asked + capsys.readouterr().out
    assert "http://me:***@127.0.0.1:9" in asked
    assert "http://me:***@b" in asked


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
    assert output.count("There is no folder “nowhere”.") == 2
    assert "engine.model" not in output
    assert "engine.lora_dir" not in output
    for word in ("The address must be", "“me” is no user id. Write it like discord:123456789"):
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
