"""What a finished job adds to the figures."""

from collections.abc import Callable
from pathlib import Path

from bot.commands.values import LoraWish
from bot.monitoring.figures import REGISTRY
from engine.request import Event, Failed, Finished, RenderRequest, Stopped, Timings
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import Act, FakeRenderer

STAGES = ("lora", "text", "denoise", "decode", "encode", "start")
LABELS = {
    "platform", "state", "reason", "stage", "result", "outcome", "way", "rule", "le", "generation",
}  # fmt: skip


class TimedRenderer(FakeRenderer):
    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        await super()._render(request, listen, act)
        return Finished(request.job_id, request.attempt, Timings(1, 2, 4, 8, 16, 32), peak_bytes=1)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_job_with_other_loras_is_a_switch(harness: DeskHarness) -> None:
    before = value("sugarbot_lora_switches_total")
    async with harness.running():
        for number, name in enumerate(("sugar", "sugar", "anime", "", ""), 1):
            await harness.accept(f"e{number}", loras=(LoraWish(name),) if name else ())
            await harness.chat.wait_for_results(number)
    assert value("sugarbot_lora_switches_total") == before + 2


async def test_each_stage_of_a_job_is_observed(tmp_path: Path) -> None:
    before = [value("sugarbot_stage_seconds_sum", stage=stage) for stage in STAGES]
    async with open_harness(tmp_path, renderer=TimedRenderer()) as harness, harness.running():
        await harness.accept()
        await harness.chat.wait_for_results(1)
    after = [value("sugarbot_stage_seconds_sum", stage=stage) for stage in STAGES]
    assert [round(b - a, 6) for a, b in zip(before, after, strict=True)] == [1, 2, 4, 8, 16, 32]


async def test_labels_name_neither_people_nor_loras(harness: DeskHarness) -> None:
    async with harness.running():
        await harness.accept(loras=(LoraWish("sugar"),))
        await harness.chat.wait_for_results(1)
    assert {
        label for metric in REGISTRY.collect() for each in metric.samples for label in each.labels
    } <= LABELS
