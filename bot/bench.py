"""`sugarbot bench`: measure this machine as it is set up, with a LoRA on every picture.

It times the engine alone (no chat, no database). It does not yet compare with stock diffusers, the strongest
known recipe or the card's arithmetic floor; it says so below its table.
"""

import asyncio
import statistics
import time

from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from bot.commands.grammar import draw_of
from bot.commands.values import Pixels, Ratio
from bot.errors import SizeNotAllowed, UnknownLora
from bot.settings import Settings
from bot.words import N_, text
from engine.errors import EngineError
from engine.host import Host
from engine.model import ModelInfo, built_in_lora_folder, find_model
from engine.request import Failed, Finished, LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.shelf import Shelf, read_shelf

PROMPT = "清透水光肌，微醺蜜桃腮红，薄涂裸粉唇釉，眼尾轻挑带慵懒笑意，细碎睫毛轻颤"
STAGES = ("lora_s", "text_s", "denoise_s", "decode_s", "encode_s")


async def report(settings: Settings, *, pictures: int, size: str, lora: str) -> int:
    """Start a worker, draw ``pictures`` one by one, print a table; returns the exit code.

    Raises:
        PersonError: A size or LoRA that this machine does not have.
        EngineError: The model or the worker is at fault, or a picture failed.
    """
    config = settings.to_engine_config()
    model = await asyncio.to_thread(find_model, config)
    shelf = await asyncio.to_thread(read_shelf, [built_in_lora_folder(model), config.lora_dir], model)
    width_px, height_px = _size(model, size)
    choice = _choice(shelf, lora)
    host = Host(config)
    finished: list[tuple[float, Finished]] = []
    out = Console()
    try:
        info = await host.start()
        with Bar(console=Console(stderr=True), transient=True) as bar:
            for index in bar.track(range(pictures + 1), description=text(N_("Drawing"), settings.language)):
                request = RenderRequest(
                    job_id=f"bench-{index}",
                    attempt=1,
                    prompt=f"{PROMPT}，{index}",  # a new text each time, so that no embedding is reused
                    width_px=width_px,
                    height_px=height_px,
                    seed=index,
                    loras=choice,
                )
                finished.append(await _timed(host, request))
    finally:
        await host.close()
    _print(out, settings.language, info, finished, f"{width_px} × {height_px}", choice)
    return 0


async def _timed(host: Host, request: RenderRequest) -> tuple[float, Finished]:
    began = time.perf_counter()
    end = await host.render(request, lambda event: None)
    match end:
        case Finished():
            return time.perf_counter() - began, end
        case Failed(reason=reason, detail=detail):
            raise EngineError(f"{reason}: {detail}")
        case Stopped():
            raise EngineError("the worker stopped by itself")


def _size(model: ModelInfo, size: str) -> tuple[int, int]:
    match draw_of("bench", size=size or None).size:
        case Pixels(width_px, height_px):
            if not model.allows(width_px, height_px):
                raise SizeNotAllowed(
                    width_px=width_px, height_px=height_px, nearest=model.nearest(width_px, height_px)
                )
            return width_px, height_px
        case Ratio(width, height):
            return model.fit(width, height)
        case None:
            return model.native_width_px, model.native_height_px


def _choice(shelf: Shelf, lora: str) -> tuple[LoraChoice, ...]:
    if lora and lora not in shelf.files:
        raise UnknownLora(name=lora, nearest=tuple(shelf.files)[:3])
    names = [lora] if lora else list(shelf.files)[:1]
    return tuple(LoraChoice(name, shelf.files[name].sha256, shelf.files[name].weight) for name in names)


def _print(
    out: Console,
    locale: str,
    info: WorkerInfo,
    finished: list[tuple[float, Finished]],
    size: str,
    loras: tuple[LoraChoice, ...],
) -> None:
    (first_s, _), *rest = finished
    table = Table(title=f"{info.model_name} · {info.device_name} · {info.dtype} · {size}")
    table.add_column(text(N_("what"), locale))
    table.add_column(text(N_("seconds"), locale), justify="right")
    table.add_row(text(N_("start to ready"), locale), f"{info.load_s:.2f}")
    table.add_row(text(N_("first picture, cold"), locale), f"{first_s:.3f}")
    whole = text(N_("one picture, median of {count}"), locale, count=len(rest))
    table.add_row(whole, f"{statistics.median(seconds for seconds, _ in rest):.3f}")
    for stage in STAGES:
        median_s = statistics.median(getattr(end.timings, stage) for _, end in rest)
        table.add_row(f"  {stage.removesuffix('_s')}", f"{median_s:.3f}")
    out.print(table)
    peak = max(end.peak_bytes for _, end in rest) / 2**30
    names = ", ".join(f"{choice.name}:{choice.weight:g}" for choice in loras) or "none"
    versions = " · ".join(f"{name} {version}" for name, version in info.versions.items())
    out.print(
        text(
            N_("LoRA {names} · peak memory {peak} GiB · {detail}"),
            locale,
            names=names,
            peak=f"{peak:.2f}",
            detail=versions,
        )
    )
    out.print(
        text(
            N_("Not compared yet: stock diffusers, the strongest known recipe, the card's own limit."),
            locale,
        )
    )
