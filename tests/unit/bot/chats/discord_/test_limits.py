"""The counts of identifies and refusals, with a fake clock."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.discord_.limits import (
    DAY_S,
    FREE_IDENTIFIES,
    MAX_REFUSALS,
    REFUSALS_WINDOW_S,
    REMEMBERED_REFUSALS,
    IdentifyLimiter,
    RefusalCounter,
)
from bot.monitoring.figures import REGISTRY
from bot.outcomes import RetryLater

NOW_S = 1_790_000_000.0
ALLOWED_A_DAY = 300  # of the 1,000 after which Discord resets the token


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def test_the_first_identifies_do_not_wait(tmp_path: Path) -> None:
    starts = IdentifyLimiter(tmp_path / "starts.json", Clock())
    for _ in range(FREE_IDENTIFIES):
        assert starts.wait_s() == 0
        starts.record()
    assert starts.wait_s() > 0


@pytest.mark.parametrize("restart_s", [0.5, 5.0, 60.0, 300.0])
def test_two_days_of_crashes_stay_within_discords_limit(
    tmp_path: Path, restart_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # hundreds of writes, of which only the content counts
    clock, made = Clock(), list[float]()
    while clock.now_s < NOW_S + 2 * DAY_S:
        starts = IdentifyLimiter(tmp_path / "starts.json", clock)  # a new process
        if (wait_s := starts.wait_s()) == 0:
            starts.record()
            made.append(clock.now_s)
        clock.now_s += max(restart_s, wait_s)
    busiest = max(sum(at - DAY_S < earlier <= at for earlier in made) for at in made)
    assert busiest <= ALLOWED_A_DAY
    assert len(made) > 2 * FREE_IDENTIFIES  # it continues to identify


def test_a_day_without_identifies_resets_the_wait(tmp_path: Path) -> None:
    clock = Clock()
    starts = IdentifyLimiter(tmp_path / "starts.json", clock)
    for _ in range(FREE_IDENTIFIES + 5):
        starts.record()
    clock.now_s += DAY_S
    assert starts.wait_s() == 0


def test_a_clock_that_was_set_back_blocks_nothing(tmp_path: Path) -> None:
    clock = Clock()
    starts = IdentifyLimiter(tmp_path / "starts.json", clock)
    for _ in range(FREE_IDENTIFIES + 5):
        starts.record()
    clock.now_s -= 10 * DAY_S
    assert starts.wait_s() == 0


@given(st.one_of(st.text(), st.lists(st.floats()).map(json.dumps), st.just("[null]"), st.just("{}")))
def test_a_damaged_file_counts_as_empty(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    file = tmp_path_factory.mktemp("starts") / "starts.json"
    file.write_text(said, encoding="utf-8")
    starts = IdentifyLimiter(file, Clock())
    assert starts.wait_s() == 0
    starts.record()
    assert json.loads(file.read_text())[-1] == NOW_S


async def test_refusals_are_counted_and_expire_after_ten_minutes() -> None:
    clock = Clock()
    refusals = RefusalCounter(clock)

    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path[1:]))

    app = web.Application()
    app.router.add_get("/{status}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(trace_configs=[refusals.trace]) as session:
        for status in (200, 401, 403, 404, 429, 500):
            async with session.get(f"http://127.0.0.1:{port}/{status}"):
                pass
        assert refusals.count == 3
        refusals.check()
        for _ in range(MAX_REFUSALS - 3):
            async with session.get(f"http://127.0.0.1:{port}/403"):
                pass
    await runner.cleanup()
    with pytest.raises(RetryLater) as raised:
        refusals.check()
    assert raised.value.after_s == REFUSALS_WINDOW_S
    clock.now_s += REFUSALS_WINDOW_S
    refusals.check()


async def test_the_memory_of_refusals_is_bounded() -> None:
    refusals = RefusalCounter(Clock())
    refused = SimpleNamespace(response=SimpleNamespace(status=403))
    for _ in range(REMEMBERED_REFUSALS + 10):
        await refusals._count_refusal(cast(Any, None), SimpleNamespace(), cast(Any, refused))
    assert len(refusals._times) == REMEMBERED_REFUSALS


@pytest.mark.parametrize(
    ("header", "seconds"), [("1.5", 1.5), ("", 0), ("soon", 0), ("-3", 0), ("1e9", 0), ("nan", 0)]
)
async def test_an_answer_to_wait_is_counted_with_its_seconds(header: str, seconds: float) -> None:
    labels = {"platform": "discord"}
    waits = REGISTRY.get_sample_value("sugarbot_flood_waits_total", labels) or 0.0
    asked_s = REGISTRY.get_sample_value("sugarbot_flood_wait_seconds_total", labels) or 0.0
    response = SimpleNamespace(status=429, headers={"Retry-After": header})

    refusals = RefusalCounter(Clock())
    await refusals._count_refusal(
        cast(Any, None), SimpleNamespace(), cast(Any, SimpleNamespace(response=response))
    )

    assert REGISTRY.get_sample_value("sugarbot_flood_waits_total", labels) == waits + 1
    assert REGISTRY.get_sample_value("sugarbot_flood_wait_seconds_total", labels) == asked_s + seconds
