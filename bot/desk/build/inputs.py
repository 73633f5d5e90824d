"""What a desk is built from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from bot.desk.dispatch import ReportCard
from bot.desk.drawing.loop import Renderer
from bot.desk.hosting.statistics import DrawStatistics
from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf.lora_folder import LoraFolder
from bot.desk.shelf.trials import TrialPictures
from bot.downloads import Downloader
from bot.outcomes import Diagnosis
from bot.policy.rules import Rules
from bot.store import Store
from bot.store.rows import StatedRow
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.planner.costs.book import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.shelf import Shelf


async def _find_nothing() -> Diagnosis:
    return Diagnosis((), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskInputs:
    """What a desk is built from.

    Attributes:
        store: The open database.
        renderer: Draws the pictures.
        shelf: The LoRAs.
        stated: What the database has on them, and on earlier ones.
        model: The model that the renderer draws with.
        diagnose: Checks the set-up while the bot runs; by default it finds nothing.
        draw_statistics: Draws the picture of ``/stats``; by default none.
        weights: A hash that distinguishes its weights from others; a preview drawn with others is not shown.
        probe: Measures the free memory of the card.
        costs: Predicts what a job needs.
        rules: Who may do what, and how much.
        pictures_dir: The folder of the finished pictures; created when the first one is saved.
        clock: UTC milliseconds.
        open_folder: Gives the LoRA folder that fills the shelf and draws trial pictures.
        cache_dir: The data folder: downloads in progress, previews, the hash of the code of the first host.
        downloader: Downloads LoRA files.
        reserve_bytes: What pictures leave free on the disk now.
        default_lora: The default where no host switched one; empty for none.
        is_loading: Whether the renderer still loads its model, so that nothing is drawn yet.
        loading_s: How long that takes about, while it does; None if unknown.
        random: Generates seeds, job ids and link codes.
        report_card: Returns the state of the card; None reports what ``probe`` measures.
        locale: Returns that of hosts whose language is unknown.
        sends_alerts: Returns whether hosts get alerts.
        measure: Counts the tokens of a prompt; None leaves that to the worker, after the charge.
    """

    store: Store
    renderer: Renderer
    shelf: Shelf
    model: ModelInfo
    probe: HeadroomProbe
    costs: CostBook
    rules: Rules
    pictures_dir: Path
    clock: Callable[[], int]
    open_folder: Callable[[LoraShelf, TrialPictures], LoraFolder]
    cache_dir: Path
    downloader: Downloader
    reserve_bytes: Callable[[], int] = lambda: 0
    default_lora: str = ""
    is_loading: Callable[[], bool] = lambda: False
    loading_s: Callable[[], float | None] = lambda: None
    random: Random = field(default_factory=SystemRandom)
    report_card: ReportCard | None = None
    measure: Callable[[str], PromptLength] | None = None
    diagnose: Callable[[], Awaitable[Diagnosis]] = _find_nothing
    draw_statistics: DrawStatistics = lambda _, __: b""
    weights: str = ""
    locale: Callable[[], str] = lambda: "en"
    sends_alerts: Callable[[], bool] = lambda: True
    stated: Sequence[StatedRow] = ()
