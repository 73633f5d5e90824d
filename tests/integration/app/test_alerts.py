"""Hosts of both platforms learn in their private chats that the disk is low, and that it is not any more."""

from functools import partial
from pathlib import Path

import pytest

from bot.app import open_application, serve_chats
from bot.cli.serve import _create_chats
from bot.desk.alerts.watch import HealthWatch
from bot.settings import load_settings
from engine.host import Host
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.integration.app.conftest import with_platforms
from tests.integration.app.test_log import LEAKY_CHILD

TELEGRAM_HOST = 12
WAIT_S = 60.0


@pytest.mark.slow
async def test_hosts_learn_of_a_low_disk_once_and_that_it_is_over(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.Host", partial(Host, module=LEAKY_CHILD))
    monkeypatch.setattr("bot.app.HealthWatch", partial(HealthWatch, every_s=0.05))
    monkeypatch.setattr("bot.desk.alerts.tracking.LASTS_S", 0.2)
    monkeypatch.setattr("bot.desk.alerts.tracking.CALM_S", 0.2)
    monkeypatch.setattr("bot.desk.files.SMALL_DISK_PARTS", 1)  # the reserve may be the whole disk
    hosts = f"discord:{MEMBER_ID},telegram:{TELEGRAM_HOST}"
    environ = with_platforms(discord, telegram) | {
        "SUGARBOT_DATA_DIR": str(tmp_path),
        "SUGARBOT_HOSTS": hosts,
        "SUGARBOT_STORAGE__RESERVE_MIB": "1000000",
        "SUGARBOT_LANGUAGE": "zh-CN",
    }
    channel = discord.direct_channel(MEMBER_ID)

    def received() -> list[str]:
        direct = [message["text"] for message in discord.in_channel(channel)]
        return [*direct, *telegram.world.texts(TELEGRAM_HOST)]

    async with (
        open_application(load_settings(environ=environ)) as application,
        serve_chats(application, _create_chats(application, must_sync=False)),
    ):
        await until(lambda: len(received()) == 2, WAIT_S)
        first = received()
        monkeypatch.setattr("bot.desk.files.SMALL_DISK_PARTS", 10**9)
        await until(lambda: len(received()) == 4, WAIT_S)
        last = [text for text in received() if text not in first]

    assert all("磁盘只剩" in text for text in first), first
    assert len(last) == 2
    assert all("磁盘空间够用了" in text for text in last), last
