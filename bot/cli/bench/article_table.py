"""The results of ``bot.cli.bench.article`` beside the article's columns, on the screen and as Markdown."""

import asyncio
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from bot.checks.folders import require_writable
from bot.cli.bench.article import LARGE, ROUND, USUAL, Findings, Shot, SizePx, measure
from bot.cli.screen import Screen, add_row
from bot.messages import N_, text
from bot.settings import Settings
from engine.sizes import format_gib

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is about, measured here, and on the article's two cards."""

    what: str
    here: str
    a10: str = NOTHING
    a100: str = NOTHING


async def report(settings: Settings, *, rounds: int, into: Path | None) -> int:
    """Measure, print the table and write it; returns the command's exit code.

    Args:
        settings: Say which model, shelf and device.
        rounds: Of ten pictures.
        into: Where ``article.json`` and ``article.md`` go; left out, ``bench`` in the data folder.

    Raises:
        EngineError: The model or the worker is at fault; single pictures that fail are in the table.
        OSError: The folder cannot be written; nothing was measured.
    """
    locale = settings.language
    folder = into or settings.data_dir / "bench"
    await asyncio.to_thread(require_writable, folder)
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text(N_("Drawing"), locale), total=None)
        findings = await measure(
            settings, rounds=rounds, tell=lambda count: bar.update(task, completed=count)
        )
    out = Screen()
    out.print(on_screen(findings, locale))
    await asyncio.to_thread(_write, document(findings), folder)
    out.say(text(N_("All of it is in {path}."), locale, path=str(folder)))
    return 0 if all(shot.end for shot in findings.shots) else 1


def document(findings: Findings) -> dict[str, Any]:
    """Everything as ``article.json`` has it, in English."""
    info = findings.info
    return {
        "about": {
            "device": info.device_name,
            "model": info.model_name,
            "dtype": info.dtype,
            "versions": info.versions,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        },
        "rows": [asdict(row) for row in rows(findings, "en")],
        "seconds": [shot.seconds for shot in findings.usual if shot.end],
    }


def _write(written: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(written, indent=2, ensure_ascii=False) + "\n"
    (folder / "article.json").write_text(data, encoding="utf-8")
    (folder / "article.md").write_text(markdown(written), encoding="utf-8")


def rows(findings: Findings, locale: str) -> list[Row]:
    """Every line of the table, in one language."""
    usual, large = _size(findings.usual_px, USUAL, locale), _size(findings.large_px, LARGE, locale)
    mean = text(N_("mean of {count} pictures, {size}"), locale, count=len(findings.usual), size=usual)
    in_a_row = text(N_("{count} in a row, {size}"), locale, count=ROUND, size=large)
    risk = text(N_("19.3 s, out of memory from the 7th"), locale)
    return [
        Row(text(N_("start to ready"), locale), _s(findings.start_s), "108.3 s", "46.7 s"),
        Row(text(N_("first picture, cold"), locale), _mean([findings.first], locale), "12.1 s", "5.8 s"),
        Row(mean, _mean(findings.usual, locale), "8.4 s", "3.2 s"),
        Row(text(N_("peak memory"), locale), _peak(findings, locale), "21.6 GB", "38.2 GB"),
        Row(text(N_("success of all pictures"), locale), _success(findings.shots), "100 %", "100 %"),
        Row(in_a_row, _mean(findings.large, locale), risk, "4.1 s, 42.3 GB"),
        *_together(findings, locale),
        Row(text(N_("another LoRA than before"), locale), _switch(findings, locale), "1.8 s", "0.9 s"),
    ]


def on_screen(findings: Findings, locale: str) -> Table:
    """The table for a terminal."""
    info = findings.info
    table = Table(title=f"{info.model_name} · {info.device_name} · {info.dtype}")
    for title in (N_("what"), N_("here"), N_("article, A10"), N_("article, A100")):
        table.add_column(text(title, locale), overflow="fold")
    for row in rows(findings, locale):
        add_row(table, (row.what, row.here, row.a10, row.a100))
    return table


def markdown(document: Mapping[str, Any]) -> str:
    """The same in a file, in English, from what ``document`` made."""
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


def _together(findings: Findings, locale: str) -> list[Row]:
    a10 = {
        2: text(N_("the second takes 40 % longer"), locale),
        3: text(N_("the third fails more than 60 % of the time"), locale),
    }
    a100 = {5: text(N_("spread below 0.3 s, no failure"), locale)}
    lines = []
    for count, each in findings.together.items():
        here = text(
            N_("mean {mean}, spread {spread}, {failures} failed"),
            locale,
            mean=_mean_of([shot.seconds for shot in each.shots if shot.end]),
            spread=_s(each.spread_s),
            failures=each.failures,
        )
        what = text(N_("{count} at once"), locale, count=count)
        lines.append(Row(what, here, a10.get(count, NOTHING), a100.get(count, NOTHING)))
    return lines


def _peak(findings: Findings, locale: str) -> str:
    peaks = [shot.end.peak_bytes for shot in findings.shots if shot.end]
    ours = format_gib(max(peaks, default=0), digits=2)
    if not findings.used_bytes:
        return ours
    used = format_gib(findings.used_bytes, digits=2)
    return text(N_("{ours}; all programs on the card {used}"), locale, ours=ours, used=used)


def _switch(findings: Findings, locale: str) -> str:
    switch = findings.switch
    if switch is None:
        return text(N_("not measured: it takes two LoRAs that can be drawn with"), locale)
    longer, own = f"{switch.longer_s * 1000:.0f} ms", f"{switch.lora_s * 1000:.1f} ms"
    return text(N_("{longer} longer; {own} to fetch the weights"), locale, longer=longer, own=own)


def _size(ours: SizePx, articles: SizePx, locale: str) -> str:
    """A size; where it is not the article's, both."""
    if ours == articles:
        return f"{ours[0]} × {ours[1]}"
    return text(N_("{size}, where the article has {other}"), locale, size=ours, other=articles)


def _mean(shots: list[Shot], locale: str) -> str:
    seconds = [shot.seconds for shot in shots if shot.end]
    failures, mean = len(shots) - len(seconds), _mean_of(seconds)
    return mean if not failures else text(N_("{mean}, {count} failed"), locale, mean=mean, count=failures)


def _mean_of(seconds: list[float]) -> str:
    return _s(statistics.mean(seconds)) if seconds else NOTHING


def _success(shots: list[Shot]) -> str:
    done = sum(shot.end is not None for shot in shots)
    return f"{100 * done / len(shots):.0f} % ({done} / {len(shots)})"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"
