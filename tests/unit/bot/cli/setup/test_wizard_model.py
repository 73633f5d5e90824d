"""`sugarbot setup` pins, downloads and checks the model, without a terminal."""

from types import SimpleNamespace

import pytest

from bot.cli.setup import verification
from bot.settings import load_settings
from engine.config import PUBLISHED, PUBLISHED_COMMIT
from tests.fakes.model_hub import ModelHub
from tests.unit.bot.cli.setup.host_folder import HostFolder, Usage
from tests.unit.engine.folders import write_model


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
