"""The settings of the engine: which model with which pin, and the configuration that is made of them."""

from pathlib import Path

import pytest

from bot.settings import EXAMPLE_COMMIT, load_settings
from engine.config import PUBLISHED_COMMIT, EngineConfig
from tests.unit.bot.settings.reading import problems, write


def test_a_pinned_hub_name_or_a_folder_is_accepted(tmp_path: Path) -> None:
    environ = {
        "SUGARBOT_ENGINE__MODEL": "Tongyi-MAI/Z-Image-Turbo",
        "SUGARBOT_ENGINE__REVISION": EXAMPLE_COMMIT,
    }
    assert load_settings(environ=environ).engine.revision == EXAMPLE_COMMIT
    (tmp_path / "owner" / "name").mkdir(parents=True)
    for folder in ("owner/name", "/models/z-image", "./a/b", "models/a/b"):
        assert load_settings(environ={"SUGARBOT_ENGINE__MODEL": folder}).engine.model == folder


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


def test_a_mirror_reaches_the_engine() -> None:
    settings = load_settings(write(Path(), 'engine.endpoint = "https://mirror.example.org"'), {})
    assert settings.to_engine_config().endpoint == "https://mirror.example.org"


def test_a_folder_may_be_in_the_home_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = write(tmp_path, 'data_dir = "~/bot"\n[engine]\nlora_dir = "~/loras"')
    config = load_settings(file, {}).to_engine_config()
    assert (config.data_dir, config.lora_dir) == (tmp_path / "bot", tmp_path / "loras")
    unknown = load_settings(write(tmp_path, 'data_dir = "~nobody-here/bot"'), {})
    assert unknown.data_dir == Path("~nobody-here/bot")
