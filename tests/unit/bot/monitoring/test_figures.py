import pytest

from bot.errors import CannotSave, PersonError
from bot.monitoring.figures import REGISTRY, DrawnJobs, counting_refusals, note_flood_wait
from engine.request import LoraChoice, Timings

SUGAR, ANIME = (LoraChoice("sugar", "a" * 64),), (LoraChoice("anime", "b" * 64),)
LABELS = {
    "platform", "state", "reason", "stage", "result", "outcome", "way", "rule", "le", "generation",
}  # fmt: skip


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_job_with_other_loras_is_a_switch() -> None:
    jobs, before = DrawnJobs(), value("sugarbot_lora_switches_total")

    for loras in (SUGAR, SUGAR, ANIME, (), ()):
        jobs.note(Timings(), loras)

    assert value("sugarbot_lora_switches_total") == before + 2


def test_each_stage_of_a_job_is_observed() -> None:
    stages = ("lora", "text", "denoise", "decode", "encode")
    before = [value("sugarbot_stage_seconds_sum", stage=stage) for stage in stages]

    DrawnJobs().note(Timings(1, 2, 4, 8, 16), ())

    after = [value("sugarbot_stage_seconds_sum", stage=stage) for stage in stages]
    assert [round(b - a, 6) for a, b in zip(before, after, strict=True)] == [1, 2, 4, 8, 16]


async def test_refusals_are_counted_by_rule() -> None:
    @counting_refusals
    async def refuse(error: Exception) -> None:
        raise error

    before = value("sugarbot_refusals_total", rule="CannotSave")
    with pytest.raises(PersonError):
        await refuse(CannotSave())
    with pytest.raises(LookupError):
        await refuse(LookupError())

    assert value("sugarbot_refusals_total", rule="CannotSave") == before + 1
    assert value("sugarbot_refusals_total", rule="LookupError") == 0


def test_flood_waits_have_their_seconds() -> None:
    before = value("sugarbot_flood_wait_seconds_total", platform="discord")

    note_flood_wait("discord", 2.5)
    note_flood_wait("discord", -1)

    assert value("sugarbot_flood_wait_seconds_total", platform="discord") == before + 2.5


def test_labels_name_neither_people_nor_loras() -> None:
    DrawnJobs().note(Timings(), SUGAR)

    assert {
        label for metric in REGISTRY.collect() for each in metric.samples for label in each.labels
    } <= LABELS
