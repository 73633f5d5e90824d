"""Builds the LoRAs and what draws with them, and what people and hosts do with them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.desk.asking.requests import LoraDefaults
from bot.desk.build.inputs import DeskInputs
from bot.desk.build.people import PeopleParts
from bot.desk.files import PictureSpace
from bot.desk.loras.reports import OwnerReports
from bot.desk.loras.shelf import LoraShelf
from bot.desk.loras.statements import Statements
from bot.desk.shelf.adding import LoraAddition
from bot.desk.shelf.lora_folder import LoraFolder
from bot.desk.shelf.management import ShelfManagement
from bot.desk.shelf.preview import PreviewStrips
from bot.desk.shelf.trials import TrialPictures
from bot.desk.shelf.versions import LocatedRenderer, LoraVersions
from bot.desk.shelf.view import ShelfView
from bot.store.rows import JobRow
from engine.config import LORA_VERSIONS


@dataclass(frozen=True, slots=True)
class LoraParts:
    """The LoRAs, and what draws with them."""

    shelf: LoraShelf
    versions: LoraVersions
    renderer: LocatedRenderer
    trials: TrialPictures
    files: LoraFolder
    strips: PreviewStrips

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Draw with these contents no more, and show no preview of them; replaces the earlier call's."""
        self.renderer.withdraw(sha256)
        self.strips.withdraw(sha256)


def build_loras(
    inputs: DeskInputs, space: PictureSpace, unfinished: Callable[[], Iterable[JobRow] | None]
) -> LoraParts:
    """Make these parts; ``unfinished`` returns the jobs that wait or are drawn, None while unknown."""
    shelf = LoraShelf(inputs.shelf, Statements(inputs.stated))
    versions = LoraVersions(inputs.cache_dir / LORA_VERSIONS, shelf, unfinished, inputs.reserve_bytes)
    renderer = LocatedRenderer(inputs.renderer, versions)
    trials = TrialPictures(renderer, inputs.model)
    return LoraParts(
        shelf=shelf,
        versions=versions,
        renderer=renderer,
        trials=trials,
        files=inputs.open_folder(shelf, trials),
        strips=PreviewStrips(
            inputs.cache_dir / "previews", inputs.weights, trials.draw, space.available_bytes
        ),
    )


@dataclass(frozen=True, slots=True)
class ShelfParts:
    """What people and hosts do with LoRAs."""

    shelf_view: ShelfView
    addition: LoraAddition
    management: ShelfManagement
    reports: OwnerReports


def build_shelf(
    inputs: DeskInputs, people: PeopleParts, loras: LoraParts, space: PictureSpace, defaults: LoraDefaults
) -> ShelfParts:
    """Make these parts."""
    store, clock, shelf, files = inputs.store, inputs.clock, loras.shelf, loras.files
    addition = LoraAddition(
        shelf=shelf,
        files=files,
        downloader=inputs.downloader,
        incoming=inputs.cache_dir / "incoming",
        space=space,
    )
    return ShelfParts(
        shelf_view=ShelfView(
            shelf=shelf, defaults=defaults, files=files, strips=loras.strips, rules=people.rules
        ),
        addition=addition,
        management=ShelfManagement(
            store=store, shelf=shelf, defaults=defaults, files=files, addition=addition, clock=clock
        ),
        reports=OwnerReports(store=store, shelf=shelf, clock=clock),
    )
