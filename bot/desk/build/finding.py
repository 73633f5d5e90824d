"""Builds what people do with pictures that are drawn: find, share, delete, export."""

from dataclasses import dataclass
from functools import partial

from bot.desk.build.asking import AskingParts
from bot.desk.build.drawing import DrawingParts
from bot.desk.build.inputs import DeskInputs
from bot.desk.build.people import PeopleParts
from bot.desk.finding.export import PictureExport
from bot.desk.finding.history import PictureHistory
from bot.desk.finding.indexing import SearchIndex
from bot.desk.finding.settings import SettingsReader
from bot.desk.iterating.deletion import PictureDeletion
from bot.desk.iterating.messages import MessageDeletion
from bot.desk.iterating.offers import offers_of
from bot.desk.iterating.pictures import PicturePicking
from bot.desk.iterating.sharing import JobSharing
from bot.desk.people.history import HistoryQueries
from engine.config import PROMPTS


@dataclass(frozen=True, slots=True)
class FindingParts:
    """What people do with pictures that are drawn."""

    history: HistoryQueries
    picking: PicturePicking
    sharing: JobSharing
    deletion: PictureDeletion
    messages: MessageDeletion
    finding: PictureHistory
    index: SearchIndex
    settings: SettingsReader
    export: PictureExport


def build_finding(
    inputs: DeskInputs, people: PeopleParts, drawing: DrawingParts, asking: AskingParts
) -> FindingParts:
    """Make these parts."""
    store, clock, pictures_dir = inputs.store, inputs.clock, inputs.pictures_dir
    access, index = people.job_access, SearchIndex(store)
    deletion = PictureDeletion(store, drawing.loose_files, inputs.cache_dir / PROMPTS)
    return FindingParts(
        history=HistoryQueries(
            store=store,
            ledger=people.ledger,
            tiers=people.tiers,
            pictures_dir=pictures_dir,
            access=access,
            rules=people.rules,
            clock=clock,
        ),
        picking=PicturePicking(
            store=store,
            access=access,
            pictures_dir=pictures_dir,
            offers_of=partial(offers_of, inputs.model),
        ),
        sharing=JobSharing(
            store=store,
            access=access,
            rules=people.rules,
            may_draw=drawing.consents.may_draw,
            profiles=asking.profiles,
            result_ready=drawing.result_ready,
            files_to_delete=deletion.changed,
            clock=clock,
        ),
        deletion=deletion,
        messages=MessageDeletion(store),
        finding=PictureHistory(
            store=store,
            index=index,
            book=asking.book,
            access=access,
            queue=drawing.queue,
            pictures_dir=pictures_dir,
            result_ready=drawing.result_ready,
            clock=clock,
            taken=lambda: drawing.drawing.taken,
        ),
        index=index,
        settings=SettingsReader(
            book=asking.book,
            shelf=drawing.loras.shelf,
            consents=drawing.consents,
            model=inputs.model,
            download=inputs.downloader.read,
        ),
        export=PictureExport(
            store=store,
            space=drawing.space,
            pictures_dir=pictures_dir,
            folder=inputs.cache_dir / "exports",
            clock=clock,
        ),
    )
