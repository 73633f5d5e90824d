"""`sugarbot bench --article`: the method counts failures, and the table shows all results."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bot.cli.bench import article, article_table
from bot.cli.bench.article import ArticleResults, LoraSwitchCost, SimultaneousPictures, TimedPicture
from bot.settings import Settings
from engine.errors import WorkerLost
from engine.planner.headroom import Headroom
from engine.request import Event, Failed, FailReason, Finished, RenderRequest, Timings, WorkerInfo

INFO = WorkerInfo(1, "cuda:0", "NVIDIA A10", "bfloat16", "", "Z-Image-Turbo", 12.0, 10, {"torch": "2.11.0"})
GIB = 2**30
RUN = 1 + 10 + 10 + (1 + 2 + 3 + 5) + 13  # first, a round, the large ones, at once, the switch


class FakeHost:
    """Draws at once; ``fault`` selects the pictures that fail."""

    requests: list[RenderRequest]
    is_closed = False

    def __init__(self, fault: Callable[[int], str]) -> None:
        self.requests = []
        self._misfortune = fault

    def device(self) -> str:
        return "cuda:0"

    def held_bytes(self) -> int:
        return 0

    async def start(self) -> WorkerInfo:
        return INFO

    async def close(self) -> None:
        self.is_closed = True

    async def render(self, request: RenderRequest, listen: Callable[[Event], None]) -> Finished | Failed:
        number = len(self.requests)
        self.requests.append(request)
        match self._misfortune(number):
            case "lost":
                raise WorkerLost
            case "failed":
                return Failed(request.job_id, 1, FailReason.OUT_OF_MEMORY)
            case _:
                return Finished(request.job_id, 1, Timings(lora_s=0.002), 3 * GIB)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], str]], FakeHost]:
    """Replace the host by a fake and the card by one of 24 GiB."""

    def install(fault: Callable[[int], str] = lambda number: "") -> FakeHost:
        host = FakeHost(fault)
        reading = Headroom(20 * GIB, 24 * GIB, 5 * GIB, "NVIDIA A10", "")
        monkeypatch.setattr(article, "Host", lambda config: host)
        monkeypatch.setattr(article.HeadroomProbe, "read", lambda self: reading)
        return host

    return install


async def measure(tmp_path: Path, counts: list[int] | None = None) -> ArticleResults:
    settings = Settings(data_dir=tmp_path)
    return await article.measure(settings, rounds=1, on_picture=(counts if counts is not None else []).append)


async def test_the_method_draws_every_picture_with_a_new_prompt(
    engine: Callable[..., FakeHost], tmp_path: Path
) -> None:
    host, counts = engine(), list[int]()
    results = await measure(tmp_path, counts)
    assert len(host.requests) == RUN == counts[-1]
    assert len({request.prompt for request in host.requests}) == RUN
    assert len({request.job_id for request in host.requests}) == RUN
    assert (len(results.usual), len(results.large)) == (10, 10)
    assert [len(each.pictures) for each in results.simultaneous.values()] == [1, 2, 3, 5]
    assert len(results.pictures) == 32
    assert results.used_bytes == 5 * GIB
    assert host.is_closed


async def test_the_switch_alternates_two_loras_and_compares_with_one(
    engine: Callable[..., FakeHost], tmp_path: Path
) -> None:
    host = engine()
    results = await measure(tmp_path)
    names = [request.loras[0].name for request in host.requests[-13:]]
    assert len(set(names[:7])) == 1
    assert all(one != other for one, other in pairwise(names[6:]))
    assert results.switch is not None
    assert results.switch.lora_s == 0.002


async def test_failures_are_counted_and_do_not_stop_the_benchmark(
    engine: Callable[..., FakeHost], tmp_path: Path
) -> None:
    # The third picture of the round runs out of memory; the second of two simultaneous pictures kills the
    # worker.
    engine(lambda number: {3: "failed", 23: "lost"}.get(number, ""))
    results = await measure(tmp_path)
    assert [picture.reason for picture in results.usual if picture.end is None] == ["out_of_memory"]
    assert [each.failures for each in results.simultaneous.values()] == [0, 1, 0, 0]
    cells = {row.what: row.here for row in article_table.rows(results, "en")}
    assert cells["success of all pictures"] == "94 % (30 / 32)"
    assert ", 1 failed" in cells["mean of 10 pictures, 128 × 192 (article: 512 × 768)"]


async def test_a_shelf_of_one_lora_has_no_switch(
    engine: Callable[..., FakeHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = article.read_shelf

    def read_one(folders: object, model: object) -> object:
        shelf = read(folders, model)  # type: ignore[arg-type]
        name = next(iter(shelf.files))
        return type(shelf)({name: shelf.files[name]})

    monkeypatch.setattr(article, "read_shelf", read_one)
    engine()
    results = await measure(tmp_path)
    assert results.switch is None
    assert "this needs two usable LoRAs" in article_table.rows(results, "en")[-1].here


def picture(seconds: float, peak_gib: float = 20.0) -> TimedPicture:
    return TimedPicture(seconds, Finished("", 1, Timings(), int(peak_gib * GIB)))


@pytest.fixture
def results() -> ArticleResults:
    three = SimultaneousPictures((picture(1.0), picture(2.0), TimedPicture(9, None)))
    return ArticleResults(
        INFO, 12.5, picture(2.0), (512, 768), (768, 1152),
        usual=[picture(1.0), picture(2.0)], large=[picture(4.0, 22.5)],
        simultaneous={2: SimultaneousPictures((picture(1.0), picture(2.5))), 3: three},
        switch=LoraSwitchCost(0.0042, 0.0031), used_bytes=23 * GIB,
    )  # fmt: skip


def test_the_table_has_the_article_s_figures_beside_ours(results: ArticleResults) -> None:
    cells = {row.what: row for row in article_table.rows(results, "en")}
    assert cells["start to ready"].here == "12.50 s"
    assert cells["start to ready"].a10 == "108.3 s"
    assert cells["mean of 2 pictures, 512 × 768"].here == "1.50 s"
    assert cells["mean of 2 pictures, 512 × 768"].a100 == "3.2 s"
    assert cells["10 in a row, 768 × 1152"].here == "4.00 s"
    assert cells["peak memory"].here == "22.50 GiB; all programs on the card 23.00 GiB"
    assert cells["2 at once"].here == "mean 1.75 s, spread 1.50 s, 0 failed"
    assert cells["3 at once"].here == "mean 1.50 s, spread 1.00 s, 1 failed"
    assert cells["another LoRA than before"].here == "4 ms longer, 3.1 ms of it to load the weights"
    chinese = article_table.rows(results, "zh-CN")
    assert [row.a10 for row in chinese if "同时" in row.what] == ["第二张慢 40 %", "第三张失败率超过 60 %"]


def test_the_file_has_what_the_screen_has(results: ArticleResults) -> None:
    document = article_table.document(results)
    page = article_table.markdown(json.loads(json.dumps(document)))
    assert document["seconds"] == [1.0, 2.0]
    for row in article_table.rows(results, "en"):
        assert f"| {row.what} | {row.here} | {row.a10} | {row.a100} |" in page
    assert "NVIDIA A10; torch 2.11.0; Z-Image-Turbo, bfloat16" in page


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("failed", 1)])
async def test_the_command_prints_and_writes_the_results_and_its_exit_code_shows_failures(
    engine: Callable[..., FakeHost],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    code: int,
) -> None:
    engine(lambda number: fault if number == 5 else "")
    into = tmp_path / "results"
    settings = Settings(data_dir=tmp_path, language="zh-CN")
    assert await article_table.report(settings, rounds=1, into=into) == code
    assert "启动到就绪" in capsys.readouterr().out
    assert {path.name for path in into.iterdir()} == {"article.json", "article.md"}
    assert "start to ready" in (into / "article.md").read_text(encoding="utf-8")
