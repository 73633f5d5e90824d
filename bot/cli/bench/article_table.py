"""The results of ``bot.cli.bench.article`` beside the article's figures, on the screen and as Markdown."""

import asyncio
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.table import Table

from bot.checks.folders import require_writable
from bot.cli.bench.article import (
    LARGE_PX,
    PICTURES_PER_ROUND,
    USUAL_PX,
    ArticleResults,
    ArticleSize,
    TimedPicture,
    measure,
)
from bot.cli.screen import Screen, add_row
from bot.desk.maintenance import require_own
from bot.messages import N_, text
from bot.settings import Settings
from engine.durable import make_folder, write_file
from engine.formatting import format_gib

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its subject, the result here, and the results of the article's two cards."""

    what: str
    here: str
    a10: str = NOTHING
    a100: str = NOTHING


async def report(settings: Settings, *, rounds: int, into: Path | None) -> int:
    """Measure, print the table and write it; return the exit code.

    Args:
        settings: The model, the shelf and the device.
        rounds: Number of rounds of ten pictures.
        into: Folder for ``article.json`` and ``article.md``; by default ``bench`` in the data folder.

    Raises:
        EngineError: The model or the worker fails; pictures that fail are part of the table.
        DataFolderForeign: Without ``into``; the data folder is not for the bot alone. Nothing was measured.
        OSError: The folder is not writable; nothing was measured.
    """
    locale = settings.language
    if into is None:
        await asyncio.to_thread(require_own, settings.data_dir)
    folder = into or settings.data_dir / "bench"
    await asyncio.to_thread(require_writable, folder)
    with ProgressBar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text(N_("Drawing"), locale), total=None)
        results = await measure(
            settings, rounds=rounds, on_picture=lambda count: bar.update(task, completed=count)
        )
    out = Screen()
    out.print(on_screen(results, locale))
    await asyncio.to_thread(_write_results, document(results), folder)
    out.print_line(text(N_("All results are in {path}."), locale, path=str(folder)))
    return 0 if all(picture.end for picture in results.pictures) else 1


def document(results: ArticleResults) -> dict[str, Any]:
    """The content of ``article.json``, in English."""
    info = results.info
    return {
        "about": {
            "device": info.device_name,
            "model": info.model_name,
            "dtype": info.dtype,
            "versions": info.versions,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        },
        "rows": [asdict(row) for row in rows(results, "en")],
        "seconds": [picture.seconds for picture in results.usual if picture.end],
    }


def _write_results(document: Mapping[str, Any], folder: Path) -> None:
    make_folder(folder)
    data = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_file(folder / "article.json", data.encode())
    write_file(folder / "article.md", markdown(document).encode())


def rows(results: ArticleResults, locale: str) -> list[Row]:
    """All lines of the table in one language."""
    usual, large = _size(results.usual_px, USUAL_PX, locale), _size(results.large_px, LARGE_PX, locale)
    mean = text(N_("mean of {count} pictures, {size}"), locale, count=len(results.usual), size=usual)
    in_a_row = text(N_("{count} in a row, {size}"), locale, count=PICTURES_PER_ROUND, size=large)
    risk = text(N_("19.3 s, out of memory from the 7th"), locale)
    return [
        Row(text(N_("start to ready"), locale), _s(results.start_s), "108.3 s", "46.7 s"),
        Row(text(N_("first picture, cold"), locale), _mean([results.first], locale), "12.1 s", "5.8 s"),
        Row(mean, _mean(results.usual, locale), "8.4 s", "3.2 s"),
        Row(text(N_("peak memory"), locale), _peak(results, locale), "21.6 GB", "38.2 GB"),
        Row(text(N_("success of all pictures"), locale), _success(results.pictures), "100 %", "100 %"),
        Row(in_a_row, _mean(results.large, locale), risk, "4.1 s, 42.3 GB"),
        *_simultaneous_rows(results, locale),
        Row(text(N_("another LoRA than before"), locale), _switch(results, locale), "1.8 s", "0.9 s"),
    ]


def on_screen(results: ArticleResults, locale: str) -> Table:
    """The table for a terminal."""
    info = results.info
    table = Table(title=f"{info.model_name} · {info.device_name} · {info.dtype}")
    for title in (N_("what"), N_("here"), N_("article, A10"), N_("article, A100")):
        table.add_column(text(title, locale), overflow="fold")
    for row in rows(results, locale):
        add_row(table, (row.what, row.here, row.a10, row.a100))
    return table


def markdown(document: Mapping[str, Any]) -> str:
    """The content of ``article.md``, in English, from the result of ``document``."""
    about = document["about"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        "# The article's method on this machine",
        "",
        f"{about['device']}; {versions}; {about['model']}, {about['dtype']}; {about['date']}.",
        "",
        "| what | here | article, A10 | article, A100 |",
        "| --- | --- | --- | --- |",
        *(f"| {row['what']} | {row['here']} | {row['a10']} | {row['a100']} |" for row in document["rows"]),
    ]
    return "\n".join(lines) + "\n"


def _simultaneous_rows(results: ArticleResults, locale: str) -> list[Row]:
    a10 = {
        2: text(N_("the second takes 40 % longer"), locale),
        3: text(N_("the third fails more than 60 % of the time"), locale),
    }
    a100 = {5: text(N_("spread below 0.3 s, no failure"), locale)}
    lines = []
    for count, each in results.simultaneous.items():
        here = text(
            N_("mean {mean}, spread {spread}, {failures} failed"),
            locale,
            mean=_mean_of([picture.seconds for picture in each.pictures if picture.end]),
            spread=_s(each.spread_s),
            failures=each.failures,
        )
        what = text(N_("{count} at once"), locale, count=count)
        lines.append(Row(what, here, a10.get(count, NOTHING), a100.get(count, NOTHING)))
    return lines


def _peak(results: ArticleResults, locale: str) -> str:
    peaks = [picture.end.peak_bytes for picture in results.pictures if picture.end]
    ours = format_gib(max(peaks, default=0), digits=2)
    if not results.used_bytes:
        return ours
    used = format_gib(results.used_bytes, digits=2)
    return text(N_("{ours}; all programs on the card {used}"), locale, ours=ours, used=used)


def _switch(results: ArticleResults, locale: str) -> str:
    switch = results.switch
    if switch is None:
        return text(N_("not measured: this needs two usable LoRAs"), locale)
    longer, own = f"{switch.longer_s * 1000:.0f} ms", f"{switch.lora_s * 1000:.1f} ms"
    return text(N_("{longer} longer, {own} of it to load the weights"), locale, longer=longer, own=own)


def _size(ours: ArticleSize, articles: ArticleSize, locale: str) -> str:
    """Our size, followed by the article's size if it differs."""
    if ours == articles:
        return f"{ours[0]} × {ours[1]}"
    return text(N_("{size} (article: {other})"), locale, size=ours, other=articles)


def _mean(pictures: list[TimedPicture], locale: str) -> str:
    seconds = [picture.seconds for picture in pictures if picture.end]
    failures, mean = len(pictures) - len(seconds), _mean_of(seconds)
    return mean if not failures else text(N_("{mean}, {count} failed"), locale, mean=mean, count=failures)


def _mean_of(seconds: list[float]) -> str:
    return _s(statistics.mean(seconds)) if seconds else NOTHING


def _success(pictures: list[TimedPicture]) -> str:
    done = sum(picture.end is not None for picture in pictures)
    return f"{100 * done / len(pictures):.0f} % ({done} / {len(pictures)})"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"
